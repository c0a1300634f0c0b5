"""The operator's memory is limited, as a container's is: a control group, and the kernel that kills what exceeds it.

A limit on address space (RLIMIT_AS) is no such thing. Go programs reserve far more than they use, and end at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.errors import FaultError, PlatformError
from harness.fault.base import BITE_DEADLINE_S, OPERATOR, State, World, pid_of, start_operator
from harness.process import cell
from harness.process.cell import MemoryCell
from harness.wait import Progress, until

_LEAST_BYTES = 8 << 20
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MemoryLimited:
    """The operator gets a `share` of the memory that it uses, and the kernel kills whatever process of it takes more.

    As in a container whose limit is too low: the operator is started in a control group of that limit, and its
    supervisor starts it there again and again, backing off. `for_s` seconds after the first kill the limit is gone, by
    a new pod: the operator is started once more, outside of the group. That it is killed is our doing and no exit of
    its own. The limit is a share of what it has for itself (`RssAnon`), so that it is too low for any operator.
    """

    share: float = 0.3
    for_s: float = 5.0
    kind: ClassVar[str] = "memory-limited"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The limit, and the group that can be made."""
        if not world.operator.supervised:
            raise FaultError("memory-limited needs a supervised operator", hint="give the scenario supervised=True")
        pid = pid_of(world)
        limit = max(int(_in_use(pid) * self.share), _LEAST_BYTES)
        try:
            group = cell.planned(world.cluster.directory.name, pid=pid)
        except PlatformError as exc:
            raise FaultError(f"memory-limited: {exc.what}", hint=exc.hint) from exc
        return {"target": "operator", "group": str(group.path), "version": group.version, "limit": limit}

    async def inject(self, world: World, state: State) -> None:
        """End the operator, make the group, start the operator in it."""
        group = _group(state)
        await world.operator.kill(again=False)
        try:
            group.make(world.cluster.directory, state["limit"])
        except PlatformError as exc:
            raise FaultError(f"memory-limited: {exc.what}", hint=exc.hint) from exc
        world.held[self.kind] = _Held(world, group)
        world.operator.confine(group)
        await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel counts a process of the group that it has killed for its memory."""
        held = world.held.get(self.kind)
        if not isinstance(held, _Held):
            raise FaultError("the operator was not started in a control group")
        group = held.group

        async def killed(progress: Progress) -> int | None:
            progress.last = (
                f"the kernel has killed {group.killed()}, and the group has {len(group.members())} processes"
            )
            return group.killed() or None

        count = await until("the kernel to kill the operator for memory", killed, deadline_s=BITE_DEADLINE_S)
        size = f"{state['limit'] / 2**20:.1f} MiB"
        return f"the kernel has killed the operator {count} times in a control group with a limit of {size}"

    async def heal(self, world: World, state: State) -> None:
        """End what is in the group, remove it, and start the operator outside of it."""
        held = world.held.pop(self.kind, None)
        # The one whose processes are watched remembers how many were killed when it is gone.
        group = held.group if isinstance(held, _Held) else _group(state)
        world.operator.confine(None)
        if world.operator.pid in group.members():
            await world.operator.kill(again=False)

        async def gone(progress: Progress) -> bool | None:
            progress.last = f"processes in it: {group.members()}"
            return group.remove() or None

        await until("the control group to be removed", gone, deadline_s=BITE_DEADLINE_S)
        cell.forget(world.cluster.directory)
        await world.operator.start()

    async def healed(self, world: World, state: State) -> None:
        """The group is gone; what the operator does from now on is its own affair."""


@dataclass(frozen=True, slots=True)
class _Held:
    """The group, in `World.held`."""

    world: World
    group: MemoryCell

    def close(self) -> None:
        """Let the next process start outside; the group itself goes with the cluster at the latest."""
        self.world.operator.confine(None)


def _group(state: State) -> MemoryCell:
    return MemoryCell(Path(state["group"]), int(state["version"]))


def _in_use(pid: int) -> int:
    """How many bytes a process has for itself."""
    try:
        found = _ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    except OSError as exc:
        raise FaultError(f"the memory of process {pid} cannot be read: {exc.strerror}") from exc
    if found is None:
        raise FaultError(f"the kernel does not say how much memory process {pid} has for itself")
    return int(found[1]) << 10
