"""docs/scoreboard.md and the stored scoreboard: up to date, and no saboteur that was caught is let go."""

from __future__ import annotations

from ci.scoreboard_page import DOCUMENT, STORED, current, render
from harness.reference.defects import DEFECTS
from harness.run import scoreboard
from harness.run.saboteurs import CAUGHT, MISSED
from harness.run.scoreboard import Scoreboard
from tests.saboteurs.table import load
from tests.unit.run.test_run_scoreboard import a_row, a_score


def test_the_page_is_up_to_date() -> None:
    """docs/scoreboard.md says what the stored scoreboard and the table say."""
    assert DOCUMENT.read_text(encoding="utf-8") == current(), "run: python -m ci.scoreboard_page"


def test_who_was_caught_is_still_to_be_caught() -> None:
    """Each row that was caught is in the table, for the same defect, by no other promises than those that caught it."""
    rows = {row.name: row for row in load()}
    caught = [score for score in scoreboard.read(STORED).scores if score.outcome == CAUGHT]

    assert len(caught) > 40
    assert [score.name for score in caught if score.name not in rows] == []
    assert [score.name for score in caught if rows[score.name].defect != score.defect] == []
    assert [score.name for score in caught if not set(rows[score.name].fails) <= set(score.by)] == []


def test_every_defect_was_caught_by_something() -> None:
    """No defect of the reference operator that has been scored is without a row that caught it."""
    scores = scoreboard.read(STORED).scores
    scored = {score.defect for score in scores}

    assert {score.defect for score in scores if score.outcome == CAUGHT} == scored
    assert scored <= set(DEFECTS)


def test_the_page_tells_who_escaped_and_who_waits() -> None:
    """A saboteur that nobody caught stands under a heading of its own, and so does a row without a score."""
    found = Scoreboard((a_score("a"), a_score("rounds-cpu", outcome=MISSED)), {"harness": "1"}, {"cores": 2})
    text = render(found, [a_row("a"), a_row("rounds-cpu"), a_row("new")])

    assert "1 of 2 saboteurs were caught" in text
    assert "Not scored yet: `new`." in text
    assert "- `rounds-cpu` (The CPU of each pod is rounded up to whole cores.): not caught" in text
    assert "| TRUTH-3 | " in text
