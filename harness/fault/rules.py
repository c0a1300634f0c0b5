"""What the faults of the API proxy have in common: rules that are planned, put in force, seen to act, and lifted."""

from __future__ import annotations

from harness.cluster.apirules import GONE, Action, ApiRule, Match
from harness.errors import FaultError
from harness.fault.base import BITE_DEADLINE_S, State, World
from harness.wait import Progress, until


def planned(
    world: World, kind: str, target: str, *rules: tuple[Match, Action], needed: int = 1, skip: int = 0, times: int = 0
) -> State:
    """The state of a fault that is made of these rules; the first `needed` of them are those that have to act.

    Those let the first `skip` of what they meet pass, and act no more than `times` times (0: no limit).
    Raises FaultError when the operator does not go through the proxy.
    """
    if not world.cluster.proxied:
        raise FaultError(f"{kind} needs the API proxy", hint="give the scenario proxied=True")
    # Two faults of one kind may be under way at once, and each must lift its own rules only.
    name = f"{kind}-{world.rng.getrandbits(32):08x}"
    limits = [(skip, times) if number < needed else (0, 0) for number in range(len(rules))]
    bodies = [
        ApiRule(f"{name}-{number}", match, action, *limits[number]).as_json()
        for number, (match, action) in enumerate(rules)
    ]
    return {"target": target, "rules": bodies, "needed": needed}


async def put(world: World, state: State) -> None:
    """Put the rules in force, in their order."""
    for body in state["rules"]:
        await world.cluster.set_api_rule(ApiRule.from_json(body))


async def acted(world: World, state: State, what: str) -> str:
    """Return once each rule that has to act has done so: the evidence, "3 …", or "3 and 1 …" where there are two."""
    names = [body["id"] for body in state["rules"][: state["needed"]]]

    async def seen(progress: Progress) -> str | None:
        known = (await world.cluster.api_stats())["rules"]
        counts = [known.get(name, {"met": 0, "acted": 0}) for name in names]
        progress.last = "; ".join(f"the rule met {n['met']} of its kind and acted on {n['acted']}" for n in counts)
        acted = [n["acted"] for n in counts]
        return f"{' and '.join(map(str, acted))} {what}" if all(acted) else None

    return await until(f"{state['target']} to be met", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


async def gone(world: World, state: State) -> None:
    """Tell the operator that its watches are gone: those that are open now, and those of which events were lost.

    Each ends in order, and its client is answered 410 once when it takes it up, however late: it could never learn
    otherwise what it has missed.
    """
    body = state["rules"][0]
    rule = ApiRule(f"{body['id']}-gone", Match(**body["match"]), Action(GONE))
    await world.cluster.set_api_rule(rule)
    await world.cluster.clear_api_rule(rule.id)


async def lift(world: World, state: State) -> None:
    """Take the rules out of force."""
    for body in state["rules"]:
        await world.cluster.clear_api_rule(body["id"])


class Ruled:
    """What the faults that are made of rules have in common: they are put in force, and lifted, and that is all."""

    __slots__ = ()

    async def inject(self, world: World, state: State) -> None:
        """Put them in force."""
        await put(world, state)

    async def heal(self, world: World, state: State) -> None:
        """Lift them: what waits, or was held back, goes at once."""
        await lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""
