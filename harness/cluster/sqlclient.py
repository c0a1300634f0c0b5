"""The harness's own way to a SQL server: short statements, each call on a connection of its own, errors mapped.

Both drivers are pure Python and blocking, with a time limit on the socket itself: a server that was stopped in the
middle of an answer cannot hold a call for longer. The calls run in threads; they start no processes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pg8000.exceptions
import pg8000.native
import pymysql
from pymysql.constants import CR

from harness.errors import ClusterError

if TYPE_CHECKING:
    from pymysql.connections import Connection

ANSWER_S = 5.0
"""How long the server may take for a connection, and for each answer."""
_UNREACHABLE = frozenset((CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST))

Row = tuple[Any, ...]


class SqlError(ClusterError):
    """A SQL server refused, or did not answer.

    `code` is the server's own: an SQLSTATE of PostgreSQL ("28P01"), an error number of MySQL ("1045"); empty when there
    was no answer. `words` are the server's or the driver's.
    """

    def __init__(self, what: str, *, code: str, words: str, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Account:
    """Who connects, and where to. `database` may be empty (MySQL: none; PostgreSQL: the one named as the user)."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str = ""

    @property
    def place(self) -> str:
        """host:port, for messages."""
        return f"{self.host}:{self.port}"


def literal(text: str) -> str:
    """A string literal of both dialects, for values without a backslash."""
    if "\\" in text or "\0" in text:
        raise ClusterError(f"cannot write {text!r} as a SQL literal: it holds a backslash or a zero byte")
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


async def postgres(account: Account, *statements: str) -> list[Row]:
    """Run statements on one new connection to PostgreSQL; the rows of the last. Raises SqlError."""
    return await asyncio.to_thread(_postgres, account, statements)


async def mysql(account: Account, *statements: str) -> list[Row]:
    """Run statements on one new connection to MySQL or MariaDB; the rows of the last. Raises SqlError."""
    return await asyncio.to_thread(_mysql, account, statements)


async def mysql_held(account: Account) -> Connection[Any]:
    """A connection to MySQL or MariaDB that stays open until the caller closes it. Raises SqlError."""
    return await asyncio.to_thread(_mysql_connected, account)


def _postgres(account: Account, statements: tuple[str, ...]) -> list[Row]:
    # Ours must be able to write while everybody else is made read-only.
    options = f"-c default_transaction_read_only=off -c statement_timeout={int(ANSWER_S * 1000)}"
    rows: list[Row] = []
    try:
        with pg8000.native.Connection(
            account.user,
            host=account.host,
            port=account.port,
            password=account.password,
            database=account.database or None,
            timeout=ANSWER_S,
            ssl_context=False,
            application_name="inventory-harness",
            startup_params={"options": options},
        ) as connection:
            for statement in statements:
                rows = [tuple(row) for row in connection.run(statement) or ()]
    except pg8000.exceptions.DatabaseError as exc:
        said = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
        raise _refused("PostgreSQL", account, str(said.get("C", "")), str(said.get("M", exc))) from exc
    except (pg8000.exceptions.InterfaceError, OSError) as exc:
        raise _silent("PostgreSQL", account, str(exc.__cause__ or exc)) from exc
    return rows


def _mysql(account: Account, statements: tuple[str, ...]) -> list[Row]:
    rows: list[Row] = []
    connection = _mysql_connected(account)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
    except (pymysql.Error, OSError) as exc:
        raise _mysql_error(account, exc) from exc
    return rows


def _mysql_connected(account: Account) -> Connection[Any]:
    try:
        return pymysql.connect(
            host=account.host,
            port=account.port,
            user=account.user,
            password=account.password,
            database=account.database or None,
            charset="utf8mb4",
            connect_timeout=ANSWER_S,
            read_timeout=ANSWER_S,
            write_timeout=ANSWER_S,
            autocommit=True,
            ssl_disabled=True,
            program_name="inventory-harness",
        )
    except (pymysql.Error, OSError, RuntimeError) as exc:
        raise _mysql_error(account, exc) from exc


def _mysql_error(account: Account, exc: Exception) -> SqlError:
    number, words = exc.args if len(exc.args) == 2 else (0, str(exc))
    if not isinstance(exc, pymysql.Error) or number in _UNREACHABLE or not number:
        return _silent("the MySQL server", account, str(words))
    return _refused("the MySQL server", account, str(number), str(words))


def _refused(server: str, account: Account, code: str, words: str) -> SqlError:
    return SqlError(
        f"{server} at {account.place} refused user {account.user!r}: {words} ({code})", code=code, words=words
    )  # fmt: skip


def _silent(server: str, account: Account, words: str) -> SqlError:
    return SqlError(f"{server} at {account.place} does not answer: {words}", code="", words=words)
