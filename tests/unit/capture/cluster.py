"""A user's cluster as its API server tells it, full of what identifies it, and what an operator reports of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "acme"
"""Stands in everything that identifies; no part of a bundle may hold it."""

GPU_NODE, PLAIN_NODE = f"{SECRET}-gpu.rack-7", f"{SECRET}-cpu-1"
LEFT_OUT = f"{SECRET}-db-1"
NAMESPACE = f"{SECRET}-payments"
TAINT = {"key": f"{SECRET}/only", "value": SECRET, "effect": "NoSchedule"}


def meta(name: str, namespace: str = "", **labels: str) -> dict[str, Any]:
    """Metadata with all that there may be."""
    return {
        "name": name, "uid": f"uid-{SECRET}-{namespace}-{name}", "resourceVersion": "17",
        **({"namespace": namespace} if namespace else {}),
        "labels": {f"{SECRET}.com/team": SECRET, **{key.replace("__", "/"): value for key, value in labels.items()}},
        "annotations": {f"{SECRET}.com/owner": f"{SECRET}@example.com"},
        "managedFields": [{"manager": SECRET}], "ownerReferences": [{"name": SECRET}],
    }  # fmt: skip


def node(name: str, *, gpus: int = 0, ready: str = "True", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A Node."""
    figures = {"cpu": "8", "memory": "32768Ki", "ephemeral-storage": "1000Gi", "pods": "110", f"{SECRET}.com/fpga": "1"}
    card = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {
        "metadata": meta(name, **(labels or {})),
        "spec": {"providerID": f"{SECRET}://1", "taints": [TAINT]},
        "status": {
            "capacity": {**figures, **card},
            "allocatable": {**figures, **card, "cpu": "7750m"},
            "conditions": [{"type": "Ready", "status": ready, "message": SECRET}, {"type": SECRET, "status": "False"}],
            "addresses": [{"type": "InternalIP", "address": "10.1.2.3"}, {"type": "Hostname", "address": name}],
            "images": [{"names": [f"registry.{SECRET}.com/x:1"]}], "nodeInfo": {"machineID": SECRET},
        },
    }  # fmt: skip


def pod(name: str, where: str, *, namespace: str = NAMESPACE, phase: str = "Running", **asked: str) -> dict[str, Any]:
    """A pod of one container."""
    container = {
        "name": SECRET, "image": f"registry.{SECRET}.com/app:1", "command": [SECRET],
        "env": [{"name": "PASSWORD", "value": SECRET}], "resources": {"requests": asked, "limits": asked},
        "volumeMounts": [{"name": SECRET, "mountPath": f"/{SECRET}"}],
    }  # fmt: skip
    return {
        "metadata": meta(name, namespace),
        "spec": {
            "nodeName": where, "containers": [container], "hostname": SECRET, "serviceAccountName": SECRET,
            "volumes": [
                {"name": SECRET, "secret": {"secretName": SECRET}},
                {"name": f"{SECRET}-shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            ],
        },
        "status": {"phase": phase, "podIP": "10.4.5.6", "hostIP": "10.1.2.3", "message": SECRET,
                   "containerStatuses": [{"name": SECRET, "image": SECRET, "containerID": SECRET}]},
    }  # fmt: skip


FAST = f"akash.network__capabilities.storage.class.{SECRET}-fast"
OF_GPUS = {"nvidia.com__gpu.present": "true", "akash.network__capabilities.gpu.vendor.nvidia.model.a100": "2"}
NODES = [
    node(GPU_NODE, gpus=2, labels={"akash.network": "true", FAST: "1", **OF_GPUS}),
    node(PLAIN_NODE, labels={"akash.network": "true", FAST: "1"}),
    node(LEFT_OUT),
]
PODS = [
    pod("web-1", PLAIN_NODE, cpu="250m", memory="64Mi"),
    pod("web-1", PLAIN_NODE, namespace=f"{NAMESPACE}-2", cpu="1"),
    pod("train", GPU_NODE, cpu="2", **{"nvidia.com/gpu": "1"}),
    pod("done", GPU_NODE, phase="Succeeded", cpu="4"),
    pod("other", LEFT_OUT, cpu="4"),
]
CLASSES = [
    {"metadata": meta(f"{SECRET}-fast", **{"akash.network": "true"}), "provisioner": "rancher.io/local-path"},
    {"metadata": meta(f"{SECRET}-slow"), "provisioner": f"{SECRET}.com/nfs", "parameters": {"server": "10.9.9.9"}},
]
VOLUMES = [
    {
        "metadata": meta(f"pvc-{SECRET}"),
        "spec": {
            "capacity": {"storage": "5Gi"}, "storageClassName": f"{SECRET}-fast",
            "hostPath": {"path": f"/{SECRET}"}, "claimRef": {"name": SECRET, "namespace": NAMESPACE},
        },
        "status": {"phase": "Bound"},
    }
]  # fmt: skip
CONFIG = f"cluster_storage: [{SECRET}-fast]\nexclude:\n  nodes: ['^{SECRET}-db-']\n  node_storage: []\n"

LISTS = {
    "/api/v1/nodes": NODES,
    "/api/v1/pods": PODS,
    "/apis/storage.k8s.io/v1/storageclasses": CLASSES,
    "/api/v1/persistentvolumes": VOLUMES,
}


DISCOVERY = "operator-inventory-hardware-discovery-"
REGISTRY = {"10de": {"name": "nvidia", "devices": {"20b2": {"name": "a100", "interface": "", "memory_size": ""}}}}


def discovery_pod(where: str) -> dict[str, Any]:
    """The pod that tells of a node's hardware."""
    body = pod(f"{DISCOVERY}{where}", where, namespace="akash-services")
    body["metadata"]["labels"]["app.kubernetes.io/instance"] = "inventory-hardware-discovery"
    del body["spec"]["volumes"]
    return body


def hardware(*, cards: int) -> dict[str, Any]:
    """What it says of processors and cards, by part."""
    card = {"address": "0000:17:00.0", "pci": {"vendor": {"id": "10de"}, "product": {"id": "20b2", "name": SECRET}}}
    processor = {"id": 0, "total_threads": 8, "vendor": "AuthenticAMD", "model": "EPYC 7543", "capabilities": [SECRET]}
    return {"cpu": {"processors": [processor], "host": SECRET}, "gpu": {"cards": [card] * cards or None}}


def informed(body: dict[str, Any]) -> dict[str, Any]:
    """The inventory with the info that follows from that hardware."""
    card = {
        "vendor": "nvidia",
        "vendor_id": "10de",
        "name": "a100",
        "model_id": "20b2",
        "interface": "",
        "memory_size": "",
    }
    for one in body["nodes"]:
        one["resources"]["cpu"]["info"] = [{"id": "0", "vendor": "AuthenticAMD", "model": "EPYC 7543", "vcores": 8}]
        if one["name"] == GPU_NODE:
            one["resources"]["gpu"]["info"] = [card, card]
    return body


def inventory(*, wrong: bool = False) -> dict[str, Any]:
    """What is reported: the truth, or one pod too few on PLAIN_NODE, as by who knows pods by name alone."""
    gib = 2**30
    plain = {"cpu": "250m", "memory": "128Mi"} if wrong else {"cpu": "1250m", "memory": "192Mi"}
    return {
        "nodes": [
            _reported(GPU_NODE, cpu="2", memory="64Mi", gpu="1", gpus="2"),
            _reported(PLAIN_NODE, **plain, gpu="0", gpus="0"),
        ],
        "storage": [
            {
                "quantity": {"allocatable": str(2000 * gib), "capacity": str(2000 * gib), "allocated": str(5 * gib)},
                "info": {"class": f"{SECRET}-fast", "iops": ""},
            }
        ],
    }  # fmt: skip


def _reported(name: str, *, cpu: str, memory: str, gpu: str, gpus: str) -> dict[str, Any]:
    def three(allocatable: str, capacity: str, allocated: str) -> dict[str, Any]:
        return {"allocatable": allocatable, "capacity": capacity, "allocated": allocated, "attributes": [SECRET]}

    none = three("0", "0", "0")
    return {
        "name": name,
        "resources": {
            "cpu": {"quantity": three("7750m", "8", cpu), "info": None},
            "memory": {"quantity": three("32Mi", "32Mi", memory), "info": None},
            "gpu": {"quantity": three(gpus, gpus, gpu), "info": None},
            "ephemeral_storage": three("1000Gi", "1000Gi", "0"),
            "volumes_attached": none,
            "volumes_mounted": none,
        },
        "capabilities": {"storage_classes": [f"{SECRET}-fast"]},
        "note": SECRET,
    }
