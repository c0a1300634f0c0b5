"""Carries gates out, some at a time, each in a process that dies with this thread; what is there is not done again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ci.gates.wanted import OTHERWISE, judged, not_run
from harness.bundle.manifest import read_json, write_json
from harness.cli.gate import COMPARISON_FILE
from harness.errors import HistoryError, PlatformError
from harness.history import reader
from harness.run.crew import Crew, Task, launch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ci.gates.wanted import Shown, Wanted

WALL_FILE = "wall.json"
_END_DEADLINE_S = 60.0
"""How long a gate that is asked to end may take: it gives its runs 30 s."""
_SAID = 600
_STILL_S = 2.0
"""What a machine takes from its runs without harm to what they say: a second each."""


@dataclass(slots=True)
class Workshop:
    """`suite`: where scenarios are; `directory`: where each gate has its place; `workers`: runs at a time."""

    suite: Path
    directory: Path
    workers: int

    def place(self, wanted: Wanted) -> Path:
        """The gate's `--out`."""
        return self.directory / "gates" / wanted.name

    def log(self, wanted: Wanted) -> Path:
        """What its process says."""
        return self.directory / "logs" / f"{wanted.name}.log"

    def before(self, gates: Iterable[Wanted]) -> dict[str, Shown]:
        """What was shown already, by name; raises HistoryError where a place is another gate's."""
        there = [one for one in gates if (self.place(one) / COMPARISON_FILE).is_file()]
        return {one.name: self._shown(one) for one in there}

    def run(self, gates: Iterable[Wanted]) -> Iterator[Shown]:
        """Carry them out in order; what came of each, as they end. An interrupt ends what runs, in order."""
        for task in Crew(self._begin, self._room, _END_DEADLINE_S).run(gates):
            yield self._shown_by(task)

    def _room(self, wanted: Wanted, running: Sequence[Wanted]) -> bool:
        """Whether it may begin beside what runs."""
        return not running or (len(running) < self.workers and not wanted.alone and not running[0].alone)

    def _begin(self, wanted: Wanted) -> Task[Wanted]:
        log = self.log(wanted)
        try:
            for parent in (log.parent, self.place(wanted).parent):
                parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as said:
                argv = wanted.argv(self.place(wanted), self.workers if wanted.alone else 1)
                return Task(wanted, launch(argv, self.suite, said), wanted.deadline_s)
        except OSError as exc:
            raise PlatformError(f"cannot begin {wanted.name}: {exc}", hint="choose a writable --out") from exc

    def _shown_by(self, one: Task[Wanted]) -> Shown:
        place = self.place(one.item)
        wall_s = round(one.wall_s, 1)
        if (place / COMPARISON_FILE).is_file():
            with contextlib.suppress(PlatformError):  # a time that is not known later is no reason to stop
                write_json(place / WALL_FILE, {"wall_s": wall_s})
            return self._shown(one.item)
        why = f"it took longer than {one.deadline_s:g} s" if one.late else self._said(one)
        return not_run(one.item, why, where=str(place), wall_s=wall_s)

    def _shown(self, wanted: Wanted) -> Shown:
        place = self.place(wanted)
        try:
            wall_s = float(read_json(place / WALL_FILE)["wall_s"])
        except (HistoryError, KeyError, TypeError, ValueError):
            wall_s = None
        shown = judged(wanted, read_json(place / COMPARISON_FILE), wall_s=wall_s, where=str(place))
        still_s = stood_still(place) if shown.outcome == OTHERWISE else 0.0
        if still_s < _STILL_S:
            return shown
        note = f"the machine was too busy: the harness stood still for {still_s:.1f} s; remove {place} and begin again"
        return replace(shown, wrong=(*shown.wrong, note))

    def _said(self, one: Task[Wanted]) -> str:
        text = self.log(one.item).read_text(encoding="utf-8", errors="replace").strip()
        return f"exit code {one.process.returncode}: {text[-_SAID:] or '(it said nothing)'}"


def stood_still(place: Path) -> float:
    """For how many seconds of a gate's runs the harness itself had no processor."""
    total = 0.0
    for path in sorted(place.glob("*/[0-9]*/**/history.jsonl")):
        with contextlib.suppress(HistoryError):  # of a run that the comparison says nothing of either
            for record in reader.read(path).records:
                if record["k"] == "gap" and record["resource"] == "harness" and "since" in record:
                    total += record["t"] - record["since"]
    return total
