"""`harness run`: its exit codes, its directory, and how much it runs at a time."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from rich.console import Console

from harness.cli import run
from harness.cli.main import main
from harness.cli.place import has_room, make_out, usual_workers
from harness.cli.run import A_FAIL, ALL_PASS, AN_UNKNOWN, CANNOT_RUN, INTERRUPTED, conclude, exit_code
from harness.errors import HarnessError, PlatformError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def summary(*verdicts: str, errors: int = 0, same: tuple[bool | None, ...] = ()) -> dict[str, Any]:
    """A summary with these verdicts, runs that could not take place, and comparisons of two datastores."""
    compared: list[dict[str, Any]] = [
        {"same_inventory": value, "datastores": {"etcd": {}, "sqlite": {}}} for value in same
    ]
    return {
        "scenarios": [{"verdict": verdict} for verdict in verdicts],
        "errors": [{}] * errors,
        "differential": compared,
    }


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (0, summary("PASS", "PASS"), ALL_PASS),
        (1, summary("PASS", "FAIL", "UNKNOWN"), A_FAIL),
        (1, summary("PASS", "UNKNOWN"), AN_UNKNOWN),
        (0, summary("UNKNOWN"), AN_UNKNOWN),
        (1, summary("FAIL", errors=1), A_FAIL),
        (1, summary("PASS", errors=1), CANNOT_RUN),
        (1, summary("UNKNOWN", errors=1), CANNOT_RUN),
        (1, summary("PASS"), CANNOT_RUN),
        (0, summary(), AN_UNKNOWN),
        (3, summary("PASS"), CANNOT_RUN),
        (4, summary("UNKNOWN"), CANNOT_RUN),
        (2, summary("FAIL"), INTERRUPTED),
    ],
)
def test_the_exit_code_says_the_worst(status: int, body: dict[str, Any], code: int) -> None:
    """FAIL outranks what could not run, which outranks UNKNOWN; only a clean end with PASS alone is 0."""
    assert exit_code(status, body) == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (0, summary("PASS", same=(True, True)), ALL_PASS),
        (0, summary("PASS", same=(True, False, None)), A_FAIL),
        (1, summary("UNKNOWN", errors=1, same=(False,)), A_FAIL),
        (2, summary("PASS", same=(False,)), INTERRUPTED),
        (0, summary("PASS", same=(True, None)), AN_UNKNOWN),
        (1, summary("PASS", "FAIL", same=(None,)), A_FAIL),
        (1, summary("PASS", errors=1, same=(None,)), CANNOT_RUN),
        (1, summary("PASS", same=(None,)), CANNOT_RUN),
    ],
)
def test_different_inventories_are_a_failure(status: int, body: dict[str, Any], code: int) -> None:
    """A difference between datastores is 1; what cannot be compared is 2, and only where all else is well."""
    assert exit_code(status, body) == code


@pytest.mark.parametrize(("same", "code"), [(True, ALL_PASS), (False, A_FAIL), (None, AN_UNKNOWN)])
def test_different_verdicts_on_backends_are_a_failure(same: bool | None, code: int) -> None:
    """Where there are several backends verdicts are compared in the place of inventories."""
    body = summary("PASS")
    body["differential"].append({"same_verdicts": same, "datastores": {"embedded": {}, "kind": {}}})

    assert exit_code(0, body) == code


def test_a_scenario_on_one_datastore_needs_no_comparison() -> None:
    """Where a scenario is possible on one datastore alone there is nothing to compare, and nothing to doubt."""
    body = summary("PASS", same=(True,))
    body["differential"].append({"same_inventory": None, "datastores": {"etcd3": {}}})

    assert exit_code(0, body) == ALL_PASS


@pytest.mark.parametrize(("cores", "free_gib", "workers"), [(2, 23, 4), (2, 3, 3), (1, 0, 1), (4, 64, 8), (64, 256, 8)])
def test_as_many_at_a_time_as_cores_and_memory_allow(
    cores: int, free_gib: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two for each core, one for each free GiB, at least one and at most eight."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free_gib << 30))

    assert usual_workers() == workers


@pytest.mark.parametrize("word", ["meteor", "0", "254"])
def test_names_that_are_unknown_are_refused_before_anything_is_made(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One error that shows the word, exit code 3, and no directory."""
    monkeypatch.setattr(sys, "argv", ["harness", "run", "--names", word, "--out", str(tmp_path / "out")])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == CANNOT_RUN
    assert f"names {word!r} are unknown" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_output_directory_that_is_in_use_is_refused(tmp_path: Path) -> None:
    """Nothing of an earlier campaign is overwritten."""
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")

    with pytest.raises(UsageError, match="not empty"):
        make_out(tmp_path)


def test_an_output_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "file").touch()

    with pytest.raises(PlatformError, match=r"cannot write to .*file/out"):
        make_out(tmp_path / "file" / "out")


def test_a_test_file_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names it, and says how scenarios are chosen otherwise; no directory is made."""
    missing = tmp_path / "test_x.py"
    monkeypatch.setattr(sys, "argv", ["harness", "run", str(missing), "--out", str(tmp_path / "out")])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == CANNOT_RUN
    assert f"{missing}: there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_the_place_of_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was written any more, the reason is one sentence; elsewhere pytest's own words are shown."""
    (tmp_path / "pytest.log").write_text("E   OSError: [Errno 28] No space", encoding="utf-8")

    with pytest.raises(HarnessError, match="Errno 28"):
        conclude(1, tmp_path, None, Console())
    monkeypatch.setattr(run, "has_room", lambda out: out != tmp_path)
    with pytest.raises(PlatformError, match=f"no space is left on the disk of {tmp_path}") as caught:
        conclude(1, tmp_path, None, Console())
    assert "free some space" in caught.value.hint


def test_room_is_found_out_by_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a disk that is full has none; nothing is left of the probe."""
    assert has_room(tmp_path)
    assert has_room(tmp_path / "not-there")
    assert list(tmp_path.iterdir()) == []

    def full(**_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert not has_room(tmp_path)
