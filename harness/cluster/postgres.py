"""PostgreSQL, installed on this machine, as a throw-away server in the run directory.

What is switched off is what guards against the death of the *machine* (fsync). What guards against the death of the
*process* stays: `synchronous_commit` (a commit is with the kernel before it is answered) and `full_page_writes` (a
SIGKILL can tear a page). So a crash that a fault makes loses nothing that kine was told is stored.

It leaves nothing in the kernel either: shared memory is anonymous or a file in the data directory, and the small
System V segment that PostgreSQL uses as a lock is marked for removal once it is attached, and goes with its last user.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import psutil

from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqlclient import Account
from harness.cluster.sqllocal import ADMINISTRATOR, CONNECTIONS, LocalServer
from harness.errors import PlatformError
from harness.process.child import Child, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pathlib import Path

GONE_DEADLINE_S = 10.0
_REMOVE = 0
"""IPC_RMID, on every Linux architecture."""


@dataclass(slots=True)
class Postgres(LocalServer):
    """One PostgreSQL server."""

    product: ClassVar[str] = "PostgreSQL"
    folder: ClassVar[str] = "pg"

    name: str = "postgres"
    kind: str = "postgres"
    _created: bool = False

    @property
    def admin(self) -> PostgresAdmin:
        """The administrator's means."""
        return PostgresAdmin(Account("127.0.0.1", self.port, ADMINISTRATOR, self._secret, "postgres"), self.kine)

    def arguments(self) -> list[str]:
        """The command line."""
        return [str(self.installation.server), "-D", str(self.home / "data")]

    def settings(self) -> dict[str, str]:
        """What is added to postgresql.conf: given on the command line, every reload would complain about them."""
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
            "unix_socket_permissions": "0700",
            "max_connections": str(CONNECTIONS),
            "shared_buffers": "32MB",
            "huge_pages": "off",
            "dynamic_shared_memory_type": "mmap",
            "fsync": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_wal_size": "128MB",
            "jit": "off",
        }

    async def _prepare(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        secret = self.home / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._secret, encoding="utf-8")
        user = server_user()
        if user is not None:
            let_through(self.directory, user[1])
            for path in (self.home, secret):
                os.chown(path, *user)
        words = [
            str(self.installation.bin / "initdb"), "-D", str(self.home / "data"), "-U", ADMINISTRATOR,
            "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--wal-segsize=1",
            "--no-sync", "--no-instructions",
        ]  # fmt: skip
        await self._make_data("initdb", self._run("initdb", words), secret.name)
        with (self.home / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in self.settings().items())

    async def ready(self) -> None:
        """Return when it answers statements and has kine's role and database, which the first call makes.

        Raises WaitTimeoutError, or ClusterError when the process ends.
        """
        await LocalServer.ready(self)  # super() does not find its way in a dataclass with slots
        self._release_shared_memory()
        if not self._created:
            await self.admin.create()
            self._created = True

    async def stop(self) -> None:
        """Kill every process of it, as a crash would; returns when the last is gone. Its data stays.

        The postmaster's children lead sessions of their own. They end when they notice its death; a new postmaster
        refuses to start before.
        """
        postmaster = self._running
        postmaster.send(signal.SIGSTOP)  # so that none is born unseen
        try:
            family = psutil.Process(postmaster.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []  # it had ended before
        self._release_shared_memory()
        postmaster.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

        async def gone(progress: Progress) -> bool | None:
            left = [process.pid for process in family if _alive(process)]
            progress.last = f"still there: {left}"
            return None if left else True

        await until("PostgreSQL's processes to end", gone, deadline_s=GONE_DEADLINE_S, interval_s=0.01)

    def _run(self, name: str, words: list[str]) -> Child:
        env = {**self.env, "TZ": "UTC", "LC_ALL": "C"}
        return start(
            name, words, log_dir=self.directory / "log", env=env, cwd=self.home, user=server_user()
        )  # fmt: skip

    def _release_shared_memory(self) -> None:
        """Mark the System V segment for removal: the kernel does it when the last process is gone."""
        try:
            lines = (self.home / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            segment = int(lines[6].split()[1])  # the seventh line: its key and its id
        except (OSError, IndexError, ValueError):
            return  # not written yet, or not any more
        ctypes.CDLL(None).shmctl(segment, _REMOVE, None)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def server_user() -> tuple[int, int] | None:
    """(uid, gid) for the server's processes, which refuse to run as root; None (ours) when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise PlatformError(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody",
        hint="run the harness as an ordinary user, or make a user postgres: useradd --system postgres",
    )


def let_through(directory: Path, gid: int) -> None:
    """Let the members of one group pass through the run directory, which is root's alone, to the server's part of it.

    Passing (x) is neither listing nor reading, and the two directories that the harness made itself are all that is
    changed. Raises PlatformError when one above them is closed: that one is not ours to open.
    """
    for path in (directory.parent, directory):
        if not path.stat().st_mode & 0o001:
            os.chown(path, -1, gid)
            path.chmod(path.stat().st_mode & 0o7777 | 0o010)
    for path in directory.parents:
        about = path.stat()
        if not about.st_mode & 0o001 and not (about.st_gid == gid and about.st_mode & 0o010):
            raise PlatformError(
                f"PostgreSQL cannot run as root, and its user cannot pass through {path} to its data",
                hint="set INVENTORY_HARNESS_RUNS to a directory that others may pass through, such as one in /var/tmp",
            )
