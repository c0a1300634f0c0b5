"""Settings of the whole kernel that real kubelets change: kept, and given back when the last cluster is gone.

A kubelet writes three of them at its start, whatever they were. They belong to the machine, not to a node's container,
so that a kind cluster would leave them changed. The first cluster of a machine keeps what they were in a file; each
cluster holds a shared lock on a second file while it lives; whoever can have that lock alone gives them back.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PlatformError

SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
"""What `setupKernelTunables` of the kubelet writes, below /proc/sys."""
_PROC = Path("/proc/sys")


def place() -> Path:
    """The directory for both files: of this user, and the same for all runs of this machine."""
    return Path(tempfile.gettempdir()) / f"inventory-harness-kernel-{os.geteuid()}"


@dataclass(slots=True)
class Kept:
    """A cluster's share in what is kept."""

    folder: Path
    proc: Path
    _fd: int

    def release(self) -> tuple[str, ...]:
        """Give up the share; the last one gives the settings back.

        Returns those that could not be given back, as "vm/overcommit_memory=0".
        """
        if self._fd < 0:
            return ()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            return restore(self.folder, proc=self.proc)
        finally:
            os.close(self._fd)
            self._fd = -1


def keep(folder: Path | None = None, *, proc: Path = _PROC) -> Kept:
    """Note what the settings are, unless they are noted already, and hold a share until `release`.

    Raises PlatformError when the directory cannot be written.
    """
    folder = folder or place()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "in-use", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        saved = folder / "settings.json"
        if not saved.exists():
            draft = folder / f"settings.{os.getpid()}"
            draft.write_text(json.dumps(_read(proc)), encoding="utf-8")
            draft.replace(saved)
    except OSError as exc:
        raise PlatformError(
            f"cannot keep the kernel's settings in {folder}: {exc.strerror}", hint="set TMPDIR to a writable directory"
        ) from exc
    return Kept(folder, proc, fd)


def restore(folder: Path | None = None, *, proc: Path = _PROC) -> tuple[str, ...]:
    """Give the settings back where no cluster lives any more; the same return as `Kept.release`.

    Nothing is noted, or somebody lives: nothing happens. Only root may write them; for anybody else they stay noted.
    """
    folder = folder or place()
    saved = folder / "settings.json"
    if not saved.exists():
        return ()
    fd = os.open(folder / "in-use", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = _write(proc, json.loads(saved.read_text(encoding="utf-8")))
        if not left:
            saved.unlink()
    except (BlockingIOError, FileNotFoundError):
        return ()  # somebody lives, or another was quicker
    finally:
        os.close(fd)
    return left


def _read(proc: Path) -> dict[str, str]:
    return {name: (proc / name).read_text(encoding="ascii").strip() for name in SETTINGS if (proc / name).exists()}


def _write(proc: Path, wanted: dict[str, str]) -> tuple[str, ...]:
    left = []
    for name, value in wanted.items():
        if name not in SETTINGS or _read(proc).get(name) == value:
            continue
        try:
            (proc / name).write_text(value, encoding="ascii")
        except OSError:
            left.append(f"{name}={value}")
    return tuple(left)
