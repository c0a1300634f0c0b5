"""Simulated nodes: kwok plays their kubelets, and the objects they are made from."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster.concurrent import all_of
from harness.cluster.controlplane import POD_CIDR, Credentials
from harness.cluster.pki import kubeconfig, write_private
from harness.cluster.probe import http_ok
from harness.cluster.stages import documents
from harness.errors import ClusterError, UsageError
from harness.process.child import Child, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.cluster.hardware import NodeProfile
    from harness.toolchain import Toolchain

LARGE_CLUSTER = 200
"""From this many nodes on, heartbeats are made rarer or they eat the datastore."""

_MAX_NAME = 253  # a Node's name is a DNS subdomain (RFC 1123)
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_LABEL_VALUE = 63
_AT_ONCE = 32
FOREIGN_LABEL = "harness.invalid/foreign"

PLAYED = "kwok.x-k8s.io/node"
"""The annotation of the nodes that kwok plays."""

STILL = "harness.invalid/still"
"""The annotation of a node into which kwok writes nothing more; it goes on renewing the Lease of one that it holds."""


@dataclass(slots=True)
class Kwok:
    """The kwok process of one cluster. `more`: further documents of its configuration, as YAML."""

    toolchain: Toolchain
    directory: Path
    server: str
    keys: Credentials
    env: dict[str, str]
    large: bool = False
    status_period_s: float = 2.0
    name: str = "kwok"
    more: str = ""

    def launch(self, port: int) -> Child:
        """Start it without waiting; it waits for the API server by itself (a few seconds)."""
        config = kubeconfig(
            self.directory / "kwok.kubeconfig", server=self.server, ca=self.keys.authority.cert, pair=self.keys.kwok,
            user="kwok",
        )  # fmt: skip
        period = 60.0 if self.large else self.status_period_s
        stages = write_private(self.directory / "stages.yaml", (documents(status_period_s=period) + self.more).encode())
        arguments = [
            str(self.toolchain.path("kwok")),
            f"--kubeconfig={config}",
            f"--config={stages}",
            f"--manage-nodes-with-annotation-selector={PLAYED}=fake",
            f"--disregard-status-with-annotation-selector={STILL}=true",
            f"--cidr={POD_CIDR}",
            "--node-ip=10.245.0.1",
            f"--node-lease-duration-seconds={40 if self.large else 8}",
            f"--server-address=127.0.0.1:{port}",
        ]
        return start(self.name, arguments, log_dir=self.directory / "log", env=self.env)

    async def ready(self, child: Child, port: int, deadline_s: float) -> None:
        """Return when its health endpoint answers."""

        async def healthy(progress: Progress) -> bool | None:
            require_running(child, "starting")
            return await http_ok(f"http://127.0.0.1:{port}/healthz", progress) or None

        await until("kwok to be healthy", healthy, deadline_s=deadline_s, interval_s=0.05)


def check_name(name: str) -> str:
    """Return a node name the API server would accept; raises UsageError naming the value otherwise."""
    if len(name) > _MAX_NAME or not _NODE_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} ({len(name)} characters) is not a node name",
            hint="a DNS subdomain: lower case letters, digits, '-' and '.', 253 characters at most",
        )
    return name


def node_object(name: str, profile: NodeProfile) -> dict[str, Any]:
    """The Node as a kubelet would register it, with one label that belongs to somebody else (LABEL-1).

    Of one that is to be silent nobody plays the kubelet.
    """
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", FOREIGN_LABEL: "keep"}
    if len(name) <= _MAX_LABEL_VALUE:
        labels["kubernetes.io/hostname"] = name
    played = {} if profile.silent else {PLAYED: "fake"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": check_name(name), "labels": labels, "annotations": played},
        "spec": _spec(profile),
        "status": {
            "capacity": profile.capacity(),
            "allocatable": profile.allocatable(),
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux",
                "kubeletVersion": "v1.34.4", "osImage": "simulated",
                "kernelVersion": "6.1.0", "containerRuntimeVersion": "containerd://1.7.0",
                "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": "",
            },
        },
    }  # fmt: skip


def _spec(profile: NodeProfile) -> dict[str, Any]:
    taints = [{"key": key, "effect": effect} for key, effect in profile.taints]
    return {**({"unschedulable": True} if profile.cordoned else {}), **({"taints": taints} if taints else {})}


async def create(client: KubeClient, nodes: Mapping[str, NodeProfile]) -> None:
    """Create the Node objects, some at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, profile: NodeProfile) -> None:
        async with gate:
            await client.create("/api/v1/nodes", node_object(name, profile))

    await all_of(*(one(name, profile) for name, profile in nodes.items()))


async def wait_ready(client: KubeClient, names: Iterable[str], *, deadline_s: float) -> None:
    """Return when all the named nodes are Ready."""
    wanted = set(names)

    async def all_ready(progress: Progress) -> bool | None:
        try:
            body = await client.get("/api/v1/nodes", params={"resourceVersion": "0"})
        except ClusterError as exc:  # for a moment after its start a server has nothing to list from (429)
            progress.last = exc.what
            return None
        missing = wanted - {item["metadata"]["name"] for item in body["items"] if is_ready(item)}
        progress.last = f"{len(missing)} of {len(wanted)} not Ready, {sorted(missing)[:1]} among them"
        return None if missing else True

    await until("all nodes to be Ready", all_ready, deadline_s=deadline_s, interval_s=0.1)


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether the Node's Ready condition is True."""
    conditions = node.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
