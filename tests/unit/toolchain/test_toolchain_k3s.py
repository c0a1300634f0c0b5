"""K3s: from its release alone, checked against the release's own list, and never built."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from harness.errors import ToolchainError
from harness.toolchain import OPTIONAL, reach, resolve
from harness.toolchain.release import DEFAULT_KUBERNETES, K3S, asset
from tests.unit.toolchain.mirror import ARCH, Mirror, script

if TYPE_CHECKING:
    from pathlib import Path

(COMPONENT,) = OPTIONAL["k3s"].components
FOLDER = f"/k3s-io/k3s/releases/download/{K3S.replace('+', '%2B')}"
NAME = "k3s" if ARCH == "amd64" else f"k3s-{ARCH}"
GONE = "http://127.0.0.1:1"
SAYS = f"k3s version {K3S} (0badcafe)"


@pytest.fixture
def release(mirror: Mirror) -> Mirror:
    """The mirror, with K3s's release: its list names archives of images too."""
    program = script(SAYS)
    mirror.files[f"{FOLDER}/{NAME}"] = program
    listed = f"{'0' * 64}  k3s-airgap-images-{ARCH}.tar.gz\n{hashlib.sha256(program).hexdigest()}  {NAME}\n"
    mirror.files[f"{FOLDER}/sha256sum-{ARCH}.txt"] = listed.encode()
    return mirror


def test_it_is_of_the_usual_kubernetes() -> None:
    """So that verdicts of the two backends are about the same version."""
    assert K3S.startswith(f"{DEFAULT_KUBERNETES}+k3s")


@pytest.mark.parametrize(("arch", "name"), [("amd64", "k3s"), ("arm64", "k3s-arm64")])
def test_its_release_is_named_as_it_is_published(arch: str, name: str) -> None:
    """The plus of its version is written %2B in an address."""
    found = asset(COMPONENT, arch=arch)

    assert found.url == f"https://github.com{FOLDER}/{name}"
    assert found.checksums[0].url == f"https://github.com{FOLDER}/sha256sum-{arch}.txt"


def test_it_is_downloaded_and_checked(release: Mirror, tmp_path: Path) -> None:
    """And taken from the cache the next time."""
    tools = resolve(also=("k3s",), mirror=release.url, cache=tmp_path, no_build=True)

    assert (tools.sources["k3s"], tools.versions["k3s"]) == ("download", K3S)
    assert tools.path("k3s").read_bytes() == script(SAYS)
    assert resolve(also=("k3s",), cache=tmp_path, offline=True, no_build=True).sources["k3s"] == "cache"


def test_one_that_is_not_the_published_one_is_refused(release: Mirror, tmp_path: Path) -> None:
    """Nothing of it is kept."""
    release.files[f"{FOLDER}/sha256sum-{ARCH}.txt"] = f"{'f' * 64}  {NAME}\n".encode()

    with pytest.raises(ToolchainError, match=f"cannot get k3s .*[\\s\\S]*published is {'f' * 64}"):
        resolve(also=("k3s",), mirror=release.url, cache=tmp_path, no_build=True)
    assert list((tmp_path / "bin").rglob("k3s/**/k3s")) == []


def test_whether_it_could_be_had_is_told_without_a_download(
    release: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its published checksum alone; a release that is out of reach is told at once, with the host."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("INVENTORY_HARNESS_MIRROR", release.url)
    assert reach.obstacle("k3s") == ""
    assert release.asked[f"{FOLDER}/{NAME}"] == 0

    began = time.monotonic()
    monkeypatch.setenv("INVENTORY_HARNESS_MIRROR", GONE)
    assert "127.0.0.1:1 cannot be reached" in reach.obstacle("k3s")
    assert time.monotonic() - began < 30.0


def test_one_that_is_in_the_cache_needs_no_release(
    release: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without a network that has it can use it."""
    resolve(also=("k3s",), mirror=release.url, cache=tmp_path, no_build=True)
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("INVENTORY_HARNESS_MIRROR", GONE)

    assert reach.obstacle("k3s") == ""
