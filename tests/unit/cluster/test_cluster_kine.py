"""Which kine is taken, what it is told, and how it is reached; kine is never started."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.kine import OLDEST, KineStore, plan_kine, require_recent
from harness.errors import ClusterError, ToolchainError
from harness.process.ports import Ports
from harness.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.cluster.sqlserver import SqlServer

PASSWORD = "tell-nobody"
NUMBER = st.integers(0, 40)
TAIL = st.sampled_from(["", "-rc1", "+k3s1", "-dirty", "-rc1+k3s1"])


@pytest.fixture
def ports() -> Iterator[Ports]:
    """Ports that are given back."""
    taken = Ports()
    yield taken
    taken.release()


@dataclass
class Server:
    """Stands for a SQL server somewhere else."""

    kind: str = "postgres"
    name: str = "sql-by-url"
    source: str = "PostgreSQL at db:5433, given by URL"
    address: tuple[str, int] = ("db", 5433)
    child: None = None

    def kine_endpoint(self, host: str, port: int) -> str:
        """What kine is told."""
        return f"postgres://kine:{PASSWORD}@{host}:{port}/kubernetes"


def planned(directory: Path, ports: Ports, server: Server | None, *, relayed: bool = False) -> KineStore:
    """Kine on that server, or on SQLite."""
    tools = Toolchain({"kine": directory / "kine"}, {"kine": "v0.17.5"}, {"kine": "path"}, {"kine": ""})
    return plan_kine(tools, directory, ports, {}, cast("SqlServer | None", server), relayed=relayed)


@given(NUMBER, NUMBER, NUMBER, TAIL, st.sampled_from(["v", ""]))
def test_a_kine_that_is_too_old_is_refused_and_no_other(major: int, minor: int, patch: int, tail: str, v: str) -> None:
    """Versions are compared as numbers, whatever follows them; the error names both versions and the way out."""
    version = f"{v}{major}.{minor}.{patch}{tail}"
    if (major, minor, patch) >= OLDEST:
        require_recent(version)
        return

    with pytest.raises(ToolchainError) as caught:
        require_recent(version)
    assert f"kine {version} is too old: v0.13.0 or newer" in caught.value.what
    assert "--assets" in caught.value.hint


@pytest.mark.parametrize(("version", "old"), [("v0.13", False), ("v0.12", True), ("v1", False), ("v0", True)])
def test_a_version_with_fewer_parts_has_zeros_in_their_place(version: str, old: bool) -> None:
    """Two numbers, or one, are a version as well."""
    if not old:
        require_recent(version)
        return
    with pytest.raises(ToolchainError):
        require_recent(version)


@given(st.one_of(st.text(), st.text("v0123456789.-+²", max_size=12)))
def test_an_odd_version_is_refused_or_let_pass(version: str) -> None:
    """Whatever a binary prints, the answer is no other error than the one for a kine that is too old."""
    with suppress(ToolchainError):
        require_recent(version)


@pytest.mark.parametrize("version", ["dev", "(devel)", "", "v"])
def test_a_version_that_is_none_is_let_pass(version: str) -> None:
    """A kine that somebody built is taken at their word."""
    require_recent(version)


def test_no_password_is_shown(tmp_path: Path, ports: Ports) -> None:
    """It stands neither on the command line, which every user of the machine can read, nor in what is printed."""
    store = planned(tmp_path, ports, Server(), relayed=True)
    store.aim()

    assert PASSWORD in store.kine.endpoint
    assert PASSWORD not in " ".join(store.kine.arguments()) + repr(store) + repr(store.kine) + store.source


def test_sqlite_is_a_file_beside_kine(tmp_path: Path, ports: Ports) -> None:
    """Without a relay the API server reaches kine itself, and there is nothing between kine and its file."""
    store = planned(tmp_path, ports, None)

    assert store.links == ()
    assert store.endpoints(None) == store.endpoints(2) == f"http://127.0.0.1:{store.kine.port}"
    assert f"--listen-address=127.0.0.1:{store.kine.port}" in store.kine.arguments()
    assert store.kine.endpoint.startswith(f"sqlite://{tmp_path}/kine.db?")
    assert (store.kind, store.name, store.source) == ("sqlite", "kine", "kine v0.17.5 on SQLite")


def test_a_sql_server_is_reached_through_a_link(tmp_path: Path, ports: Ports) -> None:
    """Kine is told the link's address, and the link leads to where the server is."""
    store = planned(tmp_path, ports, Server())
    (link,) = store.links

    assert (link.name, link.host, link.targets) == ("sql", "db", [5433])
    assert store.kine.endpoint == "", "before the server was started there is no account to name"
    store.aim()
    assert f"@127.0.0.1:{link.port}/" in store.kine.endpoint
    assert store.reached_at == store.kine.port
    assert (store.kind, store.name) == ("postgres", "sql-by-url")
    assert store.source == "kine v0.17.5 on PostgreSQL at db:5433, given by URL"


@pytest.mark.parametrize("server", [None, Server()], ids=["sqlite", "sql"])
def test_with_a_relay_kine_is_reached_through_a_link(tmp_path: Path, ports: Ports, server: Server | None) -> None:
    """The API server is given that link's port, which no one else has."""
    store = planned(tmp_path, ports, server, relayed=True)
    link = store.links[-1]

    assert (link.name, link.host, link.targets) == ("client-kine", "127.0.0.1", [store.kine.port])
    assert store.endpoints(None) == f"http://127.0.0.1:{link.port}"
    assert len({store.kine.port, *(one.port for one in store.links)}) == len(store.links) + 1


def test_what_was_never_started_has_no_process(tmp_path: Path, ports: Ports) -> None:
    """There is nothing to kill before the first start, and asking for it is an error."""
    store = planned(tmp_path, ports, None)

    assert store.processes() == {}
    with pytest.raises(ClusterError, match="kine was not started"):
        _ = store.kine.child
