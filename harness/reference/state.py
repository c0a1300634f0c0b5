"""What the operator knows, and which nodes' entries that knowledge has made out of date.

Nothing here waits or talks to anybody: reflectors, discovery, registry and configuration put in what they see, the
publisher, the labels and discovery take out what follows from it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.reference.behaviour import Behaviour, Ledger, reportable
from harness.reference.hardware import NO_REGISTRY, Gpu, Hardware, Registry, known_gpus
from harness.reference.inventory import NodeEntry, node_entry
from harness.reference.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from harness.reference.config import Config
    from harness.reference.inventory import StorageEntry
    from harness.reference.records import NodeRecord, PodRecord

# TRUTH-1 gives a node 5 s to appear; when its hardware cannot be read by then it appears without hardware info.
GRACE_S = 4.0


@dataclass(slots=True)
class State:
    """Everything known. `changed` is set when an entry may be out of date; `listeners` hear the names of nodes."""

    behaviour: Behaviour
    pod_namespace: str
    config: Config
    monotonic: Callable[[], float] = time.monotonic
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: list[Callable[[str], None]] = field(default_factory=list)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    discovery_pods: dict[str, PodRecord] = field(default_factory=dict)
    hardware: dict[str, Hardware] = field(default_factory=dict)
    registry: Registry = NO_REGISTRY
    _reported: dict[str, NodeRecord] = field(default_factory=dict)
    _reported_registry: Registry = NO_REGISTRY
    _pods: dict[Hashable, PodRecord] = field(default_factory=dict)
    _by_node: dict[str, dict[Hashable, PodRecord]] = field(default_factory=dict)
    _first_offered: dict[str, tuple[str, float]] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _ledger: Ledger = field(init=False)
    stores: Stores = field(init=False)

    def __post_init__(self) -> None:
        self._ledger = self.behaviour.ledger()
        self.stores = Stores(self.behaviour.storage, self.changed.set, self.touch_all)

    # -- what is put in ------------------------------------------------------------------------------------------

    def put_node(self, node: NodeRecord) -> None:
        """A Node is new, or has changed."""
        self.nodes[node.name] = node
        self._reported[node.name] = self.behaviour.merge_node(self._reported.get(node.name), node)
        self._note_offer(node)
        self.touch(node.name)

    def drop_node(self, name: str) -> None:
        """A Node is gone."""
        self.nodes.pop(name, None)
        if self.behaviour.forget_node:
            self._reported.pop(name, None)
            self.hardware.pop(name, None)
        self._first_offered.pop(name, None)
        self.touch(name)

    def put_pod(self, pod: PodRecord) -> None:
        """A Pod is new, or has changed."""
        key = self.behaviour.pod_identity(pod)
        old = self._pods.get(key)
        if old == pod:
            return
        if old is not None and old.node != pod.node:
            self._unbind(key, old)
        self._pods[key] = pod
        if pod.node:
            self._by_node.setdefault(pod.node, {})[key] = pod
            self._stale(pod.node)
        if self._is_ours(pod):
            self.discovery_pods[pod.name] = pod
            self._tell(pod.node)

    def drop_pod(self, pod: PodRecord) -> None:
        """A Pod is gone."""
        key = self.behaviour.pod_identity(pod)
        self._ledger.deleted(pod)
        old = self._pods.pop(key, None)
        if old is not None:
            self._unbind(key, old)
        known = self.discovery_pods.get(pod.name)
        if known is not None and self._is_ours(pod) and known.uid == pod.uid:
            del self.discovery_pods[pod.name]
            if not self.behaviour.outlives_pod:
                self.hardware.pop(pod.node, None)
                self._stale(pod.node)
            self._tell(pod.node)

    def pods_watched_anew(self) -> None:
        """A watch of pods that had ended in order was taken up again."""
        self._ledger.resumed([pod for pod in self._pods.values() if pod.node])
        for name in self._by_node:
            self._stale(name)

    def put_hardware(self, name: str, hardware: Hardware) -> None:
        """The hardware of a node has been read, at least in part."""
        if self.hardware.get(name) != hardware:
            self.hardware[name] = hardware
            self.touch(name)

    def put_registry(self, registry: Registry) -> None:
        """The GPU registry has been read."""
        self._reported_registry = self.behaviour.reported_registry(self._reported_registry, registry)
        if registry != self.registry:
            self.registry = registry
            self._told = {node.uid for node in self.nodes.values()}
            self.touch_all()

    def put_config(self, config: Config) -> None:
        """A new configuration is valid."""
        if config != self.config:
            self.config = config
            for node in self.nodes.values():
                self._note_offer(node)
            self.stores.happened.set()
            self.touch_all()

    def touch(self, name: str) -> None:
        """Everything that follows from this node is to be looked at again."""
        self._stale(name)
        self._tell(name)

    def touch_all(self) -> None:
        """Everything is to be looked at again."""
        for name in list(self._reported):
            self.touch(name)
        self.changed.set()

    # -- what is taken out ---------------------------------------------------------------------------------------

    def take_dirty(self) -> set[str]:
        """The nodes whose entries are out of date; they count as up to date from now on."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    def offered(self, name: str) -> bool:
        """Whether the node is one that is to be reported and labelled (TRUTH-1)."""
        node = self.nodes.get(name)
        return node is not None and reportable(node) and not self.config.excludes(name)

    def known_hardware(self, node: NodeRecord) -> Hardware:
        """What has been read of this very Node object; another of the same name may have had other hardware."""
        known = self.hardware.get(node.name)
        return known if known is not None and known.node_uid == node.uid else Hardware(node.uid)

    def settled(self, node: NodeRecord) -> bool:
        """Whether the node can be reported: its hardware is known, or has been waited for long enough."""
        if self.known_hardware(node).complete:
            return True
        uid, since = self._first_offered.get(node.name, (node.uid, -GRACE_S))
        return uid != node.uid or self.monotonic() - since >= GRACE_S

    def all_settled(self) -> bool:
        """Whether no offered node is still being waited for."""
        return all(self.settled(node) for name, node in self.nodes.items() if self.offered(name))

    def gpus(self, node: NodeRecord) -> tuple[Gpu, ...] | None:
        """The cards of a node that the registry knows; None while either is unknown."""
        cards = self.known_hardware(node).cards
        if cards is None or not self.registry.loaded:
            return None
        return known_gpus(cards, self._registry_of(node, self.registry))

    def entry(self, name: str) -> NodeEntry | None:
        """What is to be reported of this node now; None for a node that is not reported."""
        node = self._reported.get(name)
        if node is None or not self.behaviour.reportable(node) or self.config.excludes(name) or not self.settled(node):
            return None
        hardware = self.known_hardware(node)
        gpus = known_gpus(hardware.cards or (), self._registry_of(node, self._reported_registry))
        return node_entry(
            self.behaviour.reported_name(node.name),
            node,
            (pod.requests for pod in self._by_node.get(name, {}).values() if self.behaviour.counts(pod)),
            cpu_info=hardware.cpus or (),
            gpu_info=tuple(map(self.behaviour.reported_gpu, gpus)),
            storage_classes=self.stores.of_node(self.config, name),
            correction=self._ledger.correction(name),
        )

    def storage(self) -> tuple[StorageEntry, ...]:
        """What is to be reported of cluster storage now."""
        if not self.config.cluster_storage:
            return ()
        return self.stores.entries(self.config, [node for name, node in self.nodes.items() if self.offered(name)])

    # -- inside --------------------------------------------------------------------------------------------------

    def replace_nodes(self, nodes: Sequence[NodeRecord]) -> None:
        """These are all the Nodes there are."""
        now = {node.name for node in nodes}
        for name in [name for name in self.nodes if name not in now]:
            self.behaviour.on_missed_deletion(name)
            self.drop_node(name)
        for node in nodes:
            if self.nodes.get(node.name) != node:
                self.put_node(node)
        self.changed.set()

    def replace_pods(self, pods: Sequence[PodRecord]) -> None:
        """These are all the Pods there are."""
        now = {self.behaviour.pod_identity(pod) for pod in pods}
        for pod in [pod for key, pod in self._pods.items() if key not in now]:
            self.behaviour.on_missed_deletion(f"{pod.namespace}/{pod.name}")
            self.drop_pod(pod)
        for pod in pods:
            self.put_pod(pod)
        self.changed.set()

    def orphans(self) -> Iterator[PodRecord]:
        """Discovery pods that belong to no Node."""
        return (pod for pod in self.discovery_pods.values() if pod.node not in self.nodes)

    def _registry_of(self, node: NodeRecord, registry: Registry) -> Registry:
        """What the registry says to this node (all of it, except in a saboteur)."""
        told = self.behaviour.registry_for_newcomers or node.uid in self._told
        return registry if told else NO_REGISTRY

    def _is_ours(self, pod: PodRecord) -> bool:
        return pod.discovery is not None and pod.namespace == self.pod_namespace

    def _note_offer(self, node: NodeRecord) -> None:
        """Start the wait for hardware when a node is first offered; the clock starts anew for a new Node object."""
        if not self.offered(node.name):
            self._first_offered.pop(node.name, None)
        elif self._first_offered.get(node.name, ("", 0.0))[0] != node.uid:
            self._first_offered[node.name] = (node.uid, self.monotonic())
            asyncio.get_running_loop().call_later(GRACE_S + 0.01, self.touch, node.name)

    def _unbind(self, key: Hashable, pod: PodRecord) -> None:
        if pod.node:
            self._by_node.get(pod.node, {}).pop(key, None)
            if not self._by_node.get(pod.node):
                self._by_node.pop(pod.node, None)
            self._stale(pod.node)

    def _stale(self, name: str) -> None:
        self._dirty.add(name)
        self.changed.set()

    def _tell(self, name: str) -> None:
        for listener in self.listeners:
            listener(name)


@dataclass(frozen=True, slots=True)
class NodeMirror:
    """The reflector's way to put Nodes in."""

    state: State

    def replace(self, items: Sequence[NodeRecord]) -> None:
        """These are all there are."""
        self.state.replace_nodes(items)

    def upsert(self, item: NodeRecord) -> None:
        """This one is new, or has changed."""
        if self.state.nodes.get(item.name) != item:
            self.state.put_node(item)

    def remove(self, item: NodeRecord) -> None:
        """This one is gone."""
        self.state.drop_node(item.name)


@dataclass(frozen=True, slots=True)
class PodMirror:
    """The reflector's way to put Pods in."""

    state: State

    def replace(self, items: Sequence[PodRecord]) -> None:
        """These are all there are."""
        self.state.replace_pods(items)

    def upsert(self, item: PodRecord) -> None:
        """This one is new, or has changed."""
        self.state.put_pod(item)

    def remove(self, item: PodRecord) -> None:
        """This one is gone."""
        self.state.drop_pod(item)
