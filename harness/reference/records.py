"""What the operator remembers of Nodes and Pods: the few fields it needs, so that thousands fit in little memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reference.resources import Amounts, amounts, pod_requests

if TYPE_CHECKING:
    from collections.abc import Mapping

DISCOVERY_LABELS = {
    "app.kubernetes.io/name": "inventory",
    "app.kubernetes.io/instance": "inventory-hardware-discovery",
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/part-of": "provider",
}
TERMINAL_PHASES = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A Node."""

    name: str
    uid: str
    ready: bool
    unschedulable: bool
    capacity: Amounts
    allocatable: Amounts
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DiscoveryRecord:
    """What more is remembered of a discovery pod. `owner_uid` is the uid of the Node object it was made for."""

    owner_uid: str
    image: str
    running: bool
    deleting: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod that is bound to `node` (empty: to none yet)."""

    namespace: str
    name: str
    uid: str
    node: str
    terminal: bool
    requests: Amounts
    discovery: DiscoveryRecord | None = None


def decode_node(item: Mapping[str, Any]) -> NodeRecord:
    """A Node from its JSON; raises KeyError, TypeError, ValueError or AttributeError when it is none."""
    meta, status = item["metadata"], item.get("status") or {}
    return NodeRecord(
        name=meta["name"],
        uid=meta["uid"],
        ready=any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in status.get("conditions") or ()
        ),
        unschedulable=bool((item.get("spec") or {}).get("unschedulable")),
        capacity=amounts(status.get("capacity")),
        allocatable=amounts(status.get("allocatable")),
        labels=meta.get("labels") or {},
    )


def decode_pod(item: Mapping[str, Any]) -> PodRecord:
    """A Pod from its JSON; raises KeyError, TypeError, ValueError or AttributeError when it is none."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    return PodRecord(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName") or "",
        terminal=status.get("phase") in TERMINAL_PHASES,
        requests=pod_requests(spec, status),
        discovery=_discovery(meta, spec, status) if _is_discovery(meta) else None,
    )


def _is_discovery(meta: Mapping[str, Any]) -> bool:
    labels = meta.get("labels") or {}
    return all(labels.get(key) == value for key, value in DISCOVERY_LABELS.items())


def _discovery(meta: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]) -> DiscoveryRecord:
    owners = meta.get("ownerReferences") or ()
    containers = status.get("containerStatuses") or ()
    return DiscoveryRecord(
        owner_uid=next((owner["uid"] for owner in owners if owner.get("kind") == "Node"), ""),
        image=spec["containers"][0].get("image", ""),
        running=status.get("phase") == "Running" and bool(status.get("podIP")),
        deleting="deletionTimestamp" in meta,
        restarts=sum(container.get("restartCount", 0) for container in containers),
    )
