"""Which way is taken for each component, and what is said when there is none."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from harness.errors import PlatformError, ToolchainError, UsageError
from harness.toolchain import outlook, resolve, store
from harness.toolchain.machine import architecture
from harness.toolchain.resolve import kubernetes_version
from tests.unit.toolchain.mirror import SAYS, Mirror, binary_path, script

if TYPE_CHECKING:
    from pathlib import Path


def _assets(folder: Path, *names: str, says: dict[str, str] | None = None) -> Path:
    folder.mkdir()
    for name in names:
        path = folder / name
        path.write_bytes(script((SAYS | (says or {}))[name]))
        path.chmod(0o755)
    return folder


def test_a_named_directory_outranks_the_cache(mirror: Mirror, tmp_path: Path) -> None:
    """What the directory holds is used although the cache has it; the rest falls through to the cache."""
    resolve(mirror=mirror.url, cache=tmp_path / "cache", no_build=True)
    assets = _assets(tmp_path / "assets", "kube-apiserver", "etcd")
    tools = resolve(assets=assets, cache=tmp_path / "cache", offline=True, no_build=True)
    assert tools.sources == {
        "kube-apiserver": "path",
        "kube-controller-manager": "cache",
        "etcd": "path",
        "etcdctl": "cache",
        "kwok": "cache",
    }
    assert tools.path("kube-apiserver") == assets / "kube-apiserver"


def test_kubebuilder_assets_are_used(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of KUBEBUILDER_ASSETS is taken like a named one, in the version its programs print."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(_assets(tmp_path / "a", "etcd", says={"etcd": "etcd Version: 3.5.9"})))
    tools = resolve(mirror=mirror.url, cache=tmp_path / "cache", no_build=True)
    assert (tools.sources["etcd"], tools.versions["etcd"]) == ("path", "v3.5.9")
    assert tools.sources["kube-apiserver"] == "download"


def test_the_controller_manager_follows_a_named_api_server(mirror: Mirror, tmp_path: Path) -> None:
    """A controller manager is brought in the version of the API server in the directory, not in the default one."""
    other = "Kubernetes v1.33.7"
    mirror.put_binary(binary_path("kube-controller-manager", "v1.33.7"), script(other))
    assets = _assets(tmp_path / "assets", "kube-apiserver", says={"kube-apiserver": other})
    tools = resolve(assets=assets, mirror=mirror.url, cache=tmp_path / "cache", no_build=True)
    assert tools.versions["kube-controller-manager"] == "v1.33.7"


@pytest.mark.parametrize("exists", [True, False])
def test_a_named_directory_with_nothing_in_it_is_an_error(tmp_path: Path, *, exists: bool) -> None:
    """A directory that is missing or holds no component was a mistake, and the error names it."""
    folder = tmp_path / "assets"
    if exists:
        folder.mkdir()
    with pytest.raises(UsageError, match=str(folder)):
        resolve(assets=folder, cache=tmp_path / "cache", offline=True)


@pytest.mark.parametrize("same_size", [True, False])
def test_a_damaged_binary_is_found_and_brought_again(mirror: Mirror, tmp_path: Path, *, same_size: bool) -> None:
    """A cached binary whose bytes changed is not used, whatever its size."""
    path = resolve(mirror=mirror.url, cache=tmp_path, no_build=True).path("etcd")
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"#\n" if same_size else whole + b"#")
    tools = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert tools.sources["etcd"] == "download"
    assert tools.sources["etcdctl"] == "cache"
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "etcd"}'])
def test_a_binary_without_a_whole_manifest_is_brought_again(mirror: Mirror, tmp_path: Path, text: str) -> None:
    """A binary in the cache counts only together with a readable manifest."""
    path = resolve(mirror=mirror.url, cache=tmp_path, no_build=True).path("kwok")
    (path.parent / "manifest.json").write_text(text)
    assert resolve(mirror=mirror.url, cache=tmp_path, no_build=True).sources["kwok"] == "download"


def test_a_copied_cache_is_used(mirror: Mirror, tmp_path: Path) -> None:
    """A binary with another modification time and the same bytes is still the same binary."""
    path = resolve(mirror=mirror.url, cache=tmp_path, no_build=True).path("kwok")
    os.utime(path, (1, 1))
    assert resolve(cache=tmp_path, offline=True, no_build=True).sources["kwok"] == "cache"


@pytest.mark.usefixtures("without_go")
def test_no_network_and_no_go_is_one_error_that_names_both_ways(tmp_path: Path) -> None:
    """The error lists every component with why it was neither downloaded nor built, and ends with the ways out."""
    with pytest.raises(ToolchainError) as raised:
        resolve(mirror="http://127.0.0.1:1", cache=tmp_path)
    text = str(raised.value)
    for name in SAYS:
        assert f"\n  {name} v" in text
    assert text.count("download: http://127.0.0.1:1/") == len(SAYS)
    assert text.count("build: no `go` on PATH") == len(SAYS)
    for way in ("--mirror", "Go 1.26.0 or newer", "--assets", "KUBEBUILDER_ASSETS"):
        assert way in raised.value.hint


@pytest.mark.usefixtures("without_go")
def test_offline_says_that_nothing_was_downloaded(tmp_path: Path) -> None:
    """Offline without Go fails at once and says that the download was not tried."""
    with pytest.raises(ToolchainError, match=r"download: not tried \(offline\)"):
        resolve(cache=tmp_path, offline=True)


def test_a_version_without_a_pin_lists_those_that_have_one(tmp_path: Path) -> None:
    """A version that can be neither downloaded nor built is refused with the versions that can be built."""
    with pytest.raises(ToolchainError, match=r"no pinned Go module for v1\.31\.2 \(there is: v1\.34\.4, ") as raised:
        resolve(kubernetes="v1.31.2", cache=tmp_path, offline=True)
    assert "Kubernetes versions that can be built: v1.34.4" in raised.value.hint


@pytest.mark.parametrize("text", ["latest", "", "1", "v2.0.0", "1.34.x", "v1.31"])
def test_a_version_that_is_none_is_refused(text: str) -> None:
    """Text that is not a version, or a minor without a pin, is refused with the value in the message."""
    with pytest.raises(UsageError, match=text or "''"):
        kubernetes_version(text)


@pytest.mark.parametrize("text", ["v1.34.4", "1.34.4", "1.34", "v1.34"])
def test_a_version_may_be_written_shorter(text: str) -> None:
    """The "v" may be left out, and so may the patch release of a pinned minor version."""
    assert kubernetes_version(text) == "v1.34.4"


@pytest.mark.parametrize("text", ["dl.example", "ftp://mirror.example", "http://"])
def test_a_mirror_that_is_no_address_is_refused(tmp_path: Path, text: str) -> None:
    """A mirror must be an HTTP address."""
    with pytest.raises(UsageError, match=text):
        resolve(mirror=text, cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_one_clear_error(mirror: Mirror, tmp_path: Path) -> None:
    """The error names the cache and the variable that moves it."""
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="file/cache cannot be written") as raised:
        resolve(mirror=mirror.url, cache=tmp_path / "file" / "cache", no_build=True)
    assert "INVENTORY_HARNESS_CACHE" in raised.value.hint


def test_a_full_disk_is_one_clear_error(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room while a binary is flushed stops the resolution, names the cache and leaves nothing half-written."""

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "_flush", full)
    with pytest.raises(PlatformError, match=f"no room left for the toolchain cache {tmp_path}"):
        resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    assert [path for path in (tmp_path / "bin").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("darwin", "arm64"), ("win32", "AMD64")])
def test_an_unsupported_platform_is_named(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    """Anything but Linux on amd64 or arm64 is refused before anything is done, with the platform in the message."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    with pytest.raises(PlatformError, match=f"{system}/{machine}"):
        resolve()


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_supported_processors_have_gos_names(monkeypatch: pytest.MonkeyPatch, machine: str, arch: str) -> None:
    """The two supported processors are called as in the names of releases."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    assert architecture() == arch


@pytest.mark.usefixtures("without_go")
def test_the_outlook_tells_cache_path_and_absence(mirror: Mirror, tmp_path: Path) -> None:
    """Without fetching anything, the outlook says what is cached, what is named, and what stands in the way."""
    cache = tmp_path / "cache"
    assert {row.state for row in outlook(cache=cache)} == {"absent"}
    assert all("no `go` on PATH" in row.obstacle for row in outlook(cache=cache))
    resolve(mirror=mirror.url, cache=cache, no_build=True)
    rows = outlook(cache=cache, assets=_assets(tmp_path / "assets", "etcd"))
    assert {row.component.name: row.state for row in rows} == dict.fromkeys(SAYS, "cache") | {"etcd": "path"}


def test_an_unknown_component_is_named(mirror: Mirror, tmp_path: Path) -> None:
    """Asking the toolchain for something it does not hold lists what it holds."""
    tools = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)
    with pytest.raises(ToolchainError, match=r"'kubelet'.*kube-apiserver"):
        tools.path("kubelet")
