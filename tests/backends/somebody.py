"""A cluster of somebody's, as the external backend meets it: an embedded one whose owner is not the harness.

What is there is told object by object, so that it can be said whether a command has changed anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.cluster import access, nodes
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.hardware import registry
from harness.errors import ClusterError
from harness.scenario import simulated
from harness.wait import Progress, until

if TYPE_CHECKING:
    import asyncio

    from harness.toolchain import Toolchain

ROOT = Path(__file__).resolve().parents[2]
COUNT = 2
NODE = "worker-1"
CONTEXT = "harness"
LISTED = (
    "/api/v1/namespaces", "/api/v1/serviceaccounts", "/api/v1/pods", "/api/v1/configmaps", "/api/v1/services",
    "/apis/apps/v1/deployments", f"{access.RBAC_API}/clusterroles", f"{access.RBAC_API}/clusterrolebindings",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
)  # fmt: skip
LOOKER = "looker"
READS = [
    {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]},
]
_COMMAND_S = 500.0


@dataclass(frozen=True, slots=True)
class Somebody:
    """The cluster, the loop on which its client lives, and a directory for kubeconfigs."""

    cluster: EmbeddedCluster
    loop: asyncio.Runner
    place: Path

    @property
    def kubeconfig(self) -> Path:
        """Of its administrator."""
        return self.cluster.admin_kubeconfig

    def arguments(self, *, kubeconfig: Path | None = None, context: str = CONTEXT) -> list[str]:
        """How it is meant on a command line."""
        return ["--backend", "external", "--kubeconfig", str(kubeconfig or self.kubeconfig), "--context", context]

    def there(self) -> dict[str, Any]:
        """Every object that runs could make or change, with its version; of nodes what is not their kubelets'."""
        return self.loop.run(self._there())

    async def _there(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in LISTED:
            for item in (await self.cluster.client.get(path))["items"]:
                meta = item["metadata"]
                found[f"{path} {meta.get('namespace', '')} {meta['name']}"] = meta["resourceVersion"]
        for item in (await self.cluster.client.get("/api/v1/nodes"))["items"]:
            labels = dict(item["metadata"]["labels"])
            found[f"node {item['metadata']['name']}"] = (item["metadata"]["uid"], labels, dict(item["spec"]))
        return found

    def get(self, path: str) -> Any:
        """One object; None where there is none."""
        return self.loop.run(self.found(path))

    async def found(self, path: str) -> Any:
        """The same on the loop itself."""
        try:
            return await self.cluster.client.get(path)
        except ClusterError:
            return None

    def altered(self, name: str, **user: str) -> Path:
        """A kubeconfig like the administrator's, with these credentials, or this server, in the place of its own."""
        body = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        if "server" in user:
            body["clusters"][0]["cluster"]["server"] = user["server"]
        else:
            body["users"][0]["user"] = user
        path = self.place / name
        path.write_text(yaml.safe_dump(body), encoding="utf-8")
        return path

    def looker(self) -> Path:
        """The kubeconfig of a service account that may get, list and watch, and nothing else."""

        async def made() -> str:
            client = self.cluster.client
            meta = {"name": LOOKER}
            accounts = "/api/v1/namespaces/default/serviceaccounts"
            await client.ensure(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
            rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta}
            await client.ensure(f"{access.RBAC_API}/clusterroles", {**rbac, "kind": "ClusterRole", "rules": READS})
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": LOOKER}
            subject = {"kind": "ServiceAccount", "name": LOOKER, "namespace": "default"}
            binding = {**rbac, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]}
            await client.ensure(f"{access.RBAC_API}/clusterrolebindings", binding)
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            return str((await client.create(f"{accounts}/{LOOKER}/token", body))["status"]["token"])

        return self.altered("looker.kubeconfig", token=self.loop.run(made()))


def command(*arguments: str) -> list[str]:
    """The command line of `harness`."""
    return [sys.executable, "-m", "harness.cli.main", *arguments]


def harness(*arguments: str) -> tuple[int, str, str]:
    """A command from its start to its end: exit code, output, errors."""
    done = subprocess.run(
        command(*arguments), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False, timeout=_COMMAND_S,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def summary(out: Path) -> dict[str, Any]:
    """What a campaign wrote for programs."""
    body: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return body


async def begun(toolchain: Toolchain) -> EmbeddedCluster:
    """A control plane with nodes, and without anything that an operator needs: its owner has none."""
    cluster = await EmbeddedCluster.start(toolchain)
    client, wanted = cluster.client, simulated(COUNT)
    await cluster.set_registry(registry())
    await cluster.set_hardware({name: profile.hardware() for name, profile in wanted.items()})
    await nodes.create(client, wanted)
    await nodes.wait_ready(client, wanted, deadline_s=120.0)
    for kind in ("clusterrolebindings", "clusterroles"):
        await client.delete(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
    await client.delete("/api/v1/namespaces/akash-services")

    async def gone(progress: Progress) -> bool | None:
        names = {item["metadata"]["name"] for item in (await client.get("/api/v1/namespaces"))["items"]}
        progress.last = ", ".join(sorted(names))
        return "akash-services" not in names or None

    await until("the namespace to be gone", gone, deadline_s=120.0, interval_s=0.3)
    return cluster
