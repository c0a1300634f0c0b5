from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import PlatformError
from harness.process import ports
from harness.process.ports import Ports, free

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
TAKER = """
import sys
from harness.process.ports import Ports
mine = Ports()
print(*[mine.take() for _ in range(40)], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ports]:
    """Ports with a lock directory that nobody else uses."""
    monkeypatch.setattr(ports, "LOCK_DIR", tmp_path / "locks")
    taken = Ports()
    yield taken
    taken.release()


def taker() -> subprocess.Popen[str]:
    """A process that takes forty ports and holds them until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", TAKER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_processes_never_get_the_same_port() -> None:
    """Ports taken by three processes at once are all different, and below the kernel's own range."""
    takers = [taker() for _ in range(3)]
    try:
        taken = [
            int(word) for process in takers for word in (process.stdout or pytest.fail("no pipe")).readline().split()
        ]
    finally:
        for process in takers:
            process.communicate("", timeout=20)

    assert len(taken) == 120
    assert len(set(taken)) == 120
    assert all(ports.FIRST <= port <= ports.LAST < 32768 for port in taken)


def test_a_dead_owner_gives_its_ports_back(own: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port whose owner was killed can be taken again."""
    port = own.take()
    monkeypatch.setattr(ports, "FIRST", port)
    monkeypatch.setattr(ports, "LAST", port)
    script = f"""
import os
from pathlib import Path
from harness.process import ports
ports.LOCK_DIR, ports.FIRST, ports.LAST = Path({str(ports.LOCK_DIR)!r}), {port}, {port}
held = ports.Ports()
assert held.take() == {port}
os.kill(os.getpid(), 9)
"""
    own.release()
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == -9

    assert own.take() == port


def test_a_port_in_use_is_never_given_out(own: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the only port in range has a listener, taking one is an error that names the range."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)

        with pytest.raises(PlatformError, match=f"between {port} and {port}"):
            own.take()


def test_a_reserved_port_is_not_taken_twice(own: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second holder in the same process does not get what the first one holds, until it is released."""
    port = own.take()
    monkeypatch.setattr(ports, "FIRST", port)
    monkeypatch.setattr(ports, "LAST", port)
    second = Ports()

    with pytest.raises(PlatformError, match="no free port"):
        second.take()
    own.release()

    assert second.take() == port
    second.release()


def test_a_lock_directory_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names the directory that is in the way."""
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(ports, "LOCK_DIR", blocked / "locks")

    with pytest.raises(PlatformError, match=str(blocked / "locks")):
        Ports().take()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_listener_is_seen_on_loopback_and_on_all_addresses(address: str) -> None:
    """A port is not free while a program listens on it, and free again after."""
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert not free(port)

    assert free(port)


def test_release_leaves_no_open_files(own: Ports) -> None:
    """Taking and releasing ports changes nothing in the number of open files."""
    before = open_files()
    for _ in range(10):
        own.take()
    own.release()

    assert open_files() == before
