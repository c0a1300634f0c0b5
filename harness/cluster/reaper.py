"""Two parts of a kubelet: pods that are being deleted are ended, and pods that do not start are tried again.

kwok could do it (a Stage with `delete: true`), but it deletes by name alone, and it may do so twice. A pod made again
under its name in between, as operators make their discovery pods again, would be deleted in its place. A kubelet names
the uid, and so does this. A node that is not Ready has no kubelet at work: its pods stay, as they would in life.

kwok does start pods, but a status that the API server refuses (a datastore that is away for a moment) it may never
write again. A kubelet goes on trying. So a pod that has been Pending for a while on a Ready node is touched, by an
annotation, and kwok looks at it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.nodes import is_ready
from harness.errors import ApiError, ClusterError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

_RETRY_S = 0.2
_IDLE_S = 120.0
_PODS = "/api/v1/pods"
_PENDING_S = 3.0
"""kwok starts a pod within a second; on a crowded machine within two."""

_NUDGED = "harness.invalid/nudged"


@dataclass(slots=True)
class Reaper:
    """Follows all pods and removes those that are being deleted; runs until it is cancelled."""

    client: KubeClient
    pending: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Pods being deleted: uid -> (namespace, name, node)."""
    starting: dict[str, tuple[str, str, str, float]] = field(default_factory=dict)
    """Pods bound and not started: uid -> (namespace, name, node, since when on the monotonic clock)."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Watch and reap, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._reap())
            group.create_task(self._nudge())

    async def _follow(self) -> None:
        while True:
            try:
                body = await self.client.get(_PODS)
                self.pending.clear()
                self.starting.clear()
                for pod in body["items"]:
                    self.note("ADDED", pod)
                version = str(body["metadata"]["resourceVersion"])
                async for event in self.client.watch(_PODS, resource_version=version, idle_s=_IDLE_S):
                    self.note(event.type, event.object)
            except ClusterError:
                pass  # the API server is away, by a fault or not yet there: list again
            await interval(_RETRY_S)

    def note(self, event: str, pod: Mapping[str, Any]) -> None:
        """Take in one event of a pod. A bookmark, which comes when a watch is a minute old, is about none."""
        if event == "BOOKMARK":
            return
        meta = pod["metadata"]
        node = pod.get("spec", {}).get("nodeName")
        self._note_start(event, pod, node)
        if event == "DELETED":
            self.pending.pop(meta["uid"], None)
        elif node and meta.get("deletionTimestamp"):
            self.pending[meta["uid"]] = (meta["namespace"], meta["name"], node)
            self._changed.set()

    def _note_start(self, event: str, pod: Mapping[str, Any], node: str | None) -> None:
        meta = pod["metadata"]
        waits = node and not meta.get("deletionTimestamp") and pod.get("status", {}).get("phase") == "Pending"
        if event == "DELETED" or not waits:
            self.starting.pop(meta["uid"], None)
        else:
            self.starting.setdefault(meta["uid"], (meta["namespace"], meta["name"], str(node), time.monotonic()))

    async def _nudge(self) -> None:
        """Touch each pod that has not started for a while, at most once in that while."""
        while True:
            await interval(1.0)
            for uid, (namespace, name, node, since) in list(self.starting.items()):
                if time.monotonic() - since < _PENDING_S:
                    continue
                self.starting[uid] = (namespace, name, node, time.monotonic())
                body = {"metadata": {"uid": uid, "annotations": {_NUDGED: str(since)}}}
                with contextlib.suppress(ClusterError):  # gone, another's by now, or out of reach: the next round tells
                    if is_ready(await self.client.get(f"/api/v1/nodes/{node}")):
                        await self.client.patch(f"/api/v1/namespaces/{namespace}/pods/{name}", body)

    async def _reap(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for uid, (namespace, name, node) in list(self.pending.items()):
                if await self._removed(uid, namespace, name, node):
                    self.pending.pop(uid, None)
            if self.pending:  # on nodes without a kubelet, or out of reach for now
                await interval(_RETRY_S)
                self._changed.set()

    async def _removed(self, uid: str, namespace: str, name: str, node: str) -> bool:
        """Remove one pod; False when it has to wait.

        A pod of a node that is gone waits too: a machine that joins under its name finds the pod being deleted and ends
        it, as its kubelet would; otherwise pod garbage collection ends it, and the watch tells.
        """
        try:
            if not is_ready(await self.client.get(f"/api/v1/nodes/{node}")):
                return False
        except ClusterError:
            return False
        try:
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
            await self.client.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=body)
        except ApiError as exc:
            # 404: the pod is gone; 409: that name is another pod's by now.
            return exc.status in {404, 409}
        except ClusterError:
            return False
        return True
