"""The backend of K3s: one server as a process of this machine, or several servers and agents in containers.

The way is chosen by the user: containers where --k3s-image is given, the program otherwise (given by --k3s, on PATH, or
downloaded with its published checksum).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster import capability, containers, dockershim, guard, k3sboxes, k3sflags, k3shost, k3sprogram
from harness.cluster.backend import K3S, BackendSpec
from harness.cluster.base import Ground
from harness.cluster.datastore import ETCD, ETCD3, MYSQL, POSTGRES, SQLITE
from harness.cluster.k3sboxes import K3sBoxes
from harness.cluster.k3sserver import K3sServer
from harness.cluster.remote import RemoteCluster
from harness.errors import ClusterError, PlatformError, UsageError

if TYPE_CHECKING:
    from harness.cluster.client import KubeClient
    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain

THERE = frozenset({
    capability.DATASTORES, capability.RIGHTS, capability.POLICIES, capability.NAMESPACES, capability.CLUSTER_OBJECTS,
    capability.OPERATOR, capability.NODE_MARKING, capability.NODE_DRAIN, capability.KUBELET, capability.REGISTRY,
    capability.OPERATOR_PROCESS, capability.OPERATOR_POD, capability.CONFIG_FILE,
})  # fmt: skip
"""What it has either way. A server's node is not deleted: K3s then takes its etcd member away, and ends for good
(k3s-io/k3s#13498)."""

IN_CONTAINERS = frozenset({capability.SERVERS, capability.NODE_REJOIN, capability.NODE_DELETE})
"""What it has beside that in containers, where agents are what may be harmed."""


UNPRIVILEGED = PlatformError(
    "K3s in containers: they have to be privileged, and this machine withholds CAP_SYS_RESOURCE",
    hint="use --k3s, or a machine without such bounds",
)


@dataclass(frozen=True, slots=True)
class K3sBackend:
    """Makes clusters of K3s. `program`: what --k3s named; `image`: what --k3s-image named, empty for no containers."""

    program: str = ""
    image: str = ""
    cni: Path | None = None
    name: str = K3S
    control_plane: bool = False

    @property
    def datastores(self) -> tuple[str, ...]:
        """K3s's own default first. A SQL server of ours listens on loopback, which containers do not reach."""
        return (SQLITE, ETCD, ETCD3) if self.image else (SQLITE, ETCD, POSTGRES, MYSQL)

    @property
    def most_nodes(self) -> int:
        """A machine carries one kubelet."""
        return k3sboxes.MOST_AGENTS if self.image else 1

    @property
    def components(self) -> tuple[str, ...]:
        """The program, where it has to be downloaded."""
        return () if self.image or k3sprogram.find(self.program) is not None else (k3sprogram.NAME,)

    def capabilities(self) -> frozenset[str]:
        """`THERE`, and in containers `IN_CONTAINERS`."""
        return THERE | IN_CONTAINERS if self.image else THERE

    def obstacles(self) -> tuple[PlatformError, ...]:
        """What keeps this way of running K3s from being gone here; no program and no Docker are among it."""
        if self.image:
            problem = containers.docker_problem()
            if problem:
                return (PlatformError(f"K3s in containers: {problem}", hint="start Docker, or use --k3s"),)
            return (UNPRIVILEGED,) if dockershim.needed() else ()
        missing = k3sprogram.obstacle(self.program)
        return ((missing,) if missing is not None else ()) + k3shost.obstacles()

    async def start(self, toolchain: Toolchain, shape: Shape, *, parent: Path | None = None) -> RemoteCluster:
        """A cluster with as many machines as are wanted; leaves nothing behind when that fails."""
        async with AsyncExitStack() as undo:
            if self.image:
                boxes = await K3sBoxes.start(
                    self.image, shape.datastore.kind, servers=servers(shape), agents=max(1, shape.machines),
                    grace_s=shape.grace_s, cni=self.cni, parent=parent,
                )  # fmt: skip
                undo.push_async_callback(boxes.stop)
                cluster = await _of_boxes(boxes)
            else:
                require_one(shape)
                program = k3sprogram.choose(self.program, toolchain)
                server = await K3sServer.start(
                    program, shape.datastore, grace_s=shape.grace_s, cni=self.cni, parent=parent
                )
                undo.push_async_callback(server.stop)
                cluster = await _of_server(server)
            await cluster.launch(undo)
        return cluster


def backend(spec: BackendSpec) -> K3sBackend:
    """The backend of these settings; raises UsageError for what does not go together or is not there."""
    given = spec.settings
    program, image, cni = given.get("k3s", ""), given.get("k3s-image", ""), given.get("k3s-cni", "")
    if program and image:
        raise UsageError(
            "--k3s and --k3s-image: K3s runs as a process or in containers, not both", hint="drop one of them"
        )
    k3sprogram.find(program)
    manifest = Path(cni).expanduser().absolute() if cni else None
    if manifest is not None and not manifest.is_file():
        raise UsageError(f"--k3s-cni {cni}: there is no such file", hint="give the path of a manifest of a CNI")
    return K3sBackend(program, k3sboxes.IMAGE if image == k3sboxes.PINNED else image, manifest)


def servers(shape: Shape) -> int:
    """How many servers a cluster needs: each has one member of etcd, so that three members are three servers."""
    return 3 if shape.datastore.kind == ETCD3 else shape.servers


def require_one(shape: Shape) -> None:
    """Raise ClusterError for what a process of K3s cannot be."""
    if shape.servers > 1 or shape.machines > 1:
        raise ClusterError(
            f"K3s as a process is one server and one node; {shape.servers} servers and {shape.machines} nodes were "
            "asked for",
            hint=f"--k3s-image {k3sboxes.PINNED}",
        )


async def _of_server(server: K3sServer) -> RemoteCluster:
    if server.reached is None:
        raise ClusterError("the cluster is not running")
    ground = await _ground(server.client, (server.node,))
    return RemoteCluster(
        K3S, server.client, server.reached, server.run_dir, server.ports, ground, datastore_source=server.source,
        more_versions={"k3s": f"{server.program.version} ({server.program.source})"}, load=server.load,
        _children={"k3s": server.child},
    )  # fmt: skip


async def _of_boxes(boxes: K3sBoxes) -> RemoteCluster:
    if boxes.reached is None:
        raise ClusterError("the cluster is not running")
    ground = await _ground(boxes.client, boxes.agents)
    return RemoteCluster(
        K3S, boxes.client, boxes.reached, boxes.run_dir, boxes.ports, ground, datastore_source=boxes.source,
        registry_address=boxes.gateway, more_versions={"k3s-image": boxes.image}, export=boxes.export,
        load=boxes.load,
    )  # fmt: skip


async def _ground(client: KubeClient, names: tuple[str, ...]) -> Ground:
    listed = (await client.get("/api/v1/nodes"))["items"]
    nodes = {item["metadata"]["name"]: guard.profile_of(item) for item in listed if item["metadata"]["name"] in names}
    return Ground(simulated=False, nodes=nodes, image=k3sflags.PAUSE_IMAGE)
