"""Text from outside in every format: shown, never obeyed."""

from __future__ import annotations

import html
import io
import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.check.verdict import judge
from reports.campaign import load
from reports.junit import render as render_junit
from reports.markdown import render as render_markdown
from reports.terminal import print_summary
from reports.visible import fenced, line, markdown, measured, seconds, visible
from reports.words import harm
from reports.write import write_all
from tests.unit.reports import bundles

if TYPE_CHECKING:
    from pathlib import Path

    from reports.campaign import Run

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
TAG = re.compile(r"<\s*script", re.IGNORECASE)


def _printed(out: Path, *, width: int = 100, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    print_summary(load(out), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünï ✓", "plain, ünï ✓"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb\x07\x7f\x9b", "a\\u200bb\\x07\\x7f\\x9b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("two\nlines\r", "two\nlines\\x0d"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    """Control, direction and zero-width characters become escapes; everything else stays."""
    assert visible(text) == shown


def test_one_line_stays_one_line() -> None:
    """Line breaks of every kind become spaces."""
    assert line("a\nb\r\n  c\u2028d\te") == "a b c d e"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.35, "350 ms"), (3.21, "3.2 s"), (245.0, "4 min 05 s"), (0.0, "0 ms")]
)
def test_durations_are_readable(value: float | None, shown: str) -> None:
    """Durations are shown in the unit that people would use."""
    assert seconds(value) == shown


def test_a_measured_number_has_the_unit_of_its_name() -> None:
    """Only names that end with _s are durations."""
    assert measured("worst_latency_s", 0.04) == "worst latency 40 ms"
    assert measured("self_exits", 2.0) == "self exits 2"


@pytest.mark.parametrize(
    "text", ["a|b", "`x`", "<b>", "[a](b)", "*a*", "a_b_", "# a", "- a", "1. a", "~~a~~", "\\|", "&lt;"]
)
def test_markdown_is_taken_literally(text: str) -> None:
    """Every character that Markdown gives a meaning to is behind a backslash."""
    escaped = markdown(text)
    assert re.sub(r"\\([^a-z0-9\s])", r"\1", escaped) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`<*\[]", escaped)


def test_a_fence_is_longer_than_what_it_holds() -> None:
    """Backticks inside a block of code cannot end it."""
    assert fenced("a ```` b").splitlines()[0] == "`````text"


def test_html_pages_hold_no_markup_from_outside(hostile_dir: Path) -> None:
    """In no page does a name become a tag, an attribute or a character that cannot be seen; it can still be read."""
    pages = [path for path in write_all(hostile_dir) if path.suffix == ".html"]
    assert len(pages) == 2
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not TAG.search(text)
        assert not UNSEEN.search(text)
        assert "cannot draw" not in text
        assert "There is no timeline" not in text
        assert html.escape("<script>alert(", quote=False) in text
        assert "\\x1b[31m" in text


def test_pages_load_nothing_from_elsewhere(campaign_dir: Path) -> None:
    """No page has a script, a style sheet, a font or an image of its own; all links are relative."""
    for path in write_all(campaign_dir):
        if path.suffix != ".html":
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<(script|iframe|object|embed|img|link rel=.stylesheet)", text)
        assert not re.search(r"@import|https?://|url\((?!#)", text)
        assert all(link.startswith(("./", "../", "#", "data:,")) for link in re.findall(r'href="([^"]*)"', text))


def test_the_links_of_the_pages_lead_somewhere(campaign_dir: Path) -> None:
    """Each relative link is a file, and each fragment within a page is an element of it."""
    checked = 0
    for path in write_all(campaign_dir):
        text = path.read_text(encoding="utf-8") if path.suffix == ".html" else ""
        for target in re.findall(r'href="([^"]*)"', text):
            name, _, fragment = target.partition("#")
            if name.startswith("."):
                assert (path.parent / name).is_file(), target
            elif fragment:
                assert f'id="{fragment}"' in text, target
            checked += 1
    assert checked > 30


def test_the_terminal_is_not_steered(hostile_dir: Path) -> None:
    """No control character reaches the terminal, and markup in names is shown as it is written."""
    text = _printed(hostile_dir)
    assert not UNSEEN.search(text)
    assert "[bold]red" in text
    assert "\\x1b[31m" in text


def test_the_terminal_is_coloured_by_us_alone(hostile_dir: Path) -> None:
    """With colours on, every escape sequence is one of ours: a colour or a reset."""
    text = _printed(hostile_dir, colour=True)
    assert set(re.findall("\x1b[^m]*m", text)) <= {
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[1;31m",
        "\x1b[31m",
        "\x1b[33m",
        "\x1b[32m",
        "\x1b[2m",
    }
    assert "\\x1b[31m" in text


def test_the_terminal_says_what_a_person_needs(campaign_dir: Path) -> None:
    """Verdicts, names of broken promises, findings, reasons, seed, bundle and command are all there, unbroken."""
    text = _printed(campaign_dir, width=80)
    assert "✗ FAIL" in text
    assert "? UNKNOWN" in text
    assert "! ERROR" in text
    assert "✗AVAIL-1" in text
    assert "12.10 s, 2.05 s after inject of api-server-killed; expected the last known inventory or an error" in text
    assert "cannot say AVAIL-1: etcd did not stop" in text
    assert "the run is in doubt: 0-etcd-killed did not show that it bit" in text
    assert f"bundle: {campaign_dir}/chaos/api-server-killed\n" in text
    assert "reproduce: harness run -k chaos/api-server-killed --seed 7\n" in text
    assert "hint: is the disk full?" in text
    assert "3 PASS, 1 FAIL, 1 UNKNOWN, 1 ERROR" in text


def test_every_report_says_how_the_operator_was_supervised(tmp_path: Path) -> None:
    """A campaign as deployed says so, in its summary and at the run."""
    broken = judge("TRUTH-3", examined=9, unit="values", findings=[bundles.finding("x", 1.0)])
    bundle = bundles.write_run(tmp_path, "chaos/x", promises=(broken,))
    plan = bundles.plan("chaos/x")
    plan["scenario"] |= {"supervised": True, "liveness": True, "backoff_scale": 0.1}
    (bundle / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    how = "operator restarted when it exits or the chart's liveness script fails (waits 0.1 of a kubelet's)"

    write_all(tmp_path)

    assert f"\n{how}: 1 of 1 run\n" in _printed(tmp_path)
    assert f"- {how}: 1 of 1 run\n" in render_markdown(load(tmp_path))
    for page in (tmp_path / "index.html", bundle / "report.html"):
        assert how in html.unescape(page.read_text(encoding="utf-8"))


def test_findings_are_shown_up_to_three(tmp_path: Path) -> None:
    """A promise broken many times does not flood the terminal: three findings, and how many more there are."""
    found = [bundles.finding(f"finding number {number}", float(number)) for number in range(9)]
    broken = judge("TRUTH-3", examined=9, unit="values", findings=found)
    bundles.write_run(tmp_path, "chaos/x", promises=(broken,))
    text = _printed(tmp_path)
    assert text.count("finding number") == 3
    assert "and 6 more" in text


def test_a_reason_in_common_is_told_once(tmp_path: Path) -> None:
    """A gate that failed leaves every promise open and is one line, however long the reason is."""
    why = "the gate failed: " + "worker-1 gpu.info differs, " * 40
    unknown = [judge(name, examined=0, unit="records", reasons=[why]) for name in bundles.ALL_KEPT[:5]]
    passed_on = judge("SURVIVE-1", examined=9, unit="events", reasons=[f"FAULT-BIT: {why}"])
    bundles.write_run(tmp_path, "chaos/x", promises=(*unknown, passed_on), doubt=why)
    text = _printed(tmp_path)
    assert text.count("the gate failed") == 1
    assert "cannot say any of 6 promises: the gate failed" in text
    assert "?6 unknown" in text
    assert max(len(row) for row in text.splitlines()) < 400
    assert render_markdown(load(tmp_path)).count("the gate failed") == 1


def test_markdown_tables_keep_their_columns(hostile_dir: Path) -> None:
    """A pipe in a name does not add a column, and no tag survives."""
    text = render_markdown(load(hostile_dir))
    row = next(row for row in text.splitlines() if row.startswith("| chaos"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert not re.search(r"(?<!\\)<", text.partition("```")[0])
    assert not UNSEEN.search(text)


def test_markdown_names_what_failed(campaign_dir: Path) -> None:
    """The report for a pull request has the table and the reasons."""
    text = render_markdown(load(campaign_dir))
    assert "| chaos/api-server-killed | 6 of 8 | ✗ AVAIL-1, ✗ SURVIVE-1 | ✗ FAIL | 4.2 s | 31.2 s |" in text
    assert "## ? UNKNOWN: chaos/etcd-killed" in text
    assert "```text\nharness run -k chaos/api-server-killed --seed 7\n```" in text


def test_junit_is_xml_whatever_the_names_are(hostile_dir: Path) -> None:
    """The file parses, and the names are readable in it."""
    root = ET.fromstring(render_junit(load(hostile_dir)))  # noqa: S314 - written by ourselves a line above
    case = root.find("./testsuite/testcase")
    assert case is not None
    assert "<script>" in str(case.get("name"))
    assert "\\x1b" in str(case.get("name"))


def test_junit_lets_nothing_pass_that_did_not(campaign_dir: Path) -> None:
    """FAIL is a failure; UNKNOWN and a run that did not take place are errors; each promise is a property."""
    suite = ET.fromstring(render_junit(load(campaign_dir))).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "6",
        "failures": "1",
        "errors": "2",
    }
    cases = {f"{case.get('classname')}.{case.get('name')}": case for case in suite.iter("testcase")}
    assert {name: [child.tag for child in case if child.tag != "properties"] for name, case in cases.items()} == {
        "chaos.api-server-killed": ["failure"],
        "chaos.etcd-killed": ["error"],
        "chaos.node-cordoned": [],
        "chaos.port-taken": ["error"],
        "conformance.first-inventory": [],
        "conformance.same-pod-names": [],
    }
    properties = {item.get("name"): item.get("value") for item in cases["chaos.api-server-killed"].iter("property")}
    assert properties["AVAIL-1"] == "FAIL"
    assert properties["TRUTH-1"] == "PASS"
    assert properties["seed"] == "7"


def test_a_schedule_is_told_with_all_that_it_is_made_of() -> None:
    """However deep; triggers are not harm, and a fault is told as ever."""
    silent = {"kind": "node-silent", "for_s": 4.0}
    until = {
        "schedule": "until",
        "fault": {"kind": "api-slow"},
        "trigger": {"trigger": "rest-answers"},
        "deadline_s": 9,
    }
    plan = {"faults": [silent, {"schedule": "parallel", "branches": [until, silent]}]}

    assert harm(cast("Run", SimpleNamespace(plan={"scenario": plan}))) == [
        "node silent for 4 s", "parallel (until (api slow); node silent for 4 s)",
    ]  # fmt: skip
