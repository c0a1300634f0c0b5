"""Releases are used only when they are whole and match what was published."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.errors import ToolchainError
from harness.toolchain import COMPONENTS, Progress, resolve
from tests.unit.toolchain.mirror import (
    ETCD_SUMS,
    ETCD_TAR,
    KWOK_BINARY,
    KWOK_RECORD,
    SAYS,
    Mirror,
    binary_path,
    script,
)

if TYPE_CHECKING:
    from pathlib import Path

SERVER = binary_path("kube-apiserver")

RESOLVE = """\
import sys
from pathlib import Path
from harness.toolchain import resolve
tools = resolve(mirror=sys.argv[1], cache=Path(sys.argv[2]), no_build=True, report=lambda p: print(p.phase, flush=True))
print(*sorted(set(tools.sources.values())), flush=True)
"""


def _start(mirror: Mirror, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, mirror.url, str(cache)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _binaries(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "bin").rglob("*") if path.is_file())


def test_every_component_comes_from_the_mirror(mirror: Mirror, tmp_path: Path) -> None:
    """A complete mirror serves all components, each is asked for once, and etcd's archive serves two."""
    tools = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert set(tools.sources.values()) == {"download"}
    assert {name: tools.versions[name] for name in tools.paths} == {c.name: c.version for c in COMPONENTS}
    for name, path in tools.paths.items():
        assert path.read_bytes() == script(SAYS[name])
        assert os.access(path, os.X_OK)
    assert set(mirror.asked.values()) == {1}
    assert mirror.asked[ETCD_TAR] == 1


def test_a_second_resolution_takes_the_cache(mirror: Mirror, tmp_path: Path) -> None:
    """What was downloaded once is not asked for again."""
    first = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    asked = mirror.asked.total()
    second = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert set(second.sources.values()) == {"cache"}
    assert second.sha256 == first.sha256
    assert mirror.asked.total() == asked


@pytest.mark.parametrize(
    ("path", "name"), [(f"{SERVER}.sha256", "kube-apiserver"), (ETCD_SUMS, "etcd"), (KWOK_RECORD, "kwok")]
)
def test_a_wrong_checksum_is_refused(mirror: Mirror, tmp_path: Path, path: str, name: str) -> None:
    """A file whose digest is not the published one is not used, and the error gives both digests."""
    good = mirror.files[path].decode()
    digest = next(word for word in good.replace('"', " ").replace("sha256:", "").split()[::-1] if len(word) == 64)
    mirror.files[path] = good.replace(digest, "f" * 64).encode()
    with pytest.raises(ToolchainError, match=f"SHA-256 is {digest}, published is {'f' * 64}"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert name not in _binaries(tmp_path)


def test_a_truncated_body_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    """A body that ends early is not used, and the error says how much came."""
    mirror.cut.add(SERVER)
    size = len(mirror.files[SERVER])
    with pytest.raises(ToolchainError, match=f"broke off after {size // 2} of {size} bytes"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert "kube-apiserver" not in _binaries(tmp_path)


@pytest.mark.parametrize("path", [f"{SERVER}.sha256", ETCD_SUMS])
def test_a_release_without_a_published_checksum_is_not_downloaded(mirror: Mirror, tmp_path: Path, path: str) -> None:
    """Without a checksum to compare with, the binary is not even asked for."""
    del mirror.files[path]
    with pytest.raises(ToolchainError, match="no published SHA-256 to check it against"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert mirror.asked[SERVER if path.startswith(SERVER) else ETCD_TAR] == 0


def test_kwok_takes_a_checksum_file_where_there_is_no_release_record(mirror: Mirror, tmp_path: Path) -> None:
    """A mirror without the GitHub record may put a checksum file beside the kwok binary."""
    del mirror.files[KWOK_RECORD]
    mirror.put_binary(KWOK_BINARY, mirror.files[KWOK_BINARY])
    assert resolve(mirror=mirror.url, cache=tmp_path, no_build=True).sources["kwok"] == "download"


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"", b"[]", b'{"assets": [{"name": "other"}]}'])
def test_a_checksum_document_that_is_none_is_refused(mirror: Mirror, tmp_path: Path, content: bytes) -> None:
    """Whatever a portal or proxy answers in place of the checksum, the binary is not used."""
    mirror.files[KWOK_RECORD] = mirror.files[f"{SERVER}.sha256"] = content
    with pytest.raises(ToolchainError, match="kube-apiserver, kwok"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)


def test_a_binary_that_prints_another_version_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    """A matching checksum does not help a binary that is not the version that was asked for."""
    mirror.put_binary(SERVER, script("Kubernetes v1.33.0"))
    with pytest.raises(ToolchainError, match=r"wanted v1\.34\.4, the binary says it is 1\.33\.0"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert "kube-apiserver" not in _binaries(tmp_path)


def test_two_processes_at_once_fetch_once(mirror: Mirror, tmp_path: Path) -> None:
    """The second process waits for the first, says so, and takes what the first has brought."""
    mirror.held.add(SERVER)
    with _start(mirror, tmp_path) as first:
        assert mirror.half_sent.wait(20)
        with _start(mirror, tmp_path) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "waiting\n"
            mirror.gate.set()
            told, _ = second.communicate(timeout=60)
        first_told, _ = first.communicate(timeout=60)
    assert first.returncode == second.returncode == 0, (first_told, told)
    assert set(mirror.asked.values()) == {1}, mirror.asked


def test_a_process_killed_in_mid_download_leaves_nothing_that_is_used(mirror: Mirror, tmp_path: Path) -> None:
    """After SIGKILL there is no binary in the cache, and the next resolution fetches again and sweeps what was left."""
    mirror.held.add(SERVER)
    with _start(mirror, tmp_path) as victim:
        assert mirror.half_sent.wait(20)
        victim.kill()
    assert _binaries(tmp_path) == []
    assert any((tmp_path / "staging").rglob("download-kube-apiserver"))
    mirror.gate.set()
    tools = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert set(tools.sources.values()) == {"download"}
    assert mirror.asked[SERVER] == 2
    assert list((tmp_path / "staging").rglob("*")) == []


def test_a_host_out_of_reach_is_asked_once(tmp_path: Path) -> None:
    """Each component says why it cannot be had, and only the first one tried to connect."""
    steps: list[Progress] = []
    with pytest.raises(ToolchainError, match=r"127\.0\.0\.1:1 cannot be reached"):
        resolve(mirror="http://127.0.0.1:1", cache=tmp_path, no_build=True, report=steps.append)
    refused = [step.detail for step in steps if step.phase == "refused"]
    assert len(refused) >= 4
    assert all("127.0.0.1:1 cannot be reached" in detail for detail in refused)
