"""Faults of nodes against an API server in memory: they change nothing before they act, bite, and are undone."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.cluster.client import STRATEGIC_PATCH
from harness.cluster.hardware import NodeProfile
from harness.cluster.nodes import PLAYED, STILL
from harness.errors import ApiUnavailableError, FaultError, UsageError, WaitTimeoutError
from harness.fault import evidence, nodestate
from tests.unit.fault import apiserver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.fault.base import Fault, World
    from tests.unit.fault.apiserver import ApiServer

GPU = "nvidia.com/gpu"
PROFILES = {"one": NodeProfile(gpu="a100", gpus=4), "three": NodeProfile(), "two": NodeProfile(gpu="t4", gpus=1)}
FLAPS: dict[str, Any] = {"times": 3, "every_s": 0.0}

UNDONE: dict[str, Fault] = {
    "not-ready": faults.NodeNotReady(),
    "ready-flaps": faults.NodeFlaps(**FLAPS),
    "cordon-flaps": faults.NodeFlaps(what="cordon", **FLAPS),
    "clock-ahead": faults.ClockAhead(),
    "resource-removed": faults.ExtendedResourceRemoved(),
    "no-schedule": faults.NodeTainted(),
    "prefer-no-schedule": faults.NodeTainted(effect="PreferNoSchedule"),
    "no-execute": faults.NodeTainted(effect="NoExecute"),
    "drained": faults.NodeDrained(),
    "all-deleted": faults.NodesDeleted(),
    "never-ready": faults.NodeNeverReady(),
    "empty-status": faults.NodeEmptyStatus(),
}
"""Every fault after which the nodes are as they were."""

cases = pytest.mark.parametrize("fault", UNDONE.values(), ids=UNDONE)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not happen at once in memory never does."""
    monkeypatch.setattr(evidence, "BITE_DEADLINE_S", 0.3)
    monkeypatch.setattr(nodestate, "_LAST_HEARTBEAT_S", 0.3)


def on(work: Callable[[World, ApiServer], Awaitable[None]]) -> None:
    """Do the work on three nodes with a pod each, and one that an operator might have."""

    async def done() -> None:
        world, api = await apiserver.made(PROFILES)
        for name in PROFILES:
            api.add_pod(f"pod-of-{name}", name)
            api.add_pod(f"discovery-of-{name}", name, {"operator": "Exists"})
        await work(world, api)

    asyncio.run(done())


@cases
def test_a_fault_bites_and_leaves_no_trace(fault: Fault) -> None:
    """From what the journal holds alone, the nodes are as before; to undo it once more changes nothing."""

    async def work(world: World, api: ApiServer) -> None:
        before, profiles = api.seen(), dict(world.profiles)
        state = await fault.prepare(world)
        assert api.writes == []
        await fault.inject(world, state)
        assert await fault.bitten(world, state)
        held = json.loads(json.dumps(state))
        for _ in range(2):
            await fault.heal(world, held)
            await fault.healed(world, held)
            assert api.seen() == before
            assert world.profiles == profiles

    on(work)


@cases
def test_a_fault_that_was_not_done_does_not_bite(fault: Fault) -> None:
    """Without the harm there is no evidence of it."""

    async def work(world: World, _api: ApiServer) -> None:
        state = await fault.prepare(world)
        with pytest.raises(WaitTimeoutError):
            await fault.bitten(world, state)

    on(work)


@cases
def test_a_fault_that_was_done_by_half_is_undone(fault: Fault) -> None:
    """Whichever write of the injection got no answer, the heal puts everything right."""

    async def work(world: World, api: ApiServer) -> None:
        before, profiles = api.seen(), dict(world.profiles)
        api.refused, whole = 0, False
        while not whole:
            api.writes.clear()
            state = await fault.prepare(world) if not isinstance(fault, faults.NodeDrained) else pods_of_one(api)
            try:
                await fault.inject(world, state)
                whole = True
            except ApiUnavailableError:
                at, api.refused = api.refused, None
                await fault.heal(world, state)
                await fault.healed(world, state)
                assert api.seen() == before
                assert world.profiles == profiles
                api.refused = at + 1
        assert api.refused > 0

    on(work)


def pods_of_one(api: ApiServer) -> dict[str, Any]:
    """The state of a drain, also when no pod is left to drain."""
    api.add_pod("pod-of-one", "one")
    meta = api.pods["pod-of-one"]["metadata"]
    return {"target": "one", "pods": [[meta["namespace"], meta["name"], meta["uid"]]]}


def test_a_heartbeat_that_was_planned_does_not_undo_it() -> None:
    """What kwok writes after it was told to write nothing is waited for: the node stays not Ready."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeNotReady(node="one")
        await fault.inject(world, await fault.prepare(world))
        assert api.planned == {}
        node = api.nodes["one"]
        assert node["metadata"]["annotations"] == {PLAYED: "fake", STILL: "true"}
        assert evidence.ready_status(node) == "False"
        assert [c["status"] for c in node["status"]["conditions"] if c["type"] != "Ready"] == ["False"]

    on(work)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.NodeFlaps(node="one", **FLAPS), ["True", "False"] * 3 + ["True"]),
        (faults.NodeFlaps(node="one", what="cordon", **FLAPS), [False, True] * 3 + [False]),
    ],
    ids=["ready", "cordon"],
)
def test_a_flapping_node_ends_as_it_began(fault: faults.NodeFlaps, words: list[Any]) -> None:
    """It goes and comes back as often as was asked for, and each change is one that a watcher sees."""

    async def work(world: World, api: ApiServer) -> None:
        state = await fault.prepare(world)
        await fault.inject(world, state)
        told: list[Any] = []
        for _, event in api.events:
            if event.object["metadata"]["name"] == "one" and event.object["status"].get("conditions"):
                ready, cordoned = evidence.ready_status(event.object), "unschedulable" in event.object["spec"]
                word = cordoned if fault.what == "cordon" else ready
                told += [word] if told[-1:] != [word] else []
        assert told == words
        assert STILL not in api.nodes["one"]["metadata"]["annotations"]
        assert "changed 6 times" in await fault.bitten(world, state)

    on(work)


def test_a_node_that_flapped_too_seldom_has_not_flapped() -> None:
    """One change that the API server does not tell is one too few."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeFlaps(node="one", what="cordon", **FLAPS)
        state = await fault.prepare(world)
        await fault.inject(world, state)
        api.events.pop()
        with pytest.raises(WaitTimeoutError, match="5 changes, then cordoned"):
            await fault.bitten(world, state)

    on(work)


def test_a_cordoned_node_flaps_the_other_way_round() -> None:
    """It is uncordoned first, and cordoned in the end."""

    async def work(world: World, api: ApiServer) -> None:
        await api.patch("/api/v1/nodes/one", {"spec": {"unschedulable": True}})
        fault = faults.NodeFlaps(node="one", what="cordon", **FLAPS)
        state = await fault.prepare(world)
        await fault.inject(world, state)
        assert "between cordoned and schedulable" in await fault.bitten(world, state)
        assert api.nodes["one"]["spec"] == {"unschedulable": True}

    on(work)


def test_a_clock_that_is_ahead_shows_in_every_condition_and_the_node_stays_ready() -> None:
    """Heartbeats and transitions are in the future; afterwards the transitions are those from before."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.ClockAhead(node="one")
        state = await fault.prepare(world)
        await fault.inject(world, state)
        conditions = api.nodes["one"]["status"]["conditions"]
        assert {c[key] for c in conditions for key in ("lastHeartbeatTime", "lastTransitionTime")} == {state["ahead"]}
        assert state["ahead"] > nodestate._stamp(3500.0)
        assert evidence.ready_status(api.nodes["one"]) == "True"
        await fault.heal(world, state)
        assert {c["lastTransitionTime"] for c in api.nodes["one"]["status"]["conditions"]} == {apiserver.BEGAN}

    on(work)


def test_a_removed_resource_is_absent_and_not_zero() -> None:
    """Neither capacity nor allocatable names it, and everything else stands."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.ExtendedResourceRemoved(node="one")
        state = await fault.prepare(world)
        assert state == {"target": "one", "capacity": "4", "allocatable": "4"}
        await fault.inject(world, state)
        status = api.nodes["one"]["status"]
        assert all(GPU not in status[where] and "cpu" in status[where] for where in ("capacity", "allocatable"))

    on(work)


def test_a_resource_is_removed_where_there_is_some() -> None:
    """Only nodes that have it are drawn, and one that has none is refused."""

    async def work(world: World, _api: ApiServer) -> None:
        drawn = {(await faults.ExtendedResourceRemoved().prepare(world))["target"] for _ in range(30)}
        assert drawn == {"one", "two"}
        with pytest.raises(FaultError, match=f"node three has {GPU}"):
            await faults.ExtendedResourceRemoved(node="three").prepare(world)
        with pytest.raises(FaultError, match=r"no node has amd\.com/gpu"):
            await faults.ExtendedResourceRemoved(resource="amd.com/gpu").prepare(world)

    on(work)


def test_taints_of_others_stand() -> None:
    """Ours is added to theirs and taken from among them, however often somebody else was faster."""

    async def work(world: World, api: ApiServer) -> None:
        theirs = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
        await api.patch("/api/v1/nodes/one", {"spec": {"taints": theirs}})
        fault = faults.NodeTainted(node="one", effect="PreferNoSchedule")
        state = await fault.prepare(world)
        api.conflicts = 3
        await fault.inject(world, state)
        assert [t["effect"] for t in api.nodes["one"]["spec"]["taints"]] == ["NoSchedule", "PreferNoSchedule"]
        await fault.heal(world, state)
        assert api.nodes["one"]["spec"]["taints"] == theirs

    on(work)


def test_only_pods_that_do_not_tolerate_the_taint_have_to_leave() -> None:
    """A pod that tolerates everything is not waited for, and with another effect no pod is."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeTainted(node="one", effect="NoExecute")
        state = await fault.prepare(world)
        assert state["leaving"] == ["uid-of-pod-of-one"]
        await fault.inject(world, state)
        assert "1 pods that were on the node are gone" in await fault.bitten(world, state)
        assert "discovery-of-one" in api.pods
        assert (await faults.NodeTainted(node="two").prepare(world))["leaving"] == []

    on(work)


def test_a_drain_takes_every_pod_of_the_node_and_no_other() -> None:
    """An operator's pod goes too; a pod of the same name that came later is left alone."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeDrained(node="one")
        state = await fault.prepare(world)
        api.pods["pod-of-one"]["metadata"]["uid"] = "another"
        await fault.inject(world, state)
        assert sorted(api.pods) == [
            "discovery-of-three", "discovery-of-two", "pod-of-one", "pod-of-three", "pod-of-two",
        ]  # fmt: skip
        assert await fault.bitten(world, state) == ("spec.unschedulable is true, 2 pods that were on the node are gone")

    on(work)


def test_a_drain_needs_something_to_drain() -> None:
    """On a node without pods it would be a cordon."""

    async def work(world: World, api: ApiServer) -> None:
        api.pods.clear()
        with pytest.raises(FaultError, match="no pod is on node one"):
            await faults.NodeDrained(node="one").prepare(world)

    on(work)


def test_some_nodes_are_deleted_for_good() -> None:
    """As many as were asked for, drawn from the seed, with their hardware; the heal brings none back."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodesDeleted(count=2)
        state = await fault.prepare(world)
        await fault.inject(world, state)
        await fault.bitten(world, state)
        await fault.heal(world, state)
        await fault.healed(world, state)
        assert len(api.nodes) == 1
        assert api.nodes.keys() == world.profiles.keys() == PROFILES.keys() - state["profiles"].keys()
        with pytest.raises(FaultError, match="1 nodes are there, too few to delete 2"):
            await fault.prepare(world)

    on(work)


def test_all_nodes_come_back_as_they_were() -> None:
    """There is none in between, and each has its own profile again."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodesDeleted()
        state = await fault.prepare(world)
        await fault.inject(world, state)
        assert (api.nodes, world.profiles) == ({}, {})
        await fault.heal(world, json.loads(json.dumps(state)))
        assert world.profiles == PROFILES

    on(work)


@pytest.mark.parametrize("fault", [faults.NodeNeverReady(node="one"), faults.NodeEmptyStatus(node="one")])
def test_a_newcomer_takes_no_name_that_is_taken(fault: Fault) -> None:
    """Its heal would remove the node that was there before."""

    async def work(world: World, _api: ApiServer) -> None:
        with pytest.raises(FaultError, match="node one is there already"):
            await fault.prepare(world)

    on(work)


@pytest.mark.parametrize("fault", [faults.NodeNeverReady(), faults.NodeEmptyStatus()])
def test_a_newcomer_is_nobodys_to_play_nor_to_put_pods_on(fault: Fault) -> None:
    """Without kwok's annotation nobody makes it Ready; traffic does not know it."""

    async def work(world: World, api: ApiServer) -> None:
        state = await fault.prepare(world)
        await fault.inject(world, state)
        node = api.nodes[state["target"]]
        assert PLAYED not in node["metadata"]["annotations"]
        assert evidence.ready_status(node) == ("False" if isinstance(fault, faults.NodeNeverReady) else "")
        assert state["target"] not in world.profiles

    on(work)


def test_a_newcomer_that_became_unknown_is_still_one_that_never_was_ready() -> None:
    """The node lifecycle controller may be faster than the evidence."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeNeverReady()
        state = await fault.prepare(world)
        await fault.inject(world, state)
        body = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        await api.patch(f"/api/v1/nodes/{fault.node}/status", body, content_type=STRATEGIC_PATCH)
        assert await fault.bitten(world, state) == "the new node's Ready condition is Unknown"

    on(work)


@pytest.mark.parametrize("kind", [faults.NodeNeverReady, faults.NodeEmptyStatus])
@pytest.mark.parametrize("name", ["No Name", ""])
def test_a_newcomer_has_a_name_that_nodes_may_have(kind: Any, name: str) -> None:
    """The error names the value."""
    with pytest.raises(UsageError, match="is not a node name"):
        kind(node=name)
