"""Requests of the operator that the API server itself refuses: how many of a kind the API proxy has seen."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.cluster.apicalls import Call
from harness.cluster.apirules import Match
from harness.fault import rules
from harness.fault.base import BITE_DEADLINE_S, State, World
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.apirules import Action


async def planned(
    world: World, kind: str, target: str, met: tuple[Match, int], *steps: tuple[Match, Action]
) -> dict[str, Any]:
    """The state of a fault that the operator meets as answers of that status to such requests.

    The rules of `steps` make it ask. Raises FaultError when the operator does not go through the proxy.
    """
    state = rules.planned(world, kind, target, *steps)
    match, status = met
    return {**state, "asked": asdict(match), "status": status, "before": await _count(world, match, status)}


async def met(world: World, state: State) -> str:
    """Return once the operator has been refused: the evidence."""
    match, status = Match(**state["asked"]), int(state["status"])

    async def seen(progress: Progress) -> str | None:
        count = await _count(world, match, status) - int(state["before"])
        progress.last = f"{count} of its requests were answered {status}"
        return f"the operator was answered {status} by the API server {count} times" if count > 0 else None

    return await until(f"the operator to meet {state['target']}", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


async def _count(world: World, match: Match, status: int) -> int:
    counted = 0
    for item in (await world.cluster.api_stats())["refused"]:
        call = Call(item["verb"], "", item["resource"], item["subresource"])
        counted += int(item["count"]) if item["status"] == status and match.of(call) else 0
    return counted
