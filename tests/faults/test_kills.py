"""The harness is killed at the very moment at which a fault has bitten, once for each kind; nothing of it may be left.

Not unit tests: `tox run -e faults`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from harness.cluster.sweep import sweep
from harness.fault.journal import FILE_NAME, pending
from tests.faults.cases import CASES, SIMULATED, Case
from tests.safety.killing import abandoned, belonging, bites, ended, freed, gone, kill, listening, started, unreadable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("toolchain")
@pytest.mark.parametrize("kind", SIMULATED)
def test_a_harness_killed_at_the_bite_leaves_nothing_but_a_journal(kind: str, runs: Path, tmp_path: Path) -> None:
    """No process, no port, no directory, nothing in the kernel is left; the journal on disk names the open fault."""
    case, out, before = CASES[kind], tmp_path / "out", abandoned()

    problems = asyncio.run(_killed(case, runs, tmp_path))
    swept = sweep(runs)

    assert problems == []
    assert swept.runs.processes == ()
    assert (swept.kept, swept.boxes.kept) == ((), ())
    assert list(runs.iterdir()) == []
    assert abandoned() <= before
    assert unreadable(out) == []
    assert case.fault.kind in {entry.fault for entry in pending(out / case.scenario.id / FILE_NAME)}


async def _killed(case: Case, runs: Path, directory: Path) -> list[str]:
    scenario, out = case.scenario, directory / "out"
    argv = [
        sys.executable, "-m", "harness.cli.main", "run", "-k", case.expression, "-n", "1", "--seed=1", f"--out={out}",
        f"--datastore={scenario.possible_on[0]}",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with (directory / "log").open("wb") as log:
        process = started(argv, environment, log)
    try:
        # What is undone soon after it has bitten is over when we get there: so the harness dies amid the injection.
        amid = case.fault.for_s < 1.0
        await bites(process, out / scenario.id / "history.jsonl", case.fault.kind, amid=amid)
        ports = listening(belonging(runs))
        kill(runs)
        problems = [*await ended(process), *await gone(runs), *await freed(ports)]
    finally:
        process.kill()
        process.wait()
    return problems
