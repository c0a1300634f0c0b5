"""What a schedule waits for: something seen of the cluster or of the operator's process, never a time.

A trigger is frozen data. `arm` notes what has come already, and counts for nothing from then on; `seen` looks, and
returns what it saw once that has come which was waited for. A trigger never looks at what the operator reports.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.cluster.apicalls import VERBS, WATCH
from harness.errors import ClusterError
from harness.fault.discoverypod import of_node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.fault.base import State, World
    from harness.wait import Progress

LOOK_S = 0.01
"""How often triggers look: harm has to come right after what it waits for."""

COUNTED_VERBS = tuple(verb for verb in VERBS if verb != WATCH)
"""Calls are counted when they have been answered; a watch is over only when it ends."""

ANY = "*"


class Trigger(Protocol):
    """One thing to wait for."""

    kind: ClassVar[str]

    @property
    def awaited(self) -> str:
        """What is waited for, for records and messages."""
        ...

    async def arm(self, world: World) -> State:
        """What has come already; raises ClusterError when it cannot be looked at."""
        ...

    async def seen(self, world: World, armed: State, progress: Progress) -> str | None:
        """What was seen, once it has come."""
        ...


@dataclass(frozen=True, slots=True)
class OperatorCalls:
    """The operator's `count`-th call of that verb and resource since the trigger was armed has been answered.

    `resource` may have a subresource, as in "pods/proxy"; "*" is any. The API proxy counts, whatever the answer was.
    """

    verb: str
    resource: str
    count: int = 1
    kind: ClassVar[str] = "operator-calls"

    @property
    def awaited(self) -> str:
        """The call in words."""
        return f"call {self.count} of the operator to {self._what}"

    async def arm(self, world: World) -> State:
        """How many there were."""
        return {"had": await self._answered(world)}

    async def seen(self, world: World, armed: State, progress: Progress) -> str | None:
        """The proxy has counted so many more."""
        more = await self._answered(world) - int(armed["had"])
        progress.last = f"{more} calls to {self._what} since"
        return progress.last if more >= self.count else None

    async def _answered(self, world: World) -> int:
        answered = (await world.cluster.api_stats())["answered"]
        if self.resource != ANY:
            return int(answered.get(self._what, 0))
        return sum(int(calls) for kind, calls in answered.items() if kind.startswith(f"{self.verb} "))

    @property
    def _what(self) -> str:
        return f"{self.verb} {'anything' if self.resource == ANY else self.resource}"


@dataclass(frozen=True, slots=True)
class DiscoveryPodRunning:
    """A discovery pod runs that did not when the trigger was armed; `node`: only one on that node counts."""

    node: str | None = None
    kind: ClassVar[str] = "discovery-pod-running"

    @property
    def awaited(self) -> str:
        """The pod in words."""
        return f"a new discovery pod {f'of node {self.node} ' if self.node else ''}to be Running"

    async def arm(self, world: World) -> State:
        """Those that run, by uid."""
        return {"had": sorted(await self._running(world))}

    async def seen(self, world: World, armed: State, progress: Progress) -> str | None:
        """There is another, as the API server tells it."""
        try:
            running = await self._running(world)
        except ClusterError as exc:
            progress.last = exc.what
            return None
        new = sorted(name for uid, name in running.items() if uid not in armed["had"])
        progress.last = f"{len(running)} discovery pods run, {len(new)} of them new"
        return f"{new[0]} is Running" if new else None

    async def _running(self, world: World) -> dict[str, str]:
        return {
            pod["metadata"]["uid"]: pod["metadata"]["name"]
            for pod in await of_node(world, self.node or "*")
            if pod.get("status", {}).get("phase") == "Running"
        }


@dataclass(frozen=True, slots=True)
class RestAnswers:
    """An operator that was started since the trigger was armed answers its first REST request, whatever it says."""

    kind: ClassVar[str] = "rest-answers"

    @property
    def awaited(self) -> str:
        """The answer in words."""
        return "an operator that was started since to answer over REST"

    async def arm(self, world: World) -> State:
        """The process that runs now."""
        return {"pid": world.operator.pid}

    async def seen(self, world: World, armed: State, progress: Progress) -> str | None:
        """Another process runs, and a request of ours on its port is answered."""
        pid = world.operator.pid
        if pid in {0, armed["pid"]}:
            progress.last = "the operator does not run" if pid == 0 else f"process {pid} is still the same"
            return None
        try:
            async with asyncio.timeout(1.0):
                status = await _status_line(world.operator.rest_port)
        except (OSError, TimeoutError) as exc:
            progress.last = f"process {pid} does not answer: {exc!r}"
            return None
        progress.last = f"process {pid} answered {status!r}"
        return progress.last if status.startswith("HTTP/") else None


async def _status_line(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /v1/inventory HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).decode(errors="replace").strip()
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class TrafficDone:
    """So many operations of our traffic have been confirmed by the API server since the trigger was armed."""

    operations: int = 20
    kind: ClassVar[str] = "traffic-done"

    @property
    def awaited(self) -> str:
        """The operations in words."""
        return f"{self.operations} operations of traffic"

    async def arm(self, world: World) -> State:
        """How many there were."""
        return {"had": world.operations}

    async def seen(self, world: World, armed: State, progress: Progress) -> str | None:
        """There are so many more."""
        done = world.operations - int(armed["had"])
        progress.last = f"{done} operations since"
        return progress.last if done >= self.operations else None


TRIGGERS: Mapping[str, type[Any]] = {
    kind.kind: kind for kind in (OperatorCalls, DiscoveryPodRunning, RestAnswers, TrafficDone)
}
