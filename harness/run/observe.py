"""Watching the ground truth: every change of a node or pod, and of storage, goes into the history as it is seen.

With several servers it is watched at each of them, and whoever tells first is believed: resource versions are the
datastore's, so they tell which of two servers knows more. A server that hangs, or is cut off from the others, hides
nothing that way, and a gap is open only while no watch is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError
from harness.model.inventory import Truth
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient
    from harness.history.writer import HistoryWriter

WATCHED = ("nodes", "pods")
"""What is watched in every run."""

OF_STORAGE, OF_CEPH = ("storageclasses", "persistentvolumes"), ("cephclusters",)
"""What is watched as well where the scenario has storage, and where some of it is Ceph's."""

_PATHS = {
    "storageclasses": "/apis/storage.k8s.io/v1/storageclasses",
    "cephclusters": "/apis/ceph.rook.io/v1/cephclusters",
}
_IDLE_S = 120.0  # the API server sends bookmarks about once a minute
_RETRY_S = 0.1

Key = tuple[str, str, str]
"""(resource, namespace, name); namespace is "" for what has none."""


@dataclass(slots=True)
class LiveTruth:
    """The ground truth as it is now, fed by the same records that go into the history.

    `changed` is set at each change, so that whoever waits for agreement looks again at once. An update that touches
    nothing a model reads (a heartbeat) is not recorded again, nor is anything older than what is known of the object.
    `following`: how many watches of a resource are open.
    """

    history: HistoryWriter
    truth: Truth = field(default_factory=Truth)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    following: dict[str, int] = field(default_factory=dict)
    _last: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _known: dict[Key, tuple[int, str]] = field(default_factory=dict)  # version, uid ("": deleted)
    _listed: dict[str, int] = field(default_factory=dict)  # the latest complete list's version, by resource

    def record(self, kind: str, **fields: Any) -> None:
        """Write one record of ground truth and apply it."""
        self.history.add(kind, **fields)
        self.truth.apply({"k": kind, "t": 0.0, **fields})
        self.changed.set()

    def record_object(self, event: str, resource: str, item: Mapping[str, Any]) -> list[str]:
        """Record an object as a LIST (event SYNC) or a watch told it; returns [namespace, name, uid]."""
        meta = item["metadata"]
        namespace, name, uid = meta.get("namespace", ""), meta["name"], meta["uid"]
        key, version = (resource, namespace, name), int(meta["resourceVersion"])
        # What a complete list did not hold was gone by then, whatever a slower server tells of the time before.
        known, _uid = self._known.setdefault(key, (self._listed.get(resource, 0), ""))
        if version < known or (version == known and event != "SYNC"):
            return [namespace, name, uid]  # another server told it already, or told more
        self._known[key] = (version, "" if event == "DELETED" else uid)
        kept = trim(resource, item)
        if event == "MODIFIED" and self._last.get(key) == kept:
            return [namespace, name, uid]
        self._last[key] = kept
        self.record(
            "object", event=event, resource=resource, namespace=namespace, name=name, uid=uid,
            rv=meta["resourceVersion"], object=kept,
        )  # fmt: skip
        return [namespace, name, uid]

    def record_list(self, resource: str, version: str, listed: list[list[str]]) -> None:
        """Record that a LIST at `version` was complete; what a watch elsewhere told of later moments outranks it."""
        found = {(namespace, name): uid for namespace, name, uid in listed}
        for (kind, namespace, name), (known, uid) in self._known.items():
            if kind == resource and known > int(version):
                found.pop((namespace, name), None)
                if uid:
                    found[namespace, name] = uid
        objects = [[namespace, name, uid] for (namespace, name), uid in found.items()]
        self.record("synced", resource=resource, rv=version, objects=objects)
        for key, (known, _uid) in list(self._known.items()):
            if key[0] == resource and known <= int(version) and key[1:] not in found:
                self._known[key] = (int(version), "")  # gone at some moment up to this list
        self._listed[resource] = max(int(version), self._listed.get(resource, 0))

    def follows(self, resource: str, *, again: bool) -> None:
        """A watch of the resource is open from now on; the first one to be so again ends a gap."""
        if again and not self.following.get(resource):
            self.history.add("gap", phase="end", resource=resource, why="listed again")
        self.following[resource] = self.following.get(resource, 0) + 1

    def lost(self, resource: str, why: str) -> None:
        """A watch broke; the last one to do so opens a gap."""
        self.following[resource] -= 1
        if not self.following[resource]:
            self.history.add("gap", phase="begin", resource=resource, why=why)


async def watch(client: KubeClient, resource: str, live: LiveTruth, first: asyncio.Event) -> None:
    """LIST, then WATCH, for ever. A break is a gap in the record until the next LIST is complete.

    `first` is set when the first LIST is in the history.
    """
    path = _PATHS.get(resource, f"/api/v1/{resource}")
    while True:
        try:
            version = await _list(client, path, resource, live)
        except ClusterError:
            await interval(_RETRY_S)
            continue
        live.follows(resource, again=first.is_set())
        first.set()
        live.lost(resource, await _follow(client, path, resource, live, version))


async def _list(client: KubeClient, path: str, resource: str, live: LiveTruth) -> str:
    body = await client.get(path)
    keys = [live.record_object("SYNC", resource, item) for item in body["items"]]
    version = str(body["metadata"]["resourceVersion"])
    live.record_list(resource, version, keys)
    return version


async def _follow(client: KubeClient, path: str, resource: str, live: LiveTruth, version: str) -> str:
    """Record events until the watch breaks; a closed watch is taken up again where it ended. Returns why it broke."""
    while True:
        try:
            async for event in client.watch(path, resource_version=version, idle_s=_IDLE_S):
                version = str(event.object["metadata"]["resourceVersion"])
                if event.type != "BOOKMARK":
                    live.record_object(event.type, resource, event.object)
        except ClusterError as exc:
            return exc.what


def trim(resource: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an object that a model or a reader of the history needs."""
    meta = item["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "uid", "labels", "deletionTimestamp") if key in meta}
    if resource == "storageclasses":
        return {"metadata": kept, **{key: item[key] for key in ("provisioner", "parameters") if key in item}}
    spec, status = item.get("spec", {}), item.get("status", {})
    if resource == "persistentvolumes":
        spec = {key: spec[key] for key in ("capacity", "storageClassName") if key in spec}
        return {"metadata": kept, "spec": spec, "status": {"phase": status.get("phase", "")}}
    if resource == "cephclusters":
        return {"metadata": kept, "status": {"state": status.get("state", "")}}
    if resource == "nodes":
        return {
            "metadata": kept,
            "spec": {key: spec[key] for key in ("unschedulable", "taints") if key in spec},
            "status": {
                "capacity": status.get("capacity", {}),
                "allocatable": status.get("allocatable", {}),
                "conditions": [{"type": c["type"], "status": c["status"]} for c in status.get("conditions") or ()],
            },
        }
    wanted = ("nodeName", "containers", "initContainers", "overhead", "resources", "volumes")
    pod_spec = {key: spec[key] for key in wanted if key in spec}
    for key in ("containers", "initContainers"):
        pod_spec[key] = [
            {part: c[part] for part in ("name", "resources", "restartPolicy") if part in c} for c in spec.get(key) or ()
        ]
    pod_spec["volumes"] = [v for v in spec.get("volumes") or () if "emptyDir" in v]
    return {"metadata": kept, "spec": pod_spec, "status": _pod_status(status)}


def _pod_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """The phase, and what tells how far a resize in place has come."""
    kept = {key: status[key] for key in ("phase", "resize") if key in status}
    kept["conditions"] = [
        {part: c[part] for part in ("type", "status", "reason") if part in c} for c in status.get("conditions") or ()
    ]
    for key in ("containerStatuses", "initContainerStatuses"):
        kept[key] = [
            {part: c[part] for part in ("name", "resources", "allocatedResources") if part in c}
            for c in status.get(key) or ()
        ]
    return kept
