from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.errors import PlatformError
from harness.process import rundir

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private place for run directories, with a short path."""
    return tmp_path_factory.mktemp("r")


def elsewhere(parent: Path, script: str) -> str:
    """Run a script in a process that makes a run directory `made` and does not remove it; returns what it prints."""
    head = f"""
import os, subprocess, sys
from pathlib import Path
from harness.process import rundir
made = rundir.make(Path({str(parent)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", head + script], cwd=ROOT, check=False, capture_output=True, text=True, timeout=30
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_run_directory_is_private_and_marked(parent: Path) -> None:
    """Only its owner can look into it, and its name is the run's mark."""
    made = rundir.make(parent)

    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((made.path / "owner").stat().st_mode) == 0o600
    assert (made.path / "owner").read_text(encoding="utf-8") == str(os.getpid())
    assert made.path == parent / made.mark
    made.remove()
    assert not made.path.exists()


def test_sweep_leaves_live_runs_alone(parent: Path) -> None:
    """A directory whose owner lives, in this process or another, is not touched."""
    ours = rundir.make(parent)
    script = f"from pathlib import Path; from harness.process import rundir; print(rundir.sweep(Path({str(parent)!r})))"

    assert rundir.sweep(parent) == rundir.Swept((), ())
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert told.strip() == "Swept(directories=(), processes=())"
    assert (ours.path / "owner").exists()
    ours.remove()


def test_sweep_removes_what_a_dead_run_left(parent: Path) -> None:
    """The directory of a run that was killed is removed, with all that is in it."""
    path = Path(elsewhere(parent, "(made.path / 'a').mkdir(); print(made.path, flush=True); os.kill(os.getpid(), 9)"))
    assert (path / "a").is_dir()

    swept = rundir.sweep(parent)

    assert swept.directories == (path,)
    assert list(parent.iterdir()) == []


def test_a_dead_runs_directory_stays_where_something_comes_first(parent: Path) -> None:
    """What has to be done before is told of the directory while it is there, and can keep it for the next sweep."""
    path = Path(elsewhere(parent, "print(made.path, flush=True); os.kill(os.getpid(), 9)"))
    told: list[bool] = []

    def first(directory: Path) -> bool:
        assert directory == path
        told.append(directory.is_dir())
        return len(told) > 1

    assert rundir.sweep(parent, first=first).directories == ()
    assert rundir.sweep(parent, first=first).directories == (path,)
    assert told == [True, True]


def test_sweep_ends_the_processes_of_a_dead_run(parent: Path) -> None:
    """A process that carries the mark of a dead run is killed; one with another mark is not."""
    bystander = subprocess.Popen(["sleep", "60"], env={**os.environ, rundir.ENV_MARK: "another"})
    try:
        left = int(
            elsewhere(
                parent,
                "child = subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=subprocess.DEVNULL,\n"
                "    stderr=subprocess.DEVNULL, env={**os.environ, rundir.ENV_MARK: made.mark})\n"
                "print(child.pid, flush=True); os.kill(os.getpid(), 9)",
            )
        )
        assert psutil.pid_exists(left)

        swept = rundir.sweep(parent)

        assert swept.processes == ((left, "sleep"),)
        psutil.wait_procs([psutil.Process(left)] if psutil.pid_exists(left) else [], timeout=5)
        assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_directory_without_owner_is_swept_only_when_old(parent: Path) -> None:
    """A directory that has no owner file yet may be about to get one; after the grace period it is a dead run's."""
    path = parent / "0a1b2c3d"
    path.mkdir()
    assert rundir.sweep(parent).directories == ()

    old = time.time() - 3600
    os.utime(path, (old, old))

    assert rundir.sweep(parent).directories == (path,)


def test_the_owner_file_is_locked_from_its_first_moment(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep between the making of the file and its lock finds no owner file, and leaves the young directory alone."""
    lock, swept = fcntl.flock, []

    def sweep_first(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        swept.append(rundir.sweep(parent))
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    made = rundir.make(parent)

    assert swept == [rundir.Swept((), ())]
    assert [path.name for path in made.path.iterdir()] == ["owner"]
    assert rundir.sweep(parent) == rundir.Swept((), ())
    made.remove()


def test_sweep_without_any_run_does_nothing(tmp_path: Path) -> None:
    """Where no run was ever made there is nothing to sweep, and nothing is created."""
    assert rundir.sweep(tmp_path / "none") == rundir.Swept((), ())
    assert not (tmp_path / "none").exists()


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    """The error names the path and the variable that helps; nothing is left behind."""
    long = tmp_path / ("x" * 80)

    with pytest.raises(PlatformError, match="too long for unix sockets") as caught:
        rundir.make(long)

    assert "INVENTORY_HARNESS_RUNS" in str(caught.value)
    assert not long.exists()


def test_a_place_that_cannot_be_written_is_refused(parent: Path) -> None:
    """The error names the place and the way out."""
    (parent / "file").touch()

    with pytest.raises(PlatformError, match=r"cannot make a run directory in .*/file") as caught:
        rundir.make(parent / "file")

    assert "INVENTORY_HARNESS_RUNS" in caught.value.hint


def test_the_directory_of_another_user_is_refused(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are never put where somebody else decides who may look."""
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)

    with pytest.raises(PlatformError, match="belongs to another user"):
        rundir.make(parent)

    assert list(parent.iterdir()) == []


def test_a_full_disk_leaves_nothing(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the owner file cannot be written the directory is removed again and no file stays open."""
    before = open_files()

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(PlatformError, match="No space left on device"):
        rundir.make(parent)
    monkeypatch.undo()

    assert list(parent.iterdir()) == []
    assert open_files() == before


def test_the_environment_chooses_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """INVENTORY_HARNESS_RUNS names the place; without it each user has one of its own."""
    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(tmp_path))
    assert rundir.base() == tmp_path

    monkeypatch.delenv("INVENTORY_HARNESS_RUNS")
    assert rundir.base().name == f"inventory-harness-{os.geteuid()}"
