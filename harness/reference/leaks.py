"""Saboteurs that keep something of each thing that happens: processor time, watches, memory, tasks, discovery pods.

Each is a seam of `harness.reference.behaviour` filled with a leak; the rest of the operator stays right.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError
from harness.reference.defect import Defect, but
from harness.reference.pause import pause
from harness.reference.stores import VOLUMES

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from harness.reference.discovery import Discovery
    from harness.reference.kubeclient import KubeClient
    from harness.reference.records import NodeRecord

_MEMORY_BYTES = 4 << 20
_HELD_S = 3600

_kept: list[Any] = []
"""What is never let go."""


def spin(_client: KubeClient, _path: str) -> None:
    """The event loop has something to do from now on, always; everything else still gets its turn."""
    if not _kept:
        _kept.append(True)
        _again(asyncio.get_running_loop())


def spin_for_volumes(client: KubeClient, path: str) -> None:
    """The same, but only for the watch of volumes."""
    if path.endswith(f"/{VOLUMES}"):
        spin(client, path)


def _again(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(_again, loop)


def watch_twice(client: KubeClient, path: str) -> None:
    """One watch more, that nobody ends: it is taken up again whenever the server ends it."""
    _keep(_hold(client, path))


def remember(_client: KubeClient, _path: str) -> None:
    """Some memory, written so that it is really taken."""
    _kept.append(b"x" * _MEMORY_BYTES)


def start_task(_client: KubeClient, _path: str) -> None:
    """A task that waits for what never comes."""
    _keep(_wait())


async def haunt(discovery: Discovery, node: NodeRecord) -> None:
    """Make the discovery pod of a node that is gone again, whoever removes it, until the node is back."""
    path = f"/api/v1/namespaces/{discovery.state.pod_namespace}/pods"
    body = discovery.manifest(node)
    # With its owner gone the cluster would remove it within a second or two, for ever.
    del body["metadata"]["ownerReferences"]
    while node.name not in discovery.state.nodes:
        if body["metadata"]["name"] not in discovery.state.discovery_pods:
            with contextlib.suppress(ClusterError):  # refused, or there already: it is tried again
                await discovery.client.create(path, body)
        await pause(1.0)


def _keep(work: Coroutine[Any, Any, None]) -> None:
    _kept.append(asyncio.get_running_loop().create_task(work))


async def _hold(client: KubeClient, path: str) -> None:
    while True:
        with contextlib.suppress(ClusterError):  # taken up again like one that ended
            async for _event in client.watch(path, "", timeout_s=_HELD_S):
                pass
        await pause(0.5)


async def _wait() -> None:
    await asyncio.Event().wait()


LEAKS = (
    Defect(
        "busy-after-closed-watch",
        "Once the server has closed a watch in order, one core is busy for ever.",
        ("SURVIVE-2",),
        but(on_watch_closed=spin),
    ),
    Defect(
        "busy-after-volume-watch",
        "Once the server has closed the watch of PersistentVolumes in order, one core is busy for ever (report 661).",
        ("SURVIVE-2",),
        but(on_watch_closed=spin_for_volumes),
    ),
    Defect(
        "leaks-watches",
        "Each watch that the server closes in order is taken up twice, and nobody ends the second one.",
        ("SURVIVE-2",),
        but(on_watch_closed=watch_twice),
    ),
    Defect(
        "leaks-memory",
        "4 MiB are kept of each watch that the server closes in order.",
        ("SURVIVE-2",),
        but(on_watch_closed=remember),
    ),
    Defect(
        "leaks-tasks",
        "Each watch that the server closes in order leaves a task that waits for ever.",
        ("SURVIVE-2",),
        but(on_watch_closed=start_task),
    ),
    Defect(
        "keeps-discovery-pods",
        "The discovery pod of a node that is gone is made again, whoever removes it.",
        ("SURVIVE-2",),
        but(sweeps_pods=False, when_node_is_gone=haunt),
    ),
)
