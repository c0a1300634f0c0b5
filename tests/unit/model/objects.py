"""Builders of the objects and records that the tests of the model feed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REGISTRY: dict[str, Any] = {
    "10de": {
        "name": "nvidia",
        "devices": {
            "20b5": {"name": "a100", "interface": "PCIe", "memory_size": "80Gi"},
            "2330": {"name": "h100", "interface": "SXM5", "memory_size": "80Gi"},
        },
    },
    "1002": {"name": "amd", "devices": {"740f": {"name": "mi210", "interface": "PCIe", "memory_size": "64Gi"}}},
}


def container(name: str = "main", *, restart: str | None = None, **requests: str | int) -> dict[str, Any]:
    """A container with these requests; `nvidia_gpu=1` asks for "nvidia.com/gpu", underscores stand for dashes."""
    result: dict[str, Any] = {"name": name, "resources": {"requests": amounts(**requests)}}
    if restart is not None:
        result["restartPolicy"] = restart
    return result


def amounts(**values: str | int) -> dict[str, str | int]:
    """A resource list, with the names spelled as in `container`."""
    gpus = {"nvidia_gpu": "nvidia.com/gpu", "amd_gpu": "amd.com/gpu"}
    return {gpus.get(name, name.replace("_", "-")): value for name, value in values.items()}


def pod(*containers: dict[str, Any], node: str = "", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    """A pod bound to `node`."""
    body: dict[str, Any] = {"containers": list(containers), **spec}
    if node:
        body["nodeName"] = node
    return {"metadata": {}, "spec": body, "status": {"phase": phase}}


def node(
    *,
    capacity: Mapping[str, str | int] | None = None,
    allocatable: Mapping[str, str | int] | None = None,
    ready: str = "True",
    cordoned: bool = False,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A Node object."""
    return {
        "metadata": {"labels": dict(labels or {})},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "capacity": dict(capacity or {}),
            "allocatable": dict(allocatable or {}),
        },
    }


def of_node(event: str, name: str, body: dict[str, Any], *, uid: str = "u1", t: float = 0.0) -> dict[str, Any]:
    """The record of a node event."""
    return {"k": "object", "t": t, "event": event, "resource": "nodes", "namespace": "", "name": name, "uid": uid,
            "rv": "1", "object": body}  # fmt: skip


def of_pod(
    event: str, name: str, body: dict[str, Any], *, namespace: str = "default", uid: str = "u1", t: float = 0.0
) -> dict[str, Any]:
    """The record of a pod event."""
    return {"k": "object", "t": t, "event": event, "resource": "pods", "namespace": namespace, "name": name,
            "uid": uid, "rv": "1", "object": body}  # fmt: skip


def synced(resource: str, objects: Iterable[tuple[str, str, str]], *, t: float = 0.0) -> dict[str, Any]:
    """The record of a complete LIST."""
    return {"k": "synced", "t": t, "resource": resource, "rv": "1", "objects": [list(item) for item in objects]}


def hardware(name: str, body: Any, *, t: float = 0.0) -> dict[str, Any]:
    """The record of what discovery answers."""
    return {"k": "hardware", "t": t, "node": name, "hardware": body}


def registry(body: Any, *, t: float = 0.0) -> dict[str, Any]:
    """The record of the registry's content."""
    return {"k": "registry", "t": t, "body": body}


def config(body: Any, *, t: float = 0.0) -> dict[str, Any]:
    """The record of a configuration."""
    return {"k": "config", "t": t, "body": body}


def machine(*cards: tuple[str, str] | None, threads: int = 8) -> dict[str, Any]:
    """Hardware with one processor and the given cards, each (vendor id, product id); None is a card without PCI ids."""
    return {
        "cpu": {"processors": [{"id": 0, "total_threads": threads, "vendor": "GenuineIntel", "model": "Xeon"}]},
        "gpu": {
            "cards": [
                {"pci": {"vendor": {"id": card[0]}, "product": {"id": card[1]}} if card else None} for card in cards
            ]
            or None
        },
    }


def of_storage(
    event: str, resource: str, name: str, body: dict[str, Any], *, uid: str = "u1", namespace: str = "", t: float = 0.0
) -> dict[str, Any]:
    """The record of an event of a class, a volume or a Ceph cluster."""
    return {"k": "object", "t": t, "event": event, "resource": resource, "namespace": namespace, "name": name,
            "uid": uid, "rv": "1", "object": body}  # fmt: skip


def storage_class(
    provisioner: str = "rancher.io/local-path", *, label: str | None = "true", pool: str = "", cluster: str = ""
) -> dict[str, Any]:
    """A StorageClass."""
    parameters = {"pool": pool, "clusterID": cluster} if pool else None
    return {
        "metadata": {"labels": {} if label is None else {"akash.network": label}},
        "provisioner": provisioner,
        **({} if parameters is None else {"parameters": parameters}),
    }


def volume(size: str | int, storage_class: str = "local-path", *, phase: str = "Bound") -> dict[str, Any]:
    """A PersistentVolume."""
    return {
        "metadata": {},
        "spec": {"capacity": {"storage": size}, "storageClassName": storage_class},
        "status": {"phase": phase},
    }


def pools(namespace: str = "rook-ceph", *, t: float = 0.0, **figures: tuple[int, int]) -> dict[str, Any]:
    """The record of what the Ceph tools tell: `ssd=(max_avail, stored)`."""
    listed = [
        {"name": name, "stats": {"max_avail": free, "stored": stored}} for name, (free, stored) in figures.items()
    ]
    return {"k": "pools", "t": t, "namespace": namespace, "body": {"pools": listed}}
