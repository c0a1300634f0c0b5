"""What keeps kind from being used, for real: the `docker` of this machine says it, the harness says what to do."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.cluster import dockercli, kindmade
from harness.cluster.kindcluster import KindCluster
from harness.cluster.kindconfig import KindShape
from harness.errors import ClusterError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.toolchain import Toolchain

ROOT = Path(__file__).resolve().parents[2]
CANNOT_RUN, NOBODY = 3, 65534
NO_NODE = "inventory-harness.invalid/no-node:1"


def test_without_an_engine_a_campaign_is_refused(tmp_path: Path) -> None:
    """By one error, before anything is made; `doctor` says the same and goes on."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}

    def harness(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "harness.cli.main", *words]
        return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)

    done = harness("run", "--backend", "kind", "-k", "kubelet", "--out", f"{tmp_path}/out")

    assert done.returncode == CANNOT_RUN, done.stdout + done.stderr
    assert [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith("harness:")] == [
        " no Docker engine answers"
    ]
    assert "check DOCKER_HOST" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is asked for, which only root can be")
def test_a_user_without_leave_is_told_of_the_socket_s_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is there, and does not let nobody in: the real command is asked by a user of no group."""
    real = shutil.which("docker")
    as_nobody = f'#!/bin/sh\nHOME=/ exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {real} "$@"\n'
    (tmp_path / "docker").write_text(as_nobody, encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(PlatformError, match=r"may not be used by this user: [\s\S]*group of Docker's socket"):
        dockercli.engine()


class OldEngine(BaseHTTPRequestHandler):
    """Answers as an engine of 2019 does."""

    def do_HEAD(self) -> None:
        """A ping."""
        self._answer(b"")

    def do_GET(self) -> None:
        """A ping, or the version."""
        about = {"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
        self._answer(b"OK" if self.path.endswith("_ping") else json.dumps(about).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.40")
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is written."""


def test_an_old_engine_is_told_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine's `docker` learns from an engine of 2019 is enough to refuse it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OldEngine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(PlatformError, match=r"19\.03\.15 speaks API 1\.40, kind needs 1\.41"):
            dockercli.engine()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def no_node() -> Iterator[str]:
    """An image that is none of a node: there is nothing in it that could be started."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    dockercli.call("import", "--change", 'ENTRYPOINT ["/nothing"]', "-", NO_NODE, stdin=archive.getvalue())
    yield NO_NODE
    dockercli.call("image", "rm", "--force", NO_NODE)


def test_a_create_that_fails_half_way_leaves_nothing(toolchain: Toolchain, runs: Path, no_node: str) -> None:
    """Containers of both nodes had been made, and none of them could be started."""

    def there() -> list[str]:
        boxes = dockercli.call("ps", "--all", "--filter", f"label={kindmade.CLUSTER_LABEL}", "--format", "{{.Names}}")
        networks = dockercli.call("network", "ls", "--filter", "name=^inv-", "--format", "{{.Name}}")
        return [name for name in (*boxes.split(), *networks.split()) if name.endswith(("-half", "-control-plane"))]

    before = set(there())
    with pytest.raises(ClusterError, match="kind did not create the cluster inv-"):
        asyncio.run(KindCluster.start(toolchain, shape=KindShape(workers=1, image=no_node), worker="half", parent=runs))

    assert [name for name in there() if "-half" in name and name not in before] == []
    assert list(runs.iterdir()) == []
