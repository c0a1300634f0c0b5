"""Builds: what Go is asked, what is refused, and what is left when the harness dies. No real compilation."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.errors import PlatformError, ToolchainError, UsageError
from harness.toolchain import COMPONENTS, Component, Progress, resolve
from harness.toolchain.build import MODULES, Go, kubernetes_pins, obstacle, pin
from harness.toolchain.generate import generate, go_mod
from harness.toolchain.release import ldflags, source
from tests.unit.toolchain.mirror import pretend_go

if TYPE_CHECKING:
    from pathlib import Path

GONE = "http://127.0.0.1:1"

RESOLVE = """\
import sys
from pathlib import Path
from harness.toolchain import resolve
resolve(cache=Path(sys.argv[1]), offline=True)
"""


def test_what_cannot_be_downloaded_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every component is built from its pinned module, the two of Kubernetes by one call, and then cached."""
    go, env = pretend_go(tmp_path)
    monkeypatch.setenv("PATH", env["PATH"])
    steps: list[Progress] = []
    tools = resolve(mirror=GONE, cache=tmp_path / "cache", report=steps.append)
    assert set(tools.sources.values()) == {"build"}
    assert len(go.calls) == 4
    kubernetes = go.calls[0]
    assert kubernetes.startswith(str(MODULES / "kubernetes-1.34"))
    for expected in (
        "-mod=readonly -buildvcs=false -trimpath -ldflags -s -w",
        "version.gitVersion=v1.34.4",
        "k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager",
    ):
        assert expected in kubernetes
    assert {step.component for step in steps if step.phase == "building"} == set(tools.paths)
    assert set(resolve(cache=tmp_path / "cache", offline=True).sources.values()) == {"cache"}
    assert len(go.calls) == 4


def test_a_failed_build_says_what_go_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries Go's own last lines and leaves nothing in the cache."""
    _, env = pretend_go(tmp_path, before="echo 'verifying module: checksum mismatch' >&2; exit 1")
    monkeypatch.setenv("PATH", env["PATH"])
    with pytest.raises(ToolchainError, match="ended with status 1: verifying module: checksum mismatch"):
        resolve(cache=tmp_path / "cache", offline=True)
    assert list((tmp_path / "cache" / "bin").rglob("kube-apiserver/**/kube-apiserver")) == []


def test_a_build_that_runs_out_of_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go's message about a full disk becomes the harness's own error, with what a build needs."""
    _, env = pretend_go(tmp_path, before="echo 'write /x: no space left on device' >&2; exit 1")
    monkeypatch.setenv("PATH", env["PATH"])
    with pytest.raises(PlatformError, match="no room left on the disk while building") as raised:
        resolve(cache=tmp_path / "cache", offline=True)
    assert "GB" in raised.value.hint


def test_a_build_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A built binary is asked for its version like a downloaded one."""
    _, env = pretend_go(tmp_path)
    (tmp_path / "made" / "kwok").write_text("#!/bin/sh\necho kwok version v0.7.0\n")
    monkeypatch.setenv("PATH", env["PATH"])
    with pytest.raises(ToolchainError, match=r"kwok: wanted v0\.8\.0, the binary says it is 0\.7\.0"):
        resolve(cache=tmp_path / "cache", offline=True)


def test_go_that_is_too_old_says_which_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Go below what a module asks for is refused before anything is built, with both versions in the message."""
    go, env = pretend_go(tmp_path, version="1.24.4")
    monkeypatch.setenv("PATH", env["PATH"])
    with pytest.raises(ToolchainError, match=r"Go 1\.26\.0 or newer is needed, .*/go is 1\.24\.4"):
        resolve(cache=tmp_path / "cache", offline=True)
    assert go.calls == []


def test_go_that_may_fetch_a_newer_toolchain_is_not_too_old() -> None:
    """With GOTOOLCHAIN=auto an older Go is no obstacle: it brings the one that the module names."""
    kwok = next(component for component in COMPONENTS if component.name == "kwok")
    assert obstacle(kwok, Go("/go", (1, 22, 0), switches=True)) == ""
    assert "Go 1.26.0" in obstacle(kwok, Go("/go", (1, 22, 0), switches=False))


def test_the_death_of_the_harness_ends_a_build_and_all_it_started(tmp_path: Path) -> None:
    """After SIGKILL of the harness neither Go nor a compiler that Go started is left."""
    pids = tmp_path / "pids"
    _, env = pretend_go(tmp_path, before=f"sleep 300 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait")
    with subprocess.Popen([sys.executable, "-c", RESOLVE, str(tmp_path / "cache")], env=env) as harness:
        deadline = time.monotonic() + 30
        while not pids.exists() and time.monotonic() < deadline:
            with pytest.raises(subprocess.TimeoutExpired):
                harness.wait(timeout=0.05)
        started = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
        assert [process.is_running() for process in started] == [True, True]
        harness.kill()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_the_pinned_modules_are_the_wanted_versions(component: Component) -> None:
    """Each default component is pinned in exactly its version, declared as a Go tool, with checksums beside it."""
    pinned = pin(component)
    assert pinned is not None
    assert pinned.version == component.version
    folder = MODULES / source(component).module_dir
    assert source(component).package in (folder / "go.mod").read_text()
    assert f"{source(component).module} {component.version} h1:" in (folder / "go.sum").read_text()


@pytest.mark.parametrize("version", kubernetes_pins())
def test_every_pinned_kubernetes_replaces_all_its_staging_modules(version: str) -> None:
    """No staging module of a pinned Kubernetes is left without a published version."""
    folder = MODULES / source(Component("kube-apiserver", version)).module_dir
    text = (folder / "go.mod").read_text()
    staged = [
        line.split()[0] for line in text.splitlines() if line.startswith("\tk8s.io/") and "v0.0.0" in line.split()
    ]
    published = f"v0.{version.split('.', 1)[1]}"
    assert staged
    assert all(f"\t{path} => {path} {published}\n" in text for path in staged)


def test_kubernetes_is_told_its_version_by_the_linker() -> None:
    """The linker flags carry version, major and minor; etcd needs none."""
    flags = ldflags(Component("kube-apiserver", "v1.35.4"))
    for part in ("gitVersion=v1.35.4", "gitMajor=1", "gitMinor=35", "gitTreeState=clean"):
        assert f"-X k8s.io/component-base/version.{part}" in flags
    assert ldflags(Component("kubectl", "v1.35.4")) == flags
    assert ldflags(Component("etcd", "v3.6.8")) == "-s -w"


def test_a_generated_module_replaces_what_kubernetes_leaves_open() -> None:
    """Requirements at v0.0.0 become replacements by the published version; others are left to `go mod tidy`."""
    upstream: dict[str, object] = {
        "Go": "1.25.0",
        "Require": [{"Path": "k8s.io/api", "Version": "v0.0.0"}, {"Path": "k8s.io/klog/v2", "Version": "v2.130.1"}],
    }
    text = go_mod("v1.35.4", upstream, ("k8s.io/kubernetes/cmd/kube-apiserver",))
    assert "\ngo 1.25.0\n" in text
    assert "replace (\n\tk8s.io/api => k8s.io/api v0.35.4\n)\n" in text
    assert "klog" not in text
    assert text.startswith("module inventory-harness.invalid/toolchain/kubernetes\n")
    assert go_mod("v1.35.4", upstream, (), "kubectl").startswith("module inventory-harness.invalid/toolchain/kubectl\n")


@pytest.mark.parametrize("upstream", [{}, {"Go": "1.25.0", "Require": None}, {"Go": "1.25.0", "Require": []}])
def test_a_go_mod_of_another_shape_is_refused(upstream: dict[str, object]) -> None:
    """A go.mod without staging modules is not that of a Kubernetes this tool knows."""
    with pytest.raises(ToolchainError, match=r"v1\.99\.0"):
        go_mod("v1.99.0", upstream, ())


@pytest.mark.parametrize("version", ["1.35.4", "v1.35", "v1.35.0-rc.1", "main"])
def test_only_released_versions_are_pinned(version: str) -> None:
    """A version that is not a release is refused before Go is asked."""
    with pytest.raises(UsageError, match=version):
        generate(version)
