"""The servers that the harness starts from this machine's packages do what a datastore and its faults need."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.errors import ClusterError
from harness.process import rundir
from tests.datastores.servers import ended, running
from tests.datastores.stories import STORIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.cluster.sqlserver import SqlServer

    Story = Callable[[SqlServer], Awaitable[None]]

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
@STORIES
def test_a_server_of_this_machine(kind: str, story: Story) -> None:
    """Each story holds, and none of the processes that were there at its start outlives a stop."""

    async def told() -> None:
        async with running(kind) as server:
            processes = family(server)
            await story(server)
            await server.stop()
            await ended(processes)

    asyncio.run(told())


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
