"""A sweep of everything: a dead run's database goes before the directory that tells of it, or both stay."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from harness.cluster import sqlmade
from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqlclient import Account, SqlError
from harness.cluster.sweep import sweep
from harness.errors import PlatformError
from harness.process import cell

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = Account("db", 5432, "me", "tell-nobody", "postgres")
NAME = "inventory_harness_0badcafe"


class Servers:
    """Notes what is dropped; refuses with a code, "" where nobody answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: str | None = None) -> None:
        self.dropped: list[tuple[str, Account, str]] = []
        self.refuses = refuses
        asked = self

        async def drop(admin: PostgresAdmin | MysqlAdmin, *, role: bool) -> None:
            assert role
            if asked.refuses is not None:
                raise SqlError("the server at db:5432 refused", code=asked.refuses, words="no")
            asked.dropped.append((admin.kind, admin.account, admin.kine.database))
            assert admin.kine.user == admin.kine.database

        monkeypatch.setattr(PostgresAdmin, "drop", drop)
        monkeypatch.setattr(MysqlAdmin, "drop", drop)


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """The directory of a dead run."""
    path = tmp_path / "0badcafe"
    path.mkdir()
    return path


def aged(path: Path) -> None:
    """Make it older than a run that is about to begin."""
    old = time.time() - 3600
    os.utime(path, (old, old))


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_dead_runs_database_is_dropped_with_its_directory(
    kind: str, dead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the account that was given, under the run's name; the file is for its user alone."""
    servers = Servers(monkeypatch)
    sqlmade.record(dead, kind, ACCOUNT, NAME)
    mode = (dead / sqlmade.FILE).stat().st_mode & 0o777
    aged(dead)

    swept = sweep(dead.parent)

    assert mode == 0o600
    assert servers.dropped == [(kind, ACCOUNT, NAME)]
    assert swept.databases == (f"database {NAME} at db:5432",)
    assert swept.runs.directories == (dead,)
    assert swept.kept == ()


def test_what_could_not_be_dropped_is_told_and_tried_again(dead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`harness sweep` fails and shows no password; the file stays until a sweep meets a server that answers."""
    from harness.cli.sweep import sweep as command  # noqa: PLC0415 - the command has the name of its module

    servers = Servers(monkeypatch, refuses="")
    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(dead.parent))
    sqlmade.record(dead, "postgres", ACCOUNT, NAME)
    aged(dead)

    result = CliRunner().invoke(command)

    assert isinstance(result.exception, PlatformError)
    assert "db:5432 refused" in result.exception.what
    assert str(dead) in (result.exception.hint or "")
    assert "tell-nobody" not in str(result.exception) + result.output
    assert json.loads((dead / sqlmade.FILE).read_text(encoding="utf-8"))["name"] == NAME

    servers.refuses = None
    assert CliRunner().invoke(command).output == f"removed database {NAME} at db:5432\nremoved {dead}\n"


def test_what_may_not_be_dropped_was_not_made(dead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that may make no account is refused at that, and there is none to be removed."""
    Servers(monkeypatch, refuses="42501")
    sqlmade.record(dead, "postgres", ACCOUNT, NAME)
    aged(dead)

    assert sweep(dead.parent).kept == ()


def test_a_run_that_made_nothing_there_is_swept_as_ever(dead: Path) -> None:
    """Without the file nobody is asked; what was forgotten is nothing."""
    sqlmade.record(dead, "postgres", ACCOUNT, NAME)
    sqlmade.forget(dead)
    sqlmade.forget(dead)
    aged(dead)

    swept = sweep(dead.parent)

    assert swept.databases == ()
    assert swept.runs.directories == (dead,)


def test_a_dead_runs_control_group_goes_with_its_directory(dead: Path, tmp_path: Path) -> None:
    """Where it is stands in the directory; it is told of."""
    group = tmp_path / "inventory-harness-0badcafe"
    group.mkdir()
    (dead / cell.FILE).write_text(str(group), encoding="utf-8")
    aged(dead)

    swept = sweep(dead.parent)

    assert swept.groups == (str(group),)
    assert swept.runs.directories == (dead,)
    assert not group.exists()


def test_a_control_group_in_use_keeps_the_directory_that_tells_of_it(dead: Path, tmp_path: Path) -> None:
    """The next sweep can remove both."""
    group = tmp_path / "inventory-harness-0badcafe"
    (group / "busy").mkdir(parents=True)
    (dead / cell.FILE).write_text(str(group), encoding="utf-8")
    aged(dead)

    ((path, why),) = sweep(dead.parent).kept

    assert (path, dead.is_dir()) == (dead, True)
    assert str(group) in why
    (group / "busy").rmdir()
    assert sweep(dead.parent).groups == (str(group),)
