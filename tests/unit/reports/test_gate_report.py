"""The comparison of a gate as Markdown and JUnit: what is worse first, and nothing that came from outside obeyed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from harness.errors import HistoryError
from reports.gate import junit, main, render, write
from reports.gate_page import rows
from tests.unit.reports.bundles import HOSTILE, write_run
from tests.unit.reports.bundles import kept as kept_promises
from tests.unit.reports.gates import body, cell

if TYPE_CHECKING:
    from pathlib import Path


def test_regressions_come_first() -> None:
    """With both sides' verdicts and the findings; what is the same is only counted."""
    text = render(
        body(
            cell("no worse"),
            cell("better", "chaos/better", candidate=["PASS"], baseline=["FAIL"]),
            cell("regression", "chaos/worse", candidate=["FAIL"] * 3, findings=["node worker-1: lost"]),
            cell("flaky", "chaos/flaky", candidate=["FAIL", "PASS", "PASS"], flaky=["candidate"]),
        )
    )

    assert text.startswith("# ✗ a regression: provider-services (abababababab…)\n")
    assert text.index("## Regressions") < text.index("## Flaky") < text.index("## Better")
    assert "| chaos/worse | TRUTH-1 | FAIL | PASS |" in text
    assert "node worker-1: lost" in text
    assert "1 FAIL and 2 PASS" in text
    assert "chaos/x" not in text
    assert "4 scenarios, 4 promises compared, each run 3 times" in text


def test_what_is_broken_in_both_or_known_is_told() -> None:
    """Neither is a regression, and neither is silent."""
    text = render(
        body(
            cell("no worse", candidate=["FAIL"], baseline=["FAIL"], findings=["a"], new=["TRUTH-1: nodes ghost"]),
            cell("known", "chaos/k", candidate=["FAIL"], why="mended in 0.17"),
            cell("no worse", "chaos/b", baseline=["PASS", "FAIL"], flaky=["baseline"]),
            verdict="no worse",
        )
    )

    for said in ("## Broken in both", "not shown by the baseline", "## Known", "mended in 0.17", "No worse, and flaky"):
        assert said in text


def test_junit_says_what_stops_a_build() -> None:
    """A regression is a failure, what cannot be said or is flaky an error, what is known is skipped."""
    cells = [cell(name) for name in ("regression", "cannot say", "flaky", "known", "no worse", "better")]

    suite = ET.fromstring(junit(body(*cells)))[0]  # noqa: S314 - our own text

    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "1", "errors": "2", "skipped": "1",
    }  # fmt: skip
    assert [len(case) for case in suite] == [1, 1, 1, 1, 0, 0]


def test_hostile_names_are_shown_not_obeyed() -> None:
    """Markup, escape sequences and turned text in names and findings stay text."""
    hostile = cell("regression", HOSTILE, findings=[HOSTILE], reasons=[HOSTILE], why=HOSTILE, promise=HOSTILE)
    text = render(body(hostile, name=HOSTILE))

    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert ET.fromstring(junit(body(hostile, name=HOSTILE))) is not None  # noqa: S314 - our own text


def test_reports_are_written_for_both_sides(tmp_path: Path) -> None:
    """The gate's own two, and those of each campaign."""
    (tmp_path / "comparison.json").write_text(json.dumps(body(cell("regression"))), encoding="utf-8")
    for side in ("candidate", "baseline"):
        write_run(tmp_path / side / "01", "chaos/x", promises=kept_promises("TRUTH-1"))

    written = {path.relative_to(tmp_path).as_posix() for path in write(tmp_path)}

    assert {"gate.md", "gate.xml", "candidate/01/index.html", "baseline/01/report.md"} <= written


@pytest.mark.parametrize("content", [None, "[]", '{"compared": 5}', "{"])
def test_a_place_without_comparison_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One error and exit code 3."""
    if content is not None:
        (tmp_path / "comparison.json").write_text(content, encoding="utf-8")

    with pytest.raises(HistoryError, match="holds no comparison"):
        write(tmp_path)
    assert main([str(tmp_path)]) == 3
    assert "holds no comparison" in capsys.readouterr().err


def test_both_operators_stand_side_by_side_on_one_page(tmp_path: Path) -> None:
    """A row for each scenario with the worst first to be seen, both sides' signs with links, and nothing obeyed."""
    cells = [
        cell("no worse"),
        cell("regression", "chaos/worse", candidate=["FAIL"] * 3, findings=[f"node {HOSTILE}: lost"]),
        cell("flaky", "chaos/worse", promise="TRUTH-3", candidate=["FAIL", "PASS", "PASS"], flaky=["candidate"]),
    ]
    compared = body(*cells, name=HOSTILE)
    (tmp_path / "comparison.json").write_text(json.dumps(compared), encoding="utf-8")
    for side in ("candidate", "baseline"):
        write_run(tmp_path / side / "01", "chaos/x", promises=kept_promises("TRUTH-1"))
    page = next(path for path in write(tmp_path) if path.name == "gate.html").read_text(encoding="utf-8")
    shown = rows(cells)

    assert [(row.scenario, row.outcome) for row in shown] == [("chaos/x", "no worse"), ("chaos/worse", "regression")]
    assert [side.sign for side in shown[1].cells["TRUTH-3"].sides] == ["~", "✓"]
    assert 'href="./candidate/01/chaos/worse/report.html#TRUTH-1"' in page
    assert 'href="./baseline/01/index.html"' in page
    assert "<script" not in page
    assert page.index("Regressions") < page.index("Flaky")
