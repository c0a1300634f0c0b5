"""The backend of real kubelets: clusters of containers, by the kind command (`kindcluster` makes them).

A cluster of one machine is a single node, which carries the control plane as well. One of several machines has so many
workers beside its control plane, and the workers are what may be used and harmed.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster import capability, dockercli, dockershim, guard
from harness.cluster.backend import KIND, BackendSpec
from harness.cluster.base import Ground
from harness.cluster.datastore import ETCD, ETCD3
from harness.cluster.kindcluster import KindCluster
from harness.cluster.kindconfig import MOST_WORKERS, SERVERS, KindShape, beyond_label
from harness.cluster.remote import RemoteCluster
from harness.errors import ClusterError, PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain

THERE = frozenset({
    capability.SERVERS, capability.RIGHTS, capability.POLICIES, capability.NAMESPACES, capability.CLUSTER_OBJECTS,
    capability.OPERATOR, capability.NODE_MARKING, capability.NODE_DRAIN, capability.NODE_REJOIN,
    capability.NODE_DELETE, capability.NODE_NAMES, capability.KUBELET, capability.CONTAINERS, capability.REGISTRY,
    capability.OPERATOR_PROCESS, capability.OPERATOR_POD, capability.CONFIG_FILE,
})  # fmt: skip
"""What it has: everything is ours to harm but the processes within the nodes, which belong to their kubelets."""


@dataclass(frozen=True, slots=True)
class KindBackend:
    """Makes clusters of containers.

    `node_image`: what --node-image named; `least_servers`, `least_workers`: a cluster has so many nodes of either role,
    also where a scenario is content with less.
    """

    node_image: str | None = None
    least_servers: int = 1
    least_workers: int = 0
    name: str = KIND
    datastores: tuple[str, ...] = (ETCD, ETCD3)
    most_nodes: int | None = MOST_WORKERS
    control_plane: bool = False
    components: tuple[str, ...] = ("kind",)

    def capabilities(self) -> frozenset[str]:
        """`THERE`."""
        return THERE

    def obstacles(self) -> tuple[PlatformError, ...]:
        """What is wrong with Docker's engine; that nothing is makes kind possible."""
        try:
            dockercli.engine()
        except PlatformError as exc:
            return (exc,)
        except ClusterError as exc:
            return (PlatformError(exc.what, hint=exc.hint),)
        return ()

    def remarks(self) -> tuple[str, ...]:
        """What is done differently on this machine, for reports."""
        return (dockershim.REMARK,) if dockershim.needed() else ()

    def shaped(self, shape: Shape) -> KindShape:
        """The nodes of a cluster for a scenario of that shape."""
        servers = max(shape.servers, self.least_servers)
        # Where nodes are named there are as many as there are names.
        count = max(workers(servers, shape), 0 if shape.node_names else self.least_workers)
        return KindShape(servers, count, self.node_image, names=shape.node_names)

    async def start(self, toolchain: Toolchain, shape: Shape, *, parent: Path | None = None) -> RemoteCluster:
        """A cluster with as many machines as are wanted; leaves nothing behind when that fails."""
        async with AsyncExitStack() as undo:
            wanted = self.shaped(shape)
            made = await KindCluster.start(toolchain, shape=wanted, parent=parent)
            undo.push_async_callback(made.stop)
            cluster = await reached(made)
            await cluster.launch(undo)
        return cluster


def backend(spec: BackendSpec) -> KindBackend:
    """The backend of these settings; raises UsageError for a number of nodes that no cluster can have."""
    given = spec.settings
    least = KindShape(_number(spec, "kind-servers", SERVERS[0]), _number(spec, "kind-workers", 0))
    return KindBackend(given.get("node-image"), least.servers, least.workers)


def _number(spec: BackendSpec, name: str, usual: int) -> int:
    text = spec.settings.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--{name} {text!r} is not a number of nodes", hint="digits, such as 3")
    return int(text)


def workers(servers: int, shape: Shape) -> int:
    """How many workers a cluster needs beside so many servers: none where one node is all of it.

    A control plane cannot have every name (`kindnames`).
    """
    alone = servers == 1 and shape.machines <= 1 and not beyond_label(shape.node_names)
    return 0 if alone else max(1, shape.machines)


async def reached(made: KindCluster) -> RemoteCluster:
    """The cluster as runs see it: the workers, or the only node, are what may be used.

    The registry listens on the nodes' network, where pods reach it too.
    """
    usable = {node.name for node in made.workers or made.servers}
    listed = (await made.client.get("/api/v1/nodes"))["items"]
    nodes = {item["metadata"]["name"]: item for item in listed if item["metadata"]["name"] in usable}
    if made.reached is None:
        raise ClusterError("the cluster is not running")
    ground = Ground(
        simulated=False, nodes={name: guard.profile_of(node) for name, node in nodes.items()}, image=pause_image(nodes)
    )
    return RemoteCluster(
        KIND, made.client, made.reached, made.run_dir, made.ports, ground,
        datastore_source=f"etcd of kind, {len(made.servers)} member{'s' if len(made.servers) > 1 else ''}",
        registry_address=await made.gateway(), more_versions=made.versions(), machines=made.nodes,
        export=made.export_logs, load=made.load,
    )  # fmt: skip


def pause_image(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    """An image on every one of these nodes that does nothing; raises ClusterError when they have none in common.

    containerd holds a pod's namespaces with one, so that there is one on each.
    """
    names: list[set[str]] = [
        {str(name) for image in node["status"].get("images") or () for name in image.get("names") or ()}
        for node in nodes.values()
    ]
    there = sorted(name for name in set.intersection(*names) if "/pause:" in name) if names else []
    if not there:
        raise ClusterError("the nodes have no pause image in common", hint="use a node image of kind, or ci/node_image")
    return there[-1]
