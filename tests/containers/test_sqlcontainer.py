"""A SQL server in a container does what a datastore and its faults need, and no container outlives its run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.cluster import containers
from harness.cluster.sqlcontainer import IMAGES
from harness.errors import ClusterError
from harness.process import rundir
from tests.containers.boxes import inspected, log, made, of_run, running, volumes
from tests.datastores.stories import STORIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.cluster.sqlserver import SqlServer

    Story = Callable[[SqlServer], Awaitable[None]]

ROOT = Path(__file__).resolve().parents[2]
KINDS = pytest.mark.parametrize("kind", ["postgres", "mysql"])


@KINDS
@STORIES
def test_a_server_in_a_container(kind: str, story: Story) -> None:
    """Each story holds there as well."""

    async def told() -> None:
        async with running(kind) as server:
            await story(server)

    asyncio.run(told())


@KINDS
def test_only_loopback_is_served_and_no_password_is_shown(kind: str) -> None:
    """The port is published on 127.0.0.1 alone; passwords are on no command line, in no log and in no label."""

    async def story() -> None:
        async with running(kind) as server:
            about = inspected(server.mark)
            published = [each for bound in about["NetworkSettings"]["Ports"].values() for each in bound or ()]
            shown = f"{server!r} {server.source} {about['Args']} {about['Config']['Labels']} {log(server.mark)}"

            assert published == [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
            assert server.version in server.source
            for secret in (server.kine.password, server.admin.account.password):
                assert len(secret) > 20
                assert secret not in shown

    asyncio.run(story())


@KINDS
def test_the_data_goes_with_the_container(kind: str) -> None:
    """Nothing is left after `dispose`: no container and no volume, also of a server that was killed."""

    async def story() -> set[str]:
        async with running(kind) as server:
            await server.stop()
            mounts = inspected(server.mark)["Mounts"]
        return {mount["Name"] for mount in mounts if mount["Type"] == "volume"}

    mounted = asyncio.run(story())
    assert mounted
    assert not mounted & volumes()


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2, 0.6, 1.5])
def test_a_start_that_is_interrupted_leaves_nothing(after_s: float) -> None:
    """Whenever a start is cancelled, the container that Docker is about to make is removed by `dispose`."""

    async def story() -> str:
        async with made("postgres") as server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(after_s):
                    await server.start()
        return server.mark

    # The thread that makes the container outlives `dispose`; it has ended when `run` returns.
    assert of_run(asyncio.run(story())) == []


def test_a_container_that_ends_while_starting_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is not run as PostgreSQL's is: the error has the exit code, the last words, and the variable."""
    monkeypatch.setenv(IMAGES["postgres"].variable, IMAGES["mysql"].reference)

    async def story() -> None:
        async with made("postgres") as server:
            with pytest.raises(ClusterError, match=r"ended with 1 while starting; it says:\n.*uninitialized"):
                await server.start()

    asyncio.run(story())


def test_an_image_that_cannot_be_had_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the image and both ways out."""
    monkeypatch.setenv(IMAGES["postgres"].variable, "harness.invalid/postgres:16")

    async def story() -> None:
        async with made("postgres") as server:
            with pytest.raises(ClusterError, match=r"harness.invalid/postgres:16 is not here.*\n.*docker load"):
                await server.start()

    asyncio.run(story())


@KINDS
def test_nothing_is_left_when_the_harness_is_killed_and_swept(kind: str) -> None:
    """A sweep does not touch the container of a live run, and removes it once its run was killed."""
    script = (
        "import asyncio, sys\n"
        "from tests.containers.boxes import running\n"
        "async def main():\n"
        f"    async with running({kind!r}) as server:\n"
        "        print(server.mark, flush=True)\n"
        "        sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    # Without testcontainers' reaper, so that it is our sweep that is seen at work.
    environment = {**os.environ, "TESTCONTAINERS_RYUK_DISABLED": "true"}
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    mark = parent.stdout.readline().strip()
    name = f"inventory-harness-{mark}-{'postgres' if kind == 'postgres' else 'mariadb'}"

    rundir.sweep()
    untouched = containers.sweep()
    alive = [one["State"] for one in of_run(mark)]
    parent.kill()
    parent.communicate()
    left = [one["State"] for one in of_run(mark)]
    rundir.sweep()
    swept = containers.sweep()

    assert name not in untouched.removed
    assert alive == left == ["running"]
    assert name in swept.removed
    assert of_run(mark) == []
