"""A user's cluster: an embedded one with an operator, pods and volumes, and a kubeconfig that may only read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import Container, Pod, Scenario, nodes
from harness.clock import RunClock
from harness.cluster.access import RBAC_API
from harness.cluster.configfile import Configuration
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.pki import kubeconfig
from harness.cluster.storage import Storage, StorageClass, Volume
from harness.history.writer import HistoryWriter
from harness.operator.base import parse
from harness.run.engine import Setup
from harness.run.stage import staged
from harness.toolchain import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from harness.run.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
READER = "capture-reader"
SECRET_NAME = "acme-payments-prod"
"""Stands in names, labels and annotations; nothing that is written may hold a part of it."""

BIG = f"{SECRET_NAME}-gpu.rack-7.eu"
READS = (
    ("", ["nodes", "pods", "persistentvolumes"], ["list"]),
    ("", ["configmaps", "services", "pods/proxy", "services/proxy"], ["get", "list"]),
    ("storage.k8s.io", ["storageclasses"], ["list"]),
)

SCENARIO = Scenario(
    id="captured/user",
    promises=("TRUTH-3",),
    nodes={
        BIG: nodes.NodeProfile(gpu="a100", gpus=2),
        f"{SECRET_NAME}-small": nodes.NodeProfile(cpus=8, memory_mib=16384),
        "excluded-9": nodes.NodeProfile(cpus=4, memory_mib=8192),
    },
    traffic=None,
    storage=Storage(
        classes=(StorageClass("beta2"), StorageClass(f"{SECRET_NAME}-unlabelled", labelled=False)),
        volumes=(Volume(f"{SECRET_NAME}-volume", "beta2", "7Gi"), Volume("other-volume", "beta2", "333Mi")),
    ),
    config=Configuration(exclude=("^excluded-",), storage=("beta2",)),
    pods=(
        Pod("db-0", BIG, f"{SECRET_NAME}-one", (Container({"cpu": "333m", "memory": "100M", "nvidia.com/gpu": "1"}),)),
        Pod("db-0", BIG, f"{SECRET_NAME}-two", (Container({"cpu": "1500m"}), Container({"cpu": "2"}, init=True))),
        Pod("job-7f9c", f"{SECRET_NAME}-small", "default", (Container({"cpu": "1"}),), phase="Succeeded"),
        Pod(
            "web", f"{SECRET_NAME}-small", "default", (Container({"cpu": "250m", "memory": "64Mi"}),), memory=("32Mi",)
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class User:
    """A running cluster and how to read it."""

    stage: Stage
    kubeconfig: Path

    def arguments(self, out: Path) -> list[str]:
        """The usual command line of `harness capture`."""
        config = str(self.stage.world.config.path) if self.stage.world.config is not None else "none"
        return [
            "capture", "--kubeconfig", str(self.kubeconfig), "--rest", self.stage.operator.rest_url,
            "--grpc", self.stage.operator.grpc_target, "--registry", self.stage.cluster.registry_url,
            "--config", config, "--out", str(out),
        ]  # fmt: skip


@asynccontextmanager
async def user(place: Path, *, defect: str | None = None) -> AsyncIterator[User]:
    """A cluster of SCENARIO on which the reference operator, or a saboteur of it, runs."""
    (place / "logs").mkdir(parents=True)
    setup = Setup(resolve(), parse("reference", defect=defect), place, seed=5)
    history = HistoryWriter(place, RunClock())
    try:
        async with staged(SCENARIO, setup, history, place / "logs", lambda _phase: None) as stage:
            await stage.place(joined=False)
            await reading(stage)
            assert isinstance(stage.cluster, EmbeddedCluster)  # whose certificates are ours
            pair = stage.cluster.keys.authority.client("reader", user=READER)
            server, ca = stage.cluster.client.server, stage.cluster.keys.authority.cert
            config = kubeconfig(place / "reader.kubeconfig", server=server, ca=ca, pair=pair, user=READER)
            yield User(stage, config)
    finally:
        history.close()


async def reading(stage: Stage, rules: tuple[tuple[str, list[str], list[str]], ...] = READS) -> None:
    """Give the reader these rights."""
    client = stage.cluster.client
    meta = {"metadata": {"name": READER}, "apiVersion": "rbac.authorization.k8s.io/v1"}
    listed = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in rules]
    await client.delete(f"{RBAC_API}/clusterroles/{READER}")
    await client.create(f"{RBAC_API}/clusterroles", {**meta, "kind": "ClusterRole", "rules": listed})
    await client.ensure(
        f"{RBAC_API}/clusterrolebindings",
        {
            **meta, "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": READER}],
        },
    )  # fmt: skip


async def harness(*arguments: str) -> tuple[int, str]:
    """A command of the harness in a process of its own: its exit code, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.cli.main", *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    )  # fmt: skip
    said, _nothing = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def run(work: Any) -> Any:
    """Carry out a coroutine."""
    return asyncio.run(work)
