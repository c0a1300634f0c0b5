"""Commands of our own, some at a time, each in a process that dies with this thread, and no longer than it may take.

An interrupt, and a SIGTERM, ends what runs, in order, and sweeps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.cluster.sweep import sweep
from harness.run.saboteurs import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO

_LOOK_S = 0.2
_ROOT = str(Path(__file__).resolve().parents[2])

Item = TypeVar("Item")


@dataclass(slots=True)
class Task(Generic[Item]):
    """One command. `deadline_s`: how long it may take; `late`: it took longer, and was ended."""

    item: Item
    process: subprocess.Popen[bytes]
    deadline_s: float
    late: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def wall_s(self) -> float:
        """How long ago it began, seconds."""
        return time.monotonic() - self.began


def launch(argv: Sequence[str], suite: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Begin a command (`harness.process.shim.command`) with this package on its path; what it says goes to `log`."""
    paths = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        argv, cwd=suite, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        env={**environment(), "PYTHONPATH": paths}, start_new_session=True,
    )  # fmt: skip


@dataclass(slots=True)
class Crew(Generic[Item]):
    """`begin`: begins the command of an item; `room`: whether an item may begin beside those that run.

    `patience_s`: how long a command may take to end that is asked to.
    """

    begin: Callable[[Item], Task[Item]]
    room: Callable[[Item, Sequence[Item]], bool]
    patience_s: float
    running: list[Task[Item]] = field(default_factory=list)

    def run(self, items: Iterable[Item]) -> Iterator[Task[Item]]:
        """Carry them out in order; each as it ends."""
        waiting = list(items)
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            while waiting or self.running:
                while waiting and self.room(waiting[0], [one.item for one in self.running]):
                    self.running.append(self.begin(waiting.pop(0)))
                yield from self._ended()
                self._look()
        except BaseException:
            self._end_all()
            sweep()
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)

    def _ended(self) -> Iterator[Task[Item]]:
        for one in [*self.running]:
            if one.process.poll() is None:
                if one.wall_s <= one.deadline_s:
                    continue
                one.late = True
                self._end(one.process)
            self.running.remove(one)
            yield one

    def _look(self) -> None:
        """Until one of them has ended, or for a moment."""
        if self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.running[0].process.wait(timeout=_LOOK_S)

    def _end_all(self) -> None:
        for one in self.running:
            one.process.send_signal(signal.SIGTERM)
        for one in self.running:
            self._end(one.process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM ends it in order; after a while SIGKILL, and its children die with it."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=self.patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
