"""The SQL server that kine stores a cluster in: what every kind of it can do, and which one is taken.

Somebody's server given by URL goes first; then a container, if the user named an image for it; then a server installed
on this machine, started as a process of ours; then a container of the pinned image. All are real: nothing imitates a
database here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.cluster.containers import docker_problem
from harness.cluster.mariadb import MariaDb
from harness.cluster.postgres import Postgres
from harness.cluster.sqlcontainer import IMAGES, ContainerServer, named_image
from harness.cluster.sqlinstall import Installation, find_mariadb, find_postgres
from harness.cluster.sqlurl import GivenServer, parse
from harness.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.cluster.sqladmin import Hold
    from harness.cluster.sqlclient import Row
    from harness.process.child import Child
    from harness.process.ports import Ports

KINDS = ("postgres", "mysql")


class SqlServer(Protocol):
    """A SQL server with a database for kine in it."""

    @property
    def kind(self) -> str:
        """Which dialect: "postgres" or "mysql"."""
        ...

    @property
    def name(self) -> str:
        """What its process is called: "postgres", "mariadb"; "sql-by-url" for one that is not ours."""
        ...

    @property
    def source(self) -> str:
        """Which server is used, in one line."""
        ...

    @property
    def version(self) -> str:
        """As the server says it; may be empty before the start."""
        ...

    @property
    def child(self) -> Child | None:
        """Its process; None before the start, and where the process is not ours (URL, container)."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it answers; the same after every start."""
        ...

    def kine_endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint when the server is reached through the given address; it holds a password."""
        ...

    async def start(self) -> None:
        """From nothing the first time, with its data after a `stop`; returns when kine can be started.

        Raises UsageError, ClusterError or WaitTimeoutError.
        """
        ...

    async def stop(self) -> None:
        """End it at once, as a crash would; its data stays. Raises FaultError where that is not possible."""
        ...

    async def dispose(self) -> None:
        """Remove what was started or made, for good."""
        ...

    async def query(self, sql: str) -> list[Row]:
        """One statement in kine's database, as administrator and straight to the server; raises ClusterError.

        It has five seconds for the connection and for the answer.
        """
        ...

    async def set_read_only(self, on: bool) -> None:
        """Make kine's writes fail, also in sessions it has open, or succeed again.

        Raises ClusterError, or FaultError where that is not possible.
        """
        ...

    async def exhaust(self) -> Hold | None:
        """End kine's sessions and refuse it new ones, as a full server would, until `admit`.

        What is returned, if anything, must be kept open meanwhile. Raises ClusterError, or FaultError where that is not
        possible.
        """
        ...

    async def admit(self) -> None:
        """Let kine connect again, whoever had kept it out, also a harness that has died; raises ClusterError."""
        ...


@dataclass(frozen=True, slots=True)
class Finders:
    """What is asked about this machine, replaceable by tests."""

    postgres: Callable[[], Installation | None] = find_postgres
    mariadb: Callable[[], Installation | None] = find_mariadb
    docker_problem: Callable[[], str] = docker_problem


def choose(
    kind: str,
    url: str = "",
    *,
    directory: Path,
    mark: str,
    env: dict[str, str],
    ports: Ports,
    finders: Finders | None = None,
) -> SqlServer:
    """The server to use; nothing is started yet.

    `kind` is one of KINDS, or empty with a URL. `directory` and `mark` are the run's; `env` is the whole environment of
    the processes. Raises UsageError for a bad URL, PlatformError when there is no way to a server.
    """
    if url:
        given = parse(url)
        if kind not in {"", given.kind}:
            raise UsageError(
                f"the datastore is {kind!r}, but its URL is one of {given.kind!r}", hint="change one of them"
            )
        return GivenServer(given, mark, directory)
    if kind not in KINDS:
        raise UsageError(f"unknown SQL server {kind!r}", hint=f"choose one of {', '.join(KINDS)}, or give a URL")
    finders = finders or Finders()
    named = named_image(kind)  # who names an image wants a container, whatever is installed
    if kind == "postgres" and not named and (found := finders.postgres()) is not None:
        return Postgres(found, directory, ports.take(), env)
    if kind == "mysql" and not named and (found := finders.mariadb()) is not None:
        return MariaDb(found, directory, ports.take(), env)
    problem = finders.docker_problem()
    if problem and named:
        raise PlatformError(
            f"{IMAGES[kind].variable} names an image, but {problem}", hint="start Docker, or unset the variable"
        )
    if problem:
        raise missing(kind, problem)
    return ContainerServer(kind, ports.take(), mark, directory)


def missing(kind: str, docker: str) -> PlatformError:
    """The error that names every way to a server; `docker` says why a container is none."""
    server, package = {
        "postgres": ("PostgreSQL", "postgresql"),
        "mysql": ("MariaDB", "mariadb-server-core"),
    }[kind]
    return PlatformError(
        f"there is no {server} here: none is installed that is new enough, and {docker}",
        hint=f"apt-get install --no-install-recommends {package}, or start Docker, or give a server by URL",
    )
