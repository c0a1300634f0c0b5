"""`harness scoreboard`: its exit codes, what it prints, and how it runs rows."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from harness.cli.main import main
from harness.cli.scoreboard import ALL_CAUGHT, CANNOT_RUN, ESCAPED, _Workshop, exit_code, print_scoreboard
from harness.run import saboteurs
from harness.run.saboteurs import CAUGHT, MISSED, NOT_RUN, OTHERWISE, Row, Score
from tests.unit.run.test_run_scoreboard import a_score, board

if TYPE_CHECKING:
    from pathlib import Path

    from harness.run.scoreboard import Scoreboard


@pytest.mark.parametrize(
    ("outcomes", "lost", "code"),
    [
        ((CAUGHT, CAUGHT), False, ALL_CAUGHT),
        ((CAUGHT, MISSED), False, ESCAPED),
        ((CAUGHT, OTHERWISE, NOT_RUN), False, ESCAPED),
        ((CAUGHT, NOT_RUN), False, CANNOT_RUN),
        ((CAUGHT, NOT_RUN), True, ESCAPED),
        ((), False, CANNOT_RUN),
    ],
)
def test_the_exit_code_says_the_worst(outcomes: tuple[str, ...], lost: bool, code: int) -> None:
    """Somebody who escaped outranks somebody who could not be run; nobody at all is no success."""
    assert exit_code(board(*(a_score(f"s{n}", outcome=one) for n, one in enumerate(outcomes))), lost=lost) == code


def shown(found: Scoreboard) -> str:
    """What is printed."""
    text = io.StringIO()
    print_scoreboard(found, Console(file=text, width=160, no_color=True))
    return text.getvalue()


def test_it_says_who_was_caught_by_what_and_who_was_not() -> None:
    """And whom each promise has caught, and how many in all."""
    text = shown(board(a_score("rounds-cpu"), Score("b", "b", "t", "", ("TRUTH-3",), MISSED, why="TRUTH-3 is PASS")))

    assert re.search(r"rounds-cpu\s+│ TRUTH-3\s+│\s+2\.0 s\s+│\s+30\.0 s", text)
    assert "TRUTH-3: rounds-cpu\n" in text
    assert "AVAIL-1: nobody\n" in text
    assert "1 of 2 saboteurs caught" in text
    assert "b: not caught: TRUTH-3 is PASS" in text


def test_a_word_that_matches_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any binary is looked for."""
    monkeypatch.setattr(sys, "argv", ["harness", "scoreboard", "-k", "meteor"])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == CANNOT_RUN
    assert "no saboteur matches meteor" in capsys.readouterr().err


class Stub(Row):
    """A row whose run is a small program."""

    def argv(self, _suite: Path, out: Path, _seed: int) -> list[str]:
        """Leaves a note, and no summary."""
        return [sys.executable, "-c", f"open({str(out / 'note')!r}, 'w').write('x'); print('said')"]


def stub(name: str) -> Row:
    """A row of that name."""
    return Stub(name=name, defect=name, test="t", fails={}, unknown=frozenset(), why="")


def test_every_row_is_run_and_what_left_no_summary_is_not_run(tmp_path: Path) -> None:
    """More rows than workers; each has a log, and none a score that would keep it from being run again."""
    (tmp_path / "runs" / "r1").mkdir(parents=True)
    (tmp_path / "runs" / "r1" / "of-a-run-before").touch()
    rows = [stub(f"r{number}") for number in range(5)]

    found = list(_Workshop(tmp_path, tmp_path, 11, 2, rows).run())

    assert sorted(score.name for score in found) == [row.name for row in rows]
    assert {score.outcome for score in found} == {NOT_RUN}
    assert (tmp_path / "runs" / "r1.log").read_text(encoding="utf-8") == "said\n"
    assert [path.name for path in (tmp_path / "runs" / "r1").iterdir()] == ["note"]
    assert list(tmp_path.glob("*.json")) == []


def test_the_seed_is_the_one_with_which_all_were_caught() -> None:
    """The tests of the saboteurs and the command agree on it."""
    assert saboteurs.SEED == 11
