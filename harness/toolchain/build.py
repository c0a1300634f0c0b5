"""Builds from pinned Go modules.

`harness/toolchain/go/DIR/go.mod` and `go.sum` name every module and its checksum; `-mod=readonly` makes Go refuse
whatever they do not name. The binaries are static and carry no paths of the machine (`-trimpath`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PlatformError, ToolchainError
from harness.process.shim import command, group_command
from harness.toolchain.progress import TICK_S, Progress, Report
from harness.toolchain.release import Component, ldflags, of_kubernetes, source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.toolchain.store import Store

MODULES = Path(__file__).parent / "go"
GO_ENV_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Go:
    """The Go command of this machine. `switches`: it may fetch a newer toolchain for a module that needs one."""

    path: str
    version: tuple[int, ...]
    switches: bool

    @property
    def text(self) -> str:
        """The version as Go writes it, for example "1.26.0"."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True)
class Pin:
    """What a pinned module directory says: the version of the component's module, and the Go it needs."""

    version: str
    go: tuple[int, ...]


def find_go() -> Go | None:
    """The `go` on PATH, or None. Raises ToolchainError when there is one that does not answer."""
    path = shutil.which("go")
    if path is None:
        return None
    try:
        done = subprocess.run(
            command([path, "env", "GOVERSION", "GOTOOLCHAIN"]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GO_ENV_TIMEOUT_S,
            check=False,
            cwd=MODULES,
        )
    except subprocess.TimeoutExpired as exc:
        raise ToolchainError(f"`{path} env` gave no answer within {GO_ENV_TIMEOUT_S:.0f} s") from exc
    version, _, toolchain = done.stdout.partition("\n")
    numbers = _numbers(version.strip().removeprefix("go"))
    if done.returncode != 0 or not numbers:
        raise ToolchainError(
            f"`{path} env GOVERSION` failed: {(done.stderr or done.stdout).strip()[-300:] or 'no text'}"
        )
    return Go(path, numbers, switches=toolchain.strip() in {"auto", "path"} or toolchain.strip().endswith("+auto"))


def pin(component: Component) -> Pin | None:
    """The pinned module of a component, or None when there is none for its (minor) version."""
    where = source(component)
    path = MODULES / where.module_dir / "go.mod"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    version = re.search(rf"^\s*(?:require )?{re.escape(where.module)} (v\S+)", text, re.MULTILINE)
    go = re.search(r"^go (\S+)", text, re.MULTILINE)
    if version is None or go is None:
        raise ToolchainError(f"{path} names no version of {where.module} or no Go version")
    return Pin(version[1], _numbers(go[1]))


def kubernetes_pins() -> tuple[str, ...]:
    """The Kubernetes versions that can be built, oldest first: ("v1.34.4", …)."""
    minors = sorted((_numbers(folder.name.split("-")[1]), folder.name) for folder in MODULES.glob("kubernetes-*"))
    pins = (pin(Component("kube-apiserver", f"v{name.split('-')[1]}.0")) for _, name in minors)
    return tuple(found.version for found in pins if found is not None)


def obstacle(component: Component, go: Go | None) -> str:
    """Why a component cannot be built on this machine; empty when it can."""
    pinned = pin(component)
    if pinned is None or pinned.version != component.version:
        kept = pinned.version if pinned else "none"
        if of_kubernetes(component):
            kept = ", ".join(kubernetes_pins())
        return f"no pinned Go module for {component.version} (there is: {kept})"
    needs = ".".join(map(str, pinned.go))
    if go is None:
        return f"no `go` on PATH (Go {needs} or newer is needed)"
    if go.version < pinned.go and not go.switches:
        return f"Go {needs} or newer is needed, {go.path} is {go.text}"
    return ""


def build(
    wanted: Sequence[Component], go: Go, *, store: Store, folder: Path, report: Report, offline: bool
) -> dict[str, str]:
    """Build `wanted` (of one unit) into the cache through the staging `folder`; return why for each one not had.

    Components of one module are built by one call, so that shared packages are compiled once. Raises PlatformError
    when the disk is full.
    """
    reasons: dict[str, str] = {}
    groups: dict[str, list[Component]] = {}
    for component in wanted:
        groups.setdefault(source(component).module_dir, []).append(component)
    for module_dir, group in groups.items():
        try:
            _compile(group, MODULES / module_dir, go, store=store, folder=folder, report=report, offline=offline)
            for component in group:
                store.install(component, folder / component.name, origin="build", detail=f"go{go.text}")
        except ToolchainError as exc:
            for component in group:
                reasons[component.name] = exc.what
                report(Progress(component.name, "refused", 0.0, exc.what))
    return reasons


def _compile(
    group: Sequence[Component], module: Path, go: Go, *, store: Store, folder: Path, report: Report, offline: bool
) -> None:
    # A single package is named explicitly: Go would call the binary of `…/server/v3` "server".
    output = f"{folder}{os.sep}" if len(group) > 1 else str(folder / group[0].name)
    packages = [source(component).package for component in group]
    flags = ["-v", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", ldflags(group[0])]
    log = folder / "build.log"
    started = time.monotonic()
    with store.writing():
        (folder / "tmp").mkdir(exist_ok=True)
        sink = log.open("wb")
    with sink:
        process = subprocess.Popen(
            group_command([go.path, "build", *flags, "-o", output, *packages]),
            cwd=module,
            env=_environment(os.environ, store.arch, folder / "tmp", offline=offline),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                seconds, packages_done = time.monotonic() - started, _lines(log)
                for component in group:
                    report(Progress(component.name, "building", seconds, f"{packages_done} packages compiled"))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=TICK_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        raise _failure(group, log, process.returncode, store)


def _environment(outer: Mapping[str, str], arch: str, scratch: Path, *, offline: bool) -> dict[str, str]:
    """Go's own settings of the user (proxy, caches) stay; whatever would change the result does not."""
    env = {key: value for key, value in outer.items() if key not in {"GOROOT_FINAL", "GOEXPERIMENT"}}
    env |= {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch, "GOFLAGS": "", "GOWORK": "off"}
    env["GOTMPDIR"] = str(scratch)  # inside the staging directory: swept with it when this process is killed
    if offline:
        env |= {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
    return env


def _failure(group: Sequence[Component], log: Path, status: int, store: Store) -> Exception:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    names = " and ".join(component.name for component in group)
    if any("no space left on device" in line for line in lines):
        return PlatformError(
            f"no room left on the disk while building {names} (cache {store.root})",
            hint="a first build needs about 4 GB in Go's module and build caches (`go env GOMODCACHE GOCACHE`)",
        )
    # With -v every package compiled is a line of its own; what went wrong contains blanks or a colon.
    told = [line for line in lines if " " in line or ":" in line][-8:]
    return ToolchainError(f"`go build` of {names} ended with status {status}: " + (" | ".join(told) or "no output"))


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 16), b""))


def _numbers(version: str) -> tuple[int, ...]:
    """(1, 26, 0) of "1.26.0" or "1.26rc1 X:foo"; empty when it does not begin with a number."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
