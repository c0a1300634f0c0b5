"""Harm to the hardware discovery API; its pods are `harness.fault.discoverypod`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.fault.base import (
    BITE_DEADLINE_S,
    DISCOVERY,
    OPERATOR,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.wait import Progress, until


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


async def _met(world: World) -> int:
    return int((await world.cluster.discovery_stats())["misbehaved"])
