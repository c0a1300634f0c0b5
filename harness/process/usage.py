"""What one process uses of the machine, at a moment: processor time, memory, threads, open files."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_s`: processor time used so far, user and system; `rss_kib`: resident memory; `fds`: open descriptors."""

    cpu_s: float
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
                rss_kib=int(process.memory_info().rss) >> 10,
                threads=int(process.num_threads()),
                fds=int(process.num_fds()),
            )
    except psutil.Error:
        return None
