"""kube-apiserver and kube-controller-manager as processes on loopback."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from harness.cluster import audit
from harness.cluster.part import Part
from harness.cluster.pki import Authority, KeyPair, kubeconfig, write_private
from harness.cluster.probe import http_ok
from harness.cluster.tokens import ISSUER
from harness.process.child import Child, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pathlib import Path

    from harness.toolchain import Toolchain

START_DEADLINE_S = 60.0
SERVICE_CIDR = "10.96.0.0/16"
POD_CIDR = "10.244.0.0/16"
_HOSTS = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
_GARBAGE_PERCENT = "400"
"""Go's GOGC for kube-apiserver: collecting its garbage less often makes it ready a tenth sooner, for 90 MiB."""


@dataclass(slots=True)
class Credentials:
    """Every certificate of the cluster, made once."""

    authority: Authority
    serving: KeyPair
    admin: KeyPair
    manager: KeyPair
    kwok: KeyPair
    operator: KeyPair
    service_accounts: KeyPair


def credentials(directory: Path, *, operator_user: str) -> Credentials:
    """Issue the cluster's certificates into `directory` (0700)."""
    directory.mkdir(mode=0o700)
    authority = Authority(directory)
    return Credentials(
        authority=authority,
        serving=authority.server("apiserver", hosts=_HOSTS),
        admin=authority.client("admin", user="harness-admin", groups=("system:masters",)),
        # One identity for all its controllers: a service account for each would cost seconds at every start.
        manager=authority.client("manager", user="system:kube-controller-manager", groups=("system:masters",)),
        kwok=authority.client("kwok", user="kwok", groups=("system:masters",)),
        operator=authority.client("operator", user=operator_user),
        service_accounts=authority.signing_key("service-accounts"),
    )


@dataclass(slots=True)
class ApiServer(Part):
    """kube-apiserver, with its connections to pods and nodes sent to the egress socket."""

    toolchain: Toolchain
    directory: Path
    port: int
    etcd_url: str
    keys: Credentials
    env: dict[str, str]
    name: str = "kube-apiserver"
    audited: bool = False
    _child: Child | None = None

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"https://127.0.0.1:{self.port}"

    def arguments(self) -> list[str]:
        """The command line."""
        keys = self.keys
        return [
            str(self.toolchain.path("kube-apiserver")),
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--etcd-servers={self.etcd_url}",
            f"--tls-cert-file={keys.serving.cert}",
            f"--tls-private-key-file={keys.serving.key}",
            f"--client-ca-file={keys.authority.cert}",
            f"--cert-dir={self.directory / 'pki'}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={keys.service_accounts.cert}",
            f"--service-account-signing-key-file={keys.service_accounts.key}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--enable-priority-and-fairness=true",
            f"--egress-selector-config-file={self.directory / 'egress.yaml'}",
            # The endpoint of the `kubernetes` service would be 127.0.0.1, which is not valid there; nobody uses it.
            "--endpoint-reconciler-type=none",
            *(audit.flags(self.directory, self.name) if self.audited else ()),
        ]

    def write_egress_selector(self) -> None:
        """Write the EgressSelectorConfiguration that names our socket."""
        body = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [
                {
                    "name": "cluster",
                    "connection": {
                        "proxyProtocol": "HTTPConnect",
                        "transport": {"uds": {"udsName": str(self.directory / "egress.sock")}},
                    },
                }
            ],
        }
        write_private(self.directory / "egress.yaml", yaml.safe_dump(body).encode())

    def renew_certificate(self) -> None:
        """Issue another serving certificate with another key, by the same authority, for its next start."""
        self.keys.serving = self.keys.authority.server("apiserver", hosts=_HOSTS)

    async def launch(self) -> None:
        """Start the process without waiting for it."""
        env = {**self.env, "GOGC": _GARBAGE_PERCENT}
        self._child = start(self.name, self.arguments(), log_dir=self.directory / "log", env=env)

    async def start(self) -> None:
        """Start it and return when /readyz is ok."""
        await self.launch()
        await self.ready(START_DEADLINE_S)

    async def ready(self, deadline_s: float) -> None:
        """Return when /readyz is ok; raises WaitTimeoutError, or ClusterError when the process ends."""
        context = ssl.create_default_context(cafile=str(self.keys.authority.cert))
        context.load_cert_chain(str(self.keys.admin.cert), str(self.keys.admin.key))

        async def healthy(progress: Progress) -> bool | None:
            require_running(self.child, "starting")
            return await http_ok(f"{self.url}/readyz", progress, tls=context) or None

        await until(f"{self.name} to be ready", healthy, deadline_s=deadline_s, interval_s=0.04)


@dataclass(slots=True)
class ControllerManager:
    """kube-controller-manager with short node periods, so that a lost node is seen within `grace_s`."""

    toolchain: Toolchain
    directory: Path
    server: str
    keys: Credentials
    env: dict[str, str]
    grace_s: int
    name: str = "kube-controller-manager"

    def launch(self, port: int) -> Child:
        """Start the process without waiting for it; it waits for the API server by itself."""
        keys = self.keys
        config = kubeconfig(
            self.directory / "manager.kubeconfig", server=self.server, ca=keys.authority.cert, pair=keys.manager,
            user="system:kube-controller-manager",
        )  # fmt: skip
        controllers = (
            "*,-node-ipam-controller,-cloud-node-lifecycle-controller,-node-route-controller,-service-lb-controller"
        )
        arguments = [
            str(self.toolchain.path("kube-controller-manager")),
            f"--kubeconfig={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self.directory / 'pki' / 'manager'}",
            f"--root-ca-file={keys.authority.cert}",
            f"--service-account-private-key-file={keys.service_accounts.key}",
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            f"--controllers={controllers}",
            "--node-monitor-period=1s",
            f"--node-monitor-grace-period={self.grace_s}s",
        ]
        return start(self.name, arguments, log_dir=self.directory / "log", env=self.env)
