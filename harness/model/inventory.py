"""Ground truth, accumulated record by record, and what an operator must report of each node.

Promises TRUTH-1, TRUTH-2, TRUTH-3, TRUTH-5, TRUTH-6 and LABEL-1 of the contract. `Truth` is incremental: sums are kept
per node, so a pod event costs the same at 100,000 pods as at ten. A pod is known by (namespace, name, uid): of one
(namespace, name) there is one at a time, the uid tells whether it is still the same. What follows from storage alone is
in `harness.model.storage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.errors import HistoryError
from harness.model import config, figures, hardware, quantity, storage
from harness.model.figures import FIELDS, RESOURCES
from harness.model.hardware import CpuInfo, GpuInfo, is_managed, wanted_labels
from harness.model.storage import ExpectedStorage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from harness.history.record import Record
    from harness.model.figures import Amounts

__all__ = [
    "ABSENT",
    "FIELDS",
    "RESOURCES",
    "Absent",
    "CpuInfo",
    "ExpectedNode",
    "ExpectedStorage",
    "GpuInfo",
    "Truth",
    "is_managed",
    "wanted_labels",
]


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent.ABSENT
"""The expected value of whatever must not be reported at all."""

_ALLOCATED = tuple(f"{name}.allocated" for name in RESOURCES)
_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED", "SYNC"})
_OF_STORAGE = frozenset({"object", "synced", "config", "pools"})


@dataclass(frozen=True, slots=True)
class ExpectedNode:
    """What must be reported of one node.

    `values`: every one of FIELDS, in cores, bytes and pieces. `cpu_info`, `gpu_info`: sorted; None when not knowable,
    and then not judged. `labels`: the managed labels that are surely wanted; `labels_known` tells that there are no
    others (false when hardware is not knowable, or where it is left open whether a storage class is one of the node's).
    `storage_classes`: sorted; a `OneOf` where the contract leaves open which, None when not knowable.
    `sure`: whether it has to be reported at all (false while the configuration file is empty: the contract does not say
    whether such a file is bad, so that the last good one stays, or the default, so that nothing is excluded).
    """

    name: str
    values: Mapping[str, Decimal]
    cpu_info: tuple[CpuInfo, ...] | None
    gpu_info: tuple[GpuInfo, ...] | None
    labels: Mapping[str, str]
    labels_known: bool = True
    sure: bool = True
    storage_classes: Any = ()


@dataclass(frozen=True, slots=True)
class _Node:
    uid: str
    body: Mapping[str, Any]
    offered: bool  # Ready and schedulable
    figures: Mapping[str, Decimal]  # capacity and allocatable
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Profile:
    """What follows from hardware, registry, classes and configuration, which change far more rarely than pods do."""

    cpu_info: tuple[CpuInfo, ...] | None
    gpu_info: tuple[GpuInfo, ...] | None
    labels: Mapping[str, str]
    labels_known: bool
    storage_classes: Any


@dataclass(frozen=True, slots=True)
class _Pod:
    uid: str
    node: str  # "" while not bound
    amounts: Amounts  # in the order of RESOURCES; nothing once terminal


class Truth:
    """The state of the cluster after the records applied so far."""

    def __init__(self, excepted: frozenset[str] = frozenset()) -> None:
        self._excepted = excepted
        self._nodes: dict[str, _Node] = {}
        self._pods: dict[tuple[str, str], _Pod] = {}
        self._allocated: dict[str, Amounts] = {}
        self._pod_counts: dict[str, int] = {}
        self._hardware: dict[str, Any] = {}
        self._registry: hardware.Registry | None = None
        self._config = config.DEFAULT
        self._or_else: tuple[config.Config, ...] = ()  # what may be in force as well, since the file was emptied
        self._expected: dict[str, ExpectedNode | None] = {}
        self._profiles: dict[str, _Profile] = {}
        self._storage = storage.StorageTruth()
        self._expected_storage: dict[str, ExpectedStorage] | None = None

    def except_fields(self, excepted: frozenset[str]) -> None:
        """Expect nothing any more of these fields.

        "gpu.info", "gpu.info.vendor_id" (see `judged_info`), "labels", "storage.classes"; of one storage class,
        "storage.capacity of local-path" (see `storage.exception`).
        """
        self._excepted = excepted
        self._profiles.clear()
        self._expected.clear()
        self._expected_storage = None

    def apply(self, record: Record) -> set[str]:
        """Take in one record; returns the names of nodes whose expectation may have changed.

        Kinds other than object, synced, hardware, registry, config and pools change nothing. Raises HistoryError when a
        record of these kinds cannot be understood: a truth with a hole in it is no truth.
        """
        try:
            touched = self._apply(record)
        except quantity.QuantityError as exc:
            where = f"{record.get('resource')} {record.get('namespace') or ''}/{record.get('name')}"
            raise HistoryError(
                f"ground truth at {record.get('t')} s, {where}: {exc}", hint="the history was not written by a harness"
            ) from exc
        for name in touched:
            self._expected.pop(name, None)
        if record["k"] in _OF_STORAGE and record.get("resource") != "pods":
            self._expected_storage = None
        return touched

    def expected(self) -> dict[str, ExpectedNode]:
        """Every node that must be reported, by name."""
        found = ((name, self.expected_node(name)) for name in self._nodes)
        return {name: node for name, node in found if node is not None}

    def expected_node(self, name: str) -> ExpectedNode | None:
        """What must be reported of the node; None when it must not be reported (TRUTH-1)."""
        if name not in self._expected:
            self._expected[name] = self._expect(name)
        return self._expected[name]

    def expected_storage(self) -> Mapping[str, ExpectedStorage]:
        """What must be reported of storage, by class; a class that is not in it must not be reported (TRUTH-6)."""
        if self._expected_storage is None:
            self._expected_storage = self._expect_storage()
        return self._expected_storage

    def storage_classes(self) -> set[str]:
        """Every class that exists or that the configuration names."""
        return {*self._storage.class_names(), *self._config.cluster_storage}

    def node_labels(self, name: str) -> Mapping[str, str]:
        """All labels that the node has now; empty when there is no such node."""
        node = self._nodes.get(name)
        return node.labels if node is not None else {}

    def nodes(self) -> Mapping[str, Mapping[str, Any]]:
        """All Node objects known, reported or not, by name."""
        return {name: node.body for name, node in self._nodes.items()}

    def node_uid(self, name: str) -> str | None:
        """The uid of the node now; None when there is no such node."""
        node = self._nodes.get(name)
        return node.uid if node is not None else None

    def pods(self, node: str) -> list[tuple[str, str, str]]:
        """The identities (namespace, name, uid) of the pods bound to the node, sorted. Walks all pods: for findings."""
        return sorted((*key, pod.uid) for key, pod in self._pods.items() if pod.node == node)

    def _apply(self, record: Record) -> set[str]:
        match record["k"]:
            case "object":
                touched = self._apply_object(record)
            case "synced":
                touched = self._apply_synced(record)
            case "hardware":
                touched = self._apply_hardware(record["node"], record["hardware"])
            case "registry":
                touched = self._apply_registry(record)
            case "config":
                touched = self._apply_config(record)
            case "pools":
                self._storage.apply_pools(record)
                touched = set()
            case _:
                touched = set()
        return touched

    def _apply_object(self, record: Record) -> set[str]:
        event = record["event"]
        if event not in _EVENTS:
            raise HistoryError(f"unknown event {event!r} of an object", hint=f"one of {', '.join(sorted(_EVENTS))}")
        name, uid = record["name"], record["uid"]
        if record["resource"] == "nodes":
            if event != "DELETED":
                return self._put_node(name, uid, record["object"])
            # A late DELETED of an earlier node must not remove the one that came back under its name.
            gone = name in self._nodes and self._nodes[name].uid == uid
            return self._drop_node(name) if gone else set()
        if record["resource"] == "pods":
            key = (record["namespace"] or "", name)
            if event != "DELETED":
                return self._put_pod(key, uid, record["object"])
            gone = key in self._pods and self._pods[key].uid == uid
            return self._drop_pod(key) if gone else set()
        if record["resource"] in storage.RESOURCES:
            self._storage.apply_object(record)
            return self._storage_changed(record)
        return set()

    def _apply_synced(self, record: Record) -> set[str]:
        listed = {(namespace or "", name, uid) for namespace, name, uid in record["objects"]}
        touched: set[str] = set()
        if record["resource"] == "nodes":
            for name in [name for name, node in self._nodes.items() if ("", name, node.uid) not in listed]:
                touched |= self._drop_node(name)
        elif record["resource"] == "pods":
            for key in [key for key, pod in self._pods.items() if (*key, pod.uid) not in listed]:
                touched |= self._drop_pod(key)
        elif record["resource"] in storage.RESOURCES:
            self._storage.apply_synced(record)
            touched = self._storage_changed(record)
        return touched

    def _storage_changed(self, record: Record) -> set[str]:
        """The nodes that a change of storage touches: all of them, where the configuration names classes."""
        if record["resource"] != storage.CLASSES or not self._config.cluster_storage:
            return set()
        self._profiles.clear()
        return set(self._nodes)

    def _apply_hardware(self, name: str, answers: Any) -> set[str]:
        if name in self._hardware and self._hardware[name] == answers:
            return set()
        self._hardware[name] = answers
        self._profiles.pop(name, None)
        return {name}

    def _apply_registry(self, record: Record) -> set[str]:
        registry = hardware.parse_registry(record["body"])
        if registry is None or registry == self._registry:
            return set()
        self._registry = registry
        self._profiles.clear()
        return set(self._hardware)

    def _apply_config(self, record: Record) -> set[str]:
        body = record["body"]
        if isinstance(body, str) and body:
            raise HistoryError(
                f"the configuration at {record.get('t')} s is stored as text",
                hint='store the parsed document, or {"raw": text} when it cannot be parsed',
            )
        try:
            new = config.parse(body)
        except config.ConfigError:
            # CONFIG-1: a bad new configuration keeps the last good one.
            return set()
        or_else = tuple(dict.fromkeys((*self._or_else, self._config))) if config.is_empty(body) else ()
        if (new, or_else) == (self._config, self._or_else):
            return set()
        self._config, self._or_else = new, or_else
        self._profiles.clear()
        return set(self._nodes)

    def _put_node(self, name: str, uid: str, body: Mapping[str, Any]) -> set[str]:
        labels = (body.get("metadata") or {}).get("labels") or {}
        new = _Node(uid, body, figures.is_offered(body), figures.of_node(body.get("status") or {}), labels)
        old = self._nodes.get(name)
        self._nodes[name] = new
        unchanged = old is not None and (old.uid, old.offered, old.figures) == (new.uid, new.offered, new.figures)
        return set() if unchanged else {name}

    def _drop_node(self, name: str) -> set[str]:
        del self._nodes[name]
        return {name}

    def _put_pod(self, key: tuple[str, str], uid: str, body: Mapping[str, Any]) -> set[str]:
        node = (body.get("spec") or {}).get("nodeName") or ""
        new = _Pod(uid, node, figures.of_pod(body) if node else figures.NOTHING)
        old = self._pods.get(key)
        if old == new:
            return set()
        touched = self._drop_pod(key) if old is not None else set()
        self._pods[key] = new
        return touched | self._count(new, 1)

    def _drop_pod(self, key: tuple[str, str]) -> set[str]:
        return self._count(self._pods.pop(key), -1)

    def _count(self, pod: _Pod, sign: int) -> set[str]:
        """Add a pod to the sums of its node, which need not be known yet, or take it out."""
        if not pod.node:
            return set()
        self._pod_counts[pod.node] = self._pod_counts.get(pod.node, 0) + sign
        if not self._pod_counts[pod.node]:
            del self._pod_counts[pod.node], self._allocated[pod.node]
            return {pod.node}
        change = quantity.add if sign > 0 else quantity.subtract
        before = self._allocated.get(pod.node, figures.NOTHING)
        self._allocated[pod.node] = tuple(change(a, b) for a, b in zip(before, pod.amounts, strict=True))
        return {pod.node} if any(pod.amounts) else set()

    def _expect(self, name: str) -> ExpectedNode | None:
        node = self._nodes.get(name)
        if node is None or not node.offered or self._config.excludes(name):
            return None
        allocated = self._allocated.get(name, figures.NOTHING)
        profile = self._profile(name)
        return ExpectedNode(
            name=name,
            values={**node.figures, **dict(zip(_ALLOCATED, allocated, strict=True))},
            cpu_info=profile.cpu_info,
            gpu_info=profile.gpu_info,
            labels=profile.labels,
            labels_known=profile.labels_known,
            sure=not any(other.excludes(name) for other in self._or_else),
            storage_classes=profile.storage_classes,
        )

    def _expect_storage(self) -> dict[str, ExpectedStorage]:
        configs = (self._config, *self._or_else)
        shares = [
            storage.NodeShare(
                name, node.offered, node.figures["ephemeral_storage.capacity"],
                node.figures["ephemeral_storage.allocatable"],
            )
            for name, node in (self._nodes.items() if any(one.cluster_storage for one in configs) else ())
        ]  # fmt: skip
        found, *others = (self._storage.expected(one, shares) for one in configs)
        for other in others:
            differing = {name for name in found.keys() | other.keys() if found.get(name) != other.get(name)}
            found |= {name: storage.unknown(name) for name in differing}
        return storage.without_exceptions(found, self._excepted)

    def _profile(self, name: str) -> _Profile:
        if name not in self._profiles:
            truth = self._hardware.get(name)
            gpus = hardware.gpu_info(truth, self._registry)
            named = self._config.storage_classes(name)
            open_to = any(other.storage_classes(name) != named for other in self._or_else)
            classes, classes_known = self._storage.of_node(named)
            labels_known = gpus is not None and classes_known and not open_to
            surely = () if open_to else self._storage.surely_of_node(named)
            self._profiles[name] = _Profile(
                cpu_info=hardware.judged_info("cpu.info", hardware.cpu_info(truth), self._excepted),
                gpu_info=hardware.judged_info("gpu.info", gpus, self._excepted),
                labels={} if "labels" in self._excepted else wanted_labels(gpus or (), surely),
                labels_known=labels_known and "labels" not in self._excepted,
                storage_classes=None if open_to or storage.OF_NODE in self._excepted else classes,
            )
        return self._profiles[name]
