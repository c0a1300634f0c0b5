"""One run of a stored plan in a process of its own: `python -m harness.evidence.job FILE`.

Whoever replays, compares or shrinks starts many of them. The process ends in order when it is asked to (SIGTERM), and
dies with whoever started it. What it does goes into the campaign's progress, what came of it into a bundle.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundle import DATASTORE_VARIABLE, ERROR_FILE, PROGRESS_FILE, progress
from harness.bundle.manifest import read_json, write_json
from harness.cluster.backend import BackendSpec
from harness.cluster.datastore import parse_many
from harness.errors import DefectError, HarnessError, PlatformError
from harness.run import plan as plans
from harness.run.choose import choose, optional_parts
from harness.run.engine import Setup, carry_out
from harness.toolchain import resolve

if TYPE_CHECKING:
    from types import FrameType

    from harness.run.plan import Plan

JOB_FILE = "job.json"
DONE, CANNOT_RUN, INTERRUPTED = 0, 3, 130


@dataclass(frozen=True, slots=True)
class Job:
    """One run to be made.

    `name`: the directory in the campaign's `out` that its bundle goes to ("run-03"); `operator`, `defect`: as the
    options of `harness run`; `kubernetes`: the control plane's version; `reproduce`: the command that repeats it.
    """

    name: str
    out: Path
    plan: Plan
    operator: str
    defect: str | None
    kubernetes: str
    audit: bool = False
    reproduce: str = ""

    @property
    def directory(self) -> Path:
        """Where its bundle goes, beside those of other scenarios."""
        return self.out / self.name

    @property
    def place(self) -> Path:
        """Where what is only about the job lies: its file, and what its process says."""
        return self.out / "jobs" / f"{self.name}/{self.plan.label}".replace("/", "-")

    @property
    def bundle(self) -> Path:
        """Where its evidence will lie."""
        return self.directory / self.plan.label

    def write(self) -> Path:
        """Make its directory and put it there for its process; raises PlatformError."""
        path = self.place / JOB_FILE
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise PlatformError(f"cannot write to {self.place}: {exc.strerror}") from exc
        body: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        write_json(path, {**body, "out": str(self.out), "plan": self.plan.as_json()})
        return path


def read(path: Path) -> Job:
    """The job in a file that `Job.write` has made."""
    body = read_json(path)
    return Job(**{**body, "out": Path(body["out"]), "plan": plans.from_json(body["plan"])})


def run(job: Job) -> int:
    """Carry a job out, from the main thread; the exit code of its process. What went wrong is in the bundle."""
    try:
        given = parse_many(os.environ.get(DATASTORE_VARIABLE) or job.plan.datastore)[0]
        job = replace(job, plan=replace(job.plan, datastore=given.kind))
        operator, provider = choose(job.operator, job.defect), BackendSpec(job.plan.backend)
        setup = Setup(
            toolchain=resolve(kubernetes=job.kubernetes, also=optional_parts([given], [provider])),
            operator=operator,
            out=job.directory,
            seed=job.plan.seed,
            reproduce=job.reproduce.replace("{", "{{").replace("}", "}}"),
            phase=_Phases(job.out / PROGRESS_FILE, job.name),
            datastore=given,
            audit=job.audit,
            backend=provider,
        )
        carry_out(job.plan, setup)
    except HarnessError as exc:
        # A full disk may be the very reason: it takes neither note nor log.
        with contextlib.suppress(PlatformError, OSError):
            note_error(job, exc)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"harness: {exc}\n")
            sys.stderr.flush()
        return CANNOT_RUN
    except Exception as exc:
        note_error(job, DefectError.of(exc))
        raise
    return DONE


def note_error(job: Job, exc: HarnessError) -> None:
    """The harness's own failure, where its reader will find it: no verdict, but not silence either."""
    job.bundle.mkdir(parents=True, exist_ok=True)
    write_json(job.bundle / ERROR_FILE, {"scenario": job.plan.label, "error": exc.what, "hint": exc.hint})


@dataclass(frozen=True, slots=True)
class _Phases:
    """Appends what the run is doing to the campaign's progress, for whoever shows it."""

    path: Path
    name: str

    def __call__(self, scenario: str, phase: str) -> None:
        progress.note(self.path, f"{self.name}/{scenario}", phase)


_asked = False


def _end_in_order(_number: int, _frame: FrameType | None) -> None:
    """End as by Ctrl-C, once: asyncio takes the first SIGINT as a request to clean up, and breaks off at the second."""
    global _asked  # noqa: PLW0603 - a signal handler has nowhere else to keep what it knows
    if not _asked:
        _asked = True
        signal.raise_signal(signal.SIGINT)


def main(arguments: list[str]) -> int:
    """The process's own main."""
    signal.signal(signal.SIGTERM, _end_in_order)
    with contextlib.suppress(KeyboardInterrupt):
        return run(read(Path(arguments[0])))
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
