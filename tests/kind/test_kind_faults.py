"""Every kind of fault of real nodes, for real: no evidence without the harm, and the journal's state undoes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from harness import seed as seeds
from harness.cluster.capability import CONTAINERS, KUBELET, SERVERS
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import catalog
from harness.fault.needs import NEEDS
from harness.fault.perimeter import facts
from harness.wait import Progress, at_most, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from random import Random

    from harness.cluster.base import Cluster
    from harness.cluster.hardware import NodeProfile
    from harness.fault.base import World

WITH_OPERATOR = frozenset({"discovery-image-missing"})
"""Without an operator there is nothing to harm; scenarios/kubelet does it."""

OF_MACHINES = sorted(
    kind
    for kind, words in NEEDS.items()
    if {KUBELET, CONTAINERS} & set(words) and SERVERS not in words and kind not in WITH_OPERATOR
)
VARIED = {
    "node-cut-off": [{"away_from": word} for word in ("servers", "peers", "all")],
    "node-pressed": [{"what": word} for word in ("memory", "disk", "processes")],
}
CASES = [
    pytest.param({"kind": kind, **more}, id="-".join([kind, *more.values()]))
    for kind in OF_MACHINES
    for more in VARIED.get(kind, [{}])
]
NO_EVIDENCE_S = 2.0
AS_BEFORE_S = 60.0
"""Taints of the node lifecycle controller, and what kubelets tell of themselves, follow a while after the heal."""


class Place:
    """As much of a run as a fault of a machine sees."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        self.cluster = cluster
        self.rng: Random = seeds.stream(1, kind)
        self.profiles: Mapping[str, NodeProfile] = dict(cluster.ground.nodes)


@pytest.mark.parametrize("body", CASES)
def test_a_fault_bites_and_is_undone(body: dict[str, str], cluster: Cluster, loop: asyncio.Runner) -> None:
    """Only the harm gives evidence; undone by another object from the same state, the nodes are as before."""
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

    assert loop.run(story())
