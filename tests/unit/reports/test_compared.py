"""How the comparison of datastores is shown: on the terminal, as pages, as Markdown and as JUnit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from harness.check.verdict import judge
from reports.campaign import load, summary
from reports.junit import render as render_junit
from reports.markdown import render as render_markdown
from reports.spread import draw_spread
from reports.write import write_all
from tests.unit.reports import bundles, stores
from tests.unit.reports.stores import ONE, printed

if TYPE_CHECKING:
    from pathlib import Path


def test_one_datastore_is_compared_with_nothing(campaign_dir: Path) -> None:
    """A campaign on one datastore has no comparison, in no report."""
    campaign = load(campaign_dir)
    assert campaign.comparisons == ()
    assert (summary(campaign)["differential"], summary(campaign)["not_applicable"]) == ([], [])
    assert draw_spread(campaign.comparisons) is None
    assert "final inventory" not in printed(campaign_dir)
    assert "datastores" not in render_markdown(campaign)
    write_all(campaign_dir)
    assert "several datastores" not in (campaign_dir / "index.html").read_text()


def test_the_terminal_compares_the_datastores(stores_dir: Path) -> None:
    """A row for each scenario with n/a and - in their places, then differences, ratios and what was left out."""
    text = printed(stores_dir)
    rows = [[cell.strip() for cell in row.split("│")] for row in text.splitlines()]
    assert ["chaos/api-server-killed", "✓ 2.1 s", "-", "✓ 2.4 s", "✓ 5.9 s", "✓ same"] in rows
    assert ["chaos/node-cordoned", "✓ 840 ms", "-", "✓ 910 ms", "✓ 1.2 s", "✗ different"] in rows
    assert ["chaos/leader-moved", "n/a", "✓", "n/a", "n/a", "-"] in rows
    for said in (
        "chaos/node-cordoned: node worker-1: cpu.allocated 3 on postgres, 2.5 on etcd",
        "slowest to fastest recovery:",
        "    2.8  chaos/api-server-killed (2.1 s on etcd, 5.9 s on postgres)",
        "not applicable on etcd, sqlite, postgres: chaos/leader-moved, chaos/member-replaced (possible on etcd3)",
        "✗ FAIL  reference: 7 PASS, 1 with different final inventories",
    ):
        assert said in text.splitlines()


def test_what_was_left_out_is_told_with_one_datastore_too(tmp_path: Path) -> None:
    """Who asks for sqlite alone learns what cannot be run there."""
    stores.stored(tmp_path, "chaos/x", "sqlite", ONE)
    row = {"test": "chaos/leader-moved", "datastore": "sqlite", "why": "possible on etcd3"}
    (tmp_path / "not-applicable.json").write_text(json.dumps([row]))
    said = "not applicable on sqlite: chaos/leader-moved (possible on etcd3)"
    assert said in printed(tmp_path).splitlines()
    assert "final inventory" not in printed(tmp_path)
    write_all(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert said in page
    assert ">Not applicable</h2>" in page
    assert "several datastores" not in page
    assert "not applicable on sqlite" in (tmp_path / "report.md").read_text()


def test_many_differences_do_not_flood_the_terminal(tmp_path: Path) -> None:
    """Twenty are shown, and how many more there are; the summary has all."""
    stores.stored(tmp_path, "chaos/x", "etcd", stores.inventory(*(stores.node(f"w-{n}") for n in range(50))))
    stores.stored(tmp_path, "chaos/x", "sqlite", stores.inventory())
    assert printed(tmp_path).count("not reported on sqlite, reported on etcd") == 20
    assert "… and 30 more, in summary.json" in printed(tmp_path)
    assert len(summary(load(tmp_path))["differential"][0]["differences"]) == 50


@pytest.mark.parametrize(
    ("times", "ratio"), [((2.0, 5.0), "2.5"), ((0.0, 5.0), "over 1000"), ((0.0, 0.0), "1.0"), ((None, 5.0), "-")]
)
def test_the_ratio_of_recoveries(tmp_path: Path, times: tuple[float | None, float], ratio: str) -> None:
    """Slowest to fastest, where two are known, and no division by nothing."""
    for kind, recovery_s in zip(("etcd", "sqlite"), times, strict=True):
        stores.stored(tmp_path, "chaos/x", kind, ONE, recovery_s=recovery_s)
    row = next(row for row in render_markdown(load(tmp_path)).splitlines() if row.endswith("| ✓ same |"))
    assert row.split(" | ")[-2] == ratio


def test_the_reports_say_the_datastore_of_a_run(tmp_path: Path) -> None:
    """Page, terminal, Markdown and JUnit name it, with its version where that is known."""
    broken = judge("TRUTH-1", examined=3, unit="values", findings=[bundles.finding("wrong", 1.0)])
    stores.stored(tmp_path, "chaos/x", "sqlite", ONE, promises=(broken,))
    write_all(tmp_path)
    said = "sqlite: kine v0.17.5 on SQLite 3.40.1"
    assert f"Datastore: {said}" in (tmp_path / "chaos" / "x@sqlite" / "report.html").read_text()
    assert f"  datastore: {said}\n" in printed(tmp_path)
    assert "- datastore sqlite: kine" in (tmp_path / "report.md").read_text()
    case = ET.fromstring(render_junit(load(tmp_path))).find("./testsuite/testcase")  # noqa: S314 - our own text
    assert case is not None
    assert said in [item.get("value") for item in case.iter("property")]


def test_markdown_has_the_table(stores_dir: Path) -> None:
    """The same table for a pull request, the differences below it."""
    text = render_markdown(load(stores_dir))
    assert "7 runs of 3 scenarios: 7 PASS, 1 with different final inventories." in text
    assert "| scenario | etcd | etcd3 | sqlite | postgres | slowest / fastest | final inventory |" in text
    assert "| chaos/node-cordoned | ✓ 840 ms | - | ✓ 910 ms | ✓ 1.2 s | 1.4 | ✗ different |" in text
    assert "- chaos/node-cordoned: node worker-1: cpu.allocated 3 on postgres, 2.5 on etcd" in text


def test_junit_lets_no_difference_pass(stores_dir: Path) -> None:
    """Each comparison of two or more is a test case; a difference is a failure, one alone is none."""
    suite = ET.fromstring(render_junit(load(stores_dir))).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "15", "1", "0", "6"
    )  # fmt: skip
    cases = {case.get("name"): case for case in suite.iter("testcase") if case.get("classname") == "same-inventory"}
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        "chaos/api-server-killed": [],
        "chaos/node-cordoned": ["failure"],
    }


def test_the_index_has_table_and_plot(stores_dir: Path) -> None:
    """Cells lead to the runs, differences are told, and each known recovery is a dot."""
    write_all(stores_dir)
    text = (stores_dir / "index.html").read_text()
    assert 'href="./chaos/node-cordoned%40postgres/report.html" title="✓ PASS"' in text
    assert "node worker-1: cpu.allocated 3 on postgres, 2.5 on etcd" in text
    assert len(re.findall(r'<circle class="d-PASS"', text)) == 6
    assert len(re.findall(r'<line class="median"', text)) == 3
    assert "chaos/api-server-killed on postgres: 5.9 s, PASS" in text
    assert "etcd: 2 runs, 840 ms to 2.1 s, median 1.5 s" in text
    assert "etcd3: no recovery known" in text


def test_dots_lie_within_the_plot_and_do_not_hide_each_other(tmp_path: Path) -> None:
    """Equal recoveries are put above and below the middle; nothing is drawn outside."""
    for number in range(5):
        for kind in ("etcd", "sqlite"):
            stores.stored(tmp_path, f"chaos/x{number}", kind, ONE, recovery_s=1.0 if kind == "etcd" else 8.0)
    strip = draw_spread(load(tmp_path).comparisons)
    assert strip is not None
    for row in strip.rows:
        assert len({(dot.x, dot.y) for dot in row.dots}) == 5
        assert all(0 <= dot.x <= strip.width and 0 <= dot.y <= strip.bottom for dot in row.dots)
        assert row.median_x == row.dots[0].x
    assert strip.rows[0].dots[0].x < strip.rows[1].dots[0].x


def test_names_from_outside_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    """A scenario, a datastore, a node and a note that try to inject something do so in no report."""
    name = "chaos/" + bundles.HOSTILE.replace("/", "")
    rough = stores.inventory(stores.node(bundles.HOSTILE))
    stores.stored(tmp_path, name, "etcd", ONE)
    bundle = bundles.write_run(
        tmp_path, f"{name}@other", promises=bundles.kept("TRUTH-1"), datastore="other", version=bundles.HOSTILE
    )
    stores.ended(bundle, name, rough)
    foreign = bundles.HOSTILE
    bundles.write_run(tmp_path, "chaos/y", promises=bundles.kept("TRUTH-1"), datastore=foreign)
    row = {"test": bundles.HOSTILE, "datastore": foreign, "why": bundles.HOSTILE}
    (tmp_path / "not-applicable.json").write_text(json.dumps([row]))
    written = write_all(tmp_path)
    pages = [path.read_text() for path in written if path.suffix == ".html"]
    texts = [*pages, printed(tmp_path), render_markdown(load(tmp_path)), render_junit(load(tmp_path))]
    assert not any(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) for text in texts)
    assert not any(re.search(r"<\s*script", text) for text in pages)
    ET.fromstring(texts[-1])  # noqa: S314 - our own text
    assert any("not applicable on &lt;script&gt;" in page for page in pages)
