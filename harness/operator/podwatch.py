"""Following the pods of the operator: what happens to its containers becomes what happens to a process.

The pods are watched for the lives of containers, the kubelet's events for what its liveness probe did, and the logs for
what each container said.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.cluster.base import POD_NAMESPACE
from harness.errors import ClusterError
from harness.operator.manifests import CONTAINER, PODS, SELECTOR
from harness.operator.podlife import HARNESS, LIVENESS, SELF, SUPERVISOR, Change, Life, Lives
from harness.operator.podlog import PodLog
from harness.process.child import last_words
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from pathlib import Path

    from harness.cluster.client import KubeClient

EVENTS = f"/api/v1/namespaces/{POD_NAMESPACE}/events"
_IDLE_S, _RETRY_S = 120.0, 0.1
_LAST_WORDS_S = 1.0
"""How long the end of a container waits for what it said last, and for the event that tells who ended it."""


@dataclass(slots=True)
class PodWatch:
    """What is known of the operator's containers, kept up to date by its tasks.

    `note`: as of `container.OperatorPod`; `looked` is awaited after every look at the pods. `changed` is set when
    anything is new; `ended_by`: who is about to end a container, by its id; `told`: whose end has been noted.
    """

    client: KubeClient
    log_path: Path
    note: Callable[..., Any]
    looked: Callable[[], Awaitable[None]]
    lives: Lives = field(default_factory=Lives)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    _unhealthy: dict[str, str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task run until `end`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """End every task; one that died of its own error is reported by raising that error."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def listed(self) -> Any:
        """The operator's pods."""
        return await self.client.get(PODS, params={"labelSelector": SELECTOR})

    async def follow_pods(self) -> None:
        """Follow the operator's pods for ever; what was missed is told by the next list."""
        while True:
            try:
                body = await self.listed()
                there = {pod["metadata"]["name"] for pod in body["items"]}
                for pod in [pod for name, pod in self.lives.pods.items() if name not in there]:
                    self._tell(self.lives.look(pod, container=CONTAINER, gone=True))
                for pod in body["items"]:
                    self._tell(self.lives.look(pod, container=CONTAINER))
                version = str(body["metadata"]["resourceVersion"])
                path = f"{PODS}?labelSelector={quote(SELECTOR)}"
                await self.looked()
                async for event in self.client.watch(path, resource_version=version, idle_s=_IDLE_S):
                    if event.type != "BOOKMARK":
                        gone = event.type == "DELETED"
                        self._tell(self.lives.look(event.object, container=CONTAINER, gone=gone))
                        await self.looked()
            except ClusterError:
                await interval(_RETRY_S)

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            life = change.life
            if change.event == "started":
                cause = HARNESS if change.new_pod else SUPERVISOR
                if cause == SUPERVISOR:
                    self.note(event="restarting", pid=life.number, cause=cause)
                self.note(event="started", pid=life.number, cause=cause, pod=life.pod, node=life.node)
                log = PodLog(self.client, self.lives, life.id, CONTAINER, self.log_path)
                self.spawn(self._follow_log(log))
            else:
                self.spawn(self._tell_end(life, time.monotonic()))

    async def _follow_log(self, log: PodLog) -> None:
        await log.follow()
        self.changed.set()

    async def _tell_end(self, life: Life, at: float) -> None:
        """Note the end of a container, once its last words are here."""
        if not life.lost and life.id not in self.ended_by:
            await interval(_LAST_WORDS_S)
        cause = self.ended_by.get(life.id) or (HARNESS if life.lost else self._probed(life) or SELF)
        said = (
            life.why if cause == HARNESS else ": ".join(part for part in (life.why, last_words(self.log_path)) if part)
        )
        self.note(event="exited", at=at, pid=life.number, code=life.code, cause=cause, detail=said)
        self.told.add(life.id)
        self.changed.set()

    def _probed(self, life: Life) -> str:
        return LIVENESS if life.id in self._unhealthy else ""

    async def follow_probes(self) -> None:
        """Follow the kubelet's events: that it ends a container over its liveness probe stands nowhere else."""
        why: dict[str, str] = {}
        while True:
            try:
                body = await self.client.get(EVENTS, params={"limit": "1"})
                version = str(body["metadata"]["resourceVersion"])
                async for event in self.client.watch(EVENTS, resource_version=version, idle_s=_IDLE_S):
                    self._hear(event.object, why)
            except ClusterError:
                await interval(_RETRY_S)

    def _hear(self, event: Mapping[str, Any], why: dict[str, str]) -> None:
        pod, message = str(event.get("involvedObject", {}).get("name", "")), str(event.get("message", ""))
        life = self.lives.current
        if event.get("reason") == "Unhealthy" and "iveness" in message:
            why[pod] = message.partition(": ")[2].strip() or message
        elif event.get("reason") == "Killing" and "liveness" in message and life is not None and life.pod == pod:
            self._unhealthy[life.id] = why.get(pod, message)
            self.note(event="terminating", pid=life.number, cause=LIVENESS, detail=self._unhealthy[life.id])
