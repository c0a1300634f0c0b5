"""Pods of every kind that changes what they take of a node, and what is done to them while they run.

Sidecars before and after init containers, overhead by a RuntimeClass, requests of the pod as a whole, memory-backed
volumes, and resizes in place, which have two halves: what is asked for changes at once (`resize`), what runs follows
some time later (`actuate`), and until then the larger of both counts. A kubelet would write both into the pod's status;
nobody else does here, so traffic is the kubelet of its pods in that.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from harness.cluster.hardware import gpu_model

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient
    from harness.cluster.hardware import NodeProfile

RUNTIME_CLASS = "harness-overhead"
OVERHEAD = {"cpu": "250m", "memory": "120Mi"}
IMAGE = "traffic.invalid/pause:1"

MILLICORES = (50, 100, 250, 333, 500, 1000, 1500)
MIB = (16, 64, 100, 128, 256)
_ALWAYS = "Always"


async def furnish(client: KubeClient) -> None:
    """Create the RuntimeClass that overhead comes from."""
    body = {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": RUNTIME_CLASS},
        "handler": RUNTIME_CLASS, "overhead": {"podFixed": OVERHEAD},
    }  # fmt: skip
    await client.ensure("/apis/node.k8s.io/v1/runtimeclasses", body)


def spec(rng: random.Random, node: str, profile: NodeProfile, gpus_used: int) -> dict[str, Any]:
    """The spec of a pod bound to the node."""
    containers = [_container(rng, f"c{number}") for number in range(rng.choice((1, 2)))]
    if profile.gpu is not None and gpus_used < profile.gpus and rng.random() < 0.3:
        for kind in ("requests", "limits"):
            containers[0]["resources"].setdefault(kind, {})[gpu_model(profile.gpu).resource] = "1"
    found: dict[str, Any] = {"nodeName": node, "containers": containers}
    init = [_init_container(rng, f"i{number}") for number in range(rng.choice((0, 0, 1, 2, 3)))]
    if init:
        found["initContainers"] = init
    if rng.random() < 0.3:
        found["runtimeClassName"] = RUNTIME_CLASS
    if rng.random() < 0.4:
        found["volumes"] = [
            {"name": f"m{number}", "emptyDir": {"medium": "Memory", "sizeLimit": f"{rng.choice(MIB)}Mi"}}
            for number in range(rng.choice((1, 2)))
        ]
    if rng.random() < 0.25:
        found["resources"] = {"requests": _for_the_pod(rng, [*containers, *init])}
    return found


def _container(rng: random.Random, name: str) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "resources": {"requests": _requests(rng)}}


def _init_container(rng: random.Random, name: str) -> dict[str, Any]:
    # As large as all regular containers together may be, so that it often is what the pod needs most.
    asked = {"cpu": f"{3 * rng.choice(MILLICORES)}m", "memory": f"{3 * rng.choice(MIB)}Mi"}
    container: dict[str, Any] = {"name": name, "image": IMAGE, "resources": {"requests": asked}}
    return container | ({"restartPolicy": _ALWAYS} if rng.random() < 0.5 else {})


def _requests(rng: random.Random) -> dict[str, str]:
    return {"cpu": f"{rng.choice(MILLICORES)}m", "memory": f"{rng.choice(MIB)}Mi", "ephemeral-storage": "1Gi"}


def _for_the_pod(rng: random.Random, containers: list[dict[str, Any]]) -> dict[str, str]:
    """More than all containers together ask for, as the API server wants it."""
    asked = [one["resources"]["requests"] for one in containers]
    cpu = sum(int(one["cpu"].removesuffix("m")) for one in asked) + rng.choice(MILLICORES)
    memory = sum(int(one["memory"].removesuffix("Mi")) for one in asked) + rng.choice(MIB)
    return {"cpu": f"{cpu}m", **({"memory": f"{memory}Mi"} if rng.random() < 0.5 else {})}


def can_be_resized(body: Mapping[str, Any]) -> bool:
    """Whether Kubernetes lets such a pod be resized in place: not one with requests of its own as a whole (1.34)."""
    return "resources" not in body["spec"]


def running(body: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What each regular container asks for, of what a resize may change, by its name."""
    return {
        one["name"]: {name: one["resources"]["requests"][name] for name in ("cpu", "memory")}
        for one in body["spec"]["containers"]
    }


def resized(rng: random.Random, before: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """What the containers are to ask for from now on: one of them something else."""
    chosen = rng.choice(sorted(before))
    other = {"cpu": f"{rng.choice(MILLICORES)}m", "memory": f"{rng.choice(MIB)}Mi"}
    return {name: other if name == chosen else dict(asked) for name, asked in before.items()}


def resize_patch(after: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What goes to the pod's resize subresource."""
    return {"spec": {"containers": [{"name": name, "resources": {"requests": asked}} for name, asked in after.items()]}}


def status_patch(now: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What a kubelet says of containers that run with these requests."""
    since = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "status": {
            "containerStatuses": [
                {
                    "name": name, "image": IMAGE, "imageID": "", "ready": True, "restartCount": 0, "started": True,
                    "state": {"running": {"startedAt": since}}, "resources": {"requests": asked},
                    "allocatedResources": asked,
                }
                for name, asked in now.items()
            ]
        }
    }  # fmt: skip
