"""The kernel's settings that kubelets change are given back by the last cluster that goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.cluster import kernel

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = {"vm/overcommit_memory": "0", "kernel/panic": "30", "kernel/panic_on_oops": "0"}
KUBELETS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc/sys as it was before any kubelet."""
    folder = tmp_path / "proc"
    put(folder, BEFORE)
    return folder


def put(proc: Path, values: dict[str, str]) -> None:
    """Set all three."""
    for name, value in values.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(f"{value}\n", encoding="ascii")


def get(proc: Path) -> dict[str, str]:
    """What they are."""
    return {name: (proc / name).read_text(encoding="ascii").strip() for name in BEFORE}


def test_a_cluster_gives_back_what_its_kubelets_changed(tmp_path: Path, proc: Path) -> None:
    """What was noted before is there again, and the note is gone."""
    kept = kernel.keep(tmp_path / "kept", proc=proc)
    put(proc, KUBELETS)

    assert kept.release() == ()

    assert get(proc) == BEFORE
    assert not (tmp_path / "kept" / "settings.json").exists()


def test_only_the_last_of_two_clusters_gives_them_back(tmp_path: Path, proc: Path) -> None:
    """The second one notes nothing: it would take the kubelets' values for the machine's own."""
    first = kernel.keep(tmp_path / "kept", proc=proc)
    put(proc, KUBELETS)
    second = kernel.keep(tmp_path / "kept", proc=proc)

    assert first.release() == ()
    assert get(proc) == KUBELETS
    assert kernel.restore(tmp_path / "kept", proc=proc) == ()
    assert get(proc) == KUBELETS
    assert second.release() == ()
    assert get(proc) == BEFORE


def test_after_a_killed_harness_a_sweep_gives_them_back(tmp_path: Path, proc: Path) -> None:
    """A dead holder's lock is gone with it, and what it noted is not."""
    pid = os.fork()
    if pid == 0:
        kernel.keep(tmp_path / "kept", proc=proc)
        os._exit(0)
    os.waitpid(pid, 0)
    put(proc, KUBELETS)

    assert kernel.restore(tmp_path / "kept", proc=proc) == ()

    assert get(proc) == BEFORE


def test_what_cannot_be_given_back_is_told_and_stays_noted(tmp_path: Path, proc: Path) -> None:
    """Somebody with more rights may do it later."""
    kept = kernel.keep(tmp_path / "kept", proc=proc)
    put(proc, KUBELETS)
    (proc / "kernel/panic").unlink()
    (proc / "kernel/panic").symlink_to(tmp_path / "nowhere" / "at-all")

    assert kept.release() == ("kernel/panic=30",)
    assert kernel.restore(tmp_path / "kept", proc=proc) == ("kernel/panic=30",)
    assert (tmp_path / "kept" / "settings.json").exists()


def test_where_nothing_was_noted_nothing_is_done(tmp_path: Path, proc: Path) -> None:
    """A sweep on a machine that never had a real kubelet touches nothing."""
    put(proc, KUBELETS)

    assert kernel.restore(tmp_path / "kept", proc=proc) == ()

    assert get(proc) == KUBELETS
    assert not (tmp_path / "kept").exists()
