"""The operator's process is ended from outside, as a kubelet or a kernel does it, once or again and again."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import ClassVar

import psutil

from harness.errors import FaultError
from harness.fault.base import (
    BITE_DEADLINE_S,
    OPERATOR,
    State,
    World,
    pid_of,
    start_unless_supervised,
    started_again,
)
from harness.wait import Progress, interval, until


class _Ended:
    """What the faults that end the operator by a signal have in common."""

    __slots__ = ()

    async def prepare(self, world: World) -> State:
        """The process."""
        return {"target": "operator", "pid": pid_of(world)}

    async def heal(self, world: World, state: State) -> None:
        """Start it again, where nobody else does."""
        del state
        await start_unless_supervised(world)

    async def healed(self, world: World, state: State) -> None:
        """There is a process again; what it does from then on is its own affair."""
        await started_again(world, state["pid"])


@dataclass(frozen=True, slots=True)
class OperatorTerminated(_Ended):
    """The operator is sent SIGTERM, as by a kubelet that ends its pod, and started again after `for_s` seconds.

    With a supervisor that is what starts it again. Upstream does not handle the signal, and dies of it.
    """

    for_s: float = 2.0
    kind: ClassVar[str] = "operator-terminated"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def inject(self, world: World, state: State) -> None:
        """SIGTERM; SIGKILL when that has not ended it after some seconds, as a kubelet does."""
        state["code"] = await world.operator.terminate()

    async def bitten(self, world: World, state: State) -> str:
        """The process has ended, on the signal or by the SIGKILL that came after it."""
        return await _ended(world, state, "SIGTERM")


@dataclass(frozen=True, slots=True)
class OperatorInterrupted(_Ended):
    """The operator is sent SIGINT, on which upstream ends in order, and started again after `for_s` seconds."""

    for_s: float = 2.0
    kind: ClassVar[str] = "operator-interrupted"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def inject(self, world: World, state: State) -> None:
        """SIGINT; SIGKILL when that has not ended it after some seconds."""
        state["code"] = await world.operator.interrupt()

    async def bitten(self, world: World, state: State) -> str:
        """The process has ended, on the signal or by the SIGKILL that came after it."""
        return await _ended(world, state, "SIGINT")


@dataclass(frozen=True, slots=True)
class OperatorCrashLoops:
    """The operator is killed (SIGKILL) `kills` times, each `alive_s` seconds after its supervisor has started it again.

    As by a kernel that is short of memory: each process is killed amid its start, and the supervisor's waits grow. What
    each leaves behind is what the next one starts from.
    """

    kills: int = 3
    alive_s: float = 1.0
    for_s: float = 0.0
    kind: ClassVar[str] = "operator-crash-loops"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The process."""
        if not world.operator.supervised:
            raise FaultError(
                "operator-crash-loops needs a supervised operator", hint="give the scenario supervised=True"
            )
        return {"target": "operator", "pid": pid_of(world), "killed": []}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL, wait for the next process, let it live a little, and again."""
        for number in range(self.kills):
            if number:
                await started_again(world, state["pid"])
                await interval(self.alive_s)
            state["pid"] = pid_of(world)
            await world.operator.kill()
            state["killed"].append(state["pid"])

    async def bitten(self, world: World, state: State) -> str:
        """As many processes were started, and have been ended."""
        killed: list[int] = state["killed"]
        left = [pid for pid in killed if psutil.pid_exists(pid) and pid == world.operator.pid]
        if left or len(set(killed)) != self.kills:
            raise FaultError(f"{len(set(killed))} of {self.kills} processes were killed, of which {left} are there")
        return f"processes {', '.join(map(str, killed))} were killed, each but the first started by the supervisor"

    async def heal(self, world: World, state: State) -> None:
        """Nothing to undo: the supervisor starts it again."""

    async def healed(self, world: World, state: State) -> None:
        """The supervisor has started it again."""
        await started_again(world, state["pid"])


async def _ended(world: World, state: State, name: str) -> str:
    async def gone(progress: Progress) -> bool | None:
        progress.last = f"process {state['pid']} is there"
        return world.operator.pid != state["pid"] or None

    await until("the operator's process to end", gone, deadline_s=BITE_DEADLINE_S)
    code: int = state["code"]
    if code == -signal.SIGKILL:
        return f"process {state['pid']} had to be killed: {name} did not end it"
    return f"process {state['pid']} ended on {name}, " + (f"with code {code}" if code >= 0 else f"by signal {-code}")
