"""A kind cluster comes up, is used, and leaves nothing, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ci.node_image.archive import Entry, Image, write, write_images
from harness.cluster import dockercli, kindmade, sweep
from harness.cluster.kindcluster import KindCluster
from harness.errors import ClusterError
from harness.process.shim import command
from harness.toolchain.machine import architecture
from harness.wait import Progress, until
from tests.kind.leftovers import outside

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.toolchain import Toolchain

BEGUN_DEADLINE_S = 120.0


def test_a_cluster_of_one_node_comes_up_and_leaves_nothing(toolchain: Toolchain, runs: Path) -> None:
    """Its node is Ready, the kubeconfig is the user's alone, and everything is gone after `stop`."""

    async def story() -> str:
        cluster = await KindCluster.start(toolchain, worker="gw0")
        try:
            items = (await cluster.client.get("/api/v1/nodes"))["items"]
            assert [item["metadata"]["name"] for item in items] == [node.name for node in cluster.servers]
            assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
            assert cluster.kubeconfig.is_relative_to(runs)
            assert len(outside(cluster.name)) == 2
            await cluster.export_logs(runs / "logs")
            assert list((runs / "logs").rglob("kubelet.log"))
        finally:
            await cluster.stop()
        return cluster.name

    name = asyncio.run(story())

    assert outside(name) == []
    assert [path.name for path in runs.iterdir()] == ["logs"]


def test_an_archive_is_loaded_into_every_node(cluster: Cluster, loop: asyncio.Runner, tmp_path: Path) -> None:
    """The container runtime of each worker has the image then; an archive that is none is refused."""
    name = "inventory-harness.invalid/nothing:1"
    write(tmp_path / "layer.tar", [Entry("nothing", content=b"\0" * 512)])
    write_images(tmp_path / "image.tar", [Image((name,), tmp_path / "layer.tar", ("/nothing",))], arch=architecture())
    (tmp_path / "broken.tar").write_bytes(b"no archive")

    async def load(file: str) -> None:
        assert cluster.load is not None
        await cluster.load(tmp_path / file)

    loop.run(load("image.tar"))

    for machine in cluster.machines.values():
        assert name in loop.run(machine.exec("ctr", "--namespace", "k8s.io", "images", "list", "--quiet"))
    with pytest.raises(ClusterError, match=r"kind did not load broken\.tar"):
        loop.run(load("broken.tar"))
    with pytest.raises(ClusterError, match="no image archive"):
        loop.run(load("missing.tar"))


START = """\
import asyncio, sys
from harness.cluster.kindcluster import KindCluster
from harness.toolchain import resolve

asyncio.run(KindCluster.start(resolve(also=("kind",))))
"""


def test_what_a_killed_harness_leaves_is_swept(toolchain: Toolchain, runs: Path) -> None:
    """Killed while kind is at work, it leaves a container at most, and a sweep removes that."""
    del toolchain  # brought before, so that the create begins at once

    def made() -> str:
        for file in runs.glob(f"*/{kindmade.FILE}"):
            name = str(json.loads(file.read_text(encoding="utf-8"))["name"])
            if len(outside(name)) > 1:
                return name
        return ""

    async def begun(progress: Progress) -> str | None:
        name = await asyncio.to_thread(made)
        progress.last = "a network at most"
        return name or None

    process = subprocess.Popen(command([sys.executable, "-c", START]), env={**os.environ}, start_new_session=True)
    try:
        name = asyncio.run(until("a node's container", begun, deadline_s=BEGUN_DEADLINE_S, interval_s=0.2))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

    swept = sweep.sweep()

    assert f"kind cluster {name}" in swept.clusters
    assert outside(name) == []
    assert list(runs.iterdir()) == []


def test_nodes_reach_each_others_pods_and_services(cluster: Cluster, loop: asyncio.Runner) -> None:
    """A worker that asks the cluster's DNS, which runs elsewhere, for the API's service gets its address."""
    workers = [machine for machine in cluster.machines.values() if machine.role == "worker"]
    query = (
        "timeout 20 bash -c 'until getent hosts kubernetes.default.svc.cluster.local; do read -t 1 < <(:) || :; done'"
    )

    async def asked() -> list[str]:
        service = await cluster.client.get("/api/v1/namespaces/kube-system/services/kube-dns")
        address = service["spec"]["clusterIP"]
        script = f"cp /etc/resolv.conf /tmp/before; echo nameserver {address} > /etc/resolv.conf; {query}"
        undo = "cat /tmp/before > /etc/resolv.conf"
        said = []
        for machine in workers:
            try:
                said.append(await machine.exec("bash", "-c", script))
            finally:
                await machine.exec("bash", "-c", undo)
        return said

    assert [answer.split()[0] for answer in loop.run(asked())] == ["10.96.0.1"] * len(workers)
    assert dockercli.problem() == ""
