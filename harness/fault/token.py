"""The operator's bearer token expires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.cluster.apicalls import WATCH as WATCHING
from harness.cluster.apirules import CLOSE, Action, Match
from harness.cluster.tokens import LONG_S
from harness.fault import rules
from harness.fault.base import (
    BITE_DEADLINE_S,
    DISCOVERY,
    OPERATOR,
    WATCH,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.wait import Progress, interval, until

_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class TokenExpired(rules.Ruled):
    """The operator is started anew with a token that nobody refreshes and that expires `life_s` seconds later.

    `for_s` seconds after the API server has answered 401 there is a fresh one in the file. Open watches do not end with
    the token, so from its end on each is closed in order, a second after it began.
    """

    life_s: float = 15.0
    for_s: float = 5.0
    kind: ClassVar[str] = "token-expired"
    # Not "api": until the token expires the operator sees the cluster, and may tell of no nodes at its start.
    affects: ClassVar[tuple[str, ...]] = (WATCH, DISCOVERY, OPERATOR)

    async def prepare(self, world: World) -> State:
        """The rule that ends watches, and how often the API server had answered 401."""
        step = (Match(WATCHING), Action(CLOSE, after_s=1.0))
        state = rules.planned(world, self.kind, "the operator's token", step)
        return {**state, "unauthorized": await _unauthorized(world)}

    async def inject(self, world: World, state: State) -> None:
        """End the operator, write the token, start the operator; when the token is over, end the watches."""
        await world.operator.kill(again=False)
        world.cluster.write_token(life_s=self.life_s)
        await start_operator(world, state)
        await interval(self.life_s)
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The API server has answered 401."""

        async def refused(progress: Progress) -> str | None:
            count = await _unauthorized(world) - int(state["unauthorized"])
            progress.last = f"{count} requests were answered 401"
            return f"{progress.last} by the API server" if count else None

        return await until("a token to be refused", refused, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Write a fresh token, leave watches alone, and start the operator where it was left dead."""
        world.cluster.write_token(life_s=LONG_S)
        await rules.lift(world, state)
        await start_if_left_dead(world, state)


async def _unauthorized(world: World) -> int:
    """How many of the operator's requests the API server itself has answered with 401."""
    counted = (await world.cluster.api_stats())["refused"]
    return sum(int(one["count"]) for one in counted if one["status"] == _UNAUTHORIZED)
