"""Where a campaign goes, where its suite is, and how much of it runs at a time."""

from __future__ import annotations

import datetime as dt
import errno
import os
import secrets
import tempfile
from pathlib import Path

import psutil

from harness.errors import PlatformError, UsageError

_STACK_BYTES = 1 << 30
"""One control plane with its operator and its test process takes about 650 MiB."""

_WORKERS_MOST = 8

_A_LITTLE_BYTES = 1 << 16
"""What cannot even take that much is full: a run that met it has freed some of what it had written."""


def usual_workers() -> int:
    """How many scenarios run at a time unless told otherwise: one waits about half of its time."""
    room = psutil.virtual_memory().available // _STACK_BYTES
    return max(1, min(2 * len(os.sched_getaffinity(0)), room, _WORKERS_MOST))


def make_out(given: Path | None) -> Path:
    """The campaign's directory; raises UsageError or PlatformError when it cannot be used."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    path = (given or Path("reports") / "out" / f"{stamp}-{secrets.token_hex(2)}").resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UsageError(
                f"--out {given}: the directory is not empty", hint="give a new one; nothing is overwritten"
            )
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise PlatformError(
            f"cannot write to {path}: {exc.strerror}", hint="choose a writable --out directory"
        ) from exc
    return path


def has_room(out: Path) -> bool:
    """Whether a little more can be written there; that there is no room is what this finds out, and nothing else."""
    try:
        with tempfile.TemporaryFile(dir=out) as probe:
            probe.write(b"\0" * _A_LITTLE_BYTES)
    except OSError as exc:
        return exc.errno not in {errno.ENOSPC, errno.EDQUOT}
    return True


def suite_root() -> Path:
    """Where scenarios, fixtures and conftest.py are: the current checkout, the harness's own, or the installed copy."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (Path.cwd(), package.parent, package / "_suite"):
        if (
            (candidate / "conftest.py").is_file()
            and (candidate / "scenarios").is_dir()
            and (candidate / "fixtures").is_dir()
        ):
            return candidate
    raise PlatformError(
        "the scenario suite is not installed", hint="install the whole distribution, or run from a checkout"
    )


def suite_environment() -> dict[str, str]:
    """The environment of a program of the suite: ours, where it finds this very harness."""
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
