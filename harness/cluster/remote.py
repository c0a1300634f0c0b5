"""A cluster whose control plane is not ours to start, stop or see into: what a run needs beside it, and nothing more.

Whoever made or found the cluster gives a client, a run directory and the real nodes that may be used. Here the
operator gets an identity with just the rights of the contract, and the GPU registry a process of its own. What only
simulated clusters can do raises ClusterError; that no scenario asks for it is seen to by capabilities.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from harness.cluster import access, capability, registryserver
from harness.cluster.control import ControlSocket, change_registry
from harness.cluster.guard import MARK
from harness.cluster.nodes import is_ready
from harness.cluster.pki import write_private
from harness.errors import ClusterError
from harness.process import rundir
from harness.process.child import Child, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from harness.cluster.apirules import ApiRule
    from harness.cluster.base import Ground, Machine, Member
    from harness.cluster.cephtools import CephTools
    from harness.cluster.client import KubeClient
    from harness.cluster.datastore import Datastore
    from harness.cluster.kubeconfig import Access
    from harness.cluster.server import Server
    from harness.process.ports import Ports

HELPER_DEADLINE_S = 90.0
"""As READY_DEADLINE_S of the embedded backend: a machine may be busy with starting others."""

TOKEN_LIFE_S = 7200
"""Longer than any run; an API server may give a token a shorter life, and then says so."""

_TOKEN_FILE = "operator.token"  # noqa: S105 - where it is, not what it is
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class RemoteCluster:
    """What every backend with real nodes gives a run.

    `client`: the harness's own, entered and left by whoever made it; `reached`: how the operator reaches the API
    server; `registry_address`: where the registry listens, an address that the operator can reach; `machines`: what is
    under the nodes, where it can be reached; `export`: writes the nodes' logs into a directory; `load`: puts an image
    archive into every node, None where they can only pull; `undo`: what whoever made it has to undo at its end, the run
    directory last.
    """

    backend: str
    client: KubeClient
    reached: Access
    run_dir: rundir.RunDir
    ports: Ports
    ground: Ground
    datastore_source: str = "etcd of the cluster"
    registry_address: str = "127.0.0.1"
    kubernetes: str = ""
    more_versions: Mapping[str, str] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    export: Callable[[Path], Awaitable[None]] | None = None
    load: Callable[[Path], Awaitable[None]] | None = None
    registry_url: str = ""
    env: dict[str, str] = field(default_factory=dict)
    proxied: bool = False
    undo: AsyncExitStack | None = None
    _children: dict[str, Child] = field(default_factory=dict)
    _registry: ControlSocket | None = None

    async def launch(self, undo: AsyncExitStack, *, looks: bool = False) -> None:
        """Give the operator its identity, and start the registry; what `undo` holds is done by `stop` from then on.

        `looks`: nothing is made, because an operator that runs already is only looked at. When it fails, `undo` is the
        caller's still, and ends what was begun.
        """
        undo.callback(self.end)
        (self.directory / "log").mkdir(mode=0o700, exist_ok=True)
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.directory),
            rundir.ENV_MARK: self.run_dir.mark,
        }
        self.kubernetes = str((await self.client.get("/version")).get("gitVersion", ""))
        if not looks:
            await self._furnish()
        self.undo = undo.pop_all()

    async def _furnish(self) -> None:
        await access.apply(self.client, {MARK: self.run_dir.mark})
        await access.account(self.client)
        await self._identify()
        port = self.ports.take()
        self.registry_url = f"http://{self.registry_address}:{port}"
        arguments = [str(self.directory), self.registry_address, str(port)]
        command = [sys.executable, "-m", "harness.cluster.registryserver", *arguments]
        env = {**self.env, "PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        child = start("registry", command, log_dir=self.directory / "log", env=env)
        self._children["registry"] = child
        socket = self._registry = ControlSocket(self.directory / registryserver.SOCKET, "the GPU registry's process")

        async def answers(progress: Progress) -> bool | None:
            require_running(child, "starting")
            try:
                await socket.command(do="ping")
            except ClusterError as exc:
                progress.last = exc.what
                return None
            return True

        await until(socket.who, answers, deadline_s=HELPER_DEADLINE_S, interval_s=0.02)

    async def _identify(self) -> None:
        """A token for the operator's service account, from the API server, in a kubeconfig of its own."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_LIFE_S},
        }
        made = await self.client.create(f"{access.SERVICE_ACCOUNTS}/{access.OPERATOR_USER}/token", body)
        token = write_private(self.directory / _TOKEN_FILE, str(made["status"]["token"]).encode())
        write_private(self.operator_kubeconfig, kubeconfig_of(self.reached, token, access.OPERATOR_USER).encode())

    @property
    def operator_kubeconfig(self) -> Path:
        """The operator's identity, with exactly the rights of the contract."""
        return self.directory / "operator.kubeconfig"

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        return self.run_dir.path

    @property
    def watchers(self) -> tuple[KubeClient, ...]:
        """Where the truth is watched: wherever the kubeconfig leads."""
        return (self.client,)

    def versions(self) -> Mapping[str, str]:
        """Component -> version."""
        return {"kubernetes": self.kubernetes, "datastore": self.datastore_source, **self.more_versions}

    async def ready(self, deadline_s: float) -> None:
        """Return when the API server answers and the nodes that may be used are Ready."""

        async def all_ready(progress: Progress) -> bool | None:
            try:
                listed = await self.client.get("/api/v1/nodes")
            except ClusterError as exc:
                progress.last = exc.what
                return None
            missing = set(self.ground.nodes) - {n["metadata"]["name"] for n in listed["items"] if is_ready(n)}
            progress.last = f"not Ready: {', '.join(sorted(missing)[:5])}"
            return None if missing else True

        await until("the nodes to be Ready", all_ready, deadline_s=deadline_s, interval_s=0.2)

    async def set_registry(
        self, body: Any | None = None, *, mode: str = "answer", delay_s: float | None = None
    ) -> None:
        """The registry's content and delay (None: as they were) and its behaviour."""
        await change_registry(self._helper, body, mode=mode, delay_s=delay_s)

    async def discovery_stats(self) -> Mapping[str, Any]:
        """{"served": {}, "registry": answers, …}: nobody but the nodes knows what discovery was asked."""
        return await self._helper.command(do="stats")

    def take_port(self) -> int:
        """A loopback port reserved for the life of the cluster."""
        return self.ports.take()

    def processes(self) -> Mapping[str, Child]:
        """Every process of this machine that belongs to it, by name."""
        return dict(self._children)

    async def stop(self, *, keep_logs: Path | None = None) -> None:
        """End our processes, keep their logs if asked to, and undo what was done to have the cluster."""
        self.end()
        if keep_logs is not None:
            with suppress(OSError):
                shutil.copytree(self.directory / "log", keep_logs, dirs_exist_ok=True)
            if self.export is not None:
                with suppress(ClusterError):  # logs are for reading; what a run found does not depend on them
                    await self.export(keep_logs / "nodes")
        if self.undo is not None:
            await self.undo.aclose()

    def end(self) -> None:
        """End our processes."""
        if self._registry is not None:
            self._registry.close()
        for child in self._children.values():
            child.kill()

    @property
    def _helper(self) -> ControlSocket:
        if self._registry is None:
            raise ClusterError("the cluster is not running")
        return self._registry

    def _lacks(self, word: str) -> NoReturn:
        raise ClusterError(f"{self.backend} has no {word}: {capability.MEANING[word]}", hint="docs/backends.md")

    @property
    def api_server(self) -> Member:
        """Not ours."""
        self._lacks(capability.API_SERVER_FAULTS)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Not ours."""
        self._lacks(capability.SERVERS)

    @property
    def datastore(self) -> Datastore:
        """Not ours."""
        self._lacks(capability.DATASTORE_FAULTS)

    @property
    def ceph(self) -> CephTools:
        """Not played."""
        self._lacks(capability.CEPH_TOOLS)

    async def set_rule(self, *_arguments: Any) -> None:
        """There is no relay."""
        self._lacks(capability.RELAY)

    async def relay_stats(self) -> Mapping[str, Any]:
        """There is no relay."""
        self._lacks(capability.RELAY)

    async def set_api_rule(self, rule: ApiRule) -> None:
        """There is no API proxy."""
        del rule
        self._lacks(capability.API_PROXY)

    async def clear_api_rule(self, rule_id: str) -> None:
        """There is no API proxy."""
        del rule_id
        self._lacks(capability.API_PROXY)

    async def api_stats(self) -> Mapping[str, Any]:
        """There is no API proxy."""
        self._lacks(capability.API_PROXY)

    async def api_calls(self, *, also_open: bool = False) -> Mapping[str, Any]:
        """There is no API proxy."""
        del also_open
        self._lacks(capability.API_PROXY)

    def write_token(self, *, life_s: float) -> None:
        """The API server chooses the life of tokens."""
        del life_s
        self._lacks(capability.TOKEN)

    async def set_hardware(self, bodies: Mapping[str, Any]) -> None:
        """Hardware is what it is."""
        del bodies
        self._lacks(capability.SIMULATED_HARDWARE)

    async def set_discovery(
        self, node: str, mode: str, *, delay_s: float = 0.0, others: Mapping[str, Any] | None = None
    ) -> None:
        """Discovery pods answer for themselves."""
        del node, mode, delay_s, others
        self._lacks(capability.EGRESS)


def kubeconfig_of(reached: Access, token: Path, user: str) -> str:
    """A kubeconfig by which that token reaches the same API server."""
    cluster: dict[str, Any] = {"server": reached.server}
    if not reached.verified:
        cluster["insecure-skip-tls-verify"] = True
    elif reached.ca:
        cluster["certificate-authority-data"] = base64.b64encode(reached.ca).decode()
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "harness",
        "clusters": [{"name": "harness", "cluster": cluster}],
        "users": [{"name": user, "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "harness", "context": {"cluster": "harness", "user": user}}],
    }
    return yaml.safe_dump(body, sort_keys=False)
