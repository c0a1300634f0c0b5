"""`harness replay` and `harness gate` are killed in the middle of a run: nothing is left, and a gate goes on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from harness import Scenario, faults
from harness.clock import RunClock
from harness.history.writer import HistoryWriter
from harness.process import rundir
from harness.run.plan import Plan
from harness.toolchain import resolve
from tests.safety.killing import ROOT, belonging, bites, ended, gone, started, told, unreadable

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Scenario(id="chaos/short", promises=("SURVIVE-1",), faults=(faults.ApiServerKilled(for_s=30.0),))
"""Harm that lasts long enough to be killed in."""

SAME_NAMES = "conformance/same-names"
GATE = (
    "gate",
    "--candidate",
    "reference+rounds-cpu",
    "--baseline",
    "reference",
    "-k",
    SAME_NAMES,
    "--seed",
    "7",
    "-n",
    "1",
)


def command(*words: str) -> list[str]:
    """The command line of the harness."""
    return [sys.executable, "-m", "harness.cli.main", *words]


def environment(runs: Path) -> dict[str, str]:
    """Where runs go, by which they are found."""
    return {**os.environ, "INVENTORY_HARNESS_RUNS": str(runs), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}


def stored(place: Path) -> Path:
    """A bundle of SHORT that was cut off at once: its plan is all that a replay needs."""
    place.mkdir(parents=True)
    Plan(SHORT, 7).write(place)
    history = HistoryWriter(place, RunClock())
    history.add("run", scenario=SHORT.as_json(), seed=7, operator={"name": "reference"}, versions={})
    history.close()
    return place


async def problems_after(process: subprocess.Popen[bytes], runs: Path, out: Path) -> list[str]:
    """What is left of a command that was killed: processes, directories that a sweep leaves, damaged histories."""
    return [*await ended(process), *await gone(runs), *swept(runs), *unreadable(out)]


def swept(runs: Path) -> list[str]:
    """What a sweep has to end, and what it leaves."""
    found = [f"sweep had to end process {pid} ({name})" for pid, name in rundir.sweep(runs).processes]
    return [*found, *(f"{path.name} is left" for path in runs.iterdir())]


def test_a_replay_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL while a fault is open: the run, its cluster and its operator are gone, a sweep leaves no directory."""
    resolve()
    runs, out = tmp_path / "r", tmp_path / "out"
    runs.mkdir()
    words = ("replay", str(stored(tmp_path / "bundle")), "--times", "2", "-n", "1", "--out", str(out))

    async def killed() -> tuple[int, list[str]]:
        with (tmp_path / "log").open("wb") as log:
            process = started(command(*words), environment(runs), log)
        try:
            await bites(process, out / "run-01" / SHORT.id / "history.jsonl", "api-server-killed")
            alive = len(belonging(runs))
            process.kill()
            return alive, await problems_after(process, runs, out)
        finally:
            process.kill()
            process.wait()

    alive, problems = asyncio.run(killed())

    assert problems == []
    assert alive > 4, "the kill met no whole cluster"


def test_a_gate_that_is_killed_leaves_nothing_and_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the second of two runs: nothing is left, and the same command makes that run alone and decides."""
    resolve()
    runs, out = tmp_path / "r", tmp_path / "out"
    runs.mkdir()
    words = (*GATE, "--out", str(out))

    async def killed() -> tuple[int, list[str]]:
        with (tmp_path / "log").open("wb") as log:
            process = started(command(*words), environment(runs), log)
        try:
            await told(process, out / "candidate" / "01" / SAME_NAMES / "history.jsonl", "gate-passed")
            alive = len(belonging(runs))
            process.kill()
            return alive, await problems_after(process, runs, out)
        finally:
            process.kill()
            process.wait()

    alive, problems = asyncio.run(killed())
    again = subprocess.run(
        command(*words), cwd=ROOT, env=environment(runs), capture_output=True, text=True, check=False
    )

    assert problems == []
    assert alive > 4, "the kill met no whole cluster"
    assert again.returncode == 1, again.stdout + again.stderr
    assert "1 of 2 runs have been made already" in again.stdout
    compared = json.loads((out / "comparison.json").read_text(encoding="utf-8"))["compared"]
    assert {one["promise"] for one in compared if one["outcome"] == "regression"} == {"TRUTH-3"}
    assert sorted(path.name for path in (out / "jobs").glob("candidate-*/cut-off-1")) == ["cut-off-1"]
    assert list(runs.iterdir()) == []
