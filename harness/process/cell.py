"""A control group that limits the memory of the processes put into it, as a container's limit does (cgroups(7)).

Both versions of control groups will do. The group is made below the one in which the process is already (version 1), or
below the nearest one that hands the memory controller down (version 2); nothing of anybody else's group is changed. Not
every user may do that: then there is no such group, and an error says why.

A group outlives its processes. So its path is written into the run's private directory before it is made, and `sweep`
removes what a dead run has left.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "memory-group"
"""In a run's directory: the path of the group that it has made, or is about to make."""

_PREFIX = "inventory-harness-"
_PROCS = "cgroup.procs"
_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
_NO_SWAP = {1: ("memory.swappiness", "0"), 2: ("memory.swap.max", "0")}
_COUNTS = {1: "memory.oom_control", 2: "memory.events"}
_NOTHING = "no control group for memory can be made here"
_HINT = "run as root, or in a session that systemd has delegated its memory controller to"


class Cell(Protocol):
    """Where processes are put as soon as they are started, and what may end them there."""

    def enter(self, pid: int) -> None:
        """Put the process there; raises PlatformError when that cannot be done."""
        ...

    def blame(self, code: int) -> str:
        """Why the cell has ended a process with this exit code (negative: a signal); "" when it has not."""
        ...


@dataclass(slots=True)
class MemoryCell:
    """One control group, made or not yet made. `version`: of control groups, 1 or 2."""

    path: Path
    version: int
    limit_bytes: int = 0
    _killed: int = 0
    _blamed: int = field(default=0, repr=False)

    def make(self, directory: Path, limit_bytes: int) -> None:
        """Make it with its limit; its path is in `directory` before. Raises PlatformError."""
        (directory / FILE).write_text(str(self.path), encoding="utf-8")
        self.limit_bytes = limit_bytes
        try:
            self.path.mkdir()
            self._write(_LIMIT[self.version], str(limit_bytes))
            # What is swapped out does not count, so nothing may be; the file is missing where swap is not counted.
            name, value = _NO_SWAP[self.version]
            if (self.path / name).exists():
                self._write(name, value)
        except OSError as exc:
            raise PlatformError(f"{_NOTHING} ({self.path}: {exc.strerror})", hint=_HINT) from exc

    def enter(self, pid: int) -> None:
        """Put a process into the group, whose memory counts from now on; one that has ended, or a group, is none."""
        try:
            self._write(_PROCS, str(pid))
        except (ProcessLookupError, FileNotFoundError):
            return
        except OSError as exc:
            raise PlatformError(f"process {pid} cannot be put into {self.path}: {exc.strerror}", hint=_HINT) from exc

    def blame(self, code: int) -> str:
        """The kernel kills for memory by SIGKILL, and counts: each kill that it has counted explains one exit."""
        if code != -signal.SIGKILL or self.killed() <= self._blamed:
            return ""
        self._blamed += 1
        return f"killed by the kernel for memory: {self._blamed} times in a group of {self.limit_bytes >> 20} MiB"

    def killed(self) -> int:
        """How many processes the kernel has killed for the group's memory, by its own count."""
        with contextlib.suppress(OSError):  # of one that is gone the last count stands
            lines = (self.path / _COUNTS[self.version]).read_text(encoding="ascii").splitlines()
            counts = dict(line.split() for line in lines)
            self._killed = int(counts.get("oom_kill", self._killed))
        return self._killed

    def members(self) -> list[int]:
        """The processes in it; none when it is not there."""
        try:
            return [int(pid) for pid in (self.path / _PROCS).read_text(encoding="ascii").split()]
        except OSError:
            return []

    def remove(self) -> bool:
        """Remove it; False while there are processes in it, also for a moment after their end."""
        self.killed()
        return _removed(self.path)

    def _write(self, name: str, value: str) -> None:
        (self.path / name).write_text(value, encoding="ascii")


def planned(name: str, *, pid: int | None = None) -> MemoryCell:
    """The group of that name that can be made for a process (ours, when none is given); nothing is changed.

    Raises PlatformError where none can be.
    """
    process = os.getpid() if pid is None else pid
    reasons: list[str] = []
    for version, parent in _parents(process):
        trouble = _trouble(version, parent)
        if not trouble:
            return MemoryCell(parent / f"{_PREFIX}{name}", version)
        reasons.append(f"{parent}: {trouble}")
    raise PlatformError(f"{_NOTHING} ({'; '.join(reasons) or 'no memory controller'})", hint=_HINT)


def forget(directory: Path) -> None:
    """No group of the run is left."""
    (directory / FILE).unlink(missing_ok=True)


def remove_left(directory: Path) -> str:
    """Remove the group of a dead run; its path, or "" when there was none. Raises PlatformError when it is in use."""
    try:
        path = Path((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    if not path.name.startswith(_PREFIX) or not path.is_dir():
        return ""
    if not _removed(path):
        raise PlatformError(f"control group {path} still has processes", hint="sweep again when they have ended")
    forget(directory)
    return str(path)


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _parents(pid: int) -> Iterator[tuple[int, Path]]:
    """Where a group for the process might be made, the best place first: (version, directory)."""
    own = _own(pid)
    for version, kind in ((1, "cgroup"), (2, "cgroup2")):
        for root, mount in _mounts(kind):
            group = own.get(version)
            if group is None or not group.is_relative_to(root):
                continue
            place = mount / group.relative_to(root)
            places = [place] if version == 1 else [place, *place.parents]
            yield from ((version, one) for one in places if one.is_relative_to(mount))


def _own(pid: int) -> dict[int, Path]:
    """The group of a process for memory, by version, as its namespace names it."""
    found: dict[int, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            _number, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                found[1] = Path(path)
            elif not controllers:
                found[2] = Path(path)
    return found


def _mounts(kind: str) -> Iterator[tuple[Path, Path]]:
    """(what of the hierarchy is mounted, where) for the memory controller (proc_pid_mountinfo(5))."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            before, _dash, after = line.partition(" - ")
            root, mount = before.split()[3:5]
            found, _source, options = after.split()[:3]
            if found == kind and (kind == "cgroup2" or "memory" in options.split(",")):
                yield Path(root), Path(mount)


def _trouble(version: int, parent: Path) -> str:
    """Why no group can be made there; "" when one can."""
    if version == 2:
        try:
            handed = (parent / "cgroup.subtree_control").read_text(encoding="ascii").split()
        except OSError as exc:
            return exc.strerror or "unreadable"
        if "memory" not in handed:
            return "it does not hand the memory controller down"
    if not os.access(parent, os.W_OK) or not os.access(parent / _PROCS, os.W_OK):
        return "it is not ours to write"
    return ""
