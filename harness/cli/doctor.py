"""`harness doctor`: says whether this machine can run the harness, and what to do where it cannot."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cluster import dockercli, dockershim, nodeimage
from harness.cluster.backend import BackendSpec, available, make
from harness.cluster.kindcluster import ROOM_PER_NODE
from harness.errors import HarnessError, PlatformError
from harness.fault.port import BOTH, possible
from harness.process.cell import planned
from harness.run.shortage import shortage
from harness.toolchain import DEFAULT_KUBERNETES, cache_root, outlook
from harness.toolchain.build import find_go
from harness.toolchain.machine import architecture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OK, WARN, FAIL = "ok", "warn", "fail"
EXIT_UNFIT = 3

GIB = 1 << 30
CACHE_ROOM = 1 * GIB
"""The five binaries take about 300 MB; a build in progress has each of them twice."""
TEMP_ROOM = 1 * GIB
"""A run directory holds a datastore and logs: some 100 MB for each cluster."""
MEMORY_ROOM = 1 * GIB
"""One cluster with three nodes takes up to 900 MiB."""
CORES = 2
SOCKET_PATH_LIMIT = 107
"""Bytes in `sun_path` less the closing zero (unix(7)); the egress listens on a unix socket in the run directory."""
SOCKET_SUFFIX = 60
"""What run directory and socket name add to the directory for temporary files, at most."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. `level` is "ok", "warn" (works, perhaps less well) or "fail" (does not work)."""

    name: str
    level: str
    text: str


@click.command("doctor")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
@click.pass_context
def doctor(context: click.Context, *, kubernetes: str) -> None:
    """Check this machine; exit status 0 when everything needed is there, 3 otherwise."""
    checks = examine(kubernetes)
    console = Console()
    if console.is_interactive:
        table = Table("check", "", "what was found")
        colours = {OK: "green", WARN: "yellow", FAIL: "red"}
        for check in checks:
            table.add_row(check.name, Text(check.level, style=colours[check.level]), Text(check.text))
        console.print(table)
    else:
        for check in checks:
            click.echo(f"{check.level:<4}  {check.name}: {check.text}")
    failed = sum(check.level == FAIL for check in checks)
    click.echo(f"{failed} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed")
    context.exit(EXIT_UNFIT if failed else 0)


def examine(kubernetes: str = DEFAULT_KUBERNETES) -> tuple[Check, ...]:
    """All checks, in the order they are shown. A check that cannot be made is a failed one."""
    temp, cache = Path(tempfile.gettempdir()), cache_root()
    checks = [
        _guarded("platform", lambda: Check("platform", OK, f"linux/{architecture()}")),
        _python(),
        _guarded("go", _go),
        _writable("cache directory", cache),
        _writable("temporary directory", temp),
        room("room for the cache", cache, CACHE_ROOM),
        room("room for runs", temp, TEMP_ROOM),
        socket_path(temp),
        _proc(),
        _death_signal(),
        _memory(),
        _cores(),
        _loopback(),
        _ipv6(),
        _memory_groups(),
        _instances(),
        *containers(),
        *_backends(),
    ]
    try:
        rows = outlook(kubernetes=kubernetes)
    except HarnessError as exc:
        return (*checks, Check("toolchain", FAIL, str(exc)))
    for row in rows:
        name = f"{row.component.name} {row.component.version}"
        if row.state != "absent":
            checks.append(Check(name, OK, f"{row.state}: {row.where}"))
        elif row.obstacle:
            checks.append(
                Check(name, WARN, f"not cached; only a download from {row.where} can bring it ({row.obstacle})")
            )
        else:
            checks.append(Check(name, OK, f"not cached; comes from {row.where}, or else from a build"))
    return tuple(checks)


def room(name: str, directory: Path, needed: int) -> Check:
    """Whether the file system of `directory` (which need not exist yet) has `needed` bytes for this user."""
    try:
        free = shutil.disk_usage(_nearest(directory)).free
    except OSError as exc:
        return Check(name, FAIL, f"{directory}: {exc}")
    text = f"{free / GIB:.1f} GiB free in {directory}"
    return Check(name, OK, text) if free >= needed else Check(name, FAIL, f"{text}, {needed / GIB:.1f} GiB are needed")


def socket_path(temp: Path) -> Check:
    """Whether unix sockets below `temp` have names short enough for the kernel."""
    longest = len(os.fsencode(temp)) + SOCKET_SUFFIX
    if longest <= SOCKET_PATH_LIMIT:
        return Check("unix socket paths", OK, f"at most {longest} of {SOCKET_PATH_LIMIT} bytes below {temp}")
    return Check(
        "unix socket paths",
        FAIL,
        f"up to {longest} bytes below {temp}, the kernel allows {SOCKET_PATH_LIMIT}: set TMPDIR to a shorter directory",
    )


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except HarnessError as exc:
        return Check(name, FAIL, str(exc))


def _python() -> Check:
    text = f"{sys.version.split()[0]} ({sys.executable})"
    return (
        Check("python", OK, text) if sys.version_info >= (3, 11) else Check("python", FAIL, f"{text}, 3.11 is needed")
    )


def _go() -> Check:
    go = find_go()
    if go is None:
        return Check("go", WARN, "no `go` on PATH: the toolchain can only be downloaded")
    return Check("go", OK, f"{go.text} ({go.path})")


def _writable(name: str, directory: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=_nearest(directory)) as stream:
            stream.write(b"doctor")
    except OSError as exc:
        return Check(name, FAIL, f"{directory} cannot be written: {exc}")
    return Check(name, OK, f"{directory} can be written")


def _nearest(directory: Path) -> Path:
    """The directory, or the closest one above it that exists: that is where it would be made."""
    return next(place for place in (directory, *directory.parents) if place.exists())


def _proc() -> Check:
    visible = Path("/proc/self/stat").exists() and Path(f"/proc/{os.getpid()}/fd").is_dir()
    if visible:
        return Check("/proc", OK, "mounted; processes and their memory can be observed")
    return Check("/proc", FAIL, "not mounted: processes cannot be observed (mount -t proc proc /proc)")


def _death_signal() -> Check:
    """PR_GET_PDEATHSIG (2) is refused wherever PR_SET_PDEATHSIG is."""
    value = ctypes.c_int()
    if ctypes.CDLL(None, use_errno=True).prctl(2, ctypes.byref(value), 0, 0, 0) == 0:
        return Check("parent death signal", OK, "available: children die with the harness")
    reason = os.strerror(ctypes.get_errno())
    return Check(
        "parent death signal", FAIL, f"prctl refused ({reason}): a killed harness would leave processes behind"
    )


def _memory() -> Check:
    free = psutil.virtual_memory().available
    text = f"{free / GIB:.1f} GiB available"
    if free >= MEMORY_ROOM:
        return Check("memory", OK, text)
    return Check("memory", WARN, f"{text}; one cluster takes up to 0.9 GiB")


def _cores() -> Check:
    count = len(os.sched_getaffinity(0))
    text = f"{count} usable"
    return Check(
        "processor cores", OK if count >= CORES else WARN, text if count >= CORES else f"{text}; 2 are advised"
    )


def _loopback() -> Check:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port), timeout=3):
                return Check("loopback", OK, f"listened on and connected to 127.0.0.1:{port}")
    except OSError as exc:
        return Check("loopback", FAIL, f"127.0.0.1 cannot be used: {exc}")


def _ipv6() -> Check:
    """Some faults take ports of IPv6."""
    if possible(BOTH):
        return Check("IPv6", OK, "a socket can listen on both families at once")
    return Check("IPv6", WARN, "no socket can listen on IPv6: scenarios that take ports of it are UNKNOWN")


def _memory_groups() -> Check:
    """One fault limits the operator's memory as a container's limit does."""
    try:
        group = planned("doctor")
    except PlatformError as exc:
        return Check("memory limits", WARN, f"{exc.what}: chaos/memory-limited is UNKNOWN; {exc.hint}")
    return Check("memory limits", OK, f"control groups can be made in {group.path.parent}")


def _backends() -> Iterable[Check]:
    """Whether each backend can be used here. One that needs settings is looked at without any."""
    for name in available():
        try:
            problems = make(BackendSpec(name)).obstacles()
        except HarnessError as exc:
            yield Check(f"backend {name}", WARN, str(exc))
            continue
        if problems:
            yield Check(f"backend {name}", WARN, "; ".join(str(problem) for problem in problems))
        else:
            yield Check(f"backend {name}", OK, "can be used")


def _instances() -> Check:
    """An operator that watches its configuration needs an inotify instance."""
    short = shortage()
    if short:
        return Check("inotify", FAIL, f"{short}: raise fs.inotify.max_user_instances (sysctl), or end what holds them")
    return Check("inotify", OK, "instances are left for operators that watch files")


def containers() -> Iterable[Check]:
    """Docker's engine, which kind and containers of K3s and of datastores need, and what nodes are done without."""
    try:
        engine = dockercli.engine()
    except HarnessError as exc:
        yield Check("containers", WARN, f"{exc.what} (needed for kind only); {exc.hint}")
        return
    yield Check("containers", OK, f"Docker {engine.version}, control groups of version {engine.cgroups}")
    if engine.free_bytes is not None:
        needed = ROOM_PER_NODE / GIB
        level = OK if engine.free_bytes >= ROOM_PER_NODE else WARN
        text = f"{engine.free_bytes / GIB:.1f} GiB free in {engine.root}; {needed:.1f} for each node of kind"
        yield Check("room for containers", level, text)
    assembled = nodeimage.assembled(DEFAULT_KUBERNETES)
    there = dockercli.image_id(assembled)
    if dockershim.needed():
        lacks = "" if there else f"; such nodes need {assembled}, which is not here (python -m ci.node_image)"
        yield Check("capabilities", OK if there else WARN, f"{dockershim.REMARK}{lacks}")
    yield Check("node image", OK, f"{assembled} is here" if there else "kind's own, pulled from its registry")
