"""Harm to hardware discovery and to the GPU registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.cluster.base import POD_NAMESPACE
from harness.cluster.hardware import NodeProfile, registry
from harness.errors import ClusterError
from harness.fault import evidence
from harness.fault.base import BITE_DEADLINE_S, DISCOVERY, NODE, OPERATOR, REGISTRY, State, World, pick_node
from harness.wait import Progress, until

_SELECTOR = (
    "app.kubernetes.io/name=inventory,app.kubernetes.io/instance=inventory-hardware-discovery,"
    "app.kubernetes.io/component=operator,app.kubernetes.io/part-of=provider"
)
_PODS = f"/api/v1/namespaces/{POD_NAMESPACE}/pods"


OTHER_GPUS = NodeProfile(gpu="l40s", gpus=4)


@dataclass(frozen=True, slots=True)
class DiscoveryPodDeleted:
    """A node's discovery pod is deleted, as a drain does, while the machine gets other GPUs (field report 652).

    Only an operator that discovers again, with a new pod or by asking again, can report the new hardware.
    """

    becomes: NodeProfile = OTHER_GPUS
    for_s: float = 0.5
    node: str | None = None
    kind: ClassVar[str] = "discovery-pod-deleted"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node and its discovery pods."""
        name = pick_node(world, self.node)
        return {"target": name, "pods": [pod["metadata"]["name"] for pod in await _discovery_pods(world, name)]}

    async def inject(self, world: World, state: State) -> None:
        """Delete the pods at once and exchange the hardware."""
        await world.set_hardware(state["target"], self.becomes)
        for pod in state["pods"]:
            await world.cluster.client.delete(f"{_PODS}/{pod}", grace_s=0)

    async def bitten(self, world: World, state: State) -> str:
        """A pod that was there is gone."""
        if not state["pods"]:
            raise ClusterError(f"node {state['target']} has no discovery pod to delete")
        old = set(state["pods"])
        uids = [pod["metadata"]["name"] for pod in await _discovery_pods(world, state["target"])]
        return f"deleted {', '.join(sorted(old))[:200]}; discovery pods of the node now: {uids}"

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone: the machine keeps its new hardware."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class DiscoveryBroken:
    """The discovery API of a node ("*": of every node) misbehaves for `for_s` seconds: refuse, hang, error, garbage.

    `restart_operator`: the operator is killed and started again meanwhile, so that it needs discovery just then.
    """

    mode: str = "refuse"
    for_s: float = 6.0
    node: str = "*"
    restart_operator: bool = False
    kind: ClassVar[str] = "discovery-broken"

    @property
    def affects(self) -> tuple[str, ...]:
        """Hardware cannot be read; a restarted operator has nothing to report at first."""
        return (DISCOVERY, OPERATOR) if self.restart_operator else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, and how many requests had met a misbehaving API before."""
        return {"target": self.node, "met": await _met(world)}

    async def inject(self, world: World, state: State) -> None:
        """Tell the egress; restart the operator."""
        await world.cluster.set_discovery(state["target"], self.mode)
        if self.restart_operator:
            await world.operator.kill()
            await world.operator.start()

    async def bitten(self, world: World, state: State) -> str:
        """A request of the operator has met it."""

        async def met(progress: Progress) -> str | None:
            count = await _met(world) - int(state["met"])
            progress.last = "no request to a discovery API since"
            return f"{count} requests to discovery APIs were answered with {self.mode}" if count else None

        return await until("the operator to ask for hardware", met, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Tell the egress to answer."""
        await world.cluster.set_discovery(state["target"], "answer")

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class RegistryChanged:
    """The registry gives products other names for good: `names` maps a known name to the new one."""

    names: tuple[tuple[str, str], ...]
    for_s: float = 0.5
    kind: ClassVar[str] = "registry-changed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """How often the registry had been asked."""
        stats = await world.cluster.discovery_stats()
        return {"target": "GPU registry", "asked": stats["registry"]}

    async def inject(self, world: World, state: State) -> None:
        """Change the content."""
        del state
        await world.set_registry(registry(names=dict(self.names)))

    async def bitten(self, world: World, state: State) -> str:
        """The operator has fetched the registry since."""
        return await evidence.registry_asked(world.cluster, int(state["asked"]))

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class RegistryBroken:
    """The registry answers 500 (`mode` error) or not at all (`hang`) for `for_s` seconds."""

    mode: str = "error"
    for_s: float = 5.0
    kind: ClassVar[str] = "registry-broken"
    affects: ClassVar[tuple[str, ...]] = (REGISTRY,)

    async def prepare(self, world: World) -> State:
        """How often the registry had been asked."""
        stats = await world.cluster.discovery_stats()
        return {"target": "GPU registry", "asked": stats["registry"]}

    async def inject(self, world: World, state: State) -> None:
        """Break it."""
        del state
        await world.cluster.set_registry(mode=self.mode)

    async def bitten(self, world: World, state: State) -> str:
        """The operator has met the broken registry."""
        return await evidence.registry_asked(world.cluster, int(state["asked"]))

    async def heal(self, world: World, state: State) -> None:
        """Answer again."""
        del state
        await world.cluster.set_registry(mode="answer")

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


async def _met(world: World) -> int:
    return int((await world.cluster.discovery_stats())["misbehaved"])


async def _discovery_pods(world: World, node: str) -> list[dict[str, Any]]:
    body = await world.cluster.client.get(
        _PODS, params={"labelSelector": _SELECTOR, "fieldSelector": f"spec.nodeName={node}"}
    )
    return list(body["items"])
