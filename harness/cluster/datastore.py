"""The datastore behind the API servers: which kinds there are, what each can do, and which one a user asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.cluster import sqlserver
from harness.cluster.etcd import plan_etcd
from harness.cluster.kine import plan_kine
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.relay import Link
    from harness.process.child import Child
    from harness.process.ports import Ports
    from harness.process.rundir import RunDir
    from harness.toolchain import Toolchain

ETCD, ETCD3, SQLITE, POSTGRES, MYSQL = "etcd", "etcd3", "sqlite", "postgres", "mysql"
KINDS = (ETCD, ETCD3, SQLITE, POSTGRES, MYSQL)
"""etcd of one member, etcd of three, and kine on SQLite, PostgreSQL, and MySQL or MariaDB."""

SQL = (SQLITE, POSTGRES, MYSQL)
SERVED = (POSTGRES, MYSQL)
"""The kinds whose data is in a server of its own."""

_SCHEMES = {"postgres": POSTGRES, "postgresql": POSTGRES, "mysql": MYSQL, "mariadb": MYSQL}
_PLAIN = re.compile(r"[\w.-]*")


@dataclass(frozen=True, slots=True)
class DatastoreSpec:
    """What was asked for. `url`: a SQL server that is there already; it holds a password, so it is never shown."""

    kind: str = ETCD
    url: str = field(default="", repr=False)

    @property
    def components(self) -> tuple[str, ...]:
        """Optional parts of the toolchain that it needs."""
        return ("kine",) if self.kind in SQL else ()


def parse(text: str) -> DatastoreSpec:
    """One value of --datastore; raises UsageError for one that is neither a kind nor the URL of a SQL server."""
    scheme, found, _rest = text.partition("://")
    if found:
        if scheme not in _SCHEMES:
            raise UsageError(
                f"--datastore: {_shown(scheme)} is no kind of SQL server",
                hint="postgres://… or mysql://…, or one of the kinds",
            )
        return DatastoreSpec(_SCHEMES[scheme], text)
    if text not in KINDS:
        raise UsageError(f"--datastore {_shown(text)} is not known", hint=f"one of {', '.join(KINDS)}, all, or a URL")
    return DatastoreSpec(text)


def _shown(text: str) -> str:
    """A value for an error, but nothing that may be part of a URL, which holds a password."""
    return repr(text) if _PLAIN.fullmatch(text) else "…"


def parse_many(text: str) -> tuple[DatastoreSpec, ...]:
    """`all`, or kinds and URLs separated by commas, each once."""
    if text.strip() == "all":
        return tuple(DatastoreSpec(kind) for kind in KINDS)
    parts = [part.strip() for part in text.split(",")]
    if "://" in text and any("://" not in part and part not in KINDS for part in parts):
        raise UsageError(
            "--datastore: what follows a comma is neither a kind nor a URL", hint="a comma in a password is written %2C"
        )
    specs = tuple(parse(part) for part in parts)
    kinds = [spec.kind for spec in specs]
    if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        raise UsageError(f"--datastore names {twice[0]} twice", hint="each datastore once")
    return specs


class Datastore(Protocol):
    """A datastore of one cluster."""

    kind: str
    source: str
    links: tuple[Link, ...]

    @property
    def name(self) -> str:
        """What records call it."""
        ...

    def endpoints(self, server: int | None) -> str:
        """What an API server is given as --etcd-servers; `server`: its number, where each has a member of its own."""
        ...

    def launch(self) -> None:
        """Start what can be started without waiting."""
        ...

    async def ready(self) -> None:
        """Return when it serves."""
        ...

    async def stop(self) -> None:
        """Take it away at once, as a crash would; its data stays."""
        ...

    async def start(self) -> None:
        """Bring it back with its data; returns when it serves."""
        ...

    def processes(self) -> Mapping[str, Child]:
        """Every process that was started, by name."""
        ...

    async def dispose(self) -> None:
        """Remove what is outside of the run directory."""
        ...


def plan(
    spec: DatastoreSpec,
    toolchain: Toolchain,
    run_dir: RunDir,
    ports: Ports,
    env: dict[str, str],
    *,
    relayed: bool,
    quota_bytes: int,
) -> Datastore:
    """The datastore asked for, nothing of it started yet.

    Raises UsageError for a URL that cannot be used, PlatformError when there is no way to such a server here.
    """
    if spec.kind in {ETCD, ETCD3}:
        return plan_etcd(spec.kind, toolchain, run_dir.path, ports, env, relayed=relayed, quota_bytes=quota_bytes)
    sql = None
    if spec.kind in SERVED:
        sql = sqlserver.choose(spec.kind, spec.url, directory=run_dir.path, mark=run_dir.mark, env=env, ports=ports)
    return plan_kine(toolchain, run_dir.path, ports, env, sql, relayed=relayed)
