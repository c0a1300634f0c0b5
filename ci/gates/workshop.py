"""Carries gates out, some at a time, each in a process that dies with this thread; what is there is not done again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ci.gates.wanted import OTHERWISE, judged, not_run
from harness.bundle.manifest import read_json, write_json
from harness.cli.gate import COMPARISON_FILE
from harness.cluster.sweep import sweep
from harness.errors import HistoryError, PlatformError
from harness.history import reader
from harness.run.saboteurs import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ci.gates.wanted import Shown, Wanted

WALL_FILE = "wall.json"
_LOOK_S = 0.2
_END_DEADLINE_S = 60.0
"""How long a gate that is asked to end may take: it gives its runs 30 s."""
_SAID = 600
_STILL_S = 2.0
"""What a machine takes from its runs without harm to what they say: a second each."""


@dataclass(frozen=True, slots=True)
class _Running:
    wanted: Wanted
    process: subprocess.Popen[bytes]
    began: float

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self.began


@dataclass(slots=True)
class Workshop:
    """`suite`: where scenarios are; `directory`: where each gate has its place; `workers`: runs at a time."""

    suite: Path
    directory: Path
    workers: int
    _running: list[_Running] = field(default_factory=list)

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
        waiting = list(gates)
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            while waiting or self._running:
                while waiting and self._room(waiting[0]):
                    self._start(waiting.pop(0))
                yield from self._ended()
                self._look()
        except BaseException:
            self._end_all()
            sweep()
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)

    def _room(self, wanted: Wanted) -> bool:
        """Whether it may begin beside what runs."""
        if not self._running:
            return True
        return len(self._running) < self.workers and not wanted.alone and not self._running[0].wanted.alone

    def _start(self, wanted: Wanted) -> None:
        log = self.log(wanted)
        root = str(self.suite)
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        try:
            for parent in (log.parent, self.place(wanted).parent):
                parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as said:
                process = subprocess.Popen(
                    wanted.argv(self.place(wanted), self.workers if wanted.alone else 1), cwd=self.suite,
                    stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                    env={**environment(), "PYTHONPATH": paths}, start_new_session=True,
                )  # fmt: skip
        except OSError as exc:
            raise PlatformError(f"cannot begin {wanted.name}: {exc}", hint="choose a writable --out") from exc
        self._running.append(_Running(wanted, process, time.monotonic()))

    def _ended(self) -> Iterator[Shown]:
        for one in [*self._running]:
            late = one.wall_s > one.wanted.deadline_s
            if one.process.poll() is None and not late:
                continue
            if one.process.poll() is None:
                _end(one.process)
            self._running.remove(one)
            yield self._shown_by(one, late=late)

    def _shown_by(self, one: _Running, *, late: bool) -> Shown:
        place = self.place(one.wanted)
        wall_s = round(one.wall_s, 1)
        if (place / COMPARISON_FILE).is_file():
            with contextlib.suppress(PlatformError):  # a time that is not known later is no reason to stop
                write_json(place / WALL_FILE, {"wall_s": wall_s})
            return self._shown(one.wanted)
        why = f"it took longer than {one.wanted.deadline_s:g} s" if late else self._said(one)
        return not_run(one.wanted, why, where=str(place), wall_s=wall_s)

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

    def _said(self, one: _Running) -> str:
        text = self.log(one.wanted).read_text(encoding="utf-8", errors="replace").strip()
        return f"exit code {one.process.returncode}: {text[-_SAID:] or '(it said nothing)'}"

    def _look(self) -> None:
        """Until one of them has ended, or for a moment."""
        if self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running[0].process.wait(timeout=_LOOK_S)

    def _end_all(self) -> None:
        for one in self._running:
            one.process.send_signal(signal.SIGTERM)
        for one in self._running:
            _end(one.process)


def stood_still(place: Path) -> float:
    """For how many seconds of a gate's runs the harness itself had no processor."""
    total = 0.0
    for path in sorted(place.glob("*/[0-9]*/**/history.jsonl")):
        with contextlib.suppress(HistoryError):  # of a run that the comparison says nothing of either
            for record in reader.read(path).records:
                if record["k"] == "gap" and record["resource"] == "harness" and "since" in record:
                    total += record["t"] - record["since"]
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM ends a gate in order; after a while SIGKILL, and its runs die with it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
