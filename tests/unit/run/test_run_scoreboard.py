"""The scoreboard: whom each promise caught, who escaped, and who was caught before and is no longer."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.contract import PROMISES
from harness.errors import HistoryError, PlatformError
from harness.run.saboteurs import CAUGHT, MISSED, NOT_RUN, OTHERWISE, Row, Score
from harness.run.scoreboard import Lost, Scoreboard, keep, known, lost, merged, read

if TYPE_CHECKING:
    from pathlib import Path


def a_score(name: str, *by: str, outcome: str = CAUGHT, found_s: float = 2.0) -> Score:
    """A score of the row of that name."""
    return Score(
        name,
        name,
        f"scenarios/chaos/test_x.py::test_{name}",
        "",
        ("TRUTH-3",),
        outcome,
        by or ("TRUTH-3",),
        found_s,
        30.0,
    )


def a_row(name: str) -> Row:
    """The row of that name."""
    return Row(
        name=name, defect=name, test=f"scenarios/chaos/test_x.py::test_{name}", fails={"TRUTH-3": re.compile("x")},
        unknown=frozenset(), why="",
    )  # fmt: skip


def board(*scores: Score) -> Scoreboard:
    """A scoreboard of these scores."""
    return Scoreboard(scores, {"harness": "0.1.0"}, {"cores": 2})


def test_each_promise_tells_whom_it_caught_soonest_first() -> None:
    """Those who escaped count for nobody, and a promise that caught nobody is there all the same."""
    found = board(
        a_score("late", "TRUTH-3", "RECOVER-1", found_s=9.0), a_score("soon", found_s=1.0),
        a_score("other", "AVAIL-1", outcome=OTHERWISE),
    ).by_promise()  # fmt: skip

    assert [score.name for score in found["TRUTH-3"]] == ["soon", "late"]
    assert [score.name for score in found["RECOVER-1"]] == ["late"]
    assert found["AVAIL-1"] == []
    assert set(found) == {promise.id for promise in PROMISES.values() if promise.judged}


def test_who_escaped_is_told() -> None:
    """Caught otherwise is not caught as the table says."""
    found = board(a_score("a"), a_score("b", outcome=MISSED), a_score("c", outcome=OTHERWISE))

    assert (found.caught, [score.name for score in found.escaped]) == (1, ["b", "c"])


def test_who_was_caught_and_is_no_longer_is_lost() -> None:
    """Whoever was not run again is not, nor whoever had escaped before."""
    before = board(a_score("a"), a_score("b"), a_score("c", outcome=MISSED), a_score("d"))
    now = [a_score("a"), a_score("b", outcome=MISSED), a_score("c", outcome=MISSED)]

    assert lost(before, now) == [Lost("b", ("TRUTH-3",), MISSED)]
    assert lost(before, [a_score("d", outcome=NOT_RUN)]) == [Lost("d", ("TRUTH-3",), NOT_RUN)]


def test_what_is_new_stands_over_what_was_stored() -> None:
    """In the order of the table; rows that are gone go, and rows that were not run again keep their score."""
    before, now = board(a_score("a"), a_score("gone"), a_score("b")), board(a_score("b", found_s=7.0))
    found = merged(before, now, [a_row("b"), a_row("a"), a_row("new")])

    assert [(score.name, score.found_s) for score in found.scores] == [("b", 7.0), ("a", 2.0)]


def test_a_scoreboard_survives_its_way_through_a_file(tmp_path: Path) -> None:
    """As it is stored."""
    found = board(a_score("a"), a_score("b", outcome=MISSED))
    (tmp_path / "s.json").write_text(json.dumps(found.as_json()), encoding="utf-8")

    assert read(tmp_path / "s.json") == found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "is no scoreboard"),
        ("{", "is no JSON"),
        (json.dumps({"format": "inventory-harness scoreboard", "version": 2}), "has format 2"),
        (json.dumps({"format": "inventory-harness scoreboard", "version": 1, "scores": [{}]}), "has not the shape"),
        (json.dumps({"format": "inventory-harness scoreboard", "version": 1, "scores": [7]}), "has not the shape"),
        (json.dumps({"format": "inventory-harness scoreboard", "version": 1}), "has not the shape"),
    ],
)
def test_what_is_no_scoreboard_is_one_error(body: str, said: str, tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "s.json").write_text(body, encoding="utf-8")

    with pytest.raises(HistoryError, match=said) as caught:
        read(tmp_path / "s.json")

    assert "s.json" in caught.value.what


def test_a_scoreboard_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(HistoryError, match=r"s\.json: No such file"):
        read(tmp_path / "s.json")


def test_a_run_that_was_cut_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Whoever was caught with the same seed in the same test is not run again; everybody else is."""
    for score in (a_score("a"), a_score("missed", outcome=MISSED), replace(a_score("moved"), test="elsewhere")):
        keep(tmp_path, score)
    (tmp_path / "torn.json").write_text('{"name": "to', encoding="utf-8")
    rows = [a_row(name) for name in ("a", "missed", "moved", "torn", "new")]

    assert known(tmp_path, rows, 11) == {"a": a_score("a")}
    assert known(tmp_path, rows, 12) == {}


def test_a_score_that_cannot_be_kept_is_one_error(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "file").touch()

    with pytest.raises(PlatformError, match=r"cannot write .*a\.json"):
        keep(tmp_path / "file", a_score("a"))


def test_scores_hold_nothing_but_plain_values() -> None:
    """What is stored is for other programs too."""
    body: dict[str, Any] = board(a_score("a")).as_json()

    assert set(body) == {"format", "version", "versions", "machine", "scores"}
    assert set(body["scores"][0]) == {
        "name", "defect", "test", "datastore", "expected", "outcome", "by", "found_s", "wall_s", "seed", "why"
    }  # fmt: skip
