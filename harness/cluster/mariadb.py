"""MariaDB, installed on this machine, as a throw-away server in the run directory.

The data directory is made by the server's own `--bootstrap`, from the scripts that mariadb-install-db feeds to it, but
without the help texts and the sys schema, which take half of the time, and without that script's change of ownership of
a plug-in outside of the data directory.

What is switched off is what guards against the death of the *machine* (syncing). What guards against the death of the
*process* stays: a commit is with the kernel before it is answered, and pages are written twice (SIGKILL can tear one).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.sqladmin import Login, password
from harness.cluster.sqlclient import Account, SqlError, literal
from harness.errors import ClusterError
from harness.process.child import Child, last_words, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.sqladmin import Hold
    from harness.cluster.sqlclient import Row
    from harness.cluster.sqlinstall import Installation

START_DEADLINE_S = 30.0
ADMINISTRATOR = "harness"
_CONNECTIONS = 200
"""Kine's pool has no limit of its own and grows with the API server's requests under way."""


@dataclass(slots=True)
class MariaDb:
    """One MariaDB server on loopback, its data below `directory` (the run's own).

    `directory / "log"` must exist. `env` is the whole environment of its processes.
    """

    installation: Installation
    directory: Path
    port: int
    env: dict[str, str]
    kine: Login = field(default_factory=Login.fresh)
    name: str = "mariadb"
    kind: str = "mysql"
    _secret: str = field(default_factory=password, repr=False)
    _prepared: bool = False
    _child: Child | None = None

    @property
    def child(self) -> Child | None:
        """The process, once it was started."""
        return self._child

    @property
    def version(self) -> str:
        """Such as "10.11.19-MariaDB"."""
        return self.installation.version

    @property
    def source(self) -> str:
        """Which server this is, in one line."""
        return f"MariaDB {self.version} from {self.installation.bin}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        return ("127.0.0.1", self.port)

    @property
    def home(self) -> Path:
        """Its own directory in the run's: data and unix socket, for nobody else to see."""
        return self.directory / "my"

    @property
    def admin(self) -> MysqlAdmin:
        """The administrator's means."""
        return MysqlAdmin(Account("127.0.0.1", self.port, ADMINISTRATOR, self._secret), self.kine)

    def kine_endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address."""
        return self.admin.endpoint(host, port)

    def arguments(self) -> list[str]:
        """The command line."""
        return [
            *self._common(),
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.home / 'sock'}",
            f"--pid-file={self.home / 'pid'}",
            f"--max-connections={_CONNECTIONS}",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def _common(self) -> list[str]:
        """What bootstrap and server must agree on, or both need."""
        as_root = ["--user=root"] if os.geteuid() == 0 else []  # it refuses root unless told so
        return [
            str(self.installation.server),
            "--no-defaults",
            *as_root,
            f"--datadir={self.home / 'data'}",
            f"--tmpdir={self.home}",
            "--innodb-data-file-path=ibdata1:8M:autoextend",
            "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=64M",
            "--debug-no-sync",
        ]

    async def start(self) -> None:
        """Start it and return when kine can be; the first time, from nothing. Raises ClusterError, WaitTimeoutError."""
        await self.prepare()
        self.launch()
        await self.ready()

    async def prepare(self) -> None:
        """Make the data directory, if it is not there yet; raises ClusterError with the server's last words."""
        if self._prepared:
            return
        for path in (self.home, self.home / "data"):
            path.mkdir(mode=0o700, exist_ok=True)
        script = self.home / "bootstrap.sql"
        script.touch(mode=0o600)
        script.write_text(self._script(), encoding="utf-8")
        # Bootstrap reads its statements from stdin. The shell replaces itself, and stays the child that dies with us.
        words = [
            *self._common(), "--bootstrap", "--log-warnings=0", "--enforce-storage-engine=", "--net-buffer-length=16K",
            "--max-allowed-packet=8M",
        ]  # fmt: skip
        child = self._run("mariadb-bootstrap", ["/bin/sh", "-c", 'exec "$@" <"$0"', str(script), *words])
        code = await child.wait(START_DEADLINE_S)
        child.kill()
        script.unlink()
        if code != 0:
            raise ClusterError(
                f"making MariaDB's data directory ended with {code}; its last lines:\n{last_words(child.stderr_path)}",
                hint=f"its whole output is in {child.stderr_path.parent}",
            )
        self._prepared = True

    def _script(self) -> str:
        """System tables, two accounts with passwords and none without, kine's database: one statement a line.

        Bootstrap takes the accounts' rows as they are and knows no CREATE USER before it reads them again.
        """
        administrator = f"{literal(ADMINISTRATOR)}@{literal(self.kine.host)}"
        accounts = [
            "DELETE FROM mysql.global_priv",
            "DELETE FROM mysql.proxies_priv",
            "FLUSH PRIVILEGES",
            f"CREATE USER {administrator} IDENTIFIED BY {literal(self._secret)}",
            f"GRANT ALL ON *.* TO {administrator} WITH GRANT OPTION",
            *self.admin.creation(),
        ]
        return "\n".join(
            (
                "CREATE DATABASE mysql;",
                "USE mysql;",
                "SET @auth_root_socket=NULL;",
                *(path.read_text(encoding="utf-8") for path in self.installation.scripts),
                *(f"{statement};" for statement in accounts),
                "",
            )
        )

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._child = self._run(self.name, self.arguments())

    async def ready(self) -> None:
        """Return when it answers statements; raises WaitTimeoutError, or ClusterError when the process ends."""

        async def answers(progress: Progress) -> bool | None:
            require_running(self._running, "starting")
            try:
                await self.admin.version()
            except SqlError as exc:
                progress.last = exc.what
                return None
            return True

        await until("MariaDB to answer", answers, deadline_s=START_DEADLINE_S, interval_s=0.02)

    async def stop(self) -> None:
        """Kill the process, as a crash would; its data stays."""
        self._running.kill()

    async def dispose(self) -> None:
        """End it for good; its data goes with the run directory."""
        if self._child is not None:
            await self.stop()

    async def query(self, sql: str) -> list[Row]:
        """One statement as administrator, in kine's database; raises ClusterError."""
        return await self.admin.query(sql)

    async def set_read_only(self, on: bool) -> None:
        """Make every session, kine's open ones too, refuse writes, or accept them again; raises ClusterError."""
        await self.admin.set_read_only(on)

    async def exhaust(self) -> Hold:
        """End kine's sessions and leave it no connection until the returned hold is released; raises ClusterError."""
        return await self.admin.exhaust()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise ClusterError("MariaDB was not started")
        return self._child

    def _run(self, name: str, words: list[str]) -> Child:
        return start(name, words, log_dir=self.directory / "log", env=self.env, cwd=self.home)
