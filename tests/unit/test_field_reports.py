"""scenarios/regression and its README: every report has a scenario or a reason, every scenario a saboteur."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from harness.reference.defects import DEFECTS
from harness.run.described import scenarios_of
from tests.saboteurs.table import load

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "scenarios" / "regression" / "README.md"
REPORTS = frozenset((
    19, 97, 120, 130, 142, 146, 147, 192, 193, 198, 207, 214, 222, 232, 233, 240, 244, 249, 253, 268, 270, 275, 277,
    310, 325, 379, 402, 413, 414, 429, 487, 489, 645, 652, 661, 1403, 1458,
))  # fmt: skip
"""The numbers of all reports, whatever they were filed under."""

TOLD = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`")
SCENARIO = re.compile(r"`((?:regression|conformance)/[a-z0-9-]+)`")
REPORTED = re.compile(r"scenarios/(?:regression|conformance)/")


@cache
def table() -> tuple[tuple[str, ...], ...]:
    """The cells of each report: number, symptom, scenario, saboteur, upstream."""
    lines = README.read_text(encoding="utf-8").split("## Not as a scenario", maxsplit=1)[0].splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    return tuple(tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows)


def numbers(text: str) -> list[int]:
    """All numbers in a text."""
    return [int(number) for number in re.findall(r"\d+", text)]


@cache
def regressions() -> frozenset[str]:
    """The ids of the scenarios in scenarios/regression."""
    return frozenset(s.id for s in scenarios_of(ROOT) if s.id.startswith("regression/"))


def test_every_report_is_in_the_table() -> None:
    """Each number stands in the first column, and each row has a scenario or says that there is none yet."""
    assert set(numbers(" ".join(row[0] for row in table()))) == REPORTS
    assert [row for row in table() if not (SCENARIO.search(row[2]) or re.match("none|not yet", row[2]))] == []


def test_a_report_without_a_scenario_has_its_reason() -> None:
    """Each of its numbers is explained below the table."""
    reasons = README.read_text(encoding="utf-8").split("## Not as a scenario", maxsplit=1)[1]
    without = [row[0] for row in table() if not SCENARIO.search(row[2])]
    told = {number for bold in re.findall(r"\*\*(.*?)\*\*", reasons) for number in numbers(bold)}

    assert without
    assert set(numbers(" ".join(without))) <= told


def test_every_scenario_is_in_the_table() -> None:
    """No scenario of the directory is left out, and its id begins with the number of a report."""
    listed = {name for row in table() for name in SCENARIO.findall(row[2])}

    assert len(regressions()) > 20
    assert regressions() <= listed
    assert {int(name.split("/")[1].split("-")[0]) for name in regressions()} <= REPORTS


def test_every_report_with_a_scenario_has_a_saboteur_that_fails_it() -> None:
    """Each saboteur that a row names exists, and one at least is run against a scenario of its file."""
    for row in table():
        names = set(TOLD.findall(row[3]))
        assert bool(names) is bool(SCENARIO.search(row[2])), row
        assert names <= set(DEFECTS), row
        assert not names or any(one.defect in names and REPORTED.search(one.test) for one in load()), row


def test_every_file_of_a_report_is_run_against_a_saboteur() -> None:
    """Each test file of the directory is named in the table of saboteurs."""
    files = {path.name for path in README.parent.glob("test_*.py")}
    run = {row.test.split("::")[0].rpartition("/")[2] for row in load() if "/regression/" in row.test}

    assert files == run
