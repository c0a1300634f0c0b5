"""A real server in a run directory of its own, and connections to it as kine has them."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import pg8000.native
import psutil
import pymysql

from harness.cluster.sqlserver import SqlServer, choose
from harness.process import rundir
from harness.process.ports import Ports
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Refused = (pg8000.native.DatabaseError, pg8000.native.InterfaceError, pymysql.Error, OSError)
"""What a driver raises when the server refuses, or has ended the connection."""


ENDPOINT = re.compile(
    r"\w+://(?P<user>[^:]+):(?P<password>.+)@(tcp\()?(?P<host>[^:]+):(?P<port>\d+)\)?/(?P<database>\w+)(\?sslmode=disable)?"
)


class Session(Protocol):
    """One open connection."""

    def run(self, sql: str) -> Any:
        """Run one statement."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class MysqlSession:
    """A connection to MariaDB with the same methods as pg8000's."""

    def __init__(self, **account: Any) -> None:
        self._connection = pymysql.connect(autocommit=True, ssl_disabled=True, read_timeout=10, **account)

    def run(self, sql: str) -> Any:
        """Run one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def close(self) -> None:
        """End it."""
        self._connection.close()


@contextlib.contextmanager
def as_kine(server: SqlServer) -> Iterator[Session]:
    """A connection as kine's --endpoint says; raises one of Refused."""
    found = ENDPOINT.fullmatch(server.kine_endpoint(*server.address))
    assert found is not None
    account: dict[str, Any] = {**found.groupdict(), "port": int(found["port"])}
    if server.kind == "postgres":
        account["password"] = unquote(account["password"])
    session: Session
    if server.kind == "postgres":
        session = pg8000.native.Connection(timeout=10, ssl_context=False, **account)
    else:
        session = MysqlSession(**account)
    try:
        yield session
    finally:
        with contextlib.suppress(*Refused):  # the server may have ended it
            session.close()


def kine_runs(server: SqlServer, sql: str) -> Any:
    """One statement on a new connection of kine's; raises one of Refused."""
    with as_kine(server) as session:
        return session.run(sql)


@contextlib.asynccontextmanager
async def running(kind: str) -> AsyncIterator[SqlServer]:
    """A started server of this machine; afterwards nothing of it may be left."""
    run_dir, ports = rundir.make(), Ports()
    (run_dir.path / "log").mkdir(mode=0o700)
    env = {"PATH": os.environ["PATH"], "HOME": str(run_dir.path), rundir.ENV_MARK: run_dir.mark}
    server = choose(kind, directory=run_dir.path, mark=run_dir.mark, env=env, ports=ports)
    try:
        await server.start()
        yield server
    finally:
        await server.dispose()
        left = [(one.pid, one.name()) for one in rundir.marked(run_dir.mark)]
        run_dir.remove()
        ports.release()
        assert left == []


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; who has ended and was not collected does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def ended(processes: list[psutil.Process]) -> None:
    """Return when all of them have ended."""

    async def gone(progress: Progress) -> bool | None:
        left = [one.pid for one in processes if lives(one)]
        progress.last = f"still there: {left}"
        return None if left else True

    await until("the processes to end", gone, deadline_s=5.0)
