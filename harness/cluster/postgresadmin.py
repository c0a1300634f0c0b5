"""What an administrator does to PostgreSQL for kine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from harness.cluster import sqlclient
from harness.cluster.sqladmin import EFFECT_DEADLINE_S, Login, quoted
from harness.cluster.sqlclient import Account, Row, literal
from harness.wait import Progress, until


@dataclass(frozen=True, slots=True)
class PostgresAdmin:
    """PostgreSQL. `account` connects to `account.database`, which is not kine's."""

    account: Account
    kine: Login
    kind: str = "postgres"

    def endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address; without TLS."""
        user, secret = quote(self.kine.user, safe=""), quote(self.kine.password, safe="")
        return f"postgres://{user}:{secret}@{host}:{port}/{self.kine.database}?sslmode=disable"

    async def version(self) -> str:
        """Such as "15.18"; raises SqlError when it does not answer."""
        rows = await sqlclient.postgres(self.account, "SHOW server_version")
        return str(rows[0][0]).split(" ", maxsplit=1)[0]

    async def query(self, sql: str) -> list[Row]:
        """One statement, in kine's database; raises SqlError."""
        return await sqlclient.postgres(replace(self.account, database=self.kine.database), sql)

    async def create(self, *, role: bool = True) -> None:
        """Make kine's database, owned by its role; raises SqlError.

        It belongs to the role because only the owner may make tables in schema public, from PostgreSQL 15 on.
        """
        if role:
            # A refused statement is written to the server's log, and this one holds a password.
            secret = f"CREATE ROLE {self._user} LOGIN PASSWORD {literal(self.kine.password)}"
            await sqlclient.postgres(self.account, "SET log_min_error_statement = panic", secret)
        await sqlclient.postgres(self.account, f"CREATE DATABASE {self._database} OWNER {self._user}")

    async def drop(self, *, role: bool = True) -> None:
        """Remove kine's database, ending its sessions, and its role if asked to; raises SqlError."""
        await sqlclient.postgres(self.account, f"DROP DATABASE IF EXISTS {self._database} WITH (FORCE)")
        if role:
            await sqlclient.postgres(self.account, f"DROP ROLE IF EXISTS {self._user}")

    async def set_read_only(self, on: bool) -> None:
        """Switch `default_transaction_read_only` for the whole server; returns when it holds for every session.

        The postmaster tells its sessions before it starts the next one, and a session takes the setting in before its
        next statement (seen on PostgreSQL 15): so when a new session has read the settings again, all will have.
        """
        value = "on" if on else "off"
        before = await self._settings_read_at()
        await sqlclient.postgres(self.account, f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await sqlclient.postgres(self.account, "SELECT pg_reload_conf()")

        async def reloaded(progress: Progress) -> bool | None:
            progress.last = "a new session has the settings from before"
            return True if await self._settings_read_at() != before else None

        await until("PostgreSQL to read its settings", reloaded, deadline_s=EFFECT_DEADLINE_S, interval_s=0.02)

    async def _settings_read_at(self) -> object:
        return (await sqlclient.postgres(self.account, "SELECT pg_conf_load_time()"))[0][0]

    async def set_database_read_only(self, on: bool) -> None:
        """The same for kine's database alone: such a setting is for new sessions, so kine's are ended."""
        value = "on" if on else "off"
        await sqlclient.postgres(
            self.account, f"ALTER DATABASE {self._database} SET default_transaction_read_only = {value}"
        )  # fmt: skip
        await self._end_sessions()

    async def exhaust(self) -> None:
        """Set the database's connection limit to none at all and end kine's sessions; raises SqlError.

        What kine gets is SQLSTATE 53300, "too many connections for database …", as with every slot taken.
        """
        await self._limit(0)
        await self._end_sessions()

    async def admit(self) -> None:
        """Give the database the limit it was made with, which is none; raises SqlError."""
        await self._limit(-1)

    async def _limit(self, connections: int) -> None:
        await sqlclient.postgres(self.account, f"ALTER DATABASE {self._database} CONNECTION LIMIT {connections}")

    async def _end_sessions(self) -> None:
        theirs = f"datname = {literal(self.kine.database)} AND usename = {literal(self.kine.user)}"
        statement = f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"  # noqa: S608 - ours
        before: set[int] = {row[0] for row in await sqlclient.postgres(self.account, statement)}

        async def ended(progress: Progress) -> bool | None:
            rows = await sqlclient.postgres(self.account, f"SELECT pid FROM pg_stat_activity WHERE {theirs}")  # noqa: S608 - ours
            left = before & {row[0] for row in rows}
            progress.last = f"{len(left)} of them are left"
            return None if left else True

        await until("kine's sessions to end", ended, deadline_s=EFFECT_DEADLINE_S, interval_s=0.02)

    @property
    def _user(self) -> str:
        return quoted(self.kine.user, '"')

    @property
    def _database(self) -> str:
        return quoted(self.kine.database, '"')
