"""Commands some at a time: none too many, none for too long, and nothing left of what was begun."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from harness.run.crew import Crew, Task, launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOREVER = "import signal; signal.pause()"


def crew(tmp_path: Path, deadline_s: float, most: list[int]) -> Crew[str]:
    """Two at a time of small programs that are their own items; `most` is told how many ran beside each."""

    def begin(program: str) -> Task[str]:
        with (tmp_path / "log").open("ab") as log:
            process = launch([sys.executable, "-c", program], tmp_path, log)
            return Task(program, process, deadline_s if program == FOREVER else 60.0)

    def room(_program: str, running: Sequence[str]) -> bool:
        most.append(len(running))
        return len(running) < 2

    return Crew(begin, room, patience_s=30.0)


def test_each_is_carried_out_and_none_too_many_at_once(tmp_path: Path) -> None:
    """Five of which two may run; what they say is in the log, and how they ended is known."""
    most: list[int] = []

    ended = list(crew(tmp_path, 60.0, most).run([f"print({n}); raise SystemExit({n})" for n in range(5)]))

    assert sorted(task.process.returncode for task in ended) == [0, 1, 2, 3, 4]
    assert not any(task.late for task in ended)
    assert max(most) == 2
    assert sorted((tmp_path / "log").read_text(encoding="utf-8").split()) == ["0", "1", "2", "3", "4"]


def test_one_that_takes_too_long_is_ended_and_told(tmp_path: Path) -> None:
    """In order, by a SIGTERM; the next one is not kept waiting for ever."""
    late, fine = sorted(crew(tmp_path, 0.5, []).run([FOREVER, "pass"]), key=lambda task: not task.late)

    assert (late.late, late.process.returncode) == (True, -15)
    assert (fine.late, fine.process.returncode) == (False, 0)


def test_who_stops_listening_leaves_nothing(tmp_path: Path) -> None:
    """What runs is ended when nobody wants the rest."""
    made = crew(tmp_path, 60.0, [])
    ended = made.run(["pass", FOREVER])

    assert next(ended).item == "pass"
    (still,) = made.running
    ended.close()  # type: ignore[attr-defined]

    assert isinstance(still.process, subprocess.Popen)
    assert still.process.poll() == -15
