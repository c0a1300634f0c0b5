"""The disk that evidence goes to is full, sooner or later: one sentence, exit code 3, and nothing is left running.

The disk is a small tmpfs in a mount namespace of the command's own, which is gone with it. Needed: leave to make one
(root, or user namespaces).
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.bundle.archive import pack
from harness.bundle.opened import opened, read
from harness.errors import HistoryError
from harness.process import rundir
from harness.process.shim import command
from harness.toolchain import resolve
from tests.rundirs import own_runs
from tests.safety.killing import ROOT, belonging
from tests.unit.bundle.written import whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 600.0
"""Of one command: half a minute, where nothing else has the machine."""

SAME_NAMES = "conformance/same-names"
"""Its bundle takes about 350 KiB."""

ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" || exit 99
place=$2; kept=$3; shift 3
"$@"
code=$?
cp -a "$place/." "$kept/" || exit 98
exit $code
"""
WAYS = (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount"))


@dataclass(frozen=True, slots=True)
class Disk:
    """A place for small disks; `kept`: what was on the last one when its command had ended."""

    way: tuple[str, ...]
    place: Path
    kept: Path
    runs: Path

    def harness(self, room: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The harness's command with a disk of that size at `place`, which dies with us."""
        argv = [sys.executable, "-m", "harness.cli.main", *words]
        return subprocess.run(
            command([*self.way, "sh", "-c", ON_A_SMALL_DISK, "sh", room, str(self.place), str(self.kept), *argv]),
            cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}, capture_output=True,
            text=True, errors="replace", timeout=DEADLINE_S, check=False,
        )  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A place for small disks; where none can be made the test has shown nothing, and fails."""
    way = next((way for way in WAYS if subprocess.run([*way, "true"], check=False).returncode == 0), None)
    if way is None:
        pytest.fail("no mount namespace can be made: root or user namespaces are needed", pytrace=False)
    place, kept = tmp_path / "disk", tmp_path / "kept"
    place.mkdir()
    kept.mkdir()
    with own_runs(monkeypatch) as runs:
        yield Disk(way, place, kept, runs)


def in_one_sentence(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What is not as it should be where a disk was full."""
    said = done.stderr.strip()
    wrong = [f"exit code {done.returncode}"] if done.returncode != 3 else []
    if not said.startswith("harness: ") or "free some space" not in said or len(said.splitlines()) > 2:
        wrong.append(f"it says {said[-2000:]!r}")
    if "No space left" not in said and "no space is left" not in said:
        wrong.append("it does not say that there is no space")
    return [*wrong, *(["a traceback"] if "Traceback" in done.stdout + done.stderr else [])]


@pytest.mark.parametrize("room", ["8k", "48k", "160k", "300k"])
def test_a_run_that_fills_the_disk_says_so_and_leaves_nothing(room: str, disk: Disk) -> None:
    """Before the plan, at the start, in the middle, at the verdicts; what is on disk can be read or says why not."""
    resolve()

    done = disk.harness(
        room, "run", "-k", SAME_NAMES, "-n", "1", "--seed", "7", "--out", str(disk.place / "out")
    )  # fmt: skip

    assert in_one_sentence(done) == []
    assert [str(process) for process in belonging(disk.runs)] == []
    assert rundir.sweep(disk.runs).processes == ()
    assert list(disk.runs.iterdir()) == []
    bundle = disk.kept / "out" / SAME_NAMES
    if room == "8k":
        with pytest.raises(HistoryError, match=r"plan\.json|history\.jsonl"):
            read(bundle)
        return
    with opened(bundle) as found:
        assert found.notes
        assert found.verdicts is None
        assert found.history.header or room == "48k"


def test_a_gate_that_fills_the_disk_says_so_and_leaves_nothing(disk: Disk) -> None:
    """Neither side is called better or worse."""
    resolve()

    done = disk.harness(
        "200k", "gate", "--candidate", "reference+rounds-cpu", "--baseline", "reference", "-k", SAME_NAMES, "-n", "1",
        "--seed", "7", "--out", str(disk.place / "out"),
    )  # fmt: skip

    assert in_one_sentence(done) == []
    assert "NO WORSE" not in done.stdout
    assert list(disk.runs.iterdir()) == []


def test_what_is_made_of_a_bundle_says_that_the_disk_is_full(disk: Disk, tmp_path: Path) -> None:
    """An archive, and verdicts as JSON: nothing that is half of one is left."""
    bundle = whole(tmp_path / "told", dies=True)
    archive = pack(bundle, tmp_path / "told.tar.zst")
    filler = disk.place / "filler"
    full = ["sh", "-c", f'cat /dev/zero >{filler} 2>/dev/null; exec "$@"', "sh"]

    for words in (
        ("bundle", "pack", str(bundle), "--to", str(disk.place / "x.tar.zst")),
        ("rejudge", str(archive), "--json", str(disk.place / "x.json")),
    ):
        done = subprocess.run(
            command([
                *disk.way, "sh", "-c", ON_A_SMALL_DISK, "sh", "16k", str(disk.place), str(disk.kept), *full,
                sys.executable, "-m", "harness.cli.main", *words,
            ]),
            cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert in_one_sentence(done) == [], words
        assert [path.name for path in disk.kept.iterdir() if path.name != "filler" and path.stat().st_size] == []
