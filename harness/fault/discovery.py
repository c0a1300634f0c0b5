"""Harm to the hardware discovery API; its pods are `harness.fault.discoverypod`'s."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.egress import UNSETTLED
from harness.errors import FaultError
from harness.fault.base import (
    BITE_DEADLINE_S,
    DISCOVERY,
    OPERATOR,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.fault.discoverypod import of_node, remove
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.hardware import NodeProfile

_ALL = "*"
_ANOTHER, _AND_ANOTHER = "l40s", "t4"


@dataclass(frozen=True, slots=True)
class DiscoveryBroken:
    """The discovery API of a node ("*": of every node) misbehaves for `for_s` seconds.

    `mode` is one of `egress.FAULTY`; `delay_s` comes before each answer, and is what `late` is about: an operator gives
    a read 5 s. `restart_operator`: the operator is killed and started again meanwhile, so that it needs discovery just
    then. A node that is to join later can be named as well.
    """

    mode: str = "refuse"
    for_s: float = 6.0
    node: str = "*"
    delay_s: float = 0.0
    restart_operator: bool = False
    kind: ClassVar[str] = "discovery-broken"

    @property
    def affects(self) -> tuple[str, ...]:
        """Hardware cannot be read; a restarted operator has nothing to report at first."""
        return (DISCOVERY, OPERATOR) if self.restart_operator else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, and how many requests had met a misbehaving API before."""
        return {"target": self.node, "met": await _met(world)}

    async def inject(self, world: World, state: State) -> None:
        """Tell the egress; restart the operator."""
        await world.cluster.set_discovery(state["target"], self.mode, delay_s=self.delay_s)
        if self.restart_operator:
            await world.operator.kill(again=False)
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """A request of the operator has met it."""

        async def met(progress: Progress) -> str | None:
            count = await _met(world) - int(state["met"])
            progress.last = "no request to a discovery API since"
            return f"{count} requests met a discovery API in mode {self.mode}" if count else None

        return await until("the operator to ask for hardware", met, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Tell the egress to answer; start the operator where it was left dead."""
        await world.cluster.set_discovery(state["target"], "answer")
        if self.restart_operator:
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class DiscoveryUnsettled:
    """The discovery API of a node ("*": of every node) changes its answer from one request to the next, for `for_s` s.

    It answers as the machine that it is, and as one with twice the processors and other GPUs. Both are recorded as the
    truth for a moment, so that neither is a falsehood; which of them an operator tells meanwhile is not judged. The end
    is one that every operator must notice: the discovery pods are deleted, and who makes them anew is told the truth.
    `restart_operator`: the operator is killed and started again meanwhile, so that it needs discovery just then.
    """

    for_s: float = 8.0
    node: str = _ALL
    restart_operator: bool = True
    kind: ClassVar[str] = "discovery-unsettled"

    @property
    def affects(self) -> tuple[str, ...]:
        """What is read of hardware may be either; a restarted operator has nothing to report at first."""
        return (DISCOVERY, OPERATOR) if self.restart_operator else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The nodes."""
        nodes = sorted(world.profiles) if self.node == _ALL else [self.node]
        if unknown := [node for node in nodes if node not in world.profiles]:
            raise FaultError(f"no node is called {unknown[0]!r}", hint=f"there are {', '.join(sorted(world.profiles))}")
        return {"target": self.node, "nodes": nodes}

    async def inject(self, world: World, state: State) -> None:
        """Record both truths, tell the egress, restart the operator."""
        others = {}
        for node in state["nodes"]:
            own = world.profiles[node]
            another = other_machine(own)
            await world.set_hardware(node, another)
            await world.set_hardware(node, own)
            others[node] = another.hardware()
        await world.cluster.set_discovery(state["target"], UNSETTLED, others=others)
        if self.restart_operator:
            await world.operator.kill(again=False)
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The operator has been told of two machines on one node."""

        async def told(progress: Progress) -> str | None:
            turns = (await world.cluster.discovery_stats())["turns"]
            both = sorted(node for node, counts in turns.items() if all(counts) and node in state["nodes"])
            progress.last = f"answers as the one and as the other machine: {turns}"
            return f"{len(both)} nodes were told of as two machines, {both[0]} {turns[both[0]]} times" if both else None

        return await until("an answer of each machine", told, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Answer the truth again and delete the discovery pods; start the operator where it was left dead."""
        await world.cluster.set_discovery(state["target"], "answer")
        for pod in await of_node(world, state["target"]):
            await remove(world, pod)
        if self.restart_operator:
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


def other_machine(own: NodeProfile) -> NodeProfile:
    """What an unsettled discovery API answers as well: twice the processors, and GPUs of another model."""
    gpu = own.gpu and (_ANOTHER if own.gpu != _ANOTHER else _AND_ANOTHER)
    return replace(own, cpus=own.cpus * 2, gpu=gpu)


async def _met(world: World) -> int:
    return int((await world.cluster.discovery_stats())["misbehaved"])
