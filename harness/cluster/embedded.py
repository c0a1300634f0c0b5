"""The embedded backend: a real control plane as processes on loopback, ready in seconds.

Datastore, kube-apiserver, kube-controller-manager and kwok are the real ones; egress and GPU registry are ours, in one
helper process; relays and load balancers are in another, and so is the proxy between operator and API server, where
there are any. No root, no namespaces, no containers. Everything dies with the harness.

With three servers each API server has an etcd member of its own, as in K3s. The operator reaches them as through the
service `kubernetes`: new connections go to servers that are ready, open ones stay where they are. Our own parts (kwok,
the controller manager, the harness) go through a second load balancer, which drops connections to a server that is not
ready, so that simulated kubelets do not fall silent with it.

It is long because it is the one place where all parts of this backend are wired and answered for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.cluster import access, apiproxy, audit
from harness.cluster.base import POD_NAMESPACE, SIMULATED, Ground
from harness.cluster.cephtools import CephTools
from harness.cluster.client import KubeClient
from harness.cluster.concurrent import all_of
from harness.cluster.control import ControlSocket, change_registry
from harness.cluster.controlplane import ApiServer, ControllerManager, Credentials, credentials
from harness.cluster.datastore import Datastore, plan
from harness.cluster.etcd import EtcdStore
from harness.cluster.nodes import Kwok
from harness.cluster.pki import kubeconfig
from harness.cluster.relay import ANY, LINKS_FILE, PASS, SOCKET, Link, Rule, describe
from harness.cluster.server import Server
from harness.cluster.shape import Shape
from harness.cluster.tokens import LONG_S, TokenFile
from harness.errors import ClusterError, PlatformError
from harness.process import cell, rundir
from harness.process.child import Child, require_running, start
from harness.process.ports import Ports
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.apirules import ApiRule
    from harness.toolchain import Toolchain

READY_DEADLINE_S = 90.0
_STORE_PATIENCE_S = 10.0
"""kube-apiserver gives up on a datastore that it cannot reach for 20 s. One that took as long as this to start, on a
machine that is busy, may have come too late for it: it is then started once more."""
_TOKEN_FILE = "operator.token"  # noqa: S105 - where it is, not what it is
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class EmbeddedCluster:
    """One running cluster, which whoever started it stops. `operator_server`: the URL that the operator is given."""

    toolchain: Toolchain
    shape: Shape
    run_dir: rundir.RunDir
    ports: Ports
    keys: Credentials
    env: dict[str, str]
    servers: tuple[Server, ...]
    datastore: Datastore
    client: KubeClient
    operator_server: str
    operator_kubeconfig: Path
    admin_kubeconfig: Path
    registry_url: str
    links: tuple[Link, ...] = ()
    ground: Ground = SIMULATED
    load: None = None  # nothing is run on simulated nodes, and no machines are under them
    machines: Mapping[str, Any] = field(default_factory=dict)
    ready_s: float = 0.0
    api_ready_s: float = 0.0
    _children: dict[str, Child] = field(default_factory=dict)
    _sidecar: ControlSocket | None = None
    _relay: ControlSocket | None = None
    _proxy: ControlSocket | None = None
    _token: TokenFile | None = None

    @classmethod
    async def start(cls, toolchain: Toolchain, *, shape: Shape | None = None, parent: Path | None = None) -> Self:
        """Start everything and return when the whole cluster is ready; leaves nothing behind when it fails."""
        began = time.monotonic()
        shape = shape or Shape()
        run_dir = rundir.make(parent)
        ports = Ports()
        async with AsyncExitStack() as undo:
            undo.callback(ports.release)
            undo.callback(run_dir.remove)
            cluster = cls._plan(toolchain, shape, run_dir, ports)
            undo.push_async_callback(cluster._end)  # noqa: SLF001 - a constructor of this very class
            await cluster._launch(began)  # noqa: SLF001 - as above
            cluster.ready_s = time.monotonic() - began
            undo.pop_all()
        return cluster

    @classmethod
    def _plan(cls, toolchain: Toolchain, shape: Shape, run_dir: rundir.RunDir, ports: Ports) -> Self:
        directory = run_dir.path
        (directory / "log").mkdir(mode=0o700)
        keys = credentials(directory / "pki", operator_user=access.OPERATOR_USER)
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(directory), rundir.ENV_MARK: run_dir.mark}
        datastore = plan(
            shape.datastore, toolchain, run_dir, ports, env, relayed=shape.relayed, quota_bytes=shape.quota_bytes
        )
        ca = keys.authority.cert
        servers = []
        for number in range(shape.servers):
            alone = shape.servers == 1
            endpoints = datastore.endpoints(None if alone else number)
            name = "kube-apiserver" if alone else f"kube-apiserver-{number + 1}"
            api = ApiServer(toolchain, directory, ports.take(), endpoints, keys, env, name, shape.audited)
            member = datastore.members[number] if not alone and isinstance(datastore, EtcdStore) else None
            servers.append(Server(f"server-{number + 1}", api, member, KubeClient(api.url, ca=ca, pair=keys.admin)))
        links = [*datastore.links]
        own = service = servers[0].api.url
        if shape.servers > 1:
            targets = [server.api.port for server in servers]
            links += [
                Link("service", ports.take(), targets, health="/readyz"),
                Link("own", ports.take(), targets, health="/readyz", drops=True),
            ]
            service, own = (f"https://127.0.0.1:{link.port}" for link in links[-2:])

        given = servers[0].api.url if shape.pinned else service
        if shape.proxied:
            given = apiproxy.configure(directory, port=ports.take(), upstream=given)

        def config(name: str, user: str, server: str) -> Path:
            pair = keys.admin if name == "admin" else directory / _TOKEN_FILE if shape.by_token else keys.operator
            return kubeconfig(directory / f"{name}.kubeconfig", server=server, ca=ca, pair=pair, user=user)

        return cls(
            toolchain=toolchain,
            shape=shape,
            run_dir=run_dir,
            ports=ports,
            keys=keys,
            env=env,
            servers=tuple(servers),
            datastore=datastore,
            client=KubeClient(own, ca=ca, pair=keys.admin),
            operator_server=given,
            operator_kubeconfig=config("operator", access.OPERATOR_USER, given),
            admin_kubeconfig=config("admin", "harness-admin", own),
            registry_url=f"http://127.0.0.1:{ports.take()}",
            links=tuple(links),
        )

    async def _launch(self, began: float) -> None:  # noqa: C901 - one step after the other
        self.api_server.write_egress_selector()
        if self.shape.audited:
            audit.write_policy(self.directory)
        if self.links:
            (self.directory / LINKS_FILE).write_text(describe(self.links), encoding="utf-8")
            self._children["relay"] = self._start_helper("relay")
            self._relay = ControlSocket(self.directory / SOCKET, "the cluster's relay")
        if self.shape.proxied:
            self._children["apiproxy"] = self._start_helper("apiproxy")
            self._proxy = ControlSocket(self.directory / apiproxy.SOCKET, "the cluster's API proxy")
        # The API server has much to do before it needs its datastore, and waits for it by itself.
        self.datastore.launch()
        for server in self.servers:
            await server.api.launch()
        own = self.client.server
        self._children["sidecar"] = self._start_helper("sidecar", own, self.registry_url.rpartition(":")[2])
        manager = ControllerManager(self.toolchain, self.directory, own, self.keys, self.env, self.shape.grace_s)
        kwok = Kwok(
            self.toolchain, self.directory, own, self.keys, self.env, self.shape.large, self.shape.status_period_s
        )
        if self.shape.ceph:
            self.ceph.install()
            kwok.env, kwok.more = self.ceph.env(self.env), self.ceph.documents()
        for client in {id(client): client for client in (self.client, *self.watchers)}.values():
            await client.__aenter__()
        if self._relay is not None:
            await self._answers(self._relay, "relay")
        if self._proxy is not None:
            await self._answers(self._proxy, "apiproxy")
        await self.datastore.ready()
        await self._first_ready(time.monotonic() - began)
        self.api_ready_s = time.monotonic() - began
        self._children[manager.name] = manager.launch(self.ports.take())
        kwok_port = self.ports.take()
        self._children[kwok.name] = kwok.launch(kwok_port)
        self._sidecar = ControlSocket(self.directory / "control.sock", "the cluster's helper process")
        await all_of(
            access.apply(self.client),
            kwok.ready(self._children[kwok.name], kwok_port, READY_DEADLINE_S),
            self._controllers_at_work(),
            self._answers(self._sidecar, "sidecar"),
        )
        if self.shape.ceph:
            await self._sidecar.command(do="kubelet", port=kwok_port)
        if self.shape.by_token:
            file, key = self.directory / _TOKEN_FILE, self.keys.service_accounts.key
            uid = await access.account(self.client)
            self._token = TokenFile(file, key, POD_NAMESPACE, access.OPERATOR_USER, uid)
            self._token.write(life_s=LONG_S)

    def _start_helper(self, module: str, *arguments: str) -> Child:
        command = [sys.executable, "-m", f"harness.cluster.{module}", str(self.directory), *arguments]
        env = {**self.env, "PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        return start(module, command, log_dir=self.directory / "log", env=env)

    async def _controllers_at_work(self) -> None:
        """The controller manager gives every namespace a service account `default`: the sign that it works."""

        async def made(progress: Progress) -> bool | None:
            require_running(self._children["kube-controller-manager"], "starting")
            body = await self.client.get("/api/v1/namespaces/default/serviceaccounts")
            names = [item["metadata"]["name"] for item in body["items"]]
            progress.last = f"service accounts in namespace default: {names}"
            return True if "default" in names else None

        await until("kube-controller-manager to work", made, deadline_s=READY_DEADLINE_S, interval_s=0.05)

    async def _answers(self, helper: ControlSocket, name: str) -> None:
        async def answers(progress: Progress) -> bool | None:
            require_running(self._children[name], "starting")
            try:
                await helper.command(do="ping")
            except ClusterError as exc:
                progress.last = exc.what
                return None
            return True

        await until(helper.who, answers, deadline_s=READY_DEADLINE_S, interval_s=0.02)

    @property
    def _helper(self) -> ControlSocket:
        if self._sidecar is None:
            raise ClusterError("the cluster is not running")
        return self._sidecar

    @property
    def _api_proxy(self) -> ControlSocket:
        if self._proxy is None:
            raise ClusterError("this cluster has no API proxy", hint="the scenario must have proxied=True")
        return self._proxy

    @property
    def api_server(self) -> ApiServer:
        """The first API server."""
        return self.servers[0].api

    @property
    def watchers(self) -> tuple[KubeClient, ...]:
        """Where the truth is watched: at every server, so that one that is harmed hides nothing."""
        return (self.client,) if len(self.servers) == 1 else tuple(server.client for server in self.servers)

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        return self.run_dir.path

    def versions(self) -> Mapping[str, str]:
        """Component -> version, and which datastore is used."""
        return {**self.toolchain.versions, "datastore": self.datastore.source}

    async def ready(self, deadline_s: float) -> None:
        """Return when every API server says it is ready, and so does whoever stands for them."""
        for server in self.servers:  # one after another: a task group would wrap what they raise
            await server.api.ready(deadline_s)
        if len(self.servers) > 1:
            await self._balanced(deadline_s)

    async def _first_ready(self, store_s: float) -> None:
        """Return when all is ready; `store_s`: how long the datastore took to start."""
        try:
            await self.ready(READY_DEADLINE_S)
        except ClusterError:
            if store_s < _STORE_PATIENCE_S:
                raise
            for server in self.servers:
                if not server.api.child.running:
                    await server.api.launch()
            await self.ready(READY_DEADLINE_S)

    async def _balanced(self, deadline_s: float) -> None:
        """Return when both load balancers see every server ready."""

        async def seen(progress: Progress) -> bool | None:
            stats = await self.relay_stats()
            counts = {name: len(stats[name]["ready"]) for name in ("service", "own")}
            progress.last = f"ready behind each: {counts}"
            return all(count == len(self.servers) for count in counts.values()) or None

        await until("the load balancers to see every server", seen, deadline_s=deadline_s)

    async def set_rule(self, link: str, source: str = ANY, rule: Rule = PASS) -> None:
        """What happens to connections of a link from now on; raises ClusterError when there is no such link."""
        if self._relay is None:
            raise ClusterError("this cluster has no relay")
        await self._relay.command(do="rule", name=link, source=source, rule=dataclasses.asdict(rule))

    async def relay_stats(self) -> Mapping[str, Any]:
        """Link -> {"accepted", "refused", "bytes", "late", "rules", "open", "sources", "ready"}."""
        if self._relay is None:
            raise ClusterError("this cluster has no relay")
        stats: Mapping[str, Any] = (await self._relay.command(do="stats"))["links"]
        return stats

    @property
    def proxied(self) -> bool:
        """Whether the operator goes through the API proxy."""
        return self.shape.proxied

    async def set_api_rule(self, rule: ApiRule) -> None:
        """Put a rule of the API proxy in force; raises ClusterError when there is no proxy."""
        await self._api_proxy.command(do="rule", rule=rule.as_json())

    async def clear_api_rule(self, rule_id: str) -> None:
        """Take a rule out of force; one that is not there is no error."""
        await self._api_proxy.command(do="clear", id=rule_id)

    async def api_stats(self) -> Mapping[str, Any]:
        """{"rules": {id: {"met", "acted"}}, "watches": {resource: open}, "refused", "answered", …}."""
        return await self._api_proxy.command(do="stats")

    async def api_calls(self, *, also_open: bool = False) -> Mapping[str, Any]:
        """{"calls": what ended since the last time (`harness.cluster.footprint`), "lost": how many were not kept}."""
        return await self._api_proxy.command(do="calls", open=also_open)

    async def set_hardware(self, bodies: Mapping[str, Any]) -> None:
        """Node -> what its discovery API answers from now on (None: it refuses)."""
        await self._helper.command(do="hardware-many", body=dict(bodies))

    async def set_discovery(
        self, node: str, mode: str, *, delay_s: float = 0.0, others: Mapping[str, Any] | None = None
    ) -> None:
        """How the discovery API of a node ("*": of all) behaves."""
        await self._helper.command(do="behaviour", node=node, mode=mode, delay_s=delay_s, others=others)

    async def set_registry(
        self, body: Any | None = None, *, mode: str = "answer", delay_s: float | None = None
    ) -> None:
        """The registry's content and delay (None: as they were) and its behaviour."""
        await change_registry(self._helper, body, mode=mode, delay_s=delay_s)

    async def discovery_stats(self) -> Mapping[str, Any]:
        """{"served": {node: answers}, "registry": answers, …} (`harness.cluster.sidecar`)."""
        return await self._helper.command(do="stats")

    def write_token(self, *, life_s: float) -> None:
        """Give the operator a new token, valid for so long; raises ClusterError when it has a certificate instead."""
        if self._token is None:
            raise ClusterError(
                "the operator comes with a certificate", hint="the fault must be one of catalog.BY_TOKEN"
            )
        self._token.write(life_s=life_s)

    @property
    def ceph(self) -> CephTools:
        """The tools of the Ceph clusters."""
        return CephTools(self.directory, self.shape.ceph)

    def take_port(self) -> int:
        """A loopback port reserved for the life of the cluster."""
        return self.ports.take()

    def processes(self) -> Mapping[str, Child]:
        """Every process of the cluster that was started, by name."""
        apis = {server.api.name: server.api.child for server in self.servers if server.api.started}
        return {**self._children, **apis, **self.datastore.processes()}

    async def stop(self, *, keep_logs: Path | None = None) -> None:
        """End every process, keep the logs if asked to, and remove the run directory."""
        await self._end()
        if keep_logs is not None:
            with contextlib.suppress(OSError):
                shutil.copytree(self.directory / "log", keep_logs, dirs_exist_ok=True)
        with contextlib.suppress(PlatformError):  # a control group that a fault could not remove, and that is in use
            cell.remove_left(self.directory)
        self.run_dir.remove()
        self.ports.release()

    async def _end(self) -> None:
        for client in (self.client, *self.watchers):
            await client.__aexit__()
        for helper in (self._sidecar, self._relay, self._proxy):
            if helper is not None:
                helper.close()
        for child in self.processes().values():
            child.kill()
        await self.datastore.dispose()
