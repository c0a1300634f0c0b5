"""One child process: started, watched, signalled, ended, with its output in files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from harness.errors import ClusterError, PlatformError
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 12
_TAIL_BYTES = 2**18


@dataclass(slots=True)
class Child:
    """A running (or ended) child in a process group of its own.

    It is started by the calling thread through the death shim: when that thread's process dies, the kernel kills the
    child. Start children from the main thread only (PR_SET_PDEATHSIG is about the thread that forked).
    """

    name: str
    process: subprocess.Popen[bytes]
    stderr_path: Path
    started_at: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The process id (the shim becomes the program by exec, so it is the program's own)."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self.process.poll()

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet (a stopped one still runs)."""
        return self.exit_code is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process; a process that has ended is left alone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL the whole group (SIGKILL also ends a stopped process) and collect the exit code."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)

    async def wait(self, deadline_s: float) -> int | None:
        """The exit code, or None when the process is still running after `deadline_s`."""
        loop = asyncio.get_running_loop()
        fd = os.pidfd_open(self.pid) if self.running else -1
        if fd < 0:
            return self.exit_code
        ended = asyncio.Event()
        loop.add_reader(fd, ended.set)
        try:
            async with asyncio.timeout(deadline_s):
                await ended.wait()
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(fd)
            os.close(fd)
        return self.process.wait()

    async def interrupted(self, number: signal.Signals, deadline_s: float) -> int:
        """Ask the process to end with `number`, kill it when it has not after `deadline_s`; the exit code."""
        self.send(number)
        code = await self.wait(deadline_s)
        if code is None:
            self.kill()
            code = self.process.wait()
        return code

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines it wrote to stderr."""
        return tail(self.stderr_path, lines)

    def state(self) -> str:
        """The kernel's word for its state ("running", "sleeping", "stopped", "zombie"), or "gone"."""
        try:
            return str(psutil.Process(self.pid).status())
        except psutil.Error:
            return "gone"

    def rss_mib(self) -> float:
        """Resident memory in MiB, 0 when it has ended."""
        try:
            return float(psutil.Process(self.pid).memory_info().rss) / 2**20
        except psutil.Error:
            return 0.0

    def cpu_s(self) -> float:
        """Processor time used so far in seconds, 0 when it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a text file; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


TRACEBACK = "Traceback (most recent call last)"
_DYING = ("panic: ", "fatal error: ", TRACEBACK, "Error: ", "error: ")


def last_words(path: Path, *, lines: int = 8) -> str:
    """What a program said about its own end: from the line that begins a panic, traceback or error on, else the tail.

    The first lines after a panic tell more than the last ones of its stack; of a traceback the last ones do.
    """
    said = tail(path, 4000).splitlines()
    starts = [index for index, line in enumerate(said) if line.startswith(_DYING)]
    begin = starts[-1] if starts else max(0, len(said) - lines)
    # A Go program may panic again while it unwinds: the first of a row of panics is the cause.
    while starts and begin - 1 in starts:
        begin -= 1
    if starts and said[begin].startswith(TRACEBACK):
        end = next((n for n in range(begin + 1, len(said)) if not said[n].startswith(" ")), len(said) - 1)
        return "\n".join([said[begin], *said[max(begin + 1, end + 2 - lines) : end + 1]])
    return "\n".join(said[begin : begin + lines])


def start(
    name: str,
    argv: Sequence[str],
    *,
    log_dir: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
) -> Child:
    """Start `argv` with its output appended to `log_dir/NAME.stdout.log` and `.stderr.log`.

    `env` replaces the environment wholly; `user` (uid, gid) is who it runs as, for a harness that runs as root. Raises
    PlatformError when the program cannot be executed.
    """
    stderr_path = log_dir / f"{name}.stderr.log"
    try:
        with (log_dir / f"{name}.stdout.log").open("ab") as out, stderr_path.open("ab") as err:
            process = subprocess.Popen(
                command(argv, user=user),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as exc:
        raise PlatformError(f"cannot start {name} ({argv[0]}): {exc.strerror or exc}") from exc
    return Child(name=name, process=process, stderr_path=stderr_path)


def require_running(child: Child, doing: str) -> None:
    """Raise ClusterError with the child's last words when it has ended."""
    if not child.running:
        raise ClusterError(
            f"{child.name} exited with {child.exit_code} while {doing}; its last lines:\n{child.tail()}",
            hint=f"its whole output is in {child.stderr_path}",
        )
