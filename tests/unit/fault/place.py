"""A world for faults that need no cluster: an operator's ports and process, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from harness import seed
from harness.run.world import RunWorld

if TYPE_CHECKING:
    from harness.cluster.embedded import EmbeddedCluster
    from harness.fault.base import Fault, World
    from harness.run.observe import LiveTruth
    from harness.run.world import RunControl


def world_of(operator: Any) -> World:
    """The world of an operator, or of what stands for one."""
    nothing = cast("EmbeddedCluster", None)
    return RunWorld(
        nothing, cast("RunControl", operator), seed.stream(1, "place", "nemesis"), {}, cast("LiveTruth", None)
    )


async def injected(fault: Fault, world: World) -> tuple[dict[str, Any], str]:
    """The first three verbs of a fault: its state, and the evidence."""
    state = await fault.prepare(world)
    await fault.inject(world, state)
    return state, await fault.bitten(world, state)


async def undone(fault: Fault, world: World, state: dict[str, Any]) -> None:
    """The last two verbs, the heal twice, as a nemesis may do."""
    await fault.heal(world, state)
    await fault.heal(world, state)
    await fault.healed(world, state)
