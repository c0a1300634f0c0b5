"""Harm to nodes: silent, cordoned, deleted, replaced, changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.client import STRATEGIC_PATCH
from harness.cluster.hardware import NodeProfile
from harness.cluster.nodes import create, node_object, wait_ready
from harness.fault import evidence
from harness.fault.base import BITE_DEADLINE_S, NODE, State, World, pick_node

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_NODES = "/api/v1/nodes"


EACH_S = 0.6
"""What each joining node may add to the wait: four clusters on two cores took 35 s for a hundred nodes."""


class OfOneNode:
    """What the faults of one node have in common."""

    __slots__ = ()

    @property
    def node(self) -> str | None:
        """The one that is wanted; None: any."""
        raise NotImplementedError

    async def prepare(self, world: World) -> State:
        """The node."""
        return {"target": pick_node(world, self.node)}


class _Removed(OfOneNode):
    """What the faults that begin with a node's deletion have in common."""

    __slots__ = ()

    async def inject(self, world: World, state: State) -> None:
        """Delete the Node and its hardware."""
        await remove(world, state["target"])

    async def bitten(self, world: World, state: State) -> str:
        """The API server no longer knows it."""
        return await evidence.node_gone(world.cluster, state["target"])


class Uncordoned:
    """What the faults that end with a node being schedulable again have in common."""

    __slots__ = ()

    async def heal(self, world: World, state: State) -> None:
        """Uncordon."""
        await cordon(world, state["target"], cordoned=False)

    async def healed(self, world: World, state: State) -> None:
        """The API server tells it so."""
        await evidence.node_is(
            world.cluster, state["target"], "schedulable",
            lambda node: None if evidence.is_cordoned(node) else "schedulable",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeSilent(OfOneNode):
    """A node's heartbeats stop for `for_s` seconds after the cluster has seen it.

    Its Lease is given to another holder for very long: kwok believes that another agent holds the node and stops
    playing it; after the grace period the real node lifecycle controller sets Ready=Unknown. Deleting the Lease heals.
    """

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "node-silent"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Give the Lease away; renewTime stays as it is."""
        spec = {"holderIdentity": "another-agent", "leaseDurationSeconds": 100_000}
        await world.cluster.client.patch(f"{_LEASES}/{state['target']}", {"spec": spec})

    async def bitten(self, world: World, state: State) -> str:
        """The node's Ready condition is no longer True."""

        def unknown(node: evidence.Node) -> str | None:
            status = evidence.ready_status(node)
            return f"the node's Ready condition is {status}" if status != "True" else None

        return await evidence.node_is(world.cluster, state["target"], "NotReady", unknown)

    async def heal(self, world: World, state: State) -> None:
        """Delete the Lease: kwok takes the node back."""
        await world.cluster.client.delete(f"{_LEASES}/{state['target']}")

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready."""
        await evidence.node_ready(world.cluster, state["target"])


@dataclass(frozen=True, slots=True)
class NodeCordoned(OfOneNode, Uncordoned):
    """A node is marked unschedulable for `for_s` seconds, as `kubectl cordon` does."""

    for_s: float = 6.0
    node: str | None = None
    kind: ClassVar[str] = "node-cordoned"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Cordon."""
        await cordon(world, state["target"], cordoned=True)

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells it so."""
        return await evidence.node_cordoned(world.cluster, state["target"])


@dataclass(frozen=True, slots=True)
class NodeDeleted(_Removed):
    """A node is deleted for good. There is nothing to heal: the truth has one node less."""

    for_s: float = 6.0
    node: str | None = None
    kind: ClassVar[str] = "node-deleted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


OTHER_MACHINE = NodeProfile(cpus=8, memory_mib=32768, gpu="l40s", gpus=2)


@dataclass(frozen=True, slots=True)
class NodeReplaced(_Removed):
    """A node is deleted and, `for_s` seconds later, joins again under its name with other hardware."""

    for_s: float = 3.0
    node: str | None = None
    becomes: NodeProfile = OTHER_MACHINE
    kind: ClassVar[str] = "node-replaced"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def heal(self, world: World, state: State) -> None:
        """Register the node again, as a new machine."""
        await join(world, state["target"], self.becomes)

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready."""
        await evidence.node_ready(world.cluster, state["target"])


@dataclass(frozen=True, slots=True)
class NodesJoin:
    """New nodes join all at once. There is nothing to heal: the truth has more nodes from then on."""

    nodes: tuple[tuple[str, NodeProfile], ...]
    for_s: float = 6.0
    kind: ClassVar[str] = "nodes-join"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """Their names."""
        del world
        names = [name for name, _ in self.nodes]
        return {"target": names[0] if len(names) == 1 else f"{len(names)} nodes", "names": names}

    async def inject(self, world: World, state: State) -> None:
        """Register them."""
        del state
        for name, profile in self.nodes:
            await world.set_hardware(name, profile)
        await create(world.cluster.client, dict(self.nodes))

    async def bitten(self, world: World, state: State) -> str:
        """They are all Ready."""
        names = state["names"]
        await wait_ready(world.cluster.client, names, deadline_s=BITE_DEADLINE_S + EACH_S * len(names))
        return f"{len(names)} new nodes are Ready"

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class AllocatableChanged:
    """A node's allocatable changes for `for_s` seconds: `changes` maps a resource to its new quantity (None: removed).

    As device plugins do when GPUs become unhealthy (allocatable falls, capacity stays) and kubelets when reservations
    change. `capacity` does the same for capacity, for a device plugin that comes or goes as a whole.
    """

    changes: tuple[tuple[str, str | None], ...]
    capacity: tuple[tuple[str, str | None], ...] = ()
    for_s: float = 6.0
    node: str | None = None
    kind: ClassVar[str] = "allocatable-changed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, and what it had before."""
        name = pick_node(world, self.node)
        status = (await world.cluster.client.get(f"{_NODES}/{name}"))["status"]
        before = {key: status["allocatable"].get(key) for key, _ in self.changes}
        before_capacity = {key: status["capacity"].get(key) for key, _ in self.capacity}
        return {"target": name, "allocatable": before, "capacity": before_capacity}

    async def inject(self, world: World, state: State) -> None:
        """Patch the Node's status."""
        status = {"allocatable": dict(self.changes), "capacity": dict(self.capacity)}
        await patch_status(world, state["target"], status)

    async def bitten(self, world: World, state: State) -> str:
        """The Node's allocatable differs from what it was."""

        def changed(node: evidence.Node) -> str | None:
            now = {key: node["status"]["allocatable"].get(key) for key in state["allocatable"]}
            return f"allocatable is {now}, was {state['allocatable']}" if now != state["allocatable"] else None

        return await evidence.node_is(world.cluster, state["target"], "changed", changed)

    async def heal(self, world: World, state: State) -> None:
        """Give it back what it had."""
        status = {"allocatable": state["allocatable"], "capacity": state["capacity"]}
        await patch_status(world, state["target"], status)

    async def healed(self, world: World, state: State) -> None:
        """The Node's allocatable is what it was."""

        def restored(node: evidence.Node) -> str | None:
            now = {key: node["status"]["allocatable"].get(key) for key in state["allocatable"]}
            return "restored" if now == state["allocatable"] else None

        await evidence.node_is(world.cluster, state["target"], "restored", restored)


async def remove(world: World, node: str) -> None:
    """Delete a Node and take its hardware away."""
    await world.cluster.client.delete(f"{_NODES}/{node}")
    await world.set_hardware(node, None)


async def join(world: World, node: str, profile: NodeProfile) -> None:
    """Register a machine under a name; a Node that is there already is left as it is."""
    await world.set_hardware(node, profile)
    await world.cluster.client.ensure(_NODES, node_object(node, profile))


async def patch_status(world: World, node: str, status: Mapping[str, Any]) -> None:
    """Change a Node's status; conditions are merged by their type, so whatever is not named stays as it is."""
    await world.cluster.client.patch(f"{_NODES}/{node}/status", {"status": status}, content_type=STRATEGIC_PATCH)


async def cordon(world: World, node: str, *, cordoned: bool) -> None:
    """Mark a Node unschedulable, or no longer."""
    await world.cluster.client.patch(f"{_NODES}/{node}", {"spec": {"unschedulable": True if cordoned else None}})
