"""A node that leaves and joins again as the machine it was: its Node is deleted, and registered again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.fault import evidence
from harness.fault.base import NODE, State, World
from harness.fault.node import OfOneNode

if TYPE_CHECKING:
    from collections.abc import Mapping

_NODES = "/api/v1/nodes"
_OF_OPERATORS = ("akash.network", "nvidia.com/gpu.present")
"""The beginnings of labels that an operator has to write anew: a machine that joins has none of them."""


@dataclass(frozen=True, slots=True)
class NodeRejoins(OfOneNode):
    """A node is deleted and, `for_s` seconds later, joins again under its name, as the same machine.

    Its pods are gone with it. A kubelet that runs takes a Node of its name for its own, and so does kwok: registering
    it again is what a kubelet that is restarted does.
    """

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "node-rejoins"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, and what it is registered as."""
        chosen = await OfOneNode.prepare(self, world)
        found = await world.cluster.client.get(f"{_NODES}/{chosen['target']}")
        return {**chosen, "node": registered(found)}

    async def inject(self, world: World, state: State) -> None:
        """Delete the Node."""
        await world.cluster.client.delete(f"{_NODES}/{state['target']}")

    async def bitten(self, world: World, state: State) -> str:
        """The API server no longer knows it, or knows another by its name."""
        return await evidence.node_gone(world.cluster, state["target"])

    async def heal(self, world: World, state: State) -> None:
        """Register it again, where that has not been done."""
        await world.cluster.client.ensure(_NODES, state["node"])

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready."""
        await evidence.node_ready(world.cluster, state["target"])


def registered(node: Mapping[str, Any]) -> dict[str, Any]:
    """The Node as its kubelet registers it: its labels less those of operators, annotations, addresses and size; pure.

    Taints of the node lifecycle controller follow from conditions, which the kubelet writes anew.
    """
    meta, spec = node["metadata"], node["spec"]
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if not key.startswith(_OF_OPERATORS)}
    taints = [taint for taint in spec.get("taints") or () if not taint["key"].startswith("node.kubernetes.io/")]
    kept = {key: spec[key] for key in ("podCIDR", "podCIDRs", "providerID") if key in spec}
    status = node.get("status") or {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": meta["name"], "labels": labels, "annotations": dict(meta.get("annotations") or {})},
        "spec": {**kept, **({"taints": taints} if taints else {})},
        "status": {key: status[key] for key in ("capacity", "allocatable", "addresses", "nodeInfo") if key in status},
    }
