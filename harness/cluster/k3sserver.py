"""A cluster of one K3s server as a process of this machine, in a mount namespace of its own.

One server and one node: two kubelets cannot share a machine's network, nor embedded etcd its ports, which cannot be
chosen. What has more nodes is made of containers (`k3sboxes`). Everything is written below the run's directory; what
outlives K3s is removed by `k3sleft`, at the end or by a sweep.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.cluster import k3sflags, k3shost, k3sleft, kernel, sqlserver
from harness.cluster.datastore import SERVED, SQLITE
from harness.cluster.k3snodes import answers, joined, reached_by
from harness.cluster.pki import write_private
from harness.errors import ClusterError, PlatformError
from harness.process import rundir
from harness.process.child import Child, require_running, start
from harness.process.ports import Ports, free
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.client import KubeClient
    from harness.cluster.datastore import DatastoreSpec
    from harness.cluster.k3sprogram import Program
    from harness.cluster.kubeconfig import Access
    from harness.cluster.sqlserver import SqlServer

READY_DEADLINE_S = 180.0
"""K3s unpacks 200 MB, and its node is Ready once the CNI is; a slow disk takes its time."""
LOAD_DEADLINE_S = 300.0
TURN_DEADLINE_S = 1800.0
"""A scenario takes a minute or two, and several workers may wait."""

_TRIES = 50
_ENDPOINT = "K3S_DATASTORE_ENDPOINT"
_PASSED = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CONTAINERD_HTTP_PROXY", "CONTAINERD_HTTPS_PROXY",
           "CONTAINERD_NO_PROXY")  # fmt: skip
"""What K3s may know of our environment: how images are reached."""


@dataclass(slots=True)
class K3sServer:
    """One running server; `stop` it. `client` has the rights of a cluster's administrator, and so has `kubeconfig`.

    `lock`: that of this machine for K3s (`k3shost.take`), -1 when it was given back.
    """

    program: Program
    store: DatastoreSpec
    grace_s: int
    run_dir: rundir.RunDir
    ports: Ports
    node: str
    lock: int
    cni: Path | None = None
    reached: Access | None = None
    source: str = ""
    port: int = 0
    _client: KubeClient | None = None
    _child: Child | None = None
    _sql: SqlServer | None = None
    _env: dict[str, str] = field(default_factory=dict)
    _recorded: bool = False
    _kernel: kernel.Kept | None = None

    @classmethod
    async def start(
        cls,
        program: Program,
        store: DatastoreSpec,
        *,
        grace_s: int,
        cni: Path | None = None,
        parent: Path | None = None,
    ) -> Self:
        """Start it and return when its node is Ready (with a CNI of the user's: when its node has joined).

        Leaves nothing behind when it fails: PlatformError (not root, another node, a port that is taken), ClusterError
        (K3s's last words), WaitTimeoutError.
        """
        async with AsyncExitStack() as undo:
            lock = await _alone()
            undo.callback(os.close, lock)
            for obstacle in k3shost.obstacles():
                raise obstacle
            k3shost.require_free(k3sflags.ports_of(store.kind))
            run_dir = rundir.make(parent)
            undo.pop_all()
        (node,), _ = k3sflags.node_names(run_dir.mark, 1, 0)
        cluster = cls(program, store, grace_s, run_dir, Ports(), node, lock, cni)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(cluster.stop)
            await cluster._launch()
            undo.pop_all()
        return cluster

    async def _launch(self) -> None:
        log = self.directory / "log"
        log.mkdir(mode=0o700)
        self._env = self._environment()
        await self._database()
        self._prepare()
        self.port = _api_port(self.ports)
        self._kernel = kernel.keep()
        await asyncio.to_thread(k3sleft.record, self.directory)
        self._recorded = True
        words = k3shost.private([str(self.program.path), *k3sflags.server(self.asked())], self.run_dir.mark)
        self._child = start("k3s", words, log_dir=log, env=self._env, cwd=self.directory)
        self.reached = await reached_by(self._kubeconfig, self._require_running, READY_DEADLINE_S)
        self._client = self.reached.client()
        await self._client.__aenter__()
        await answers(self._client, self._require_running, READY_DEADLINE_S)
        await joined(
            self._client, (self.node,), self._require_running, READY_DEADLINE_S,
            ready=self.cni is None,
        )  # fmt: skip

    def asked(self) -> k3sflags.Asked:
        """What K3s is told."""
        return k3sflags.Asked(
            self.node, self.grace_s, data_dir=str(self.data), kubelet_dir=str(self.directory / "kubelet"),
            token_file=str(self.directory / "token"), port=self.port, kubeconfig=str(self.kubeconfig),
            datastore=self.store.kind, registries=self._registries(), flannel=self.cni is None,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        return {
            **passed, "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": str(self.directory),
            rundir.ENV_MARK: self.run_dir.mark,
        }  # fmt: skip

    async def _database(self) -> None:
        """The SQL server, where the datastore is one: it is there before K3s, which ends without it."""
        if self.store.kind not in SERVED:
            self.source = "SQLite of K3s" if self.store.kind == SQLITE else "etcd of K3s, 1 member"
            return
        self._sql = sqlserver.choose(
            self.store.kind, self.store.url, directory=self.directory, mark=self.run_dir.mark,
            env={key: self._env[key] for key in ("PATH", "HOME", rundir.ENV_MARK)}, ports=self.ports,
        )  # fmt: skip
        await self._sql.start()
        self._env[_ENDPOINT] = self._sql.kine_endpoint(*self._sql.address)
        self.source = f"kine of K3s on {self._sql.source}"

    def _prepare(self) -> None:
        """The token, the kubelet's settings and the CNI's manifest, where K3s finds them."""
        write_private(self.directory / "token", f"{secrets.token_hex(16)}\n".encode())
        drop_in = self.data / k3sflags.DROP_IN
        drop_in.parent.mkdir(parents=True)
        drop_in.write_text(k3sflags.kubelet(), encoding="utf-8")
        if self.cni is not None:
            manifest = self.data / k3sflags.MANIFEST
            manifest.parent.mkdir(parents=True)
            shutil.copyfile(self.cni, manifest)
        if k3shost.REGISTRIES.is_file():
            shutil.copyfile(k3shost.REGISTRIES, self.directory / "registries.yaml")

    def _registries(self) -> str:
        copy = self.directory / "registries.yaml"
        return str(copy) if copy.is_file() else ""

    def _kubeconfig(self) -> Path | None:
        return self.kubeconfig if self.kubeconfig.is_file() else None

    @property
    def client(self) -> KubeClient:
        """The harness's own access (cluster-admin)."""
        if self._client is None:
            raise ClusterError("the cluster is not running")
        return self._client

    @property
    def child(self) -> Child:
        """K3s's process."""
        if self._child is None:
            raise ClusterError("the cluster is not running")
        return self._child

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        return self.run_dir.path

    @property
    def data(self) -> Path:
        """K3s's data directory."""
        return self.directory / k3sleft.DATA

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, as K3s writes it, readable for us alone."""
        return self.directory / "admin.kubeconfig"

    async def _require_running(self) -> None:
        require_running(self.child, "starting")

    async def load(self, archive: Path) -> None:
        """Put the images of an archive (of `docker save`) into the node's container runtime; raises ClusterError."""
        places = [place / "data" / "current" / "bin" / "ctr" for place in (self.data, Path(k3sflags.USUAL_DATA))]
        ctr = next((place for place in places if place.exists()), None)
        if ctr is None:
            raise ClusterError(f"K3s has no ctr in {places[0].parent}", hint="see k3s.stderr.log of the run")
        inside = ["nsenter", f"--target={self.child.pid}", "--mount", f"--wd={self.directory}", "--"]
        words = [*inside, *k3sflags.imports(str(ctr), str(archive))]
        child = start("ctr", words, log_dir=self.directory / "log", env=self._env, cwd=self.directory)
        try:
            code = await child.wait(LOAD_DEADLINE_S)
        finally:
            child.kill()
        if code != 0:
            raise ClusterError(f"K3s did not import {archive.name} (ctr ended with {code}): {child.tail()}")

    async def stop(self) -> None:
        """End K3s and its pods, and remove everything, the run directory too.

        Raises ClusterError when something cannot be removed; then the run directory stays, for a sweep.
        """
        try:
            await self._end()
            self.run_dir.remove()
        finally:
            self.ports.release()
            if self.lock >= 0:
                os.close(self.lock)
                self.lock = -1

    async def _end(self) -> None:
        if self._client is not None:
            await self._client.__aexit__()
            self._client = None
        if self._child is not None:
            self._child.kill()
        if self._recorded:
            await asyncio.to_thread(k3sleft.remove, self.directory)
            self._recorded = False
        if self._kernel is not None:
            self._kernel.release()  # we are root: nothing is left of what the kubelet has set
            self._kernel = None
        if self._sql is not None:
            await self._sql.dispose()
            self._sql = None


async def _alone() -> int:
    """The lock of this machine for K3s: workers of one campaign, and whole harnesses, take turns."""

    async def ours(progress: Progress) -> int | None:
        progress.last = "it runs"
        return k3shost.take()

    return await until("the K3s of another harness to end", ours, deadline_s=TURN_DEADLINE_S, interval_s=0.2)


def _api_port(ports: Ports) -> int:
    """A port of ours for the API; the API server behind it takes the next one (pkg/cli/cmds: 6443 and 6444)."""
    for _ in range(_TRIES):
        port = ports.take()
        if free(port + 1):
            return port
    raise PlatformError("no two free ports in a row for K3s", hint="run `harness sweep`, or see who listens")
