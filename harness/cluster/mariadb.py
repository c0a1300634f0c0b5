"""MariaDB, installed on this machine, as a throw-away server in the run directory.

The data directory is made by the server's own `--bootstrap`, from the scripts that mariadb-install-db feeds to it, but
without the help texts and the sys schema, which take half of the time, and without that script's change of ownership of
a plug-in outside of the data directory.

What is switched off is what guards against the death of the *machine* (syncing). What guards against the death of the
*process* stays: a commit is with the kernel before it is answered, and pages are written twice (SIGKILL can tear one).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.sqlclient import Account, literal
from harness.cluster.sqllocal import ADMINISTRATOR, CONNECTIONS, LocalServer


@dataclass(slots=True)
class MariaDb(LocalServer):
    """One MariaDB server."""

    product: ClassVar[str] = "MariaDB"
    folder: ClassVar[str] = "my"

    name: str = "mariadb"
    kind: str = "mysql"

    @property
    def admin(self) -> MysqlAdmin:
        """The administrator's means."""
        return MysqlAdmin(Account("127.0.0.1", self.port, ADMINISTRATOR, self._secret), self.kine)

    def arguments(self) -> list[str]:
        """The command line."""
        return [
            *self._common(),
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.home / 'sock'}",
            f"--pid-file={self.home / 'pid'}",
            f"--max-connections={CONNECTIONS}",
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

    async def _prepare(self) -> None:
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
        await self._make_data("making MariaDB's data directory", child, script.name)

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
