"""Which SQL server is taken, how a URL is read, and what kine is told; no server is needed for that."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from harness.cluster import containers
from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgres import Postgres, let_through
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqladmin import Login, quoted
from harness.cluster.sqlclient import Account, literal
from harness.cluster.sqlcontainer import IMAGES, ContainerServer, image_of
from harness.cluster.sqlinstall import Installation, find_mariadb, find_postgres, numbers, too_old
from harness.cluster.sqlserver import Finders, choose
from harness.cluster.sqlurl import GivenServer, own_name, parse
from harness.errors import ClusterError, PlatformError, UsageError
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.cluster.dockerbox import Order
    from harness.cluster.sqlserver import SqlServer

MARK = "0badcafe"


@pytest.fixture(autouse=True)
def _no_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's own environment says."""
    for image in IMAGES.values():
        monkeypatch.delenv(image.variable, raising=False)


@pytest.fixture
def ports() -> Iterator[Ports]:
    """Ports that are given back."""
    taken = Ports()
    yield taken
    taken.release()


def program(path: Path, says: str) -> Path:
    """An executable that prints a version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def finders(
    *,
    postgres: Installation | None = None,
    mariadb: Installation | None = None,
    docker: str = "no Docker daemon answers",
) -> Finders:
    """A machine with these servers."""
    return Finders(lambda: postgres, lambda: mariadb, lambda: docker)


def chosen(kind: str, url: str = "", *, directory: Path, ports: Ports, on: Finders) -> SqlServer:
    """The server that is taken on such a machine."""
    return choose(kind, url, directory=directory, mark=MARK, env={}, ports=ports, finders=on)


def test_a_url_goes_before_what_is_installed_and_that_before_a_container(tmp_path: Path, ports: Ports) -> None:
    """The order is: given URL, installed server, container."""
    installed = finders(
        postgres=Installation(tmp_path, tmp_path / "postgres", "15.18"),
        mariadb=Installation(tmp_path, tmp_path / "mariadbd", "10.11.19-MariaDB"),
        docker="",
    )
    docker = finders(docker="")

    def source(kind: str, url: str, on: Finders) -> str:
        return chosen(kind, url, directory=tmp_path, ports=ports, on=on).source

    assert source("", "mysql://me:secret@db:3307", installed) == "MySQL at db:3307, given by URL"
    assert source("postgres", "", installed) == f"PostgreSQL 15.18 from {tmp_path}"
    assert source("mysql", "", installed) == f"MariaDB 10.11.19-MariaDB from {tmp_path}"
    assert source("postgres", "", docker) == f"PostgreSQL in a container of {IMAGES['postgres'].reference}"
    assert source("mysql", "", docker) == f"MariaDB in a container of {IMAGES['mysql'].reference}"


@pytest.mark.parametrize(
    ("kind", "package"), [("postgres", "postgresql"), ("mysql", "mariadb-server-core")]
)  # fmt: skip
def test_without_any_way_one_error_names_them_all(kind: str, package: str, tmp_path: Path, ports: Ports) -> None:
    """The error says why there is none, the package to install, Docker and the URL."""
    with pytest.raises(
        PlatformError, match=rf"no Docker daemon answers\n.*apt-get install .* {package}, .*Docker.*URL"
    ):
        chosen(kind, directory=tmp_path, ports=ports, on=finders())


def test_a_kind_that_is_unknown_or_not_the_urls_is_refused(tmp_path: Path, ports: Ports) -> None:
    """The error names what was given and what there is."""
    with pytest.raises(UsageError, match=r"'oracle'\n.*postgres, mysql"):
        chosen("oracle", directory=tmp_path, ports=ports, on=finders())
    with pytest.raises(UsageError, match=r"'postgres', but its URL is one of 'mysql'"):
        chosen("postgres", "mysql://me:secret@db", directory=tmp_path, ports=ports, on=finders())


def test_a_url_is_read_with_its_defaults() -> None:
    """Ports have defaults, parts are percent-decoded, and a database may be named."""
    assert parse("postgres://me:se%2Fcret@db").account == Account("db", 5432, "me", "se/cret", "")
    assert parse("postgresql://me@db:1/shop").account == Account("db", 1, "me", "", "shop")
    assert parse("mariadb://me:x@10.0.0.1/shop").account == Account("10.0.0.1", 3306, "me", "x", "shop")
    assert parse("mysql://me:x@db").kind == "mysql"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://me:tell-nobody@db", "begins with 'sqlite'"),
        ("me:tell-nobody@db", "begins with 'me'"),
        ("postgres://me:tell-nobody@/x", "names no host"),
        ("postgres://db/tell-nobody", "names no user"),
        ("mysql://me:tell-nobody@db/a/b", "a slash in it"),
        ("mysql://me:tell-nobody@db?tls=true", "parameters: none are supported"),
        ("mysql://me:tell-nobody@db:port", "cannot be read"),
    ],
)
def test_a_bad_url_is_refused_without_its_password(url: str, problem: str) -> None:
    """The error says what is wrong and which form is right, and does not repeat the URL."""
    with pytest.raises(UsageError, match=problem) as caught:
        parse(url)

    assert "tell-nobody" not in str(caught.value)
    assert "USER:PASSWORD@HOST" in caught.value.hint


def test_our_database_is_named_after_the_given_one_and_the_run() -> None:
    """Long names are cut before the mark, which is what makes them unique."""
    assert own_name("", MARK, 63) == "inventory_harness_0badcafe"
    assert own_name("shop", MARK, 63) == "shop_0badcafe"
    assert own_name("x" * 80, MARK, 32) == "x" * 23 + "_0badcafe"
    assert own_name("ä" * 80, MARK, 32) == "ä" * 11 + "_0badcafe"


def test_kine_is_told_the_given_address_and_its_own_account() -> None:
    """The endpoint leads through the relay's address; what a URL cannot hold is encoded for PostgreSQL alone."""
    login = Login("kine", "a/b@c", "kubernetes")
    account = Account("127.0.0.1", 1, "harness", "x", "postgres")

    assert PostgresAdmin(account, login).endpoint("127.0.0.1", 18001) == (
        "postgres://kine:a%2Fb%40c@127.0.0.1:18001/kubernetes?sslmode=disable"
    )
    assert (
        MysqlAdmin(account, login).endpoint("127.0.0.1", 18001) == "mysql://kine:a/b@c@tcp(127.0.0.1:18001)/kubernetes"
    )


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    """Neither an account nor a server shows its password when it is printed."""
    given = GivenServer(parse("postgres://me:tell-nobody@db/shop"), MARK, tmp_path)

    assert "tell-nobody" not in repr(given) + given.source + repr(Login("kine", "tell-nobody", "kubernetes"))


@pytest.mark.parametrize(
    ("kind", "version", "problem"),
    [
        ("postgres", "13.0", ""),
        ("postgres", "16.4", ""),
        ("postgres", "12.22", "PostgreSQL 12.22 is too old: 13 is"),
        ("mysql", "8.0.36", ""),
        ("mysql", "9.1.0", ""),
        ("mysql", "5.7.44-log", "MySQL 5.7.44-log is too old: 8.0 is"),
        ("mysql", "10.6.0-MariaDB", ""),
        ("mysql", "11.4.3-MariaDB-ubu2404", ""),
        ("mysql", "10.5.29-MariaDB", "MariaDB 10.5.29-MariaDB is too old: 10.6 is"),
        ("mysql", "unheard of", "MySQL unheard of is too old"),
    ],
)
def test_old_versions_are_named_with_the_oldest_supported(kind: str, version: str, problem: str) -> None:
    """MariaDB and MySQL are told apart by what the server says."""
    assert too_old(kind, version).startswith(problem)
    assert bool(too_old(kind, version)) is bool(problem)


def test_versions_are_compared_as_numbers() -> None:
    """Ten is more than nine."""
    assert numbers("10.11.19-MariaDB") == (10, 11, 19)
    assert numbers("16beta1") == (16,)
    assert numbers("none") == ()


def test_postgres_on_path_is_taken_else_the_newest_of_debian(tmp_path: Path) -> None:
    """Programs on PATH go first; then the newest directory, by number, that holds a supported version."""
    homes, on_path = tmp_path / "homes", tmp_path / "path"
    for version in ("9.6", "15", "17"):
        program(homes / version / "bin" / "postgres", f"postgres (PostgreSQL) {version}.1 (Debian)")
        program(homes / version / "bin" / "initdb", "")
    (homes / "18" / "bin").mkdir(parents=True)

    newest = find_postgres(homes, str(on_path))
    assert newest == Installation(homes / "17" / "bin", homes / "17" / "bin" / "postgres", "17.1")

    program(on_path / "initdb", "")
    program(on_path / "postgres", "postgres (PostgreSQL) 14.2")
    first = find_postgres(homes, str(on_path))
    assert first is not None
    assert first.version == "14.2"
    assert find_postgres(tmp_path / "none", str(tmp_path)) is None


def test_mariadb_is_taken_with_its_scripts_and_mysql_is_not(tmp_path: Path) -> None:
    """A server called mysqld is MariaDB when it says so; without the scripts beside it there is no way to start it."""
    place = tmp_path / "usr" / "bin"
    program(place / "mysqld", "mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)")
    assert find_mariadb(str(place)) is None

    program(place / "mysqld", "mysqld  Ver 11.4.3-MariaDB for debian-linux-gnu on x86_64 (Debian)")
    assert find_mariadb(str(place)) is None

    share = tmp_path / "usr" / "share" / "mariadb"
    share.mkdir(parents=True)
    scripts = tuple(share / name for name in ("mariadb_system_tables.sql", "mariadb_system_tables_data.sql"))
    for script in scripts:
        script.touch()
    assert find_mariadb(str(place)) == Installation(place, place / "mysqld", "11.4.3-MariaDB", scripts)


def test_what_is_written_into_sql_is_quoted() -> None:
    """Quotation marks are doubled, and what cannot be written safely is refused."""
    assert literal("it's") == "'it''s'"
    assert quoted('a"b', '"') == '"a""b"'
    assert quoted("a`b", "`") == "`a``b`"
    with pytest.raises(ClusterError, match="backslash"):
        literal("a\\")


def test_postgres_keeps_what_guards_against_the_death_of_a_process(tmp_path: Path) -> None:
    """Syncing is off; full-page writes and synchronous commit stay as they are; only loopback is served."""
    server = Postgres(Installation(tmp_path, tmp_path / "postgres", "15.18"), tmp_path, 18001, {})
    settings = server.settings()

    assert settings["fsync"] == "off"
    assert settings["listen_addresses"] == "127.0.0.1"
    assert not {"synchronous_commit", "full_page_writes"} & settings.keys()


def test_only_the_run_directory_and_the_one_above_are_opened(tmp_path: Path) -> None:
    """The group may pass, not list or read; a closed directory further above is named, and left closed."""
    closed, run_dir = tmp_path / "closed", tmp_path / "closed" / "runs" / "0badcafe"
    run_dir.mkdir(parents=True)
    for path in (closed, run_dir.parent, run_dir):
        path.chmod(0o700)
    group = run_dir.stat().st_gid

    with pytest.raises(PlatformError, match=f"cannot pass through {closed} to its data"):
        let_through(run_dir, group)

    assert [stat.S_IMODE(path.stat().st_mode) for path in (closed, run_dir.parent, run_dir)] == [0o700, 0o710, 0o710]


@dataclass
class FakeBox:
    """Stands for a container; remembers what was done to it."""

    order: Order
    create_fails: bool = False
    code: int | None = None
    reaped: bool = False
    calls: list[str] = field(default_factory=list)

    def create(self) -> None:
        """Pull, make, start; nobody will answer at its port."""
        self.calls.append("create")
        if self.create_fails:
            raise ClusterError("Docker did not start a container")

    def kill(self) -> None:
        """SIGKILL."""
        self.calls.append("kill")

    def again(self) -> None:
        """Start again."""
        self.calls.append("again")

    def ended(self) -> int | None:
        """Whether it has ended."""
        return self.code

    def tail(self, lines: int) -> str:
        """Its last words."""
        return f"the last {lines} lines"

    def remove(self) -> None:
        """Remove."""
        self.calls.append("remove")


@pytest.mark.parametrize("kind", sorted(IMAGES))
def test_a_container_is_pinned_labelled_and_on_loopback(kind: str, tmp_path: Path) -> None:
    """The image has a tag with a version, the run is in its labels and name, and the password is in no command."""
    server = ContainerServer(kind, 18001, MARK, tmp_path)
    order = server.order()

    assert numbers(order.reference.partition(":")[2]) >= (10, 0)
    assert order.labels == containers.labels(MARK, tmp_path)
    assert MARK in order.name
    assert order.port == 18001
    assert server.address == ("127.0.0.1", 18001)
    secret = order.environment[server.image.secret]
    assert secret == server.admin.account.password
    assert secret not in repr(order) + repr(server) + " ".join(order.command)
    assert server.kine.host == "%"


@pytest.mark.parametrize("kind", sorted(IMAGES))
def test_a_named_image_is_taken_whatever_is_installed(
    kind: str, tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable names the image and asks for a container; without Docker the error names the variable."""
    installed = Installation(tmp_path, tmp_path / "server", "15.18")
    machine = finders(postgres=installed, mariadb=installed, docker="")
    monkeypatch.setenv(IMAGES[kind].variable, " mirror.invalid/db:1 ")

    server = chosen(kind, directory=tmp_path, ports=ports, on=machine)
    name = "PostgreSQL" if kind == "postgres" else "MariaDB"
    assert server.source == f"{name} in a container of mirror.invalid/db:1"
    with pytest.raises(PlatformError, match=f"{IMAGES[kind].variable} names an image, but no Docker"):
        chosen(kind, directory=tmp_path, ports=ports, on=finders(postgres=installed, mariadb=installed))
    monkeypatch.setenv(IMAGES[kind].variable, "")
    assert image_of(kind) == IMAGES[kind]


@pytest.mark.parametrize(
    ("code", "create_fails", "problem"),
    [(None, True, "Docker did not"), (3, False, "ended with 3 while starting; it says:\nthe last 8 lines")],
)
def test_a_container_that_failed_to_start_is_removed_all_the_same(
    code: int | None, create_fails: bool, problem: str, tmp_path: Path
) -> None:
    """What Docker made before it failed does not stay: dispose removes it, once."""
    boxes: list[FakeBox] = []

    def make(order: Order) -> FakeBox:
        boxes.append(FakeBox(order, create_fails, code))
        return boxes[-1]

    async def story() -> None:
        server = ContainerServer("postgres", 18001, MARK, tmp_path, make=make)
        with pytest.raises(ClusterError, match="was not started"):
            await server.stop()
        with pytest.raises(ClusterError, match=problem):
            await server.start()
        await server.dispose()
        await server.dispose()

    asyncio.run(story())
    assert [box.calls for box in boxes] == [["create", "remove"]]
