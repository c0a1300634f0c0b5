"""A server given by URL: what is not acceptable is refused with a clear error, and only our own is touched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.cluster import sqlclient
from harness.cluster.sqlurl import GivenServer, parse
from harness.errors import ClusterError, FaultError, HarnessError, UsageError
from harness.process.ports import Ports
from tests.datastores.servers import Refused, as_kine, kine_runs, running

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.mariadb import MariaDb
    from harness.cluster.postgres import Postgres
    from harness.cluster.sqlclient import Account
    from harness.cluster.sqlserver import SqlServer

KINDS = pytest.mark.parametrize("kind", ["postgres", "mysql"])
MARK = "0badcafe"
SECRET = "s3cret/with@signs"


def administrator(server: SqlServer) -> Account:
    """The account that our own server keeps for the harness."""
    local: Postgres | MariaDb = server  # type: ignore[assignment]
    return local.admin.account


def url(server: SqlServer, account: Account, database: str = "") -> str:
    """A URL for an account of the server."""
    secret = account.password.replace("/", "%2F").replace("@", "%40")
    return f"{server.kind}://{account.user}:{secret}@{account.host}:{account.port}/{database}"


async def own(server: SqlServer, *statements: str) -> list[sqlclient.Row]:
    """Statements of the server's administrator."""
    run = sqlclient.postgres if server.kind == "postgres" else sqlclient.mysql
    return await run(administrator(server), *statements)


async def limited(server: SqlServer, *rights: str) -> Account:
    """A new account with these rights (of the dialect) and no others."""
    name = "limited"
    if server.kind == "postgres":
        await own(server, f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}' {' '.join(rights)}")
    else:
        await own(server, f"CREATE USER {name} IDENTIFIED BY '{SECRET}'", *(f"GRANT {one} TO {name}" for one in rights))
    return sqlclient.Account(*server.address, name, SECRET)


async def databases(server: SqlServer) -> set[str]:
    """The names of all databases."""
    names = {"postgres": "SELECT datname FROM pg_database", "mysql": "SHOW DATABASES"}[server.kind]
    return {str(row[0]) for row in await own(server, names)}


async def accounts(server: SqlServer) -> set[str]:
    """The names of all accounts."""
    names = {"postgres": "SELECT rolname FROM pg_roles", "mysql": "SELECT user FROM mysql.global_priv"}[server.kind]
    return {str(row[0]) for row in await own(server, names)}


@KINDS
def test_a_database_and_an_account_of_our_own_are_made_and_dropped(kind: str, tmp_path: Path) -> None:
    """With an administrator's URL kine works as an account of its own, and afterwards the server is as it was."""

    async def story() -> None:
        async with running(kind) as server:
            before = await databases(server), await accounts(server)
            given = GivenServer(parse(url(server, administrator(server), "shop")), MARK, tmp_path)
            await given.start()
            try:
                assert await databases(server) - before[0] == {f"shop_{MARK}"}
                assert await accounts(server) - before[1] == {f"shop_{MARK}"}
                kine_runs(given, "CREATE TABLE kine (a INTEGER)")
                kine_runs(given, "INSERT INTO kine VALUES (1)")
                assert await given.query("SELECT a FROM kine") == [(1,)]
                await given.start()
                assert given.version
                assert administrator(server).password not in given.source + repr(given)
            finally:
                await given.dispose()
            assert (await databases(server), await accounts(server)) == before

    asyncio.run(story())


@KINDS
def test_the_given_account_serves_where_it_may_make_no_other(kind: str, tmp_path: Path) -> None:
    """With the right to make databases alone, kine uses the given account, and what was made is dropped."""
    rights = {"postgres": "CREATEDB", "mysql": "ALL ON `inventory\\_harness\\_%`.*"}[kind]

    async def story() -> None:
        async with running(kind) as server:
            account = await limited(server, rights)
            before = await databases(server), await accounts(server)
            given = GivenServer(parse(url(server, account)), MARK, tmp_path)
            await given.start()
            kine_runs(given, "CREATE TABLE kine (a INTEGER)")
            assert await databases(server) - before[0] == {f"inventory_harness_{MARK}"}
            await given.dispose()
            assert (await databases(server), await accounts(server)) == before

    asyncio.run(story())


@KINDS
def test_faults_reach_no_further_than_our_own(kind: str, tmp_path: Path) -> None:
    """Connections are taken from our account alone; what would harm others is refused as not possible."""

    async def story() -> None:
        async with running(kind) as server:
            given = GivenServer(parse(url(server, administrator(server))), MARK, tmp_path)
            await given.start()
            with as_kine(given) as kine, as_kine(server) as stranger:
                kine.run("CREATE TABLE kine (a INTEGER)")
                held = await given.exhaust()
                with pytest.raises(Refused):
                    kine.run("SELECT 1")
                with pytest.raises(Refused, match=r"too many connections|max_user_connections"):
                    kine_runs(given, "SELECT 1")
                stranger.run("SELECT 1")
                await given.admit()
                if held is not None:
                    held.close()
            if kind == "mysql":
                with pytest.raises(FaultError, match="not possible on a server given by URL"):
                    await given.set_read_only(True)
            else:
                await given.set_read_only(True)
                with pytest.raises(Refused, match="read-only"):
                    kine_runs(given, "INSERT INTO kine VALUES (1)")
                kine_runs(server, "CREATE TABLE theirs (a INTEGER)")
                await given.set_read_only(False)
            kine_runs(given, "INSERT INTO kine VALUES (1)")
            with pytest.raises(FaultError, match="stopping the datastore is not possible"):
                await given.stop()
            await given.dispose()

    asyncio.run(story())


@KINDS
def test_what_cannot_be_used_is_refused_and_nothing_is_made(kind: str, tmp_path: Path) -> None:
    """Wrong password, a database in use, no right to make databases: one error each, without a password in it."""

    async def story() -> None:
        async with running(kind) as server:
            account = await limited(server)
            before = await databases(server)
            kine_runs(server, "CREATE TABLE orders (a INTEGER)")
            wrong = sqlclient.Account(*server.address, account.user, "wrong-password")
            refused = {
                url(server, wrong): (UsageError, "does not accept the URL's user and password"),
                url(server, account): (UsageError, "'limited' may not make databases"),
                url(server, administrator(server), "kubernetes"): (UsageError, "it holds the tables orders"),
            }
            for one, (kind_of_error, words) in refused.items():
                with pytest.raises(kind_of_error, match=words) as caught:
                    await GivenServer(parse(one), MARK, tmp_path).start()
                assert not any(secret in str(caught.value) for secret in ("wrong-password", SECRET))
                assert isinstance(caught.value, HarnessError)
                assert caught.value.hint
            assert await databases(server) == before

    asyncio.run(story())


@KINDS
def test_a_port_where_nobody_answers_is_named(kind: str, tmp_path: Path) -> None:
    """The error says host, port and the system's own words."""
    ports = Ports()
    port = ports.take()

    with pytest.raises(ClusterError, match=rf"no SQL server answers at 127\.0\.0\.1:{port}: .*[Cc]onnection refused"):
        asyncio.run(GivenServer(parse(f"{kind}://someone:secret@127.0.0.1:{port}"), MARK, tmp_path).start())
    ports.release()
