"""A world for faults of nodes: an API server in memory, with kwok and the controllers as far as they matter to them.

Writes are counted, and one of them can be refused. kwok makes a played node Ready that is not, and writes one more
heartbeat, with the conditions as they were, into a node that is to be left alone. Pods that do not tolerate a NoExecute
taint are deleted.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from harness.cluster.client import STRATEGIC_PATCH, WatchEvent
from harness.cluster.nodes import PLAYED, STILL, node_object
from harness.errors import ApiError, ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from harness.cluster.hardware import NodeProfile
    from harness.fault.base import World

BEGAN = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:00:02Z"
TYPES = ("Ready", "MemoryPressure")


@dataclass
class ApiServer:
    """Nodes and pods by name, and what happened to nodes; stands for the harness's client."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[int, WatchEvent]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    refused: int | None = None
    """The number of the write that gets no answer."""
    conflicts: int = 0
    """How many patches that name a version come too late."""
    planned: dict[str, list[Any]] = field(default_factory=dict)

    async def get(self, path: str, *, params: Mapping[str, str] | None = None) -> Any:
        """A node, all nodes, or the pods of a node."""
        if path == "/api/v1/pods":
            node = (params or {})["fieldSelector"].removeprefix("spec.nodeName=")
            return {"items": [pod for pod in self.pods.values() if pod["spec"]["nodeName"] == node]}
        if path == "/api/v1/nodes":
            return {"items": copy.deepcopy(list(self.nodes.values()))}
        name = path.split("/")[4]
        if name in self.planned:
            self._store(name, {**self._node(name), "status": self._heartbeat(name)})
        return copy.deepcopy(self._node(name))

    async def patch(self, path: str, body: Any, *, content_type: str = "") -> Any:
        """Merge into a node, or into the status of one."""
        self._write(f"PATCH {path}")
        name = path.split("/")[4]
        old = self._node(name)
        version = body.get("metadata", {}).get("resourceVersion")
        if version is not None and (self.conflicts or version != old["metadata"]["resourceVersion"]):
            self.conflicts -= 1
            raise ApiError("the object has been modified", status=409, reason="Conflict")
        annotations = body.get("metadata", {}).get("annotations", {})
        if annotations.get(STILL) and STILL not in old["metadata"]["annotations"]:
            self.planned[name] = copy.deepcopy(old["status"].get("conditions", []))
        self._store(name, merged(old, body, by_type=content_type == STRATEGIC_PATCH))
        return copy.deepcopy(self._node(name))

    async def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Register a node, or evict a pod."""
        self._write(f"POST {path}")
        if path.endswith("/eviction"):
            pod = self.pods.get(path.split("/")[6])
            if pod is None:
                raise ApiError("no such pod", status=404)
            if pod["metadata"]["uid"] != body["deleteOptions"]["preconditions"]["uid"]:
                raise ApiError("another pod", status=409)
            del self.pods[pod["metadata"]["name"]]
            return
        name = body["metadata"]["name"]
        if name in self.nodes:
            raise ApiError("it exists", status=409)
        node = copy.deepcopy(dict(body))
        node.setdefault("spec", {})
        node.setdefault("status", {"nodeInfo": {"kubeletVersion": ""}})
        self._store(name, node)

    async def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """Register a node that may be there."""
        try:
            await self.create(path, body)
        except ApiError as exc:
            if exc.status != 409:
                raise

    async def delete(self, path: str) -> None:
        """Remove a node that may be gone."""
        self._write(f"DELETE {path}")
        self.nodes.pop(path.split("/")[4], None)

    async def watch(self, path: str, *, resource_version: str, idle_s: float) -> AsyncGenerator[WatchEvent, None]:
        """What happened to a node since then; ends there, as a server may end a watch at any time."""
        assert idle_s > 0
        name = path.partition("=metadata.name=")[2]
        yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": resource_version}})
        for version, event in self.events:
            if version > int(resource_version) and event.object["metadata"]["name"] == name:
                yield event

    def add_pod(self, name: str, node: str, *tolerations: dict[str, str]) -> None:
        """A pod on a node."""
        meta = {"namespace": "tenant-a", "name": name, "uid": f"uid-of-{name}"}
        self.pods[name] = {"metadata": meta, "spec": {"nodeName": node, "tolerations": list(tolerations)}}

    def seen(self) -> dict[str, Any]:
        """All nodes without what changes with every write, or with a heartbeat."""
        found = copy.deepcopy(self.nodes)
        for node in found.values():
            del node["metadata"]["resourceVersion"]
            node["spec"] = {key: value for key, value in node["spec"].items() if value}
            for condition in node["status"]["conditions"]:
                del condition["lastHeartbeatTime"], condition["lastTransitionTime"]
                condition.pop("reason", None)
                condition.pop("message", None)
        return found

    def _node(self, name: str) -> dict[str, Any]:
        if name not in self.nodes:
            raise ApiError(f"nodes {name!r} not found", status=404)
        return self.nodes[name]

    def _write(self, what: str) -> None:
        self.writes.append(what)
        if self.refused == len(self.writes) - 1:
            raise ApiUnavailableError(f"{what}: no answer in time")

    def _store(self, name: str, node: dict[str, Any]) -> None:
        version = 1 + max((known for known, _ in self.events), default=0)
        node["metadata"] = {**node["metadata"], "resourceVersion": str(version)}
        self.nodes[name] = node
        self.events.append((version, WatchEvent("MODIFIED", copy.deepcopy(node))))
        annotations = node["metadata"].get("annotations", {})
        if annotations.get(PLAYED) == "fake" and STILL not in annotations:
            self._play(name)
        if any(taint["effect"] == "NoExecute" for taint in node["spec"].get("taints") or ()):
            leaving = [p["metadata"]["name"] for p in self.pods.values() if p["spec"]["nodeName"] == name]
            for pod in leaving:
                if not self.pods[pod]["spec"]["tolerations"]:
                    del self.pods[pod]

    def _play(self, name: str) -> None:
        conditions = self.nodes[name]["status"].get("conditions", [])
        if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            fresh = [
                {
                    "type": kind,
                    "status": "True" if kind == "Ready" else "False",
                    "lastHeartbeatTime": BEGAN,
                    "lastTransitionTime": BEGAN,
                }
                for kind in TYPES
            ]
            self._store(name, {**self.nodes[name], "status": {**self.nodes[name]["status"], "conditions": fresh}})

    def _heartbeat(self, name: str) -> dict[str, Any]:
        conditions = [{**condition, "lastHeartbeatTime": LATER} for condition in self.planned.pop(name)]
        return {**self.nodes[name]["status"], "conditions": conditions}


def merged(old: Any, new: Any, *, by_type: bool) -> Any:
    """The value after a merge patch (RFC 7386), or with `by_type` a strategic one, which merges lists of conditions."""
    if isinstance(old, dict) and isinstance(new, dict):
        result = {**old, **{key: merged(old.get(key, {}), value, by_type=by_type) for key, value in new.items()}}
        return {key: value for key, value in result.items() if value is not None}
    if isinstance(new, list) and by_type and isinstance(old, list):
        changes = {item["type"]: item for item in new}
        kept = [merged(item, changes.pop(item["type"], {}), by_type=True) for item in old]
        return [*kept, *changes.values()]
    return copy.deepcopy(new)


async def made(profiles: Mapping[str, NodeProfile]) -> tuple[World, ApiServer]:
    """A world with these nodes, Ready, and its API server."""
    api = ApiServer()
    for name, profile in profiles.items():
        await api.create("/api/v1/nodes", node_object(name, profile))
    api.writes.clear()
    known = dict(profiles)

    async def set_hardware(node: str, profile: NodeProfile | None) -> None:
        if profile is None:
            known.pop(node, None)
        else:
            known[node] = profile

    rng = random.Random(7)  # noqa: S311 - draws nodes, no secrets
    cluster = SimpleNamespace(client=api)
    world = SimpleNamespace(cluster=cluster, rng=rng, profiles=known, set_hardware=set_hardware)
    return cast("World", world), api
