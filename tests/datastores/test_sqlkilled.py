"""A server given by URL outlives a harness that is killed; a sweep takes away what was made and harmed there."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from harness.bundle import DATASTORE_VARIABLE
from harness.cluster import sqlmade
from harness.cluster.datastore import DatastoreSpec
from harness.cluster.sqlurl import GivenServer, parse
from harness.cluster.sweep import sweep
from harness.errors import ClusterError
from harness.fault.journal import FILE_NAME, pending
from harness.run.choose import optional_parts
from harness.toolchain import resolve
from tests.datastores.servers import kine_runs, running
from tests.datastores.test_sqlurl import accounts, administrator, databases, limited, url
from tests.safety.killing import bites, ended, gone, harness_of, kill, started

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.sqlserver import SqlServer

KINDS = pytest.mark.parametrize("kind", ["postgres", "mysql"])
MARK = "0badcafe"


def inside(directory: Path) -> set[Path]:
    """What is in it."""
    return set(directory.iterdir())


@KINDS
def test_what_a_dead_run_made_is_removed_however_it_was_harmed(kind: str, tmp_path: Path) -> None:
    """Database and account go, read-only or without connections; the file that tells of them goes with them."""

    async def story() -> None:
        async with running(kind) as server:
            before = await databases(server), await accounts(server)
            dead = GivenServer(parse(url(server, administrator(server))), MARK, tmp_path)
            await dead.start()
            assert (tmp_path / sqlmade.FILE).stat().st_mode & 0o777 == 0o600
            held = await dead.exhaust()
            if kind == "postgres":
                await dead.set_read_only(True)
            if held is not None:
                held.close()

            assert MARK in await sqlmade.remove(tmp_path)

            assert (await databases(server), await accounts(server)) == before
            assert inside(tmp_path) == set()
            assert await sqlmade.remove(tmp_path) == ""

    asyncio.run(story())


@KINDS
def test_a_server_that_is_away_keeps_what_tells_of_it(kind: str, tmp_path: Path) -> None:
    """The error names the server, and a later sweep finds the database still; an account with few rights is enough."""
    rights = {"postgres": "CREATEDB", "mysql": "ALL ON `inventory\\_harness\\_%`.*"}[kind]

    async def story() -> None:
        async with running(kind) as server:
            account = await limited(server, rights)
            before = await databases(server), await accounts(server)
            await GivenServer(parse(url(server, account)), MARK, tmp_path).start()
            await server.stop()
            with pytest.raises(ClusterError, match=str(server.address[1])):
                await sqlmade.remove(tmp_path)
            await server.start()

            assert await sqlmade.remove(tmp_path)
            assert (await databases(server), await accounts(server)) == before

    asyncio.run(story())


@pytest.mark.parametrize(
    "fault", [pytest.param(name, id=f"postgres-{name}") for name in ("sql-read-only", "connections-exhausted")]
)
def test_a_harness_killed_at_the_bite_is_swept_from_the_server(fault: str, runs: Path, tmp_path: Path) -> None:
    """After SIGKILL of a real run the server takes writes, and a sweep leaves on it what was there before."""
    resolve(also=optional_parts([DatastoreSpec("postgres")]))

    async def killed(server: SqlServer, out: Path) -> list[str]:
        argv = [sys.executable, "-m", "harness.cli.main", "run", "-k", f"chaos/{fault}", "-n", "1", f"--out={out}"]
        environment = {**os.environ, DATASTORE_VARIABLE: url(server, administrator(server))}
        with (tmp_path / "log").open("wb") as log:
            process = started(argv, environment, log)
        try:
            await bites(process, out / "chaos" / fault / "history.jsonl", fault)
            kill(runs)
            # A worker holds its run until the kernel has taken it down, which a sweep respects.
            return [*await ended(process), *await gone(runs, which=harness_of)]
        finally:
            process.kill()
            process.wait()

    async def story() -> None:
        async with running("postgres") as server:
            before, there = (await databases(server), await accounts(server)), inside(runs)
            assert await killed(server, tmp_path / "out") == []
            assert await databases(server) != before[0]

            swept = await asyncio.to_thread(sweep, runs)

            assert len(swept.databases) == 1
            assert swept.kept == ()
            assert inside(runs) == there
            assert (await databases(server), await accounts(server)) == before
            kine_runs(server, "CREATE TABLE theirs (a INTEGER)")
            (left,) = pending(tmp_path / "out" / "chaos" / fault / FILE_NAME)
            assert left.fault == fault

    asyncio.run(story())
