"""Many runs, some at a time, each in a process of its own that ends with this one.

Called from the main thread: the kernel ends a child when the thread that started it ends. An interrupt is handed on to
every run, and their ends are awaited, so that nothing is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bundle import ERROR_FILE
from harness.bundle.opened import Bundle, opened
from harness.cluster.sweep import sweep
from harness.errors import HarnessError, PlatformError
from harness.evidence.job import Job
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

LOG_FILE = "harness.log"
_END_DEADLINE_S = 30.0
_TICK_MS = 250
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]

Ended = Callable[[Job], bool]
"""Told of each run that has ended; True: no more runs are wanted."""


def _go_on(_job: Job) -> bool:
    return False


def _nothing() -> None:
    """Nobody wants to show how it goes."""


@dataclass(slots=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    fd: int


@dataclass(slots=True)
class Pool:
    """Carries out jobs, `workers` at a time. `environment`: what their processes get beside ours; `tick`: called often.

    `program`: what is started for each, with the job's file behind it. What it says lies in the job's place, in
    harness.log.
    """

    workers: int
    environment: Mapping[str, str] = field(default_factory=dict)
    tick: Callable[[], None] = _nothing
    program: tuple[str, ...] = (sys.executable, "-m", "harness.evidence.job")
    _running: list[_Running] = field(default_factory=list)

    def run(self, jobs: Iterable[Job], ended: Ended = _go_on) -> bool:
        """Carry out the jobs in order; True when all of them ran, False when `ended` wanted no more.

        Whatever runs then is ended. Raises KeyboardInterrupt when this process is asked to end, once nothing is left.
        """
        waiting = iter(jobs)
        more = True
        with _terminated_as_interrupted():
            try:
                while more or self._running:
                    while more and len(self._running) < self.workers:
                        job = next(waiting, None)
                        more = job is not None
                        if job is not None:
                            self._start(job)
                    for job in self._ended():
                        if ended(job):
                            self._end()
                            return False
                    self.tick()
            except KeyboardInterrupt:
                self._end()
                sweep()
                raise
            finally:
                self._end()
        return True

    def _start(self, job: Job) -> None:
        path = job.write()
        paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **self.environment}
        try:
            with (job.place / LOG_FILE).open("ab") as log:
                process = subprocess.Popen(
                    command([*self.program, str(path)]),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as exc:
            raise PlatformError(f"cannot start {job.name}: {exc.strerror}") from exc
        self._running.append(_Running(job, process, os.pidfd_open(process.pid)))

    def _ended(self) -> list[Job]:
        """The jobs that have ended, after a moment of waiting for one."""
        if not self._running:
            return []
        poller = select.poll()
        for one in self._running:
            poller.register(one.fd, select.POLLIN)
        ready = {fd for fd, _event in poller.poll(_TICK_MS)}
        gone = [one for one in self._running if one.fd in ready]
        self._running = [one for one in self._running if one.fd not in ready]
        for one in gone:
            os.close(one.fd)
            one.process.wait()
        return [one.job for one in gone]

    def _end(self) -> None:
        """Let every run tear down in order; after a while kill it: its children die with it."""
        running, self._running = self._running, []
        for one in running:
            one.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _END_DEADLINE_S
        for one in running:
            try:
                one.process.wait(timeout=max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            os.close(one.fd)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Meanwhile a SIGTERM is an interrupt."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def outcome(job: Job) -> Iterator[Bundle]:
    """What a job that has ended has left; raises HarnessError with its reason when that is no judged run."""
    error = job.bundle / ERROR_FILE
    if error.is_file():
        with contextlib.suppress(ValueError):
            body = json.loads(error.read_text(encoding="utf-8"))
            raise HarnessError(f"{job.name} could not be run: {body.get('error')}", hint=str(body.get("hint") or ""))
    if not job.bundle.is_dir():
        said = (job.place / LOG_FILE).read_text(encoding="utf-8", errors="replace") if job.place.is_dir() else ""
        raise HarnessError(f"{job.name} could not be run:\n{said[-2000:] or '(it said nothing)'}")
    with opened(job.bundle) as bundle:
        if bundle.verdicts is None:
            raise HarnessError(f"{job.name} was not judged", hint=f"its output is in {job.place / LOG_FILE}")
        yield bundle
