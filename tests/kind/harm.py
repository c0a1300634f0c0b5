"""One fault on a cluster of kind, through all of its verbs, without a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import seed as seeds
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import catalog
from harness.fault.perimeter import facts
from harness.wait import Progress, at_most, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from random import Random

    from harness.cluster.base import Cluster
    from harness.cluster.hardware import NodeProfile
    from harness.fault.base import World

NO_EVIDENCE_S = 2.0
AS_BEFORE_S = 60.0
"""Taints of the node lifecycle controller, and what kubelets tell of themselves, follow a while after the heal."""


class Place:
    """As much of a run as a fault of a machine sees."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        self.cluster = cluster
        self.rng: Random = seeds.stream(1, kind)
        self.profiles: Mapping[str, NodeProfile] = dict(cluster.ground.nodes)


def harmed(body: Mapping[str, Any], cluster: Cluster, loop: asyncio.Runner) -> str:
    """The evidence of a fault, which cannot be had without it; undone by another object, all nodes are as before."""
    world = cast("World", Place(cluster, body["kind"]))

    async def nodes() -> dict[str, object]:
        items = (await cluster.client.get("/api/v1/nodes"))["items"]
        return {item["metadata"]["name"]: facts(item) for item in items}

    async def story() -> str:
        before = await nodes()
        fault = catalog.from_json(body)
        state = json.loads(json.dumps(await fault.prepare(world)))
        with at_most(NO_EVIDENCE_S), pytest.raises((FaultError, WaitTimeoutError)):
            await fault.bitten(world, state)
        await fault.inject(world, state)
        try:
            said = await fault.bitten(world, state)
        finally:
            other = catalog.from_json(body)
            await other.heal(world, state)
            await other.healed(world, state)
            await other.heal(world, state)

        async def as_before(progress: Progress) -> bool | None:
            now = await nodes()
            progress.last = str(
                {name: (now.get(name), before[name]) for name in before if now.get(name) != before[name]}
            )
            return now == before or None

        await until("the nodes to be as before", as_before, deadline_s=AS_BEFORE_S, interval_s=0.5)
        return said

    return loop.run(story())
