"""Components that only some runs need: brought when they are asked for, and then like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import ToolchainError
from harness.toolchain import COMPONENTS, outlook, resolve
from harness.toolchain.build import MODULES, pin
from harness.toolchain.release import (
    DEFAULT_KUBERNETES,
    KINE,
    OPTIONAL,
    asset,
    components,
    ldflags,
    source,
    units,
)
from tests.unit.toolchain.mirror import (
    ARCH,
    KINE_BINARY,
    KINE_RECORD,
    KINE_SAYS,
    KINE_SUMS,
    Mirror,
    pretend_go,
    script,
)

if TYPE_CHECKING:
    from pathlib import Path

GONE = "http://127.0.0.1:1"
(KINE_COMPONENT,) = OPTIONAL["kine"].components


def test_kine_is_not_brought_unless_it_is_asked_for(mirror: Mirror, tmp_path: Path) -> None:
    """A run on etcd neither has kine nor asks for it, and naming it is an error."""
    tools = resolve(mirror=mirror.url, cache=tmp_path, no_build=True)

    assert set(tools.paths) == {component.name for component in COMPONENTS}
    assert not any("kine" in path for path in mirror.asked)
    with pytest.raises(ToolchainError, match="no component 'kine'"):
        tools.path("kine")


def test_kine_is_brought_beside_the_others(mirror: Mirror, tmp_path: Path) -> None:
    """It comes from its release, checked against the release's own list, and from the cache the next time."""
    tools = resolve(also=("kine",), mirror=mirror.url, cache=tmp_path, no_build=True)

    assert set(tools.paths) == {component.name for component in components(also=("kine",))}
    assert (tools.sources["kine"], tools.versions["kine"]) == ("download", KINE)
    assert tools.path("kine").read_bytes() == script(KINE_SAYS)
    assert (mirror.asked[KINE_BINARY], mirror.asked[KINE_SUMS], mirror.asked[KINE_RECORD]) == (1, 1, 0)
    assert resolve(also=("kine",), cache=tmp_path, offline=True, no_build=True).sources["kine"] == "cache"


def test_kine_with_another_checksum_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    """A binary that is not the one in the list is not used; the other components are not at fault."""
    mirror.files[KINE_SUMS] = f"{'f' * 64}  kine-{ARCH}\n".encode()

    with pytest.raises(ToolchainError, match=f"cannot get kine .*[\\s\\S]*published is {'f' * 64}"):
        resolve(also=("kine",), mirror=mirror.url, cache=tmp_path, no_build=True)
    assert list((tmp_path / "bin").rglob("kine/**/kine")) == []


def test_without_its_list_the_release_record_has_the_checksum(mirror: Mirror, tmp_path: Path) -> None:
    """The digest that the release's record gives is as good."""
    digest = mirror.files.pop(KINE_SUMS).decode().split()[-2]
    mirror.files[KINE_RECORD] = f'{{"assets": [{{"name": "kine-{ARCH}", "digest": "sha256:{digest}"}}]}}'.encode()

    assert resolve(also=("kine",), mirror=mirror.url, cache=tmp_path, no_build=True).sources["kine"] == "download"


def test_a_named_directory_may_hold_kine(mirror: Mirror, tmp_path: Path) -> None:
    """It is taken in the version that it prints, where it is asked for."""
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "kine").write_bytes(script("kine version v0.14.1 (HEAD)"))
    (folder / "kine").chmod(0o755)

    tools = resolve(also=("kine",), assets=folder, mirror=mirror.url, cache=tmp_path / "cache", no_build=True)

    assert (tools.sources["kine"], tools.versions["kine"]) == ("path", "v0.14.1")


def test_kine_that_cannot_be_downloaded_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go is asked for the pinned module, and the linker is told the version."""
    go, env = pretend_go(tmp_path, toolchain="auto")
    monkeypatch.setenv("PATH", env["PATH"])

    tools = resolve(also=("kine",), mirror=GONE, cache=tmp_path / "cache")

    (call,) = [call for call in go.calls if call.startswith(str(MODULES / "kine"))]
    assert (tools.sources["kine"], tools.versions["kine"]) == ("build", KINE)
    assert f"github.com/k3s-io/kine/pkg/version.Version={KINE}" in call


def test_kine_is_pinned_in_exactly_its_version() -> None:
    """The module beside the others names it as a Go tool, with checksums."""
    pinned = pin(KINE_COMPONENT)
    folder = MODULES / source(KINE_COMPONENT).module_dir

    assert pinned is not None
    assert pinned.version == KINE
    assert source(KINE_COMPONENT).package in (folder / "go.mod").read_text()
    assert f"{source(KINE_COMPONENT).module} {KINE} h1:" in (folder / "go.sum").read_text()
    assert f"Version={KINE}" in ldflags(KINE_COMPONENT)


@pytest.mark.parametrize("kubernetes", ["v1.34.4", "v1.35.4"])
def test_kubectl_is_of_the_release_of_the_servers(kubernetes: str) -> None:
    """It has their version, whatever it is, and a pinned module of its own for each minor."""
    (unit,) = (unit for unit in units(kubernetes, ("kubectl",)) if unit.name == "kubectl")
    (kubectl,) = unit.components
    pinned = pin(kubectl)
    folder = MODULES / source(kubectl).module_dir

    assert (kubectl.version, asset(kubectl, arch="amd64").url.rpartition("/")[2]) == (kubernetes, "kubectl")
    assert pinned is not None
    assert pinned.version == kubernetes
    assert source(kubectl).package in (folder / "go.mod").read_text()


def test_kubectl_is_brought_when_it_is_asked_for(mirror: Mirror, tmp_path: Path) -> None:
    """From the release, checked against the checksum beside it; a run has no use for it and does not ask."""
    tools = resolve(also=("kubectl",), mirror=mirror.url, cache=tmp_path, no_build=True)

    assert (tools.sources["kubectl"], tools.versions["kubectl"]) == ("download", DEFAULT_KUBERNETES)
    assert "kubectl" not in resolve(mirror=mirror.url, cache=tmp_path, no_build=True).paths


def test_the_outlook_tells_of_what_is_asked_for(tmp_path: Path, without_go: None) -> None:
    """Kine is in it when it is named, and not otherwise."""
    del without_go
    assert "kine" in {one.component.name for one in outlook(also=("kine",), cache=tmp_path)}
    assert "kine" not in {one.component.name for one in outlook(cache=tmp_path)}
