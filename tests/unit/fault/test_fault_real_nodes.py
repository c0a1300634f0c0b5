"""A lost server's machine, and a lost image, on machines that only note what is done to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import seed as seeds
from harness.errors import ClusterError, FaultError
from harness.fault.discoveryimage import KEPT, DiscoveryImageMissing, waiting
from harness.fault.discoverypod import LABELS, PODS
from harness.fault.servermachine import LEADER, ServerMachineKilled, leading
from tests.unit.fault.test_fault_machines import LEASES, Box

if TYPE_CHECKING:
    from harness.cluster.base import Machine
    from harness.fault.base import World

IMAGE = "inventory-harness.invalid/operator:1"
OPERATOR_POD = {"metadata": {"labels": {"app": "operator"}}, "spec": {"nodeName": "worker"}}


@dataclass
class Server(Box):
    """A server's machine: whether its etcd leads; one that does not run says nothing."""

    leads: bool = False
    role: str = "control-plane"

    async def exec(self, *command: str) -> str:
        """Its etcd's metrics."""
        assert "metrics" in command[-1]
        if self.held != "running":
            raise ClusterError(f"{self.name} does not run")
        return f"etcd_server_has_leader 1\netcd_server_is_leader {int(self.leads)}\n"

    async def kill(self) -> None:
        """It leads no more."""
        await super().kill()
        self.leads = False


def of_servers(*servers: Server, operator_on: str = "worker") -> World:
    """A world of servers, with the operator on some node; whoever is left elects at once."""

    async def get(path: str) -> Any:
        if path == PODS:
            return {"items": [{**OPERATOR_POD, "spec": {"nodeName": operator_on}}]}
        box = next((server for server in servers if path.endswith(f"/{server.name}")), None)
        if box is None:
            raise ClusterError(path)
        if path.startswith(LEASES):
            return {"spec": {"renewTime": "2026-01-01T00:00:10.000000Z"}}
        if box.held != "running" and not any(server.leads for server in servers):
            next(server for server in servers if server.held == "running").leads = True
        return {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": str(box.held == "running")}]}}

    async def ready(_deadline_s: float) -> None:
        """It is."""

    cluster = SimpleNamespace(
        machines={server.name: server for server in servers}, client=SimpleNamespace(get=get), ready=ready
    )
    return cast("World", SimpleNamespace(cluster=cluster, profiles={}, rng=seeds.stream(1, "servers")))


def test_the_leaders_machine_is_lost_and_another_leads() -> None:
    """The evidence names who led and who leads."""
    servers = Server("a"), Server("b", leads=True), Server("c")
    world, fault = of_servers(*servers), ServerMachineKilled(role=LEADER)

    async def story() -> str:
        state = await fault.prepare(world)
        await fault.inject(world, state)
        servers[0].leads = True
        said = await fault.bitten(world, state)
        await fault.heal(world, state)
        await fault.healed(world, state)
        return said

    said = asyncio.run(story())

    assert said.startswith("the machine is exited; etcd of a leads, before b; the node's Ready condition is False")
    assert servers[1].done == ["kill", "start"]
    assert servers[0].done == servers[2].done == []


def test_the_operators_server_is_spared() -> None:
    """Any other is lost, whatever the seed; a leader that carries the operator is no target."""
    servers = Server("a", leads=True), Server("b"), Server("c")
    world = of_servers(*servers, operator_on="a")

    targets = {asyncio.run(ServerMachineKilled().prepare(world))["target"] for _ in range(20)}

    assert targets == {"b", "c"}
    with pytest.raises(FaultError, match="the operator runs on a: no server can be lost without it"):
        asyncio.run(ServerMachineKilled(role=LEADER).prepare(world))


def test_of_one_server_none_can_be_lost() -> None:
    """The others have to be a majority."""
    with pytest.raises(FaultError, match="there are 1 servers with machines"):
        asyncio.run(ServerMachineKilled().prepare(of_servers(Server("a", leads=True))))


def test_where_nobody_leads_that_is_said() -> None:
    """With what those said who gave no answer."""
    with pytest.raises(ClusterError, match=r"no etcd of a, b leads; b does not run"):
        asyncio.run(leading(cast("list[Machine]", [Server("a"), Server("b", held="exited")])))


@dataclass
class Store(Box):
    """A machine's images."""

    images: set[str] = field(default_factory=lambda: {IMAGE, "registry.k8s.io/pause:3.10"})

    async def exec(self, *command: str) -> str:
        """`ctr images` list, tag, remove."""
        verb, *rest = command[4:]
        if verb == "tag":
            assert rest[1] in self.images
            self.images.add(rest[2])
        elif verb == "remove":
            self.images.remove(rest[1])
        return "\n".join(sorted(self.images)) + "\n"


def of_store(store: Store) -> World:
    """A world with one node and its discovery pod, which waits while the node has no image for it."""

    async def get(path: str, *, params: Any = None) -> Any:
        assert (path, params["fieldSelector"]) == (PODS, f"spec.nodeName={store.name}")
        state = {"running": {}} if IMAGE in store.images else {"waiting": {"reason": "ErrImagePull"}}
        pod = {
            "metadata": {"name": "discovery-worker", "labels": LABELS},
            "spec": {"containers": [{"image": "operator:1"}]},
            "status": {"containerStatuses": [{"state": state}]},
        }
        return {"items": [pod]}

    async def delete(path: str, *, grace_s: int) -> None:
        store.done.append(f"delete {path.rpartition('/')[2]} {grace_s}")

    cluster = SimpleNamespace(machines={store.name: store}, client=SimpleNamespace(get=get, delete=delete))
    return cast("World", SimpleNamespace(cluster=cluster, profiles={store.name: None}, rng=seeds.stream(1, "image")))


def test_an_image_is_taken_and_given_back() -> None:
    """The pod that had it goes, the next one waits; given back twice it is there once, and nothing else is."""
    store = Store("worker")
    world, fault, before = of_store(store), DiscoveryImageMissing(), set(store.images)

    async def story() -> tuple[set[str], str]:
        state = await fault.prepare(world)
        await fault.inject(world, state)
        without = set(store.images)
        said = await fault.bitten(world, state)
        await fault.heal(world, state)
        await fault.healed(world, state)
        await fault.heal(world, state)
        return without, said

    without, said = asyncio.run(story())

    assert without == before - {IMAGE} | {KEPT}
    assert said == "a discovery pod of the node waits: ErrImagePull"
    assert store.images == before
    assert store.done == ["delete discovery-worker 0"]


def test_an_image_that_is_not_there_cannot_be_lost() -> None:
    """That would be a fault that does nothing."""
    store = Store("worker", images={"registry.k8s.io/pause:3.10"})

    with pytest.raises(FaultError, match="has no image operator:1"):
        asyncio.run(DiscoveryImageMissing().prepare(of_store(store)))


def test_a_pod_without_containers_waits_for_nothing() -> None:
    """Its kubelet has not looked at it yet."""
    assert waiting({"status": {}}) == []
    assert waiting({"status": {"containerStatuses": [{"state": {"running": {}}}]}}) == []
