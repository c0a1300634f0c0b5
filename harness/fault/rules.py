"""What the faults of the API proxy have in common: rules that are planned, put in force, seen to act, and lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cluster.apirules import ApiRule
from harness.errors import FaultError
from harness.fault.base import BITE_DEADLINE_S, State, World
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.apirules import Action, Match


def planned(world: World, kind: str, target: str, *rules: tuple[Match, Action]) -> State:
    """The state of a fault that is made of these rules; the first of them is the one that has to act.

    Raises FaultError when the operator does not go through the proxy.
    """
    if not world.cluster.proxied:
        raise FaultError(f"{kind} needs the API proxy", hint="give the scenario proxied=True")
    # Two faults of one kind may be under way at once, and each must lift its own rules only.
    name = f"{kind}-{world.rng.getrandbits(32):08x}"
    bodies = [ApiRule(f"{name}-{number}", match, action).as_json() for number, (match, action) in enumerate(rules)]
    return {"target": target, "rules": bodies}


async def put(world: World, state: State) -> None:
    """Put the rules in force, in their order."""
    for body in state["rules"]:
        await world.cluster.set_api_rule(ApiRule.from_json(body))


async def acted(world: World, state: State, what: str) -> str:
    """Return once the first rule has acted: the evidence, "3 …"."""
    name = state["rules"][0]["id"]

    async def seen(progress: Progress) -> str | None:
        counts = (await world.cluster.api_stats())["rules"].get(name, {"met": 0, "acted": 0})
        progress.last = f"the rule met {counts['met']} of its kind and acted on {counts['acted']}"
        return f"{counts['acted']} {what}" if counts["acted"] else None

    return await until(f"{state['target']} to be met", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


async def lift(world: World, state: State) -> None:
    """Take the rules out of force."""
    for body in state["rules"]:
        await world.cluster.clear_api_rule(body["id"])
