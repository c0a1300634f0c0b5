"""A world for faults without a cluster: pods and policies in memory, an operator that notes what it is told."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from harness.cluster.hardware import NodeProfile
from harness.errors import ApiError
from harness.fault.discoverypod import LABELS, PODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.fault.base import World

PREFIX = "operator-inventory-hardware-discovery-"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def pod(name: str, node: str, uid: str, **status: Any) -> dict[str, Any]:
    """A discovery pod that runs, or whatever the status says."""
    return {
        "metadata": {"name": name, "uid": uid, "labels": dict(LABELS)},
        "spec": {"nodeName": node, "containers": [{"name": "psutil", "image": "provider:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status},
    }


@dataclass
class Api:
    """The API server's part: objects by path. `in_force`: whether a policy that exists is applied."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_force: bool = True
    log: list[str] = field(default_factory=list)
    uids: int = 0

    async def get(self, path: str, *, params: dict[str, str] | None = None) -> Any:
        """An object, or a list of those below the path that a selector of labels and of a node finds."""
        if path in self.objects:
            return self.objects[path]
        if params is None:
            raise ApiError(f"GET {path}: 404", status=404)
        labels = dict(part.split("=") for part in params["labelSelector"].split(","))
        node = params.get("fieldSelector", "").removeprefix("spec.nodeName=")
        return {"items": [item for item in self.pods() if fits(item, labels, node)]}

    def pods(self) -> list[dict[str, Any]]:
        """Every pod."""
        return [item for path, item in self.objects.items() if path.startswith(PODS)]

    def put(self, *pods: dict[str, Any]) -> None:
        """Pods that are there."""
        self.objects.update({f"{PODS}/{item['metadata']['name']}": item for item in pods})

    async def create(self, path: str, body: dict[str, Any]) -> Any:
        """An object with a uid of its own; 409 where there is one of that name."""
        name = f"{path}/{body['metadata']['name']}"
        if name in self.objects:
            raise ApiError(f"POST {name}: 409", status=409)
        self.uids += 1
        made = {**body, "metadata": {**body["metadata"], "uid": f"made-{self.uids}"}, "status": {"phase": "Pending"}}
        self.objects[name] = made
        self.log.append(f"create {name.rpartition('/')[2]}")
        return made

    async def ensure(self, path: str, body: dict[str, Any]) -> None:
        """An object, where there is none."""
        if f"{path}/{body['metadata']['name']}" not in self.objects:
            await self.create(path, body)

    async def patch(self, path: str, body: Any) -> None:
        """Merge into the status; 409 where a uid is named and the object has another."""
        item = await self.get(path.removesuffix("/status"))
        if body.get("metadata", {}).get("uid", item["metadata"]["uid"]) != item["metadata"]["uid"]:
            raise ApiError(f"PATCH {path}: 409", status=409)
        item["status"] = {**item["status"], **body["status"]}

    async def delete(self, path: str, *, grace_s: int | None = None) -> None:
        """Gone at once, if it was there."""
        assert grace_s in {None, 0}
        if self.objects.pop(path, None) is not None:
            self.log.append(f"delete {path.rpartition('/')[2]}")

    async def request(self, method: str, path: str, *, body: Any, params: Any = None, content_type: str = "") -> None:
        """A deletion by uid, or the question whether a pod may run."""
        item = await self.get(path.removesuffix("/status"))
        if method == "DELETE":
            if item["metadata"]["uid"] != body["preconditions"]["uid"]:
                raise ApiError(f"DELETE {path}: 409", status=409)
            await self.delete(path, grace_s=0)
            return
        assert (method, params, content_type) == ("PATCH", {"dryRun": "All"}, "application/merge-patch+json")
        if self.in_force and any(path.startswith(ADMISSION) for path in self.objects):
            raise ApiError(f"PATCH {path}: 422 denied: harness: the image cannot be pulled", status=422)


def fits(item: dict[str, Any], labels: dict[str, str], node: str) -> bool:
    """Whether a pod has the labels and is on the node ("": any)."""
    has = item["metadata"].get("labels", {})
    return all(has.get(key) == value for key, value in labels.items()) and node in {"", item["spec"]["nodeName"]}


@dataclass
class Operator:
    """Notes what it is told."""

    api: Api
    running: bool = True
    supervised: bool = False

    async def kill(self, *, again: bool = True) -> None:
        """It is dead; a supervisor starts it at once, if it may."""
        self.running = self.supervised and again
        self.api.log.append("kill")

    async def start(self) -> None:
        """It runs; a start of one that runs is none."""
        if not self.running:
            self.api.log.append("start")
        self.running = True


@dataclass
class Cluster:
    """The client, and what the egress and the registry are told and have counted."""

    client: Api
    stats: dict[str, Any] = field(
        default_factory=lambda: {
            "misbehaved": 0,
            "turns": {},
            "registry": 0,
            "registry_now": {"changes": 0, "since": 0},
        }
    )
    told: list[Any] = field(default_factory=list)

    async def discovery_stats(self) -> dict[str, Any]:
        """The counters."""
        return dict(self.stats)

    async def set_discovery(
        self, node: str, mode: str, *, delay_s: float = 0.0, others: dict[str, Any] | None = None
    ) -> None:
        """How a discovery API behaves."""
        self.told.append((node, mode, others if others is not None else delay_s))

    async def set_registry(self, *, mode: str = "answer") -> None:
        """How the registry behaves."""
        self.told.append(mode)
        self.stats["registry_now"] = {"changes": self.stats["registry_now"]["changes"] + 1, "since": 0}

    def asked(self) -> None:
        """Somebody asks the registry."""
        self.stats["registry"] += 1
        self.stats["registry_now"]["since"] += 1


@dataclass
class Fake:
    """What a fault sees of a run."""

    cluster: Cluster
    operator: Operator
    profiles: dict[str, NodeProfile] = field(default_factory=lambda: {"n1": NodeProfile(), "n2": NodeProfile()})
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a draw, not a secret
    hardware: dict[str, NodeProfile | None] = field(default_factory=dict)
    registries: list[Any] = field(default_factory=list)
    held: dict[Any, Any] = field(default_factory=dict)
    hears: Callable[[str, NodeProfile | None], None] = lambda _node, _profile: None
    """Told of each change of hardware."""

    @property
    def api(self) -> Api:
        """The API server."""
        return self.cluster.client

    @property
    def world(self) -> World:
        """The same, as faults take it."""
        return cast("World", self)

    async def set_hardware(self, node: str, profile: NodeProfile | None) -> None:
        """Note it."""
        self.hardware[node] = profile
        self.hears(node, profile)

    async def set_registry(self, body: Any) -> None:
        """Note it; somebody asks now and then."""
        self.registries.append(body)
        self.cluster.stats["registry"] += 1


def fake(*pods: dict[str, Any]) -> Fake:
    """A world with these pods."""
    api = Api()
    api.put(*pods)
    return Fake(Cluster(api), Operator(api))
