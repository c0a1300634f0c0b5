"""A cluster of K3s in containers: one or three servers, and agents, which are what may be used and harmed.

By testcontainers, without its module for K3s: that one takes the newest image there is and waits for a line of the log.
Here the image is pinned by digest, and the cluster is there when its API says so. Removal is sure as that of a
datastore's container is (`sqlcontainer`): by us, by testcontainers' reaper where that can be had, and by labels.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from harness.cluster import containers, k3sflags, kernel
from harness.cluster.concurrent import all_of
from harness.cluster.datastore import ETCD3, SQLITE
from harness.cluster.dockerbox import DockerBox, FileBox, Order
from harness.cluster.dockernet import DockerNetwork, Network
from harness.cluster.k3snodes import answers, at, joined, reached_by
from harness.cluster.pki import write_private
from harness.errors import ClusterError, UsageError
from harness.process import rundir
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.cluster.kubeconfig import Access

PINNED = "pinned"
"""The word by which --k3s-image asks for `IMAGE`."""

IMAGE = "rancher/k3s:v1.34.1-k3s1@sha256:5e0707cfd1239b358ef73f3254bc3eadc027dd30cd5ec6ca41e29e47652a1b8c"
"""The newest of that minor version whose digest several public repositories pin independently of each other."""

MOST_AGENTS = 20
READY_DEADLINE_S = 300.0
"""After the image is there: images of CoreDNS and others are pulled before nodes are Ready, on each of them."""

DATA = "/var/lib/rancher/k3s"
IMAGES = "/inventory-harness"
"""Where archives of images are in a node's container."""

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
IN_MEMORY = ("/run", "/var/run")
_LAST_LINES, _ALL_LINES = 12, 100_000
_SERVERS = (1, 3)


@dataclass(frozen=True, slots=True)
class Makers:
    """The seam to Docker, replaceable by tests."""

    box: Callable[[Order], FileBox] = DockerBox
    network: Callable[[str, str, Path], Network] = DockerNetwork


@dataclass(slots=True)
class K3sBoxes:
    """One running cluster; `stop` it. `client` has the rights of a cluster's administrator, and so has `kubeconfig`.

    `servers` and `agents` are names of nodes; `gateway`: this machine's address on their network.
    """

    image: str
    datastore: str
    servers: tuple[str, ...]
    agents: tuple[str, ...]
    grace_s: int
    run_dir: rundir.RunDir
    ports: Ports
    cni: Path | None = None
    makers: Makers = field(default_factory=Makers)
    reached: Access | None = None
    gateway: str = ""
    port: int = 0
    _network: Network | None = None
    _boxes: dict[str, FileBox] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _client: KubeClient | None = None
    _kernel: kernel.Kept | None = None

    @classmethod
    async def start(
        cls,
        image: str,
        datastore: str,
        *,
        servers: int = 1,
        agents: int = 1,
        grace_s: int = 8,
        cni: Path | None = None,
        parent: Path | None = None,
        makers: Makers | None = None,
    ) -> Self:
        """Start it and return when every node is Ready (with a CNI of the user's: when every node has joined).

        Leaves nothing behind when it fails. Raises UsageError for what no cluster can be, ClusterError (the daemon's
        words, or K3s's last ones), WaitTimeoutError.
        """
        if servers not in _SERVERS or not 0 <= agents <= MOST_AGENTS:
            raise UsageError(
                f"K3s with {servers} servers and {agents} agents", hint=f"1 or 3 servers, at most {MOST_AGENTS} agents"
            )
        run_dir = rundir.make(parent)
        async with AsyncExitStack() as undo:
            undo.callback(run_dir.remove)
            ports = Ports()
            undo.callback(ports.release)
            names = k3sflags.node_names(run_dir.mark, servers, agents)
            cluster = cls(image, datastore, *names, grace_s, run_dir, ports, cni, makers or Makers())
            undo.push_async_callback(cluster._end)
            await cluster._launch()
            undo.pop_all()
        return cluster

    async def _launch(self) -> None:
        (self.directory / "log").mkdir(mode=0o700)
        (self.directory / "images").mkdir(mode=0o700)
        (self.directory / "kubelet.conf").write_text(k3sflags.kubelet(), encoding="utf-8")
        self.port = self.ports.take()
        self._network = self.makers.network(f"inv-{self.run_dir.mark}", self.run_dir.mark, self.directory)
        self.gateway = await asyncio.to_thread(self._network.create)
        self._kernel = kernel.keep()
        first, *others = self.servers
        await self._create(self.order(first))
        self.reached = await reached_by(self._kubeconfig, self._require_running, READY_DEADLINE_S)
        self._client = self.reached.client()
        await self._client.__aenter__()
        await answers(self._client, self._require_running, READY_DEADLINE_S)
        for name in others:  # one after another: etcd takes no new member while another one joins
            await self._create(self.order(name))
            await self._joined(name)
        await all_of(*(self._create(self.order(name)) for name in self.agents))
        await self._joined(*self.servers, *self.agents)

    async def _joined(self, *names: str) -> None:
        await joined(self.client, names, self._require_running, READY_DEADLINE_S, ready=self.cni is None)

    async def _create(self, order: Order) -> None:
        box = self._boxes[order.name] = self.makers.box(order)
        await asyncio.to_thread(box.create)

    def order(self, node: str) -> Order:
        """The container that is wanted for a node. The token is in its environment, which the engine shows to root."""
        first = node == self.servers[0]
        asked = k3sflags.Asked(
            node, self.grace_s, join="" if first else f"https://{self.servers[0]}:{k3sflags.API_PORT}",
            datastore=self.datastore, flannel=self.cni is None,
        )  # fmt: skip
        words = k3sflags.server(asked) if node in self.servers else k3sflags.agent(asked)
        files = {
            str(self.directory / "kubelet.conf"): f"{DATA}/{k3sflags.DROP_IN}",
            str(self.directory / "images"): IMAGES,
        }
        if first and self.cni is not None:
            files[str(self.cni)] = f"{DATA}/{k3sflags.MANIFEST}"
        return Order(
            self.image, "by --k3s-image", node, self.port if first else 0, k3sflags.API_PORT, tuple(words),
            {"K3S_TOKEN": self._token}, containers.labels(self.run_dir.mark, self.directory), f"K3s's container {node}",
            files, IN_MEMORY, {"privileged": True, "hostname": node, "network": f"inv-{self.run_dir.mark}"},
        )  # fmt: skip

    def _kubeconfig(self) -> Path | None:
        """The administrator's kubeconfig, with the port that is published; None until it is there."""
        found = self._boxes[self.servers[0]].read(KUBECONFIG)
        if not found:
            return None
        try:
            body = at(found, f"https://127.0.0.1:{self.port}")
        except ClusterError:
            return None  # not whole yet
        return write_private(self.kubeconfig, body)

    async def _require_running(self) -> None:
        for name, box in self._boxes.items():
            code = await asyncio.to_thread(box.ended)
            if code is not None:
                said = await asyncio.to_thread(box.tail, _LAST_LINES)
                raise ClusterError(f"K3s's container {name} ended with {code} while starting; it says:\n{said}")

    @property
    def source(self) -> str:
        """Which datastore this is, in one line."""
        if self.datastore == SQLITE:
            return "SQLite of K3s"
        return f"etcd of K3s, {3 if self.datastore == ETCD3 else 1} members"

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
        """The administrator's kubeconfig, readable for us alone."""
        return self.directory / "admin.kubeconfig"

    async def load(self, archive: Path) -> None:
        """Put the images of an archive (of `docker save`) into every node; raises ClusterError."""
        copy = self.directory / "images" / archive.name
        await asyncio.to_thread(shutil.copyfile, archive, copy)
        words = k3sflags.imports("ctr", f"{IMAGES}/{archive.name}")
        try:
            await all_of(*(asyncio.to_thread(box.run, *words) for box in self._boxes.values()))
        finally:
            await asyncio.to_thread(copy.unlink)

    async def export(self, into: Path) -> None:
        """What every node has written, as files; raises ClusterError."""
        await asyncio.to_thread(into.mkdir, parents=True, exist_ok=True)
        for name, box in self._boxes.items():
            said = await asyncio.to_thread(box.tail, _ALL_LINES)
            await asyncio.to_thread((into / f"{name}.log").write_text, said, encoding="utf-8")

    async def stop(self) -> None:
        """Remove the nodes, their network and the run directory.

        Raises ClusterError when Docker refuses; then the run directory stays, for a sweep.
        """
        await self._end()
        self.run_dir.remove()
        self.ports.release()

    async def _end(self) -> None:
        """Remove all that was made outside of the run directory, agents first."""
        if self._client is not None:
            await self._client.__aexit__()
            self._client = None
        for name in reversed(tuple(self._boxes)):
            await asyncio.to_thread(self._boxes[name].remove)
            del self._boxes[name]
        if self._network is not None:
            await asyncio.to_thread(self._network.remove)
            self._network = None
        if self._kernel is not None:
            self._kernel.release()  # a sweep tells of what only root can give back
            self._kernel = None
