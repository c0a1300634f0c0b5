"""What one process uses of the machine, at a moment: processor time, memory, threads, open files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_s`: processor time used so far, user and system; `rss_kib`: resident memory; `fds`: open descriptors.

    `waited_s`: for how long its threads were ready to run and others ran; None where the kernel does not tell.
    """

    cpu_s: float
    waited_s: float | None
    rss_kib: int
    threads: int
    fds: int


def usage_of(pid: int) -> Usage | None:
    """What the process uses now; None when it has ended (a zombie uses nothing)."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = process.cpu_times()
            return Usage(
                cpu_s=round(times.user + times.system, 2),
                waited_s=_waited_s(pid),
                rss_kib=int(process.memory_info().rss) >> 10,
                threads=int(process.num_threads()),
                fds=int(process.num_fds()),
            )
    except psutil.Error:
        return None


def _waited_s(pid: int) -> float | None:
    """The second figure of each thread's `schedstat`, added up."""
    try:
        told = [path.read_text(encoding="ascii").split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return round(sum(int(figures[1]) for figures in told) * _NS, 2) if told else None
    except (OSError, ValueError, IndexError):
        return None  # a thread has ended meanwhile, or the kernel keeps no such figures
