"""The harness is killed at the very moment at which a fault of real nodes has bitten; a sweep leaves nothing of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from harness.cluster import kindmade
from harness.cluster.capability import CONTAINERS, KUBELET
from harness.cluster.sweep import sweep
from harness.fault.journal import FILE_NAME, pending
from harness.fault.needs import needs
from tests.faults.cases import CASES, Case
from tests.kind.leftovers import outside
from tests.safety.killing import belonging, bites, ended, freed, gone, kill, listening, started, unreadable

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [kind for kind in sorted(CASES) if {KUBELET, CONTAINERS} & needs(CASES[kind].fault)]
BITTEN_DEADLINE_S = 900.0
"""A cluster, three servers at times, and the operator's image are made before anything can bite."""


@pytest.mark.usefixtures("toolchain")
@pytest.mark.parametrize("kind", KINDS)
def test_a_harness_killed_at_the_bite_leaves_what_a_sweep_removes(kind: str, runs: Path, tmp_path: Path) -> None:
    """Nodes that are frozen, off or cut off go like any other; the journal on disk names the open fault."""
    case, out = CASES[kind], tmp_path / "out"

    name, problems = asyncio.run(_killed(case, runs, tmp_path))
    swept = sweep(runs)

    assert problems == []
    assert f"kind cluster {name}" in swept.clusters
    assert (swept.runs.processes, swept.kept) == ((), ())
    assert outside(name) == []
    assert list(runs.iterdir()) == []
    assert unreadable(out) == []
    assert case.fault.kind in {entry.fault for entry in pending(_bundle(out, case) / FILE_NAME)}


async def _killed(case: Case, runs: Path, directory: Path) -> tuple[str, list[str]]:
    """The name of the cluster that is left, and whatever else is."""
    out = directory / "out"
    argv = [
        sys.executable, "-m", "harness.cli.main", "run", "-k", case.expression, "-n", "1", "--seed=1",
        "--backend=kind", f"--out={out}",
    ]  # fmt: skip
    with (directory / "log").open("wb") as log:
        process = started(argv, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, log)
    try:
        amid = case.fault.for_s < 1.0  # as in tests/faults: what is over soon is over when we get there
        history = _bundle(out, case) / "history.jsonl"
        await bites(process, history, case.fault.kind, amid=amid, deadline_s=BITTEN_DEADLINE_S)
        name = _cluster(runs)
        ports = listening(belonging(runs))
        kill(runs)
        return name, [*await ended(process), *await gone(runs), *await freed(ports)]
    finally:
        process.kill()
        process.wait()


def _cluster(runs: Path) -> str:
    """The name of the only cluster that there is."""
    (file,) = runs.glob(f"*/{kindmade.FILE}")
    name = str(json.loads(file.read_text(encoding="utf-8"))["name"])
    assert len(outside(name)) > 1
    return name


def _bundle(out: Path, case: Case) -> Path:
    return out / f"{case.scenario.id}@kind"
