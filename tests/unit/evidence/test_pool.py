"""Runs in processes of their own: as many at a time as wanted, and none of them left."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.errors import HarnessError
from harness.evidence import pool
from harness.evidence.job import Job, read
from harness.evidence.pool import Pool, outcome
from harness.run.plan import Plan
from tests.unit.bundle.written import SCENARIO, whole

if TYPE_CHECKING:
    from pathlib import Path

# Notes its pid and how many of its kind are at work, and ends; or waits until it is ended by a signal.
BRIEF = (
    "import os, pathlib, sys\n"
    "here = pathlib.Path(sys.argv[1]).parent\n"
    "(here.parent / f'at-work-{here.name}').touch()\n"
    "(here / 'seen').write_text(str(len(list(here.parent.glob('at-work-*')))))\n"
    "(here.parent / f'at-work-{here.name}').unlink()\n"
)
PATIENT = (
    "import pathlib, signal, sys\n"
    "here = pathlib.Path(sys.argv[1]).parent\n"
    "signal.signal(signal.SIGTERM, lambda *_: (here / 'ended').touch() or sys.exit(0))\n"
    "(here / 'began').touch()\n"
    "while True: signal.pause()\n"
)


def jobs(out: Path, number: int) -> list[Job]:
    """So many jobs of one plan."""
    plan = Plan(SCENARIO, 7)
    return [Job(f"run-{index}", out, plan, "reference", None, "v1.34.4") for index in range(number)]


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    """Its process is told all that it needs."""
    (job,) = jobs(tmp_path, 1)

    assert read(job.write()) == job
    assert job.bundle == tmp_path / "run-0" / "chaos" / "told"


def test_all_are_run_some_at_a_time(tmp_path: Path) -> None:
    """Each is run once, in order, and never more at a time than workers."""
    ended: list[str] = []
    listed = jobs(tmp_path, 5)

    def note(job: Job) -> bool:
        ended.append(job.name)
        return False

    done = Pool(2, program=(sys.executable, "-c", BRIEF)).run(listed, note)

    assert done
    assert sorted(ended) == [job.name for job in listed]
    assert max(int((job.place / "seen").read_text()) for job in listed) <= 2


def test_no_more_are_run_than_wanted(tmp_path: Path) -> None:
    """Whoever has seen enough ends the rest, in order, and none is begun any more."""
    listed = jobs(tmp_path, 6)
    patient = (sys.executable, "-c", PATIENT.replace("while", "if 'run-1' in here.name: sys.exit(0)\nwhile"))

    done = Pool(3, program=patient).run(listed, lambda job: job.name == "run-1")

    assert not done
    assert not (listed[4].place / "began").exists()
    assert not [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]


def test_an_interrupt_ends_every_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked to end and awaited, what dead runs left is swept, and the interrupt goes on."""
    swept: list[bool] = []
    monkeypatch.setattr(pool, "sweep", lambda: swept.append(True))
    listed = jobs(tmp_path, 2)

    def tick() -> None:
        if all((job.place / "began").exists() for job in listed):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        Pool(2, tick=tick, program=(sys.executable, "-c", PATIENT)).run(listed)

    assert all((job.place / "ended").exists() for job in listed)
    assert swept == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_cannot_be_is_told_with_its_reason(tmp_path: Path) -> None:
    """The harness's own error is found in the bundle: here that there is no such operator."""
    job = Job("run-1", tmp_path, Plan(SCENARIO, 7), str(tmp_path / "nothing"), None, "v1.34.4")

    Pool(1).run([job])

    error = json.loads((job.bundle / "error.json").read_text(encoding="utf-8"))
    assert "there is no such file" in error["error"]
    with pytest.raises(HarnessError, match=r"run-1 could not be run: .*there is no such file"), outcome(job):
        pass


def test_a_process_that_died_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Where there is no bundle, what the process said is all there is."""
    (job,) = jobs(tmp_path, 1)

    Pool(1, program=(sys.executable, "-c", "import sys; sys.exit('out of luck')")).run([job])

    with pytest.raises(HarnessError, match=r"(?s)run-0 could not be run.*out of luck"), outcome(job):
        pass


def test_a_run_that_was_not_judged_is_no_outcome(tmp_path: Path) -> None:
    """Half a run says nothing; a whole one is read."""
    (job,) = jobs(tmp_path, 1)
    bundle = whole(job.directory)
    with outcome(job) as found:
        assert found.name == "chaos/told"
    (bundle / "verdicts.json").unlink()
    (bundle / "checksums.json").unlink()

    with pytest.raises(HarnessError, match="was not judged"), outcome(job):
        pass
