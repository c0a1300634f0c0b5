"""What a K3s process needs of this machine, and the mount namespace in which it is run.

K3s keeps some of its state in places that no flag moves (/run/k3s, /etc/rancher, /var/lib/cni, …), and leaves hundreds
of mounts when it is killed. In a mount namespace of its own those places are empty file systems in memory, and nothing
that is mounted there is mounted for anybody else: all of it goes with the last process. The network is this machine's,
so there can be one K3s at a time, and none beside another kubelet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.errors import PlatformError
from harness.process import ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PLACES = (
    "/run/k3s", "/run/flannel", "/run/netns", "/var/lib/cni", "/etc/rancher", "/var/log/pods", "/var/log/containers",
)  # fmt: skip
"""Where K3s and its kubelet write whatever they are told (as its k3s-killall.sh and k3s-uninstall.sh know)."""

LOCK = "k3s"
"""In `ports.LOCK_DIR`: held by the harness whose K3s runs on this machine, and by a sweep of what one has left."""

REGISTRIES = Path("/etc/rancher/k3s/registries.yaml")
"""How a user's K3s reaches registries; it is in one of `PLACES`, so a copy is named to ours."""

INTERFACES = ("cni0", "flannel.1", "kube-ipvs0")
"""What is left in this machine's network when K3s is killed; ends of pods' own go with their network namespaces."""

GROUPS = Path("/sys/fs/cgroup")
POD_GROUPS = ("kubepods", "kubepods.slice")
"""The control groups of pods, which are whichever kubelet's there is."""

_PRIVATE = """\
mount --make-rshared /
source=$1; shift
while [ "$1" != -- ]; do mount -t tmpfs -o mode=0755 "$source" "$1"; shift; done
shift
exec "$@"
"""
"""Propagation is private to all others; within, a kubelet needs it shared."""


def source(mark: str) -> str:
    """What the file systems at `PLACES` are called in a run's mount namespace: by it one knows who is in that."""
    return f"inv-{mark}"


def private(argv: Sequence[str], mark: str, places: Iterable[str] = PLACES) -> list[str]:
    """The command line that runs `argv` in a mount namespace of its own, with something empty at each of the places.

    The process stays the one that was started. The places must be there (`make_places`). `mark`: the run's.
    """
    script = ["sh", "-ec", _PRIVATE, "sh", source(mark), *places, "--"]
    return ["unshare", "--mount", "--propagation", "private", *script, *argv]


def make_places(places: Iterable[str] = PLACES) -> tuple[str, ...]:
    """Make those of the places that are missing, as mount points; which directories were made, the outermost first.

    Raises PlatformError.
    """
    made: list[str] = []
    for place in places:
        missing = [path for path in (Path(place), *Path(place).parents) if not path.exists()]
        for path in reversed(missing):
            try:
                path.mkdir(mode=0o755)
            except FileExistsError:
                continue  # another harness was faster
            except OSError as exc:
                raise PlatformError(f"cannot make {path}, which K3s needs: {exc.strerror}") from exc
            made.append(str(path))
    return tuple(made)


def take() -> int | None:
    """The lock by which this machine is ours for K3s: a descriptor to close; None while another harness has it.

    The kernel takes it back when we die. Raises PlatformError.
    """
    ports.make_lock_dir()
    try:
        fd = os.open(ports.LOCK_DIR / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise PlatformError(f"cannot make a lock in {ports.LOCK_DIR}: {exc.strerror}") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def obstacles() -> tuple[PlatformError, ...]:
    """What keeps K3s from being run as a process here, whatever the cluster is like."""
    found = []
    if os.geteuid() != 0:
        found.append(
            PlatformError(
                f"K3s must be run as root, and this is user {os.geteuid()}",
                hint="sudo, or containers: --k3s-image",
            )
        )
    missing = [name for name in ("unshare", "nsenter", "mount", "ip") if shutil.which(name) is None]
    if missing:
        found.append(
            PlatformError(
                f"no {' and no '.join(missing)} on PATH", hint="install util-linux and iproute2, or use --k3s-image"
            )
        )
    if not _memory_controller():
        found.append(
            PlatformError(
                "the kernel has no control groups for memory, which a kubelet needs",
                hint="boot with cgroup_memory=1 cgroup_enable=memory",
            )
        )
    try:
        require_alone()
    except PlatformError as exc:
        found.append(exc)
    return tuple(found)


def require_alone(names: Iterable[str] = INTERFACES, groups: Path = GROUPS) -> None:
    """Raise PlatformError when another kubelet, or what it has left, is there: two of them take each other's pods."""
    signs = [f"the network interface {name}" for name in names if interface(name)]
    signs += [f"the control group {path}" for path in pod_groups(groups)]
    if signs:
        raise PlatformError(
            f"another Kubernetes node is, or was, on this machine: there is {', '.join(signs)}",
            hint="stop it (k3s-killall.sh), or use --k3s-image; after a killed harness: harness sweep",
        )


def require_free(wanted: Mapping[int, str]) -> None:
    """Raise PlatformError that names every port of these that is taken, what it is for, and by whom it is taken."""
    taken = [port for port in sorted(wanted) if not ports.free(port)]
    if not taken:
        return
    holders = _holders(taken)
    told = "; ".join(f"{port} ({wanted[port]}) is taken by {holders.get(port, 'an unknown process')}" for port in taken)
    raise PlatformError(
        f"K3s listens on ports that cannot be chosen: {told}", hint="stop what listens there, or use --k3s-image"
    )


def interface(name: str) -> bool:
    """Whether this machine's network has an interface of that name."""
    return any(name == there for _index, there in socket.if_nameindex())


def pod_groups(root: Path = GROUPS) -> tuple[Path, ...]:
    """The control groups of pods, of whatever version and controller."""
    found = [path for name in POD_GROUPS for depth in ("", "*/") for path in root.glob(f"{depth}{name}")]
    return tuple(sorted(found))


def _memory_controller(groups: Path = GROUPS, known: Path = Path("/proc/cgroups")) -> bool:
    try:
        if "memory" in (groups / "cgroup.controllers").read_text(encoding="ascii").split():
            return True
    except OSError:
        pass  # version 1
    try:
        rows = [line.split() for line in known.read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any(row[0] == "memory" and row[-1] == "1" for row in rows if row)


def _holders(taken: Iterable[int]) -> dict[int, str]:
    """Port -> the process that listens there, as far as we may know."""
    try:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return {}
    found = {}
    for each in listening:
        if each.laddr and each.laddr.port in set(taken) and each.pid is not None:
            try:
                found[each.laddr.port] = f"{psutil.Process(each.pid).name()} (process {each.pid})"
            except psutil.Error:
                continue
    return found
