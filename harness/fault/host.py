"""Harm to the operator's process from outside, as a host does it: stopped, short of files or of processor time.

Memory is `harness.fault.memory`'s.

Niceness and SCHED_IDLE are not used for a shortage of processor time: a user without CAP_SYS_NICE cannot take them back
(sched(7), setpriority(2)), and what cannot be undone is no fault. A share of the time, given in short slices, is what a
container's processor limit does, hurts nobody else on the machine, and can be undone by anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import psutil

from harness.errors import FaultError
from harness.fault import evidence
from harness.fault.base import BITE_DEADLINE_S, OPERATOR, REST, State, World, pid_of
from harness.fault.crowd import assemble, crowd_of, disperse, idle, new_key, require_files
from harness.fault.evidence import STOPPED
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPARE_FILES = 4
_CALLERS = 16
_SLICE_S = 0.1
"""The period of a container's processor limit in Kubernetes (cpu.max)."""

_LOOKS = 50


@dataclass(frozen=True, slots=True)
class OperatorPaused:
    """The operator is stopped (SIGSTOP) for `for_s` seconds: its connections stay open, nothing is answered."""

    for_s: float = 5.0
    kind: ClassVar[str] = "operator-paused"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The process."""
        return {"target": "operator", "pid": pid_of(world)}

    async def inject(self, world: World, state: State) -> None:
        """SIGSTOP."""
        del state
        world.operator.send(signal.SIGSTOP)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel says it is stopped, and a request to its REST port gets no answer."""
        del state

        async def stopped(progress: Progress) -> bool | None:
            progress.last = f"the operator is {world.operator.state()}"
            return world.operator.state() == STOPPED or None

        await until("the operator to be stopped", stopped, deadline_s=BITE_DEADLINE_S)
        return f"the operator is {STOPPED}; {await evidence.unanswered(world.operator.rest_port)}"

    async def heal(self, world: World, state: State) -> None:
        """SIGCONT."""
        del state
        world.operator.send(signal.SIGCONT)

    async def healed(self, world: World, state: State) -> None:
        """The kernel no longer says that it is stopped."""
        del state
        await _going(world)


@dataclass(frozen=True, slots=True)
class FilesLimited:
    """The operator may open a few files more than it has open, and more clients than that connect, for `for_s` seconds.

    The limit (RLIMIT_NOFILE) is set on the running process; only the soft one, which anybody may raise again.
    """

    for_s: float = 5.0
    kind: ClassVar[str] = "files-limited"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The process and its limits."""
        pid, port = pid_of(world), world.operator.rest_port
        require_files(_CALLERS)
        limits = list(_limits(pid))
        return {"target": f"operator, {REST} port {port}", "pid": pid, "limits": limits, "port": port,
                "key": new_key(self.kind)}  # fmt: skip

    async def inject(self, world: World, state: State) -> None:
        """Lower the limit, and take what is left."""
        _soft, hard = state["limits"]
        state["limit"] = limit_for(_SPARE_FILES, _open_files(state["pid"]))
        _limits(state["pid"], (state["limit"], hard))
        await assemble(world, state["key"], state["port"], _CALLERS, idle)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel has more of our connections than the operator could accept."""
        crowd = crowd_of(world, state["key"])
        soft, _hard = _limits(state["pid"])

        async def exhausted(progress: Progress) -> str | None:
            there, accepted = crowd.established(), crowd.accepted(state["pid"])
            files = len(_open_files(state["pid"]))
            said = f"the operator has {files} files open, and none above number {soft - 1} is given"
            progress.last = said = f"{said}; {there} connections are established, {accepted} of them accepted"
            return said if there == _CALLERS and accepted < there else None

        return await until("the operator to run out of files", exhausted, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Give the process the limits it had, if it is still the same, and hang up."""
        try:
            if world.operator.pid == state["pid"]:
                soft, hard = state["limits"]
                _limits(state["pid"], (soft, hard))
        finally:
            await disperse(world, state["key"])

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class ProcessorStarved:
    """The operator has one processor, and of that a `share` of the time in slices of a tenth of a second, for `for_s`.

    As with a container's processor limit the process does not run at all for the rest of each slice.
    """

    share: float = 0.2
    for_s: float = 6.0
    kind: ClassVar[str] = "processor-starved"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The process and, for each of its threads, the processors it may run on."""
        pid = pid_of(world)
        before = {str(thread): processors for thread in _threads(pid) if (processors := _processors(thread))}
        if str(pid) not in before:
            raise FaultError(f"the processors of process {pid} cannot be read")
        return {"target": "operator", "pid": pid, "processors": before, "processor": before[str(pid)][0],
                "key": new_key(self.kind)}  # fmt: skip

    async def inject(self, world: World, state: State) -> None:
        """Pin every thread, and begin to hand out slices."""
        _pin(state["pid"], {}, [state["processor"]])
        world.held[state["key"]] = _Slices(asyncio.create_task(_hand_out(world, self.share)))

    async def bitten(self, world: World, state: State) -> str:
        """The kernel often calls it stopped, and lets it run on one processor alone."""
        seen: list[str] = []
        # Half of what is to be expected: the looks and the slices are not in step.
        least = _LOOKS * (1 - self.share) / 2

        async def starved(progress: Progress) -> int | None:
            seen.append(world.operator.state())
            stopped = seen.count(STOPPED)
            progress.last = f"it was {STOPPED} in {stopped} of {len(seen)} looks"
            return stopped if len(seen) >= _LOOKS and least <= stopped < len(seen) else None

        # No divisor of the slice, so that the looks fall into every part of it.
        stopped = await until("the operator to be starved", starved, deadline_s=BITE_DEADLINE_S, interval_s=0.017)
        pinned = {number for thread in _threads(state["pid"]) for number in _processors(thread)}
        if pinned != {state["processor"]}:
            raise FaultError(f"the operator runs on processors {sorted(pinned)}, not on {state['processor']} alone")
        return (
            f"the operator was {STOPPED} in {stopped} of {len(seen)} looks, and runs on processor {pinned.pop()} alone"
        )

    async def heal(self, world: World, state: State) -> None:
        """Let it run, on the processors that each of its threads had."""
        held = world.held.pop(state["key"], None)
        if isinstance(held, _Slices):
            await held.gone()
        world.operator.send(signal.SIGCONT)
        if world.operator.pid == state["pid"]:
            _pin(state["pid"], state["processors"], state["processors"][str(state["pid"])])

    async def healed(self, world: World, state: State) -> None:
        """The kernel no longer says that it is stopped."""
        del state
        await _going(world)


@dataclass(slots=True)
class _Slices:
    """The task that stops the operator and lets it go on, in turn."""

    task: asyncio.Task[None]

    def close(self) -> None:
        """End it; the operator may be left stopped."""
        self.task.cancel()

    async def gone(self) -> None:
        """Return when it has ended."""
        self.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def _hand_out(world: World, share: float) -> None:
    while True:
        world.operator.send(signal.SIGSTOP)
        await interval(_SLICE_S * (1 - share))
        world.operator.send(signal.SIGCONT)
        await interval(_SLICE_S * share)


def limit_for(spare: int, taken: Iterable[int]) -> int:
    """The limit under which `spare` numbers of files are free, when those of `taken` are in use.

    RLIMIT_NOFILE is one more than the highest number that is given (getrlimit(2)), and the lowest free one is given
    first: it says nothing of how many files are open.
    """
    numbers, limit = set(taken), 0
    while spare:
        spare -= limit not in numbers
        limit += 1
    return limit


def _limits(pid: int, new: tuple[int, int] | None = None) -> tuple[int, int]:
    """The limits of a process (soft, hard) on open files, before they are set to `new`."""
    try:
        found = resource.prlimit(pid, resource.RLIMIT_NOFILE, *(() if new is None else (new,)))
    except OSError as exc:
        raise FaultError(f"the limits of process {pid} cannot be reached: {exc.strerror}") from exc
    return found[0], found[1]


def _open_files(pid: int) -> list[int]:
    """The numbers of the files that a process has open."""
    try:
        return [int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError as exc:
        raise FaultError(f"the open files of process {pid} cannot be read: {exc.strerror}") from exc


def _threads(pid: int) -> list[int]:
    """The threads of a process; none when it has ended."""
    with contextlib.suppress(psutil.Error):
        return [thread.id for thread in psutil.Process(pid).threads()]
    return []


def _processors(thread: int) -> list[int]:
    """The processors on which a thread may run, in order; none when it has ended."""
    with contextlib.suppress(ProcessLookupError):
        return sorted(os.sched_getaffinity(thread))
    return []


def _pin(pid: int, known: dict[str, list[int]], otherwise: list[int]) -> None:
    """Let every thread run on the processors that are `known` of it, and any other on those of `otherwise`.

    A new thread runs where the one does that made it: two rounds find those that were made during the first.
    """
    for _ in range(2):
        for thread in _threads(pid):
            try:
                os.sched_setaffinity(thread, known.get(str(thread), otherwise))
            except ProcessLookupError:
                continue
            except OSError as exc:
                raise FaultError(f"thread {thread} of the operator cannot be pinned: {exc.strerror}") from exc


async def _going(world: World) -> None:
    async def goes(progress: Progress) -> bool | None:
        progress.last = f"it is {world.operator.state()}"
        return world.operator.state() != STOPPED or None

    await until("the operator to go on", goes, deadline_s=BITE_DEADLINE_S)
