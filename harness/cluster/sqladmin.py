"""What an administrator does to a SQL server for kine: make its database, stop its writes, take its connections.

One class for each dialect (`postgresadmin`, `mysqladmin`), of one shape (`Admin`). They know a server by its address
and accounts alone, so that they serve a server we started, one in a container and one given by URL.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.cluster.sqlclient import Account, Row

DATABASE = "kubernetes"
KINE = "kine"
EFFECT_DEADLINE_S = 10.0


def password() -> str:
    """A random password that needs no quoting in SQL, in a URL, or in a Go data source name."""
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class Login:
    """Who kine is on the server, and which database is its own. `host`: from where, in MySQL's sense."""

    user: str
    password: str = field(repr=False)
    database: str
    host: str = "127.0.0.1"

    @classmethod
    def fresh(cls, *, host: str = "127.0.0.1") -> Login:
        """The login on a server of our own."""
        return cls(KINE, password(), DATABASE, host)


class Hold(Protocol):
    """A connection that is kept open so that kine has none; `Admin.admit` is what lets kine connect again."""

    def close(self) -> None:
        """Close it; a second time does nothing."""
        ...


class Admin(Protocol):
    """An administrator's means on one server."""

    @property
    def kind(self) -> str:
        """Which dialect: "postgres" or "mysql"."""
        ...

    @property
    def account(self) -> Account:
        """The administrator's own."""
        ...

    @property
    def kine(self) -> Login:
        """Kine's."""
        ...

    def endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address."""
        ...

    async def version(self) -> str:
        """The server's version as it says it; raises SqlError when it does not answer."""
        ...

    async def query(self, sql: str) -> list[Row]:
        """One statement, in kine's database."""
        ...

    async def create(self, *, role: bool = True) -> None:
        """Make kine's database, and its role if asked to."""
        ...

    async def drop(self, *, role: bool = True) -> None:
        """Remove kine's database with everything in it, and its role if asked to."""
        ...

    async def set_read_only(self, on: bool) -> None:
        """Make the whole server refuse writes of anybody but administrators, or accept them again."""
        ...

    async def exhaust(self) -> Hold | None:
        """End kine's sessions and leave it no connection; what must stay open for that, if anything."""
        ...

    async def admit(self) -> None:
        """Let kine connect again, whoever had kept it out; where nobody had, nothing happens."""
        ...


class Administered(ABC):
    """A server of ours, from a package or in a container: what is done to it is done by its administrator."""

    __slots__ = ()

    @property
    @abstractmethod
    def admin(self) -> Admin:
        """The administrator's means."""

    def kine_endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address."""
        return self.admin.endpoint(host, port)

    async def query(self, sql: str) -> list[Row]:
        """One statement as administrator, in kine's database; raises ClusterError."""
        return await self.admin.query(sql)

    async def set_read_only(self, on: bool) -> None:
        """Make every session, kine's open ones too, refuse writes, or accept them again; raises ClusterError."""
        await self.admin.set_read_only(on)

    async def exhaust(self) -> Hold | None:
        """End kine's sessions and leave it no connection until `admit`; raises ClusterError."""
        return await self.admin.exhaust()

    async def admit(self) -> None:
        """Let kine connect again, whoever had kept it out; raises ClusterError."""
        await self.admin.admit()


def quoted(name: str, mark: str) -> str:
    """A SQL identifier in the dialect's quotation marks."""
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"
