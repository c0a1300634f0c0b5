"""A SQL server given by URL: somebody else's, so only what we made there ourselves is touched.

For each cluster a database of its own is made there, and dropped at the end. Kine gets an account of its own where the
given one may make accounts; otherwise it uses the given one. The server cannot be stopped, and of the faults only those
are possible that reach no further than our database or account.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from harness.cluster import sqlclient
from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqladmin import Login, password
from harness.cluster.sqlclient import Account, SqlError, literal
from harness.cluster.sqlinstall import product, too_old
from harness.cluster.sqlmade import DENIED, FROM_ANYWHERE, MEANS, drop, forget, record
from harness.errors import ClusterError, FaultError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.sqladmin import Hold
    from harness.cluster.sqlclient import Row
    from harness.process.child import Child

SCHEMES = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
PORTS = {"postgres": 5432, "mysql": 3306}
PREFIX = "inventory_harness"
FORM = "postgres://USER:PASSWORD@HOST:PORT[/DATABASE] or mysql://USER:PASSWORD@HOST:PORT[/DATABASE]"
_LONGEST = {"postgres": 63, "mysql": 32}
"""Bytes of a name: NAMEDATALEN of PostgreSQL; of MySQL what an account's name may have (a database's may have 64)."""
_BAD_CREDENTIALS = frozenset(("28P01", "28000", "1045", "1698"))
_NO_DATABASE = frozenset(("3D000", "1049"))
_NOT_YOURS = "1095"
_NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Given:
    """A parsed URL."""

    kind: str
    account: Account
    """Its `database` is the one that was named, or empty."""


def parse(url: str) -> Given:
    """Read a URL; raises UsageError, which never repeats it (it holds a password)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise UsageError("the datastore's URL cannot be read: its host or port is no such thing", hint=FORM) from exc
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        known = ", ".join(SCHEMES)
        raise UsageError(f"the datastore's URL begins with {parts.scheme or 'nothing'!r}, not with {known}", hint=FORM)
    problem = _problem(parts)
    if problem:
        raise UsageError(f"the datastore's URL {problem}", hint=FORM)
    account = Account(
        parts.hostname or "", port or PORTS[kind], unquote(parts.username or ""), unquote(parts.password or ""),
        unquote(parts.path.lstrip("/")),
    )  # fmt: skip
    return Given(kind, account)


def _problem(parts: SplitResult) -> str:
    if not parts.hostname:
        return "names no host"
    if not parts.username:
        return "names no user"
    if parts.query or parts.fragment:
        return "has parameters: none are supported (connections are made without TLS, through a relay on loopback)"
    if "/" in parts.path.lstrip("/"):
        return "names a database with a slash in it"
    return ""


def own_name(database: str, mark: str, longest: int) -> str:
    """The name of our own database: <the named one, or inventory_harness>_<run mark>, shortened to `longest` bytes."""
    stem = (database or PREFIX).encode()[: longest - len(mark) - 1].decode(errors="ignore")
    return f"{stem}_{mark}"


@dataclass(slots=True)
class GivenServer:
    """The server behind a URL. `mark` is the run's: it makes the names unique, and tells whose they are.

    `directory` is the run's too: what is made on the server stands there in a file (`harness.cluster.sqlmade`).
    """

    given: Given
    mark: str
    directory: Path
    name: str = "sql-by-url"
    version: str = ""
    _admin: PostgresAdmin | MysqlAdmin | None = None
    _own_role: bool = field(default=False)

    @property
    def kind(self) -> str:
        """Which dialect: "postgres" or "mysql"."""
        return self.given.kind

    @property
    def child(self) -> Child | None:
        """None: the process is not ours."""
        return None

    @property
    def source(self) -> str:
        """Which server this is, in one line, without its password."""
        version = f" {self.version}" if self.version else ""
        return f"{product(self.kind, self.version)}{version} at {self.given.account.place}, given by URL"

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        return (self.given.account.host, self.given.account.port)

    def kine_endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address; raises ClusterError before the start."""
        return self._means.endpoint(host, port)

    async def start(self) -> None:
        """Check the server and make our database there; a second time, only see that it answers.

        Raises UsageError when what was given is not acceptable, ClusterError when the server does not answer.
        """
        if self._admin is not None:
            await self._admin.version()
            return
        account = await self._checked()
        login = Login(account.user, account.password, self._name(), FROM_ANYWHERE)
        fresh = replace(login, user=self._name(), password=password())
        means = MEANS[self.kind]
        record(self.directory, self.kind, account, self._name())
        # With an account of its own kine has no more rights than it needs, and can be refused connections.
        for admin, role in ((means(account, fresh), True), (means(account, login), False)):
            try:
                await admin.create(role=role)
            except SqlError as exc:
                await drop(admin, role=role)
                if exc.code not in DENIED:
                    raise
                continue
            self._admin, self._own_role = admin, role
            return
        forget(self.directory)
        raise UsageError(
            f"user {account.user!r} may not make databases at {account.place}",
            hint="ALTER ROLE … CREATEDB (PostgreSQL), GRANT ALL ON `inventory_harness_%`.* TO … (MySQL)",
        )

    async def stop(self) -> None:
        """Not possible here; raises FaultError."""
        raise _impossible("stopping the datastore", self)

    async def dispose(self) -> None:
        """Drop what we made there; raises ClusterError when the server does not let us."""
        if self._admin is not None:
            await self._admin.drop(role=self._own_role)
            self._admin = None
            forget(self.directory)

    async def query(self, sql: str) -> list[Row]:
        """One statement with the given account, in our own database; raises ClusterError.

        Where kine uses the given account as well, this is refused with it while a hold of `exhaust` lasts.
        """
        return await self._means.query(sql)

    async def set_read_only(self, on: bool) -> None:
        """Make our own database refuse writes, ending kine's sessions for that; raises FaultError on MySQL, MariaDB."""
        if not isinstance(self._means, PostgresAdmin):
            raise _impossible("making the whole server read-only", self)
        await self._means.set_database_read_only(on)

    async def exhaust(self) -> Hold | None:
        """End kine's sessions and leave it no connection to our database until `admit`."""
        if isinstance(self._means, MysqlAdmin) and not self._own_role:
            raise _impossible("taking the connections of the given account", self)
        try:
            return await self._means.exhaust()
        except SqlError as exc:
            if exc.code not in DENIED | {_NOT_YOURS}:
                raise
            raise _impossible(f"ending kine's sessions as {self.given.account.user!r}", self) from exc

    async def admit(self) -> None:
        """Let kine connect to our database again, whoever had kept it out."""
        await self._means.admit()

    @property
    def _means(self) -> PostgresAdmin | MysqlAdmin:
        if self._admin is None:
            raise ClusterError(f"the datastore at {self.given.account.place} was not started")
        return self._admin

    def _name(self) -> str:
        return own_name(self.given.account.database, self.mark, _LONGEST[self.kind])

    async def _checked(self) -> Account:
        """The account to work with, once the server is known to be acceptable."""
        account = self.given.account
        postgres = self.kind == "postgres"
        run = sqlclient.postgres if postgres else sqlclient.mysql
        named = account.database
        working = replace(account, database="postgres" if postgres else "")
        try:
            self.version = str((await run(working, _VERSION[self.kind]))[0][0]).split(" ", maxsplit=1)[0]
            problem = too_old(self.kind, self.version)
            if problem:
                raise UsageError(f"{problem} ({account.place})", hint="give a newer server")
            tables = await _tables(self.kind, account) if named else []
        except SqlError as exc:
            raise _explained(exc, account) from exc
        if tables:
            shown = ", ".join(tables[:_NAMED_AT_MOST]) + (", …" if len(tables) > _NAMED_AT_MOST else "")
            raise UsageError(
                f"database {named!r} at {account.place} is in use: it holds the tables {shown}",
                hint="name an empty or a new database, or none: the harness makes one of its own beside it",
            )
        return working


_VERSION = {"postgres": "SHOW server_version", "mysql": "SELECT VERSION()"}
_POSTGRES_TABLES = """\
SELECT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE relkind IN ('r', 'p', 'f', 'v', 'm') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
ORDER BY relname"""
"""The catalogue shows every table; the information schema only those that one has rights to."""


async def _tables(kind: str, account: Account) -> list[str]:
    """The tables of the named database; none when there is no such database."""
    try:
        if kind == "postgres":
            rows = await sqlclient.postgres(account, _POSTGRES_TABLES)
        else:
            where = f"table_schema = {literal(account.database)}"
            rows = await sqlclient.mysql(
                replace(account, database=""),
                f"SELECT table_name FROM information_schema.tables WHERE {where} ORDER BY 1",  # noqa: S608 - quoted
            )
    except SqlError as exc:
        if exc.code in _NO_DATABASE:
            return []
        raise
    return [str(row[0]) for row in rows]


def _explained(exc: SqlError, account: Account) -> ClusterError | UsageError:
    if not exc.code:
        return ClusterError(
            f"no SQL server answers at {account.place}: {exc.words}",
            hint="check host and port of the datastore's URL, and that the server listens there",
        )
    if exc.code in _BAD_CREDENTIALS:
        return UsageError(
            f"the server at {account.place} does not accept the URL's user and password: {exc.words}",
            hint="percent-encode special characters of the password, and check from where the user may connect",
        )
    return ClusterError(f"the server at {account.place} refused: {exc.words} ({exc.code})")


def _impossible(what: str, server: GivenServer) -> FaultError:
    return FaultError(
        f"{what} is not possible on a server given by URL ({server.source})",
        hint="leave the URL out: a server of the harness's own takes every fault",
    )
