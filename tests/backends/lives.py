"""The life of a cluster of any backend, once, and what was seen in it: what the tests of the Protocol are about."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster import capability, kubeconfig
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.nodes import is_ready
from harness.errors import ApiError, HarnessError
from harness.process import rundir

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from harness.cluster.backend import Backend
    from harness.cluster.base import Cluster
    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain


@dataclass(slots=True)
class Seen:
    """What was seen of one cluster while it lived, and what was left of it."""

    backend: Backend
    directory: Path
    mark: str
    versions: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = True
    usable: frozenset[str] = frozenset()
    ready_nodes: frozenset[str] = frozenset()
    modes: dict[str, int] = field(default_factory=dict)
    operator_is: str = ""
    operator_may: dict[str, int] = field(default_factory=dict)
    registry: int = 0
    ports: tuple[int, ...] = ()
    ports_free: bool = False
    marked: frozenset[str] = frozenset()
    running: Mapping[str, bool] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    directory_left: bool = True


async def lived(backend: Backend, toolchain: Toolchain, shape: Shape, parent: Path) -> Seen:
    """Start a cluster, look at all that the Protocol promises, end it, and look what is left."""
    cluster = await backend.start(toolchain, shape, parent=parent)
    seen = Seen(backend, cluster.directory, cluster.directory.name)
    try:
        await cluster.ready(60.0)
        seen.versions, seen.simulated = dict(cluster.versions()), cluster.ground.simulated
        seen.usable = frozenset(cluster.ground.nodes)
        items = (await cluster.client.get("/api/v1/nodes"))["items"]
        seen.ready_nodes = frozenset(item["metadata"]["name"] for item in items if is_ready(item))
        seen.modes = _modes(cluster)
        await _operator(cluster, seen)
        seen.registry = await _registry(cluster)
        seen.ports = (cluster.take_port(), cluster.take_port())
        seen.ports_free = all(_bindable(port) for port in seen.ports)
        seen.running = {name: child.running for name, child in cluster.processes().items()}
        seen.marked = frozenset(process.name() for process in rundir.marked(seen.mark))
        seen.lacking = await _lacking(cluster, backend.capabilities())
    finally:
        await cluster.stop(keep_logs=parent / "logs")
    seen.left = tuple(f"{process.pid} {process.name()}" for process in rundir.marked(seen.mark))
    seen.directory_left = seen.directory.exists()
    return seen


def _modes(cluster: Cluster) -> dict[str, int]:
    files = {"directory": cluster.directory, "operator": cluster.operator_kubeconfig}
    files |= {path.name: path for path in cluster.directory.glob("*.kubeconfig")}
    return {name: path.stat().st_mode & 0o777 for name, path in files.items()}


async def _operator(cluster: Cluster, seen: Seen) -> None:
    """Who the operator is to the API server, and the answers to what it tries."""
    (context,) = kubeconfig.contexts(cluster.operator_kubeconfig)
    reached = kubeconfig.load(cluster.operator_kubeconfig, context)
    async with reached.client() as client:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = await client.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        seen.operator_is = said["status"]["userInfo"]["username"]
        for path in ("/api/v1/nodes", "/api/v1/secrets", f"/api/v1/namespaces/{POD_NAMESPACE}/pods"):
            try:
                await client.get(path)
            except ApiError as exc:
                seen.operator_may[path] = exc.status
            else:
                seen.operator_may[path] = 200


async def _registry(cluster: Cluster) -> int:
    """The status of the registry's answer, asked as an operator does."""
    import aiohttp  # noqa: PLC0415 - for this alone

    async with aiohttp.ClientSession() as session, session.get(f"{cluster.registry_url}/devices/gpus") as answer:
        return answer.status


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def attempts(cluster: Cluster) -> dict[str, Callable[[], Awaitable[Any] | Any]]:
    """Word of a capability -> something that needs it."""
    return {
        capability.API_SERVER_FAULTS: lambda: cluster.api_server,
        capability.DATASTORE_FAULTS: lambda: cluster.datastore,
        capability.RELAY: lambda: cluster.set_rule("own"),
        capability.API_PROXY: lambda: cluster.clear_api_rule("none"),
        capability.TOKEN: lambda: cluster.write_token(life_s=60.0),
        capability.SIMULATED_HARDWARE: lambda: cluster.set_hardware({}),
        capability.EGRESS: lambda: cluster.set_discovery("*", "refuse"),
        capability.CEPH_TOOLS: lambda: cluster.ceph,
    }


async def _lacking(cluster: Cluster, there: frozenset[str]) -> dict[str, str]:
    """Word that the backend lacks -> what was said when it was tried all the same; "" when nothing was."""
    said = {}
    for word, attempt in attempts(cluster).items():
        if word in there:
            continue
        try:
            made = attempt()
            if hasattr(made, "__await__"):
                await made
        except HarnessError as exc:
            said[word] = exc.what
        else:
            said[word] = ""
    return said
