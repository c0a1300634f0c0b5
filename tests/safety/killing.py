"""How the harness is killed in tests, and what may be left of it then: nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import psutil

from harness.errors import HarnessError, WaitTimeoutError
from harness.fault.port import listen_on
from harness.history import reader
from harness.process.shim import command
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]
GONE_DEADLINE_S = 5.0
ORDERLY_DEADLINE_S = 40.0
"""Time to heal, tear down and write reports after SIGTERM or SIGINT."""

BITE_DEADLINE_S = 120.0
"""From the start of the command to the evidence of a fault, on a busy machine."""


def belonging(runs: Path) -> list[psutil.Process]:
    """The processes whose environment names the private directory.

    Pytest and its workers have it as INVENTORY_HARNESS_RUNS; what a run starts has the run's directory as HOME.
    """
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        homes = (environment.get("INVENTORY_HARNESS_RUNS", ""), environment.get("HOME", ""))
        if not dead and process.pid != os.getpid() and any(Path(home).is_relative_to(runs) for home in homes if home):
            found.append(process)
    return found


def started(argv: list[str], environment: dict[str, str], log: BinaryIO) -> subprocess.Popen[bytes]:
    """Pytest in a session of its own; it dies with us."""
    return subprocess.Popen(
        command(argv), cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
    )  # fmt: skip


async def ended(process: subprocess.Popen[bytes]) -> list[str]:
    """Wait for the end of what was started; whoever loses its worker reports that and ends."""

    async def over(progress: Progress) -> bool | None:
        progress.last = "it still runs"
        return None if process.poll() is None else True

    try:
        await until("it to end", over, deadline_s=ORDERLY_DEADLINE_S)
    except WaitTimeoutError as exc:
        return [exc.what]
    return []


def described(process: psutil.Process) -> str:
    """Its pid and its words; it may have ended since it was listed."""
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.NoSuchProcess:  # a zombie too
        return f"{process.pid} (ended)"


async def gone(runs: Path, *, which: Callable[[Path], list[psutil.Process]] | None = None) -> list[str]:
    """Wait for the end of everything that pytest had started, or of `which` of it."""
    listed = which or belonging

    async def nothing(progress: Progress) -> bool | None:
        left = listed(runs)
        progress.last = ", ".join(described(process) for process in left)
        return None if left else True

    try:
        await until("its processes to be gone", nothing, deadline_s=GONE_DEADLINE_S, interval_s=0.1)
    except WaitTimeoutError as exc:
        return [exc.what]
    return []


def unreadable(out: Path) -> list[str]:
    """The histories that cannot be read back (a torn last line is no damage)."""
    problems = []
    for path in out.rglob("history.jsonl"):
        try:
            reader.read(path)
        except HarnessError as exc:
            problems.append(f"{path.name}: {exc.what}")
    return problems


def harness_of(runs: Path) -> list[psutil.Process]:
    """The processes of the harness itself: the command, pytest and its workers, and nothing that a run has started."""
    return [one for one in belonging(runs) if "INVENTORY_HARNESS_RUNS" in environment_of(one)]


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Its environment; none of one that has ended since it was listed."""
    try:
        return process.environ()
    except psutil.Error:
        return {}


def listening(processes: Iterable[psutil.Process]) -> set[int]:
    """The ports on which these processes listen."""
    found: set[int] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found |= _listeners(process.net_connections(kind="tcp"))
    return found


def _listeners(connections: Iterable[Any]) -> set[int]:
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}


async def freed(ports: Iterable[int]) -> list[str]:
    """Wait until each of the ports can be listened on, or somebody else listens there.

    A process that ends has lost its environment, by which it is found, a moment before its sockets.
    """

    async def none_taken(progress: Progress) -> bool | None:
        left = _taken(ports)
        progress.last = f"cannot be listened on, though nobody does: {left}"
        return None if left else True

    try:
        await until("its ports to be free", none_taken, deadline_s=GONE_DEADLINE_S, interval_s=0.1)
    except WaitTimeoutError as exc:
        return [exc.what]
    return []


def _taken(ports: Iterable[int]) -> list[int]:
    """Those of the ports that cannot be listened on, though nobody listens there."""
    left = []
    for port in ports:
        try:
            listen_on(port).close()
        except OSError:
            left.append(port)
    others = _listeners(psutil.net_connections(kind="tcp")) if left else set()
    return [port for port in left if port not in others]


def abandoned() -> set[str]:
    """The control groups without a process, which is what one looks like that a dead harness would have left."""
    found = set()
    for path in Path("/sys/fs/cgroup").rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # of a kind that cannot be read, or gone
            if not path.read_text(encoding="ascii"):
                found.add(str(path.parent))
    return found


async def bites(
    process: subprocess.Popen[bytes],
    history: Path,
    kind: str,
    *,
    amid: bool = False,
    deadline_s: float = BITE_DEADLINE_S,
) -> str:
    """Return the evidence as soon as the history of a run has it, for a fault of that kind.

    `amid`: return as soon as its injection has begun. Raises WaitTimeoutError, or AssertionError when the run ends
    before.
    """

    async def told(progress: Progress) -> str | None:
        assert process.poll() is None, f"the run ended with {process.poll()}"
        records = _of_faults(history)
        progress.last = f"{[(one['fault'], one['phase'], one.get('evidence')) for one in records]}"
        struck = [one for one in records if one["fault"] == kind and (amid or one.get("bit"))]
        return str(struck[0].get("evidence", "it is being injected")) if struck else None

    return await until(f"{kind} to bite", told, deadline_s=deadline_s)


async def told(process: subprocess.Popen[bytes], history: Path, mark: str) -> None:
    """Return as soon as the history of a run has that mark. Raises as `bites`."""

    async def marked(progress: Progress) -> bool | None:
        assert process.poll() is None, f"the command ended with {process.poll()}"
        marks = _marks(history)
        progress.last = f"marks {marks}"
        return mark in marks or None

    await until(f"the run to come to {mark}", marked, deadline_s=BITE_DEADLINE_S)


def _marks(history: Path) -> list[str]:
    """The marks that a history has so far."""
    text = history.read_text(encoding="utf-8") if history.exists() else ""
    return [json.loads(line)["mark"] for line in text.splitlines(keepends=True) if _is_mark(line)]


def _is_mark(line: str) -> bool:
    return '"k":"mark"' in line and line.endswith("\n")


def _of_faults(history: Path) -> list[dict[str, Any]]:
    """The records of faults; the last line may not be whole yet."""
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True) if history.exists() else []
    return [json.loads(line) for line in lines if '"k":"fault"' in line and line.endswith("\n")]


def kill(runs: Path) -> None:
    """SIGKILL the whole harness, and leave everything else to the kernel."""
    for process in harness_of(runs):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
