"""A real server in a container, and what Docker has of a run."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from harness.cluster import containers
from harness.cluster.sqlcontainer import ContainerServer
from harness.cluster.sqlserver import Finders, choose
from harness.process import rundir
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOTHING_INSTALLED = Finders(postgres=lambda: None, mariadb=lambda: None)


def of_run(mark: str) -> list[dict[str, Any]]:
    """The containers of a run, ended ones too, as the daemon lists them."""
    with containers.daemon() as api:
        found: list[dict[str, Any]] = api.containers(all=True, filters={"label": f"{containers.RUN}={mark}"})
    return found


def inspected(mark: str) -> dict[str, Any]:
    """Everything about the one container of a run."""
    (one,) = of_run(mark)
    with containers.daemon() as api:
        about: dict[str, Any] = api.inspect_container(one["Id"])
    return about


def log(mark: str) -> str:
    """What the one container of a run wrote."""
    (one,) = of_run(mark)
    with containers.daemon() as api:
        written: bytes = api.logs(one["Id"])
    return written.decode(errors="replace")


def volumes() -> set[str]:
    """The names of all volumes."""
    with containers.daemon() as api:
        return {volume["Name"] for volume in api.volumes()["Volumes"] or ()}


@contextlib.asynccontextmanager
async def made(kind: str) -> AsyncIterator[ContainerServer]:
    """A server in a container, not started yet; afterwards nothing of it may be left."""
    run_dir, ports = rundir.make(), Ports()
    env = {"PATH": os.environ["PATH"]}
    server = choose(
        kind, directory=run_dir.path, mark=run_dir.mark, env=env, ports=ports, finders=NOTHING_INSTALLED
    )  # fmt: skip
    assert isinstance(server, ContainerServer)
    try:
        yield server
    finally:
        await server.dispose()
        left = of_run(run_dir.mark)
        run_dir.remove()
        ports.release()
        assert left == []


@contextlib.asynccontextmanager
async def running(kind: str) -> AsyncIterator[ContainerServer]:
    """The same, started."""
    async with made(kind) as server:
        await server.start()
        yield server
