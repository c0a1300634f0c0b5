"""A run's working directory, its owner's lock, and the sweep of what dead runs left.

Each run keeps sockets, credentials and datastore files in a short-named directory (a unix socket's path may have 107
bytes at most). The owner holds a lock on the file `owner` in it; the kernel drops the lock when the owner dies, however
it dies. So a directory whose lock can be taken belongs to a dead run, and `sweep` removes it, after ending any process
that still carries the run's mark in its environment.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

ENV_MARK = "INVENTORY_HARNESS_RUN"
LONGEST_PATH = 70
"""Leaves room for the names of our sockets within the 107 bytes."""
_GRACE_S = 10.0  # a directory younger than this may not have its owner file yet


def base() -> Path:
    """Where run directories are made: `$INVENTORY_HARNESS_RUNS`, or this user's place in the temporary directory."""
    given = os.environ.get("INVENTORY_HARNESS_RUNS")
    return Path(given) if given else Path(tempfile.gettempdir()) / f"inventory-harness-{os.geteuid()}"


@dataclass(slots=True)
class RunDir:
    """A private directory (mode 0700) that is ours while the lock is held."""

    path: Path
    mark: str
    _fd: int

    def remove(self) -> None:
        """Delete the directory and give the lock back."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def make(parent: Path | None = None) -> RunDir:
    """A new run directory; raises PlatformError when it cannot be made there."""
    root = parent or base()
    mark = secrets.token_hex(4)
    path = root / mark
    if len(str(path)) > LONGEST_PATH:
        raise PlatformError(
            f"the run directory's path is too long for unix sockets: {path}",
            hint="set INVENTORY_HARNESS_RUNS to a directory with a short path",
        )
    fd = -1
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.geteuid():
            raise PlatformError(
                f"{root} belongs to another user", hint="set INVENTORY_HARNESS_RUNS to a directory of your own"
            )
        path.mkdir(mode=0o700)
        fd = os.open(path / "unowned", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, str(os.getpid()).encode())
        # Locked from its first moment: no sweep can take it for a dead run's.
        (path / "unowned").rename(path / "owner")
    except OSError as exc:
        if fd >= 0:
            os.close(fd)
        shutil.rmtree(path, ignore_errors=True)
        raise PlatformError(
            f"cannot make a run directory in {root}: {exc.strerror}",
            hint="free some space, or set INVENTORY_HARNESS_RUNS to a writable directory with a short path",
        ) from exc
    return RunDir(path=path, mark=mark, _fd=fd)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed: directories of dead runs, and (pid, name) of processes they had left."""

    directories: tuple[Path, ...]
    processes: tuple[tuple[int, str], ...]


def sweep(parent: Path | None = None, *, first: Callable[[Path], bool] = lambda _path: True) -> Swept:
    """Remove what dead runs left behind; live runs are never touched.

    `first` is called with the directory of each dead run, once its processes are ended; where it returns False, the
    directory stays.
    """
    root = parent or base()
    directories: list[Path] = []
    processes: list[tuple[int, str]] = []
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.is_dir() and dead(path):
            processes += _kill_marked(path.name)
            if not first(path):
                continue
            shutil.rmtree(path, ignore_errors=True)
            directories.append(path)
    return Swept(tuple(directories), tuple(processes))


def dead(path: Path) -> bool:
    """Whether the run of that directory is over; in doubt it is not."""
    owner = path / "owner"
    try:
        fd = os.open(owner, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - path.stat().st_mtime > _GRACE_S
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def marked(mark: str) -> list[psutil.Process]:
    """The processes that carry a run's mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(ENV_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _kill_marked(mark: str) -> list[tuple[int, str]]:
    killed = []
    for process in marked(mark):
        try:
            killed.append((process.pid, process.name()))
            process.kill()
        except psutil.Error:
            continue
    return killed
