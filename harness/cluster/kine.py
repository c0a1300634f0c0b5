"""kine in front of a SQL database, as K3s has it: the API server speaks etcd to it, it speaks SQL.

With SQLite the database is a file beside kine, and the datastore is the kine process. With PostgreSQL and MySQL or
MariaDB the datastore is the SQL server, reached through a link of the relay; kine itself lives on and reconnects.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster.part import Part
from harness.cluster.relay import Link
from harness.errors import ToolchainError
from harness.process.child import Child, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.cluster.sqlserver import SqlServer
    from harness.process.ports import Ports
    from harness.toolchain import Toolchain

OLDEST = (0, 13, 0)
"""Kine before v0.13.0 does not tell watchers of progress, without which API servers of today stall on lists."""

START_DEADLINE_S = 20.0
OPEN_CONNECTIONS = 12
"""Kine's pool, so that a fault knows how many connections it has to take away."""


@dataclass(slots=True)
class Kine(Part):
    """The kine process. `endpoint` may hold a password: it is given in the environment, not on the command line."""

    toolchain: Toolchain
    directory: Path
    port: int
    endpoint: str = field(repr=False)
    env: dict[str, str]
    name: str = "kine"
    _child: Child | None = None

    def arguments(self) -> list[str]:
        """The command line."""
        return [
            str(self.toolchain.path("kine")),
            f"--listen-address=127.0.0.1:{self.port}",
            "--metrics-bind-address=0",
            f"--datastore-max-open-connections={OPEN_CONNECTIONS}",
        ]

    def launch(self) -> None:
        """Start the process without waiting for it. Raises ToolchainError for a kine that is too old."""
        require_recent(self.toolchain.versions["kine"])
        env = {**self.env, "KINE_ENDPOINT": self.endpoint}
        self._child = start(self.name, self.arguments(), log_dir=self.directory / "log", env=env, cwd=self.directory)

    async def ready(self) -> None:
        """Return when it accepts connections, which it does once its database is ready.

        Raises WaitTimeoutError, or ClusterError when the process ends.
        """

        async def listens(progress: Progress) -> bool | None:
            require_running(self.child, "starting")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as exc:
                progress.last = f"{exc.strerror or exc}; it says: {self.child.tail(2)}"
                return None
            writer.close()
            return True

        await until("kine to listen", listens, deadline_s=START_DEADLINE_S, interval_s=0.02)


def require_recent(version: str) -> None:
    """Raise ToolchainError when this version of kine is older than what the API server needs."""
    found = re.match(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?", version)
    if found is not None and tuple(int(part or 0) for part in found.groups()) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ToolchainError(
            f"kine {version} is too old: v{oldest} or newer is needed",
            hint="unset KUBEBUILDER_ASSETS or --assets, so that the pinned version is brought, or name a newer one",
        )


@dataclass(slots=True)
class KineStore:
    """kine with its database: a file (`sql` None) or a SQL server."""

    kind: str
    kine: Kine
    sql: SqlServer | None
    links: tuple[Link, ...] = ()
    reached_at: int = 0
    source: str = field(default="", init=False)

    def __post_init__(self) -> None:
        version = self.kine.toolchain.versions["kine"]
        self.source = f"kine {version} on {self.sql.source if self.sql is not None else 'SQLite'}"

    @property
    def name(self) -> str:
        """What records call it: the process that holds the data."""
        return self.sql.name if self.sql is not None else self.kine.name

    def endpoints(self, server: int | None) -> str:
        """What an API server is given as --etcd-servers."""
        del server
        return f"http://127.0.0.1:{self.reached_at}"

    def launch(self) -> None:
        """Start kine where nothing has to be there before it."""
        if self.sql is None:
            self.kine.launch()

    async def ready(self) -> None:
        """Start what `launch` could not, and return when kine accepts connections."""
        if self.sql is not None and not self.kine.started:
            await self.sql.start()
            self.source = f"kine {self.kine.toolchain.versions['kine']} on {self.sql.source}"
            self.aim()
            self.kine.launch()
        await self.kine.ready()

    def aim(self) -> None:
        """Tell kine where its database is: known once the SQL server was started, with an account and a database."""
        if self.sql is not None:
            link = next(link for link in self.links if link.name == "sql")
            self.kine.endpoint = self.sql.kine_endpoint("127.0.0.1", link.port)

    async def stop(self) -> None:
        """Take the data away at once, as a crash would."""
        await (self.sql.stop() if self.sql is not None else self.kine.stop())

    async def start(self) -> None:
        """Bring it back with its data. kine ends itself when it has lost its database for good: it is started again."""
        if self.sql is not None:
            await self.sql.start()
        if not self.kine.child.running:
            self.kine.launch()
        await self.kine.ready()

    def processes(self) -> Mapping[str, Child]:
        """Every process that was started, by name."""
        found = {self.kine.name: self.kine.child} if self.kine.started else {}
        if self.sql is not None and self.sql.child is not None:
            found[self.sql.name] = self.sql.child
        return found

    async def dispose(self) -> None:
        """Remove what is outside of the run directory."""
        if self.sql is not None:
            await self.sql.dispose()


def plan_kine(
    toolchain: Toolchain, directory: Path, ports: Ports, env: dict[str, str], sql: SqlServer | None, *, relayed: bool
) -> KineStore:
    """Kine on SQLite, or on the given SQL server through a link."""
    port = ports.take()
    links: list[Link] = []
    if sql is None:
        endpoint = f"sqlite://{directory / 'kine.db'}?_journal=WAL&_busy_timeout=30000&_txlock=immediate"
    else:
        host, sql_port = sql.address
        links.append(Link("sql", ports.take(), [sql_port], host=host))
        endpoint = ""
    reached = port
    if relayed:
        links.append(Link("client-kine", ports.take(), [port]))
        reached = links[-1].port
    kind = "sqlite" if sql is None else sql.kind
    return KineStore(kind, Kine(toolchain, directory, port, endpoint, env), sql, tuple(links), reached)
