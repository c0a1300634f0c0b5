"""What a gate leaves on disk, of comparisons that were told and not made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.unit.reports.bundles import HOSTILE, kept, write_run

if TYPE_CHECKING:
    from pathlib import Path


def cell(outcome: str, scenario: str = "chaos/x", **more: Any) -> dict[str, Any]:
    """One compared promise."""
    sides = {"candidate": ["PASS"], "baseline": ["PASS"]}
    texts: dict[str, Any] = {"flaky": [], "findings": [], "reasons": [], "new": [], "why": "", "bundles": []}
    return {"scenario": scenario, "promise": "TRUTH-1", "outcome": outcome, **sides, **texts, **more}


def body(*cells: dict[str, Any], verdict: str = "a regression", name: str = "provider-services") -> dict[str, Any]:
    """A whole comparison."""
    return {
        "verdict": verdict, "exit_code": 1, "candidate": {"name": name, "sha256": "ab" * 32},
        "baseline": {"name": "reference"}, "seed": 7, "times": 3, "kubernetes": "v1.34.4", "selection": {},
        "compared": list(cells), "known_unused": [],
    }  # fmt: skip


def compared(out: Path) -> Path:
    """The directory of a gate with something of everything, and hostile names where names are; returns it."""
    promises = ("SHAPE-1", "TRUTH-1", "TRUTH-3", "AVAIL-1", "RECOVER-1", "SURVIVE-1")
    cells = [
        cell("no worse", f"chaos/scenario-{number}", promise=promise) for number in range(6) for promise in promises
    ]
    text = f"node {HOSTILE}: present lost: expected reported, reported not reported {'x' * 120}"
    cells += [
        cell("regression", "chaos/" + "long-" * 24, candidate=["FAIL"] * 3, findings=[text], new=["TRUTH-1 lost"]),
        cell("flaky", "chaos/flaky", candidate=["FAIL", "PASS", "PASS"], flaky=["candidate"], findings=[text]),
        cell("cannot say", "chaos/doubt", candidate=["UNKNOWN"] * 3, reasons=[f"candidate: {text}"]),
        cell("known", "chaos/known", candidate=["FAIL"] * 3, why=HOSTILE, findings=[text]),
        cell("better", "chaos/better", baseline=["FAIL"] * 3),
    ]
    out.mkdir(parents=True)
    (out / "comparison.json").write_text(json.dumps(body(*cells, name=HOSTILE)), encoding="utf-8")
    for side in ("candidate", "baseline"):
        for scenario in {str(one["scenario"]) for one in cells}:
            write_run(out / side / "01", scenario, promises=kept(*promises))
    return out
