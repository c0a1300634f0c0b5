"""What an administrator does to MySQL or MariaDB for kine."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.cluster import sqlclient
from harness.cluster.sqladmin import EFFECT_DEADLINE_S, Hold, Login, quoted
from harness.cluster.sqlclient import Account, Row, SqlError, literal
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pymysql.connections import Connection

_NO_SUCH_THREAD = "1094"


@dataclass(frozen=True, slots=True)
class _Held:
    """The one connection that kine would have."""

    connection: Connection[Any]

    def close(self) -> None:
        """Close it, once."""
        if self.connection.open:
            self.connection.close()


@dataclass(frozen=True, slots=True)
class MysqlAdmin:
    """MySQL or MariaDB."""

    account: Account
    kine: Login
    kind: str = "mysql"

    def endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address; without TLS."""
        return f"mysql://{self.kine.user}:{self.kine.password}@tcp({host}:{port})/{self.kine.database}"

    async def version(self) -> str:
        """Such as "10.11.19-MariaDB-0+deb12u1" or "8.0.36"; raises SqlError when it does not answer."""
        rows = await sqlclient.mysql(self.account, "SELECT VERSION()")
        return str(rows[0][0])

    async def query(self, sql: str) -> list[Row]:
        """One statement, in kine's database; raises SqlError."""
        return await sqlclient.mysql(replace(self.account, database=self.kine.database), sql)

    async def create(self, *, role: bool = True) -> None:
        """Make kine's database and, if asked to, an account that may do everything there; raises SqlError."""
        await sqlclient.mysql(self.account, *self.creation(role=role))

    def creation(self, *, role: bool = True) -> list[str]:
        """The statements of `create`."""
        grants = [
            f"CREATE USER {self._user} IDENTIFIED BY {literal(self.kine.password)}",
            f"GRANT ALL ON {self._database}.* TO {self._user}",
        ]
        return [f"CREATE DATABASE {self._database}", *(grants if role else [])]

    async def drop(self, *, role: bool = True) -> None:
        """Remove kine's database, and its account if asked to; raises SqlError."""
        await sqlclient.mysql(self.account, f"DROP DATABASE IF EXISTS {self._database}")
        if role:
            await sqlclient.mysql(self.account, f"DROP USER IF EXISTS {self._user}")

    async def set_read_only(self, on: bool) -> None:
        """Switch the server's `read_only`, which holds for every session at once, except for administrators."""
        await sqlclient.mysql(self.account, f"SET GLOBAL read_only = {int(on)}")

    async def exhaust(self) -> Hold:
        """Allow kine one connection, end its sessions and take that one; raises SqlError, WaitTimeoutError.

        What kine gets is error 1226, "exceeded the 'max_user_connections' resource". The server forgets who holds the
        one when it is restarted.
        """
        async with AsyncExitStack() as undo_limit:
            undo_limit.push_async_callback(self.admit)
            await self._limit(1)
            held = await until(
                "kine's one connection to be ours", self._taken, deadline_s=EFFECT_DEADLINE_S, interval_s=0.02
            )
            undo_limit.pop_all()
        return _Held(held)

    async def admit(self) -> None:
        """Give kine's account the limit it was made with, which is none; raises SqlError."""
        await self._limit(0)

    async def _taken(self, progress: Progress) -> Connection[Any] | None:
        for session in await self._sessions():
            await self._kill(session)
        as_kine = Account(self.account.host, self.account.port, self.kine.user, self.kine.password)
        try:
            held = await sqlclient.mysql_held(as_kine)
        except SqlError as exc:
            progress.last = exc.what  # kine was quicker: end that session as well
            return None
        ours = int(held.thread_id())  # type: ignore[no-untyped-call]
        others = await self._sessions() - {ours}
        progress.last = f"{len(others)} sessions of kine are left"
        if others:
            held.close()
            return None
        return held

    async def _sessions(self) -> set[int]:
        where = f"user = {literal(self.kine.user)}"
        rows = await sqlclient.mysql(self.account, f"SELECT id FROM information_schema.processlist WHERE {where}")  # noqa: S608 - ours
        return {int(row[0]) for row in rows}

    async def _kill(self, session: int) -> None:
        try:
            await sqlclient.mysql(self.account, f"KILL {session}")
        except SqlError as exc:
            if exc.code != _NO_SUCH_THREAD:
                raise

    async def _limit(self, connections: int) -> None:
        await sqlclient.mysql(self.account, f"ALTER USER {self._user} WITH MAX_USER_CONNECTIONS {connections}")

    @property
    def _user(self) -> str:
        return f"{literal(self.kine.user)}@{literal(self.kine.host)}"

    @property
    def _database(self) -> str:
        return quoted(self.kine.database, "`")
