"""Clusters of real kubelets in containers, by the kind command.

One cluster, one name (`kindconfig.cluster_name`), one Docker network; every file is in the run's private directory, the
kubeconfig above all: nobody's ~/.kube is touched. A create that fails half way leaves nothing, a killed harness leaves
what `harness sweep` finds (`kindmade`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.cluster import dockercli, dockershim, kernel, kindconfig, kindmade, kindnames, nodeimage
from harness.cluster.kindconfig import KindShape
from harness.cluster.kubeconfig import load
from harness.cluster.nodebox import CONTROL_PLANE, WORKER, NodeBox, boxes
from harness.cluster.nodes import is_ready
from harness.errors import ApiUnavailableError, ClusterError, PlatformError, ToolchainError
from harness.process import rundir
from harness.process.child import Child, start
from harness.process.ports import Ports
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.cluster.client import KubeClient
    from harness.cluster.kubeconfig import Access
    from harness.cluster.nodeimage import NodeImage
    from harness.toolchain import Toolchain

CREATE_DEADLINE_S = 600.0
"""Three control planes at a load of 40 took more than five minutes; a node image to be pulled is given more."""
PULL_DEADLINE_S = 900.0
READY_DEADLINE_S = 120.0
ROOM_PER_NODE = 1 << 30
"""What a node writes: the images it unpacks, its datastore and its logs."""
_LAST_LINES = 15
_LOOKED_AT = 2000
"""Lines: kubeadm says all it did, and where in its own code it gave up."""
_CALL_DEADLINE_S = 300.0
_PASSED = ("HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH",
           "DOCKER_TLS_VERIFY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")  # fmt: skip
"""What kind and Docker's command may know of our environment."""


@dataclass(slots=True)
class KindCluster:
    """One running cluster; `stop` it. `nodes`: node -> its container; `remarks`: what a report must say of it.

    `client` has the rights of a cluster's administrator, and so has `kubeconfig`.
    """

    name: str
    shape: KindShape
    image: NodeImage
    run_dir: rundir.RunDir
    ports: Ports
    command: Path
    engine: dockercli.Engine
    nodes: Mapping[str, NodeBox]
    remarks: tuple[str, ...] = ()
    ready_s: float = 0.0
    create_s: float = 0.0
    kubernetes: str = ""
    reached: Access | None = None
    _client: KubeClient | None = None
    _env: dict[str, str] = field(default_factory=dict)
    _kernel: kernel.Kept | None = None
    _made: bool = False

    @classmethod
    async def start(
        cls,
        toolchain: Toolchain | None = None,
        *,
        shape: KindShape | None = None,
        worker: str = "",
        parent: Path | None = None,
    ) -> Self:
        """Create a cluster and return when every node is Ready; leaves nothing behind when it fails.

        `worker`: of pytest-xdist, for the name. Raises PlatformError (no engine, no room), ToolchainError (no kind),
        ClusterError (kind's own words), WaitTimeoutError.
        """
        began = time.monotonic()
        shape = shape or KindShape()
        command = kind_command(toolchain)
        engine = await asyncio.to_thread(dockercli.engine)
        engine.require_room(ROOM_PER_NODE * (shape.servers + shape.workers), "start a kind cluster")
        version = toolchain.versions["kube-apiserver"] if toolchain is not None else ""
        image = await asyncio.to_thread(nodeimage.choose, shape.image, version)
        run_dir = rundir.make(parent)
        async with AsyncExitStack() as undo:
            undo.callback(run_dir.remove)
            ports = Ports()
            undo.callback(ports.release)
            name = kindconfig.cluster_name(run_dir.mark, worker)
            servers, workers = kindconfig.node_names(name, shape)
            own, given = (shape.names, ()) if not workers else ((), shape.names)
            nodes = {**boxes(servers, CONTROL_PLANE, name, own), **boxes(workers, WORKER, name, given)}
            cluster = cls(name, shape, image, run_dir, ports, command, engine, nodes)
            undo.push_async_callback(cluster._end)
            await cluster._launch(began)
            cluster.ready_s = time.monotonic() - began
            undo.pop_all()
        return cluster

    async def _launch(self, began: float) -> None:
        log = self.directory / "log"
        log.mkdir(mode=0o700)
        self._env = self._environment()
        self._kernel = kernel.keep()
        kindmade.record(self.directory, self.name)
        self._made = True
        await asyncio.to_thread(kindmade.make_network, self.name, self.run_dir.mark, self.directory)
        config = self.directory / "kind.yaml"
        config.write_text(kindconfig.document(self.name, self.shape, self.image.reference), encoding="utf-8")
        pulls = not self.image.reference or not await asyncio.to_thread(dockercli.image_id, self.image.reference)
        await self._kind(
            "create", "cluster", "--name", self.name, "--config", str(config), "--kubeconfig", str(self.kubeconfig),
            doing=f"create the cluster {self.name}", deadline_s=PULL_DEADLINE_S if pulls else CREATE_DEADLINE_S,
        )  # fmt: skip
        self.create_s = time.monotonic() - began
        self.reached = await asyncio.to_thread(load, self.kubeconfig, f"kind-{self.name}")
        self._client = self.reached.client()
        await self._client.__aenter__()
        self.kubernetes = str((await self._client.get("/version"))["gitVersion"])
        for late in kindconfig.beyond_label(self.shape.names):
            await kindnames.rejoin(self._client, self.servers[0], self.nodes[late])
        await self.ready(READY_DEADLINE_S)

    def _environment(self) -> dict[str, str]:
        """What kind sees: its network, and the `docker` in the place of the real one where a capability is missing."""
        path = os.environ.get("PATH", "/usr/bin:/bin")
        if dockershim.needed():
            path = f"{dockershim.install(self.directory)}{os.pathsep}{path}"
            self.remarks += (dockershim.REMARK,)
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        return {
            **passed, "PATH": path, rundir.ENV_MARK: self.run_dir.mark,
            "KIND_EXPERIMENTAL_PROVIDER": "docker", "KIND_EXPERIMENTAL_DOCKER_NETWORK": self.name,
        }  # fmt: skip

    async def _kind(self, *arguments: str, doing: str, deadline_s: float = _CALL_DEADLINE_S) -> None:
        """Run kind to its end. Raises ClusterError with its last words; it dies with us."""
        verb = arguments[0]
        child = start(
            f"kind-{verb}", [str(self.command), *arguments], log_dir=self.directory / "log", env=self._env
        )  # fmt: skip
        try:
            code = await child.wait(deadline_s)
        finally:
            child.kill()
        if code is None:
            raise ClusterError(f"kind did not {doing} within {deadline_s:.0f} s; it says:\n{child.tail(_LAST_LINES)}")
        if code != 0:
            raise self._refused(child, code, doing)

    def _refused(self, child: Child, code: int, doing: str) -> PlatformError | ClusterError:
        """One error for what kind said, with a way out where there is a known one."""
        whole = child.tail(_LOOKED_AT)
        said, lower = told(whole), whole.lower()
        if "no space left on device" in lower:
            return PlatformError(
                f"kind did not {doing}: no room left on the disk", hint=f"free some room in {self.engine.root}"
            )
        hint = ""
        if "unable to apply caps" in lower:
            hint = "the machine withholds a capability that containers are started with; `harness doctor` says which"
        elif "failed to pull image" in lower or "manifest unknown" in lower:
            hint = (
                "name an image that is here by --node-image, or assemble one without a registry: "
                "python -m ci.node_image (in a checkout)"
            )
        return ClusterError(f"kind did not {doing} (it ended with {code}); its last lines:\n{said}", hint=hint)

    @property
    def client(self) -> KubeClient:
        """The harness's own access (cluster-admin)."""
        if self._client is None:
            raise ClusterError("the cluster is not running")
        return self._client

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        return self.run_dir.path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, as kind wrote it."""
        return self.directory / "admin.kubeconfig"

    @property
    def servers(self) -> tuple[NodeBox, ...]:
        """The control-plane nodes."""
        return tuple(node for node in self.nodes.values() if node.role == CONTROL_PLANE)

    @property
    def workers(self) -> tuple[NodeBox, ...]:
        """The other nodes."""
        return tuple(node for node in self.nodes.values() if node.role == WORKER)

    def node(self, name: str) -> NodeBox:
        """The container of a node; raises ClusterError when there is no such node."""
        try:
            return self.nodes[name]
        except KeyError:
            raise ClusterError(f"no node is called {name!r}", hint=f"there are {', '.join(self.nodes)}") from None

    async def gateway(self) -> str:
        """This machine's address on the nodes' network."""
        form = "{{(index .IPAM.Config 0).Gateway}}"
        return (await dockercli.acall("network", "inspect", "--format", form, self.name)).strip()

    def versions(self) -> Mapping[str, str]:
        """Component -> version, and what the nodes are made of."""
        return {
            "kubernetes": self.kubernetes,
            "docker": self.engine.version,
            "node-image": f"{self.image.reference or 'kindest/node'} ({self.image.source})",
            **({"remarks": "; ".join(self.remarks)} if self.remarks else {}),
        }

    async def ready(self, deadline_s: float) -> None:
        """Return when the API server answers and every node is Ready; raises WaitTimeoutError."""

        async def all_ready(progress: Progress) -> bool | None:
            try:
                items: list[dict[str, Any]] = (await self.client.get("/api/v1/nodes"))["items"]
            except ApiUnavailableError as exc:
                progress.last = exc.what
                return None
            well = {item["metadata"]["name"] for item in items if is_ready(item)}
            progress.last = f"Ready are {', '.join(sorted(well)) or 'none'} of {', '.join(self.nodes)}"
            return well >= set(self.nodes) or None

        await until(f"the nodes of {self.name} to be Ready", all_ready, deadline_s=deadline_s, interval_s=0.2)

    async def load(self, archive: Path, *, nodes: Sequence[str] = ()) -> None:
        """Put the images of an archive (of `docker save`) into the container runtime of nodes; all of them by default.

        Raises ClusterError.
        """
        if not await asyncio.to_thread(archive.is_file):
            raise ClusterError(f"no image archive {archive}", hint="make one by `docker save --output FILE IMAGE`")
        chosen = ["--nodes", ",".join(self.node(name).container for name in nodes)] if nodes else []
        await self._kind(
            "load", "image-archive", str(archive), "--name", self.name, *chosen, doing=f"load {archive.name}"
        )

    async def export_logs(self, into: Path) -> None:
        """Every node's journal, its containers' logs and what kind itself said, as files; raises ClusterError."""
        await self._kind("export", "logs", str(into), "--name", self.name, doing="export the nodes' logs")
        await asyncio.to_thread(shutil.copytree, self.directory / "log", into / "kind", dirs_exist_ok=True)

    def take_port(self) -> int:
        """A loopback port reserved for the life of the cluster."""
        return self.ports.take()

    async def stop(self, *, keep_logs: Path | None = None) -> None:
        """Keep the logs if asked to, remove the nodes, their network and the run directory.

        Raises ClusterError when Docker refuses; then the run directory stays, for a sweep.
        """
        try:
            if keep_logs is not None:
                await self.export_logs(keep_logs)
        finally:
            await self._end()
            self.run_dir.remove()
            self.ports.release()

    async def _end(self) -> None:
        """Remove all that was made outside of the run directory."""
        if self._client is not None:
            await self._client.__aexit__()
            self._client = None
        try:
            if self._made:
                await asyncio.to_thread(kindmade.remove, self.name)
                self._made = False
        finally:
            if self._kernel is not None:
                for setting in self._kernel.release():
                    self.remarks += (f"the kubelets' setting of the kernel could not be undone: sysctl -w {setting}",)


def told(output: str) -> str:
    """The last lines of kind's output that say something: without the stacks of Go that follow them. Pure."""
    kept: list[str] = []
    for line in output.splitlines():
        if line.startswith("\t") and ".go:" in line:  # where; the line before it says in which function
            kept = kept[:-1]
        elif line.strip():
            kept.append(line)
    return "\n".join(kept[-_LAST_LINES:]) or "nothing"


def kind_command(toolchain: Toolchain | None) -> Path:
    """The kind command: of the toolchain, else on PATH. Raises ToolchainError when there is none."""
    if toolchain is not None and "kind" in toolchain.paths:
        return toolchain.path("kind")
    found = shutil.which("kind")
    if found is None:
        raise ToolchainError("no `kind` on PATH", hint="harness toolchain --with kind brings it")
    return Path(found)
