"""K3s as a process, with the stand-in for it: datastores, CNI, images, and every way in which a start can fail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.cluster import k3sleft, k3sprogram, k3sserver
from harness.cluster.datastore import ETCD, POSTGRES, SQLITE, DatastoreSpec
from harness.cluster.k3sserver import K3sServer
from harness.cluster.nodes import is_ready
from harness.cluster.sqlinstall import find_postgres
from harness.cluster.sweep import sweep
from harness.errors import ClusterError, WaitTimeoutError
from harness.process import rundir
from harness.process.shim import command
from harness.wait import Progress, at_most, until
from tests.backends import programs
from tests.backends.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cluster.client import KubeClient
    from harness.toolchain import Toolchain

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="K3s as a process must be run as root")
pytestmark = AS_ROOT
OUTLIVING = {"containerd-shim-runc-v2", "sleep"}
"""What the stand-in leaves behind when it is killed, as K3s does: a shim and the process of a pod."""

STORES = [
    SQLITE,
    ETCD,
    pytest.param(POSTGRES, marks=pytest.mark.skipif(find_postgres() is None, reason="no PostgreSQL is installed")),
]


async def started(program: Path, kind: str = SQLITE, *, cni: Path | None = None) -> K3sServer:
    """A cluster of that program."""
    return await K3sServer.start(k3sprogram.examined(program, "given"), DatastoreSpec(kind), grace_s=8, cni=cni)


def nothing_left(runs: Path, marks: Iterable[str] = ()) -> None:
    """No run directory, none of its processes and none of its mounts."""
    assert [path for path in runs.iterdir() if path.is_dir()] == []
    for mark in marks:
        assert rundir.marked(mark) == []
        assert k3sleft.processes(runs / mark) == []
        assert mark not in Path("/proc/self/mounts").read_text(encoding="utf-8")


def names(directory: Path) -> set[str]:
    """The names of the processes that belong to a run's K3s."""
    return {process.name() for process in k3sleft.processes(directory)}


def written_outside() -> list[str]:
    """What the stand-in wrote where no flag says, as far as this mount namespace has it."""
    places = ("/run/k3s/containerd/standin", "/etc/rancher/node/standin", "/var/lib/cni/networks/standin")
    return [place for place in places if Path(place).exists()]


async def told(client: KubeClient) -> str:
    """What the stand-in says that it has applied."""
    body = await client.get("/api/v1/namespaces/kube-system/configmaps/standin")
    return str(body["data"]["manifests"])


@pytest.mark.parametrize("kind", STORES)
def test_a_server_lives_on_each_datastore_and_leaves_nothing(kind: str, k3s: Path, runs: Path) -> None:
    """Its node is Ready, the shim and the pod that outlive K3s end with it, and what K3s writes is nobody's."""
    marks = []

    async def story() -> None:
        cluster = await started(k3s, kind)
        marks.append(cluster.run_dir.mark)
        try:
            items = (await cluster.client.get("/api/v1/nodes"))["items"]
            assert [item["metadata"]["name"] for item in items if is_ready(item)] == [f"inv-{marks[0]}-server-1"]
            assert cluster.source.startswith({SQLITE: "SQLite", ETCD: "etcd", POSTGRES: "kine"}[kind])
            assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
            assert names(cluster.directory) >= OUTLIVING
            assert written_outside() == []
        finally:
            await cluster.stop()

    asyncio.run(story())
    nothing_left(runs, marks)


def test_no_secret_is_on_a_command_line(k3s: Path, runs: Path) -> None:
    """The token is in a file that is ours alone, and a datastore's password in the environment."""

    async def story() -> None:
        cluster = await started(k3s)
        try:
            token = (cluster.directory / "token").read_text(encoding="utf-8").strip()
            words = psutil.Process(cluster.child.pid).cmdline()
            assert len(token) == 32
            assert not [word for word in words if token in word]
            assert (cluster.directory / "token").stat().st_mode & 0o777 == 0o600
        finally:
            await cluster.stop()

    asyncio.run(story())
    nothing_left(runs)


def test_images_are_imported_within_the_mount_namespace(k3s: Path, runs: Path, tmp_path: Path) -> None:
    """The socket of containerd is nowhere else."""
    archive = tmp_path / "images.tar"
    archive.write_bytes(b"")

    async def story() -> None:
        cluster = await started(k3s)
        try:
            await cluster.load(archive)
            said = (cluster.data / "imported").read_text(encoding="utf-8")
            assert said.startswith(f"{cluster.node} --address=/run/k3s/containerd/containerd.sock --namespace=k8s.io")
            assert said.strip().endswith(f"images import {archive}")
        finally:
            await cluster.stop()

    asyncio.run(story())
    nothing_left(runs)


def test_a_cni_of_the_users_takes_flannels_place(k3s: Path, runs: Path, tmp_path: Path) -> None:
    """K3s is given its manifest, and a node that is not Ready before the CNI is has joined all the same."""
    manifest = tmp_path / "calico.yaml"
    manifest.write_text("apiVersion: v1\nkind: List\nitems: []\n", encoding="utf-8")

    async def story() -> None:
        cluster = await started(k3s, cni=manifest)
        try:
            items = (await cluster.client.get("/api/v1/nodes"))["items"]
            assert [is_ready(item) for item in items] == [False]
            assert "inventory-harness-cni.yaml" in await told(cluster.client)
        finally:
            await cluster.stop()

    asyncio.run(story())
    nothing_left(runs)


@pytest.mark.parametrize(
    ("fault", "says"), [("dies-at-once", "told to end here"), ("dies-half-way", "told to end when the datastore")]
)
def test_a_k3s_that_ends_is_an_error_with_its_last_words(
    fault: str, says: str, toolchain: Toolchain, runs: Path, tmp_path: Path
) -> None:
    """Nothing of it is left, the shim and the pod of a half started one neither."""
    program = programs.program(tmp_path, toolchain, fault=fault)

    with pytest.raises(ClusterError, match=says):
        asyncio.run(started(program))
    nothing_left(runs)


def test_a_k3s_that_never_is_ready_is_given_up(toolchain: Toolchain, runs: Path, tmp_path: Path) -> None:
    """The error says what was awaited; nothing is left."""
    program = programs.program(tmp_path, toolchain, fault="never-ready")

    async def story() -> None:
        with at_most(12.0):
            await started(program)

    with pytest.raises(WaitTimeoutError, match=r"1 nodes of K3s|API server to be ready|kubeconfig"):
        asyncio.run(story())
    nothing_left(runs)


def test_a_port_of_the_api_that_is_taken_is_told_in_k3ss_words(
    k3s: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the real API server that cannot listen."""
    import socket  # noqa: PLC0415 - for this alone

    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(k3sserver, "_api_port", lambda _ports: taken.getsockname()[1])
        with pytest.raises(ClusterError, match="address already in use"):
            asyncio.run(started(k3s))
    nothing_left(runs)


KILLED = """\
import asyncio, sys
from pathlib import Path
from tests.backends.test_k3s_server import started
async def story():
    cluster = await started(Path(sys.argv[1]))
    print(cluster.run_dir.mark, flush=True)
    await asyncio.Event().wait()
asyncio.run(story())
"""


def test_what_a_killed_harness_left_is_swept(k3s: Path, runs: Path) -> None:
    """K3s dies with the harness; shim and pod live on, until `harness sweep`."""
    argv = command([sys.executable, "-c", KILLED, str(k3s)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as harness:
        assert harness.stdout is not None
        mark = harness.stdout.readline().decode().strip()
        made = json.loads((runs / mark / k3sleft.FILE).read_text(encoding="utf-8"))["made"]
        harness.send_signal(signal.SIGKILL)
    asyncio.run(_only_the_outliving(runs / mark))

    swept = sweep(runs)

    assert [text for text in swept.clusters if text.startswith("of K3s: ")] != []
    assert swept.runs.directories == (runs / mark,)
    nothing_left(runs, [mark])
    assert [place for place in made if Path(place).exists()] == []


async def _only_the_outliving(directory: Path) -> None:
    """Return when of K3s nothing lives but what outlives it."""

    async def so(progress: Progress) -> bool | None:
        there = names(directory)
        progress.last = ", ".join(sorted(there))
        return there == OUTLIVING or None

    await until("K3s to die with the harness", so, deadline_s=10.0)
