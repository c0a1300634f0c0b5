"""What a run has made on a SQL server given by URL, on disk while it is there, so that a dead run's can be removed.

The server outlives the harness, and so would our database there and our account, also one that a fault has made
read-only or closed to connections. Before anything is made, a file in the run's private directory says where and under
which name; it holds the password that was given, is for the user alone, and goes with the directory.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqladmin import Login
from harness.cluster.sqlclient import Account, SqlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "sql-by-url.json"
MEANS: Mapping[str, type[PostgresAdmin | MysqlAdmin]] = {"postgres": PostgresAdmin, "mysql": MysqlAdmin}
FROM_ANYWHERE = "%"
DENIED = frozenset(("42501", "1044", "1142", "1227", "1410"))


def record(directory: Path, kind: str, account: Account, name: str) -> None:
    """Write down that a database, and perhaps an account, of that name are about to be made with the given account."""
    made = directory / f"{FILE}.new"
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump({"kind": kind, "account": asdict(account), "name": name}, file)
    made.replace(directory / FILE)


def forget(directory: Path) -> None:
    """Nothing of the run is left there."""
    (directory / FILE).unlink(missing_ok=True)


async def remove(directory: Path) -> str:
    """Drop what a dead run had made; says what and where, "" when it had made nothing. Raises ClusterError."""
    if not (directory / FILE).exists():
        return ""
    made = json.loads((directory / FILE).read_text(encoding="utf-8"))
    account, name = Account(**made["account"]), str(made["name"])
    await drop(MEANS[made["kind"]](account, Login(name, "", name, FROM_ANYWHERE)), role=True)
    forget(directory)
    return f"database {name} at {account.place}"


async def drop(admin: PostgresAdmin | MysqlAdmin, *, role: bool) -> None:
    """Remove what had been made, or may have been; what cannot be removed for lack of rights was not made."""
    try:
        await admin.drop(role=role)
    except SqlError as exc:
        if exc.code not in DENIED:
            raise
