"""What every server that the harness starts must do, from a package or in a container, told with a started one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from harness.errors import ClusterError
from tests.datastores.servers import Refused, as_kine, kine_runs

if TYPE_CHECKING:
    from harness.cluster.sqlserver import SqlServer

FORBIDDEN = {
    "postgres": ("CREATE DATABASE other", "CREATE ROLE other", "ALTER SYSTEM SET jit = on"),
    "mysql": ("CREATE DATABASE other", "CREATE USER other", "SET GLOBAL read_only = 0", "SELECT * FROM mysql.user"),
}
"""What kine's account may not do, by kind of server."""


async def what_kine_stored_survives_a_crash(server: SqlServer) -> None:
    """Rows committed right before every process is killed are there after a restart, at the same address."""
    before = server.address
    with as_kine(server) as kine:
        kine.run("CREATE TABLE kept (a INTEGER)")
        kine.run("INSERT INTO kept VALUES (1)")
        await server.stop()
    await server.stop()
    with pytest.raises(ClusterError, match="does not answer"):
        await server.query("SELECT 1")
    await server.start()

    assert server.address == before
    assert await server.query("SELECT a FROM kept") == [(1,)]
    with as_kine(server) as again:
        again.run("INSERT INTO kept VALUES (2)")


async def read_only_refuses_kine_and_is_undone(server: SqlServer) -> None:
    """An open session of kine cannot write while it holds, can read, and can write again afterwards."""
    with as_kine(server) as kine:
        kine.run("CREATE TABLE kept (a INTEGER)")

        await server.set_read_only(True)
        with pytest.raises(Refused, match="read-only"):
            kine.run("INSERT INTO kept VALUES (1)")
        assert list(kine.run("SELECT a FROM kept")) == []
        await server.query("INSERT INTO kept VALUES (2)")
        await server.set_read_only(False)

        kine.run("INSERT INTO kept VALUES (3)")
    assert sorted(await server.query("SELECT a FROM kept")) == [(2,), (3,)]


async def exhaustion_refuses_kine_until_released(server: SqlServer) -> None:
    """Open sessions of kine are gone, new ones are refused for their number, and it can be let in twice."""
    with ExitStack() as stack:
        open_ones = [stack.enter_context(as_kine(server)) for _ in range(3)]
        held = await server.exhaust()
        for session in open_ones:
            with pytest.raises(Refused):
                session.run("SELECT 1")
    with pytest.raises(Refused, match=r"too many connections|max_user_connections"):
        kine_runs(server, "SELECT 1")
    assert await server.query("SELECT 1") == [(1,)]
    await server.admit()
    await server.admit()
    if held is not None:
        held.close()

    with ExitStack() as stack:
        for session in [stack.enter_context(as_kine(server)) for _ in range(3)]:
            session.run("SELECT 1")


async def kine_may_do_nothing_beyond_its_database(server: SqlServer) -> None:
    """Its account makes neither databases nor accounts, and cannot lift read-only."""
    for statement in FORBIDDEN[server.kind]:
        with pytest.raises(Refused):
            kine_runs(server, statement)


STORIES = pytest.mark.parametrize(
    "story",
    [
        what_kine_stored_survives_a_crash,
        read_only_refuses_kine_and_is_undone,
        exhaustion_refuses_kine_until_released,
        kine_may_do_nothing_beyond_its_database,
    ],
)
