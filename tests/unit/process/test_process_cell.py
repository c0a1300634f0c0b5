"""Control groups for memory: where one can be made, by what the kernel tells; in directories that stand for it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import PlatformError
from harness.process import cell
from harness.process.cell import MemoryCell, planned


@dataclass
class Kernel:
    """A hierarchy in a directory, of either version: a process is in `user/session`."""

    root: Path
    version: int

    def group(self, path: str, *, hands_down: bool = True) -> Path:
        """A group that is there."""
        made = self.root / path
        made.mkdir(parents=True, exist_ok=True)
        (made / "cgroup.procs").touch()
        if self.version == 2:
            (made / "cgroup.subtree_control").write_text("cpu memory\n" if hands_down else "cpu\n", encoding="ascii")
        return made


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A kernel that tells of the hierarchy; parametrize it with the version."""
    version: int = request.param
    root = tmp_path / "memory"
    monkeypatch.setattr(cell, "_own", lambda _pid: {version: Path("/user/session")})
    mounted = "cgroup" if version == 1 else "cgroup2"
    monkeypatch.setattr(cell, "_mounts", lambda kind: iter([(Path("/"), root)] if kind == mounted else []))
    return Kernel(root, version)


FIRST = pytest.mark.parametrize("kernel", [1], indirect=True)
SECOND = pytest.mark.parametrize("kernel", [2], indirect=True)
BOTH = pytest.mark.parametrize("kernel", [1, 2], indirect=True)


@BOTH
def test_a_group_is_planned_below_the_process_itself(kernel: Kernel) -> None:
    """Its name is the run's, and nothing is made."""
    parent = kernel.group("user/session")

    group = planned("0badcafe", pid=1)

    assert (group.path, group.version) == (parent / "inventory-harness-0badcafe", kernel.version)
    assert not group.path.exists()


@SECOND
def test_a_group_is_planned_where_the_controller_is_handed_down(kernel: Kernel) -> None:
    """A group that has processes hands nothing down: the nearest above it that does is taken."""
    parent = kernel.group("user")
    kernel.group("user/session", hands_down=False)

    assert planned("x", pid=1).path.parent == parent


@SECOND
def test_where_nobody_hands_it_down_there_is_none(kernel: Kernel) -> None:
    """The error names the groups that were looked at, and what can be done."""
    for path in ("", "user", "user/session"):
        kernel.group(path, hands_down=False)

    with pytest.raises(PlatformError, match="does not hand the memory controller down") as caught:
        planned("x", pid=1)
    assert "as root" in caught.value.hint


@FIRST
def test_a_group_that_is_not_ours_to_write_is_none(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is tried."""
    kernel.group("user/session")
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(PlatformError, match="not ours to write"):
        planned("x", pid=1)


def test_without_a_memory_controller_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so."""
    monkeypatch.setattr(cell, "_own", lambda _pid: {})

    with pytest.raises(PlatformError, match="no memory controller"):
        planned("x")


@BOTH
def test_what_is_mounted_in_part_is_found_in_that_part(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the hierarchy begins at its own group."""
    parent = kernel.group("session")
    monkeypatch.setattr(cell, "_mounts", lambda _kind: iter([(Path("/user"), kernel.root)]))

    assert planned("x", pid=1).path.parent == parent


def test_the_kernels_own_words_are_understood() -> None:
    """Of this very process: both readers find something, or there are no control groups here."""
    own, mounts = cell._own(os.getpid()), [*cell._mounts("cgroup"), *cell._mounts("cgroup2")]

    assert all(path.is_absolute() for path in own.values())
    assert all(root.is_absolute() and mount.is_dir() for root, mount in mounts)


@pytest.mark.parametrize(("version", "limit", "swap"), [(1, "memory.limit_in_bytes", None), (2, "memory.max", None)])
def test_a_group_is_made_with_its_limit_and_told_of_first(tmp_path: Path, version: int, limit: str, swap: None) -> None:
    """Its path is on disk, where a sweep finds it; where swap is not counted nothing is said of it."""
    group = MemoryCell(tmp_path / "inventory-harness-x", version)
    run = tmp_path / "run"
    run.mkdir()

    group.make(run, 32 << 20)

    assert swap is None
    assert (run / cell.FILE).read_text(encoding="utf-8") == str(group.path)
    assert (group.path / limit).read_text(encoding="ascii") == str(32 << 20)
    assert sorted(path.name for path in group.path.iterdir()) == [limit]


def test_a_group_that_is_there_already_is_an_error(tmp_path: Path) -> None:
    """It would be somebody else's."""
    group = MemoryCell(tmp_path / "inventory-harness-x", 1)
    group.path.mkdir()

    with pytest.raises(PlatformError, match="no control group for memory can be made here"):
        group.make(tmp_path, 1)


def test_a_process_enters_and_is_a_member(tmp_path: Path) -> None:
    """One whose group is gone, or that has ended itself, is nobody's; what cannot be written is told."""
    group = MemoryCell(tmp_path / "group", 2)
    group.enter(7)
    assert group.members() == []
    group.path.mkdir()
    group.enter(7)
    assert group.members() == [7]
    (group.path / "cgroup.procs").unlink()
    (group.path / "cgroup.procs").mkdir()
    with pytest.raises(PlatformError, match="process 8 cannot be put into"):
        group.enter(8)


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
        (2, "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill {}\noom_group_kill 0\n"),
    ],
)
def test_each_kill_that_the_kernel_counts_explains_one_exit(tmp_path: Path, version: int, name: str, text: str) -> None:
    """An exit by another signal, with a code, or one more than were counted is the process's own."""
    group = MemoryCell(tmp_path, version, 32 << 20)
    (tmp_path / name).write_text(text.format(0), encoding="ascii")
    assert (group.killed(), group.blame(-signal.SIGKILL)) == (0, "")
    (tmp_path / name).write_text(text.format(2), encoding="ascii")

    assert group.blame(-signal.SIGSEGV) == group.blame(1) == group.blame(0) == ""
    assert group.blame(-signal.SIGKILL) == "killed by the kernel for memory: 1 times in a group of 32 MiB"
    assert group.blame(-signal.SIGKILL).startswith("killed by the kernel for memory: 2 times")
    assert group.blame(-signal.SIGKILL) == ""


def test_what_was_counted_outlives_the_group(tmp_path: Path) -> None:
    """An exit may be noted after the group has been removed."""
    group = MemoryCell(tmp_path / "group", 2)
    group.path.mkdir()
    events = group.path / "memory.events"
    events.write_text("oom_kill 1\n", encoding="ascii")
    assert group.remove() is False  # a real one has no files of its own; this has one
    events.unlink()

    assert group.remove()
    assert group.remove()
    assert group.blame(-signal.SIGKILL) != ""


def test_only_groups_of_ours_are_removed_for_a_dead_run(tmp_path: Path) -> None:
    """What the file names has to be called as ours are; what is gone is nothing to be removed."""
    group, foreign = tmp_path / "inventory-harness-x", tmp_path / "user.slice"
    foreign.mkdir()
    assert cell.remove_left(tmp_path) == ""
    (tmp_path / cell.FILE).write_text(str(foreign), encoding="utf-8")
    assert (cell.remove_left(tmp_path), foreign.is_dir()) == ("", True)
    (tmp_path / cell.FILE).write_text(str(group), encoding="utf-8")
    assert cell.remove_left(tmp_path) == ""
    (group / "full").mkdir(parents=True)
    with pytest.raises(PlatformError, match="still has processes"):
        cell.remove_left(tmp_path)
    (group / "full").rmdir()
    assert (cell.remove_left(tmp_path), group.exists()) == (str(group), False)
    cell.forget(tmp_path)
    assert not (tmp_path / cell.FILE).exists()
