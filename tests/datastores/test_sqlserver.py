"""The servers that the harness starts from this machine's packages do what a datastore and its faults need."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.errors import ClusterError
from harness.process import rundir
from tests.datastores.servers import Refused, as_kine, ended, kine_runs, running

if TYPE_CHECKING:
    from harness.cluster.sqlserver import SqlServer

ROOT = Path(__file__).resolve().parents[2]
KINDS = pytest.mark.parametrize("kind", ["postgres", "mysql"])
SEGMENTS = Path("/proc/sysvipc/shm")


def family(server: SqlServer) -> list[psutil.Process]:
    """The server's process and those below it."""
    assert server.child is not None
    first = psutil.Process(server.child.pid)
    return [first, *first.children(recursive=True)]


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none of a child of PostgreSQL's that has ended since it was listed, as its short-lived workers do."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie too
        return []


def mode(path: Path) -> int:
    """Its permission bits."""
    return path.stat().st_mode & 0o777


@KINDS
def test_what_kine_stored_survives_a_crash(kind: str) -> None:
    """Rows committed right before every process is killed are there after a restart, at the same address."""

    async def story() -> None:
        async with running(kind) as server:
            before, processes = server.address, family(server)
            with as_kine(server) as kine:
                kine.run("CREATE TABLE kept (a INTEGER)")
                kine.run("INSERT INTO kept VALUES (1)")
                await server.stop()
            await ended(processes)
            with pytest.raises(ClusterError, match="does not answer"):
                await server.query("SELECT 1")
            await server.start()

            assert server.address == before
            assert await server.query("SELECT a FROM kept") == [(1,)]
            with as_kine(server) as again:
                again.run("INSERT INTO kept VALUES (2)")

    asyncio.run(story())


@KINDS
def test_read_only_refuses_kine_and_is_undone(kind: str) -> None:
    """An open session of kine cannot write while it holds, can read, and can write again afterwards."""

    async def story() -> None:
        async with running(kind) as server:
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

    asyncio.run(story())


@KINDS
def test_exhaustion_ends_kine_and_refuses_it_until_released(kind: str) -> None:
    """Open sessions of kine are gone, new ones are refused for their number, and the hold can be released twice."""

    async def story() -> None:
        async with running(kind) as server:
            with ExitStack() as stack:
                open_ones = [stack.enter_context(as_kine(server)) for _ in range(3)]
                hold = await server.exhaust()
                for session in open_ones:
                    with pytest.raises(Refused):
                        session.run("SELECT 1")
            with pytest.raises(Refused, match=r"too many connections|max_user_connections"):
                kine_runs(server, "SELECT 1")
            assert await server.query("SELECT 1") == [(1,)]
            await hold.release()
            await hold.release()

            with ExitStack() as stack:
                for session in [stack.enter_context(as_kine(server)) for _ in range(3)]:
                    session.run("SELECT 1")

    asyncio.run(story())


@KINDS
def test_only_the_owner_sees_passwords_and_data(kind: str) -> None:
    """No password is on a command line or in a log, the server's directory is closed, and only loopback is served."""

    async def story() -> None:
        async with running(kind) as server:
            secret = server.kine_endpoint(*server.address).split("@")[0].rpartition(":")[2]
            processes = family(server)
            words = [word for one in processes for word in command_line(one)]
            run_dir = Path(processes[0].environ()["HOME"])
            logs = "".join(path.read_text(encoding="utf-8") for path in (run_dir / "log").iterdir())
            home = run_dir / ("pg" if kind == "postgres" else "my")
            listeners = {c.laddr.ip for c in processes[0].net_connections() if c.status == psutil.CONN_LISTEN}

            assert len(secret) > 20
            assert any("pg" in word or "mariadb" in word for word in words)
            assert secret not in repr(server) + " ".join(words) + logs + server.source
            assert mode(home) & 0o077 == 0
            assert mode(run_dir) & 0o067 == 0
            assert listeners == {"127.0.0.1"}

    asyncio.run(story())


@KINDS
def test_kine_may_do_nothing_beyond_its_database(kind: str) -> None:
    """Its account makes neither databases nor accounts, and cannot lift read-only."""
    forbidden = {
        "postgres": ["CREATE DATABASE other", "CREATE ROLE other", "ALTER SYSTEM SET jit = on"],
        "mysql": ["CREATE DATABASE other", "CREATE USER other", "SET GLOBAL read_only = 0", "SELECT * FROM mysql.user"],
    }[kind]

    async def story() -> None:
        async with running(kind) as server:
            for statement in forbidden:
                with pytest.raises(Refused):
                    kine_runs(server, statement)

    asyncio.run(story())


@KINDS
def test_a_statement_has_five_seconds(kind: str) -> None:
    """A statement that waits for longer is given up, as an error of the cluster."""
    slow = {"postgres": "SELECT pg_sleep(30)", "mysql": "SELECT SLEEP(30)"}[kind]

    async def story() -> None:
        async with running(kind) as server:
            async with asyncio.timeout(8):
                with pytest.raises(ClusterError):
                    await server.query(slow)

    asyncio.run(story())


@KINDS
def test_nothing_is_left_when_the_harness_is_killed(kind: str) -> None:
    """SIGKILL of the process that started a server ends all of the server's processes, with sessions open."""
    script = (
        "import asyncio, sys\n"
        "from tests.datastores.servers import as_kine, running\n"
        "async def main():\n"
        f"    async with running({kind!r}) as server:\n"
        "        sessions = [as_kine(server) for _ in range(3)]\n"
        "        opened = [one.__enter__() for one in sessions]\n"
        "        print(server.child.pid, flush=True)\n"
        "        sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    mark = server.environ()[rundir.ENV_MARK]
    # PostgreSQL's children write their titles over their environment: they are known by their parent.
    processes = [server, *server.children(recursive=True)]
    assert len(processes) > (3 if kind == "postgres" else 0)

    parent.kill()
    parent.communicate()

    asyncio.run(ended(processes))
    assert rundir.marked(mark) == []
    swept = rundir.sweep()
    assert mark in {path.name for path in swept.directories}
    assert swept.processes == ()


def test_postgres_leaves_no_shared_memory() -> None:
    """Its System V segment is gone after a crash that nobody cleans up after."""

    def segments(creators: set[int]) -> int:
        """How many there are of these processes; other servers on the machine have their own."""
        rows = SEGMENTS.read_text(encoding="ascii").splitlines()
        creator = rows[0].split().index("cpid")
        return sum(1 for row in rows[1:] if int(row.split()[creator]) in creators)

    async def story() -> None:
        async with running("postgres") as server:
            processes = family(server)
            pids = {process.pid for process in processes}
            assert segments(pids) == 1
            for one in processes:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            await ended(processes)
            assert segments(pids) == 0

    asyncio.run(story())
