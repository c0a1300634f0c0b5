"""What counts as evidence, and what a healthy cluster shows as well and so counts for nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import evidence
from harness.wait import at_most
from tests.unit.fault.apiserver import ApiServer
from tests.unit.fault.world import fake, pod

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from harness.cluster.base import Cluster
    from harness.fault.base import Fault, World
    from harness.process.child import Child


def none_in(look: Awaitable[str]) -> str:
    """What is awaited and does not come."""

    async def story() -> str:
        with at_most(0.05), pytest.raises(WaitTimeoutError) as caught:
            await look
        return caught.value.what

    return asyncio.run(story())


@pytest.mark.parametrize(
    "fault",
    [
        faults.RegistryEarly(),
        faults.RegistryBroken(),
        faults.RegistryChanged(),
    ],
    ids=lambda fault: str(fault.kind),
)
def test_that_the_registry_is_asked_is_no_evidence(fault: Fault) -> None:
    """Operators ask all the time: only who asks after the change has met it."""
    made = fake()

    async def story() -> str:
        state = await fault.prepare(made.world)
        made.cluster.asked()
        return await fault.bitten(made.world, state)

    assert "0 changes by the fault, asked 1 times" in none_in(story())


def test_that_a_registry_was_changed_is_no_evidence() -> None:
    """Somebody has to have asked since."""
    made = fake()

    async def story() -> str:
        state = await faults.RegistryBroken().prepare(made.world)
        await made.cluster.set_registry(mode="error")
        return await faults.RegistryBroken().bitten(made.world, state)

    assert "1 changes by the fault, asked 0 times" in none_in(story())


@pytest.mark.parametrize(("states", "is_evidence"), [(("stopped", "stopped"), True), (("stopped", "running"), False)])
def test_processes_are_stopped_when_the_kernel_says_so_of_each(states: tuple[str, ...], is_evidence: bool) -> None:
    """One that merely says nothing is not."""
    children = [
        cast("Child", SimpleNamespace(name=f"p{number}", state=lambda state=state: state))
        for number, state in enumerate(states)
    ]

    if is_evidence:
        assert asyncio.run(evidence.stopped(*children)) == "p0 is stopped, p1 is stopped"
    else:
        assert "p1 is running" in none_in(evidence.stopped(*children))


def test_pieces_that_came_late_are_counted_over_links() -> None:
    """Of the links that are asked about, and no others."""
    links = {"a": {"late": 2}, "b": {"late": 3}, "c": {"late": 100}}

    async def relay_stats() -> dict[str, Any]:
        return links

    cluster = cast("Cluster", SimpleNamespace(relay_stats=relay_stats))

    assert asyncio.run(evidence.late(cluster, {"a", "b"})) == 5


def test_a_discovery_pod_is_deleted_when_its_uid_is_gone() -> None:
    """A pod that is there is no evidence; one of its name with another uid is a new one."""
    client = ApiServer(pods={"p": pod("p", "n1", "old")})
    cluster = SimpleNamespace(client=client)
    world = cast("World", SimpleNamespace(cluster=cluster))
    fault, state = faults.DiscoveryPodDeleted(), {"target": "n1", "pods": {"p": "old"}}

    assert "1 of 1 pods are still there" in none_in(fault.bitten(world, state))
    client.pods["p"] = pod("p", "n1", "new")
    assert asyncio.run(fault.bitten(world, state)) == "1 pods that were on the node are gone"


def test_a_node_without_discovery_pods_cannot_lose_one() -> None:
    """It is said before anything is done."""
    with pytest.raises(FaultError, match="has no discovery pod to delete"):
        asyncio.run(faults.DiscoveryPodDeleted(node="n1").prepare(fake().world))


def test_a_deletion_to_be_missed_is_prepared_without_a_write() -> None:
    """The pod that is made for it is made by the injection."""
    made = fake()

    state = asyncio.run(faults.DeletionMissed(node="n1").prepare(made.world))

    assert (state["target"], state["on"]) == ("n1", "n2")
    assert made.api.log == []
