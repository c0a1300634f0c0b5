"""What goes into a conformance bundle, and judging it again from nothing but the histories in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import judge_history
from harness.errors import HistoryError
from harness.history import reader
from harness.run import conformance
from harness.run.sealed import sha256, unseal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.history.reader import History
    from harness.run.sealed import Sealed

RESULTS, LOG = "results.json", "campaign.log"
HISTORY = "history.jsonl"
KEPT = ("plan.json", "journal.jsonl", "error.json", "logs/operator.stderr.log", "logs/operator.stdout.log")
"""What is kept of a run beside its history, where it is there."""

A_FAIL, AN_UNKNOWN, CANNOT_RUN = 1, 2, 3


def results(summary: Mapping[str, Any], clauses: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """results.json: the operator, versions, seed and machine, the runs with their verdicts, and both tables."""
    runs = conformance.runs_of(summary, clauses)
    lines, clause_lines = conformance.promise_lines(runs), conformance.clause_lines(runs)
    return {
        "operator": summary.get("operator", {}),
        "versions": summary.get("versions", {}),
        "started": summary.get("started", ""),
        "machine": summary.get("machine", {}),
        "runs": runs,
        "errors": summary.get("errors", []),
        **conformance.as_json(lines, clause_lines),
    }


def files(out: Path, results: Mapping[str, Any], *, log: Path) -> dict[str, Path | bytes]:
    """The members of a bundle, by name, from a campaign's directory."""
    members: dict[str, Path | bytes] = {RESULTS: _json(results)}
    if log.is_file():
        members[LOG] = log
    ids = [str(run["id"]) for run in results["runs"]] + [str(error["scenario"]) for error in results["errors"]]
    for run in dict.fromkeys(ids):
        for name in (HISTORY, *KEPT):
            if (out / run / name).is_file():
                members[f"runs/{run}/{name}"] = out / run / name
    return members


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """A bundle and what today's checkers say of it. `runs`: with today's verdicts."""

    sha256: str
    results: Mapping[str, Any]
    runs: tuple[dict[str, Any], ...]
    differences: tuple[conformance.Difference, ...]

    def told(self) -> list[str]:
        """Who was tested, with what and when, as the bundle says."""
        operator, versions = self.results.get("operator") or {}, self.results.get("versions") or {}
        who = f"{operator.get('name', 'an operator')} {operator.get('sha256', '')}".strip()
        parts = ", ".join(f"{name} {version}" for name, version in versions.items())
        errors = [f"could not be run: {error.get('scenario')}" for error in self.results.get("errors") or ()]
        return [
            f"operator: {who}",
            f"started {self.results.get('started') or 'at a time that is not known'}; {parts}",
            *errors,
        ]

    @property
    def code(self) -> int:
        """The exit code of the runs: a FAIL over one that could not be run over an UNKNOWN."""
        verdicts = {str(run["verdict"]) for run in self.runs}
        if "FAIL" in verdicts:
            return A_FAIL
        if self.results.get("errors"):
            return CANNOT_RUN
        return AN_UNKNOWN if "UNKNOWN" in verdicts or not verdicts else 0


def judge_again(path: Path) -> JudgedAgain:
    """Check every checksum and judge every history; raises HistoryError with the first thing that is wrong."""
    with unseal(path) as bundle:
        body = bundle.read_json(RESULTS)
        stored = _runs(path, body)
        for name in bundle.files:
            bundle.read(name)
        judged = [_judged(path, bundle, body, run) for run in stored]
    runs = tuple(run for run, _differences in judged)
    return JudgedAgain(sha256(path), body, runs, tuple(one for _run, listed in judged for one in listed))


def _runs(path: Path, body: Any) -> list[dict[str, Any]]:
    """The runs of results.json; raises HistoryError when it has another shape."""
    try:
        runs = [dict(run) for run in body["runs"]]
        for run in runs:
            _ = str(run["id"]), [(said["id"], said["verdict"]) for said in run["promises"]], list(run["clauses"])
    except (KeyError, TypeError, ValueError) as exc:
        raise HistoryError(
            f"{path}: {RESULTS} has not the shape of results ({type(exc).__name__}: {exc})",
            hint="the bundle was not made by this harness",
        ) from exc
    return runs


def _judged(
    path: Path, bundle: Sealed, body: Mapping[str, Any], run: Mapping[str, Any]
) -> tuple[dict[str, Any], list[conformance.Difference]]:
    member = f"runs/{run['id']}/{HISTORY}"
    history = reader.from_text(bundle.read(member).decode("utf-8", errors="replace"), f"{path}: {member}")
    _same_run(path, member, history, body, run)
    return conformance.judged_again(run, judge_history(history).as_json()["promises"])


def _same_run(path: Path, member: str, history: History, body: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Raise HistoryError where a history is that of another run than the results say."""
    header = history.header
    scenario = header.get("scenario")
    found = {
        "scenario": scenario.get("id") if isinstance(scenario, dict) else None,
        "seed": header.get("seed"),
        "operator": header.get("operator"),
    }
    wanted = {"scenario": conformance.scenario_of(run), "seed": run.get("seed"), "operator": body.get("operator")}
    for what, value in wanted.items():
        if found[what] != value:
            raise HistoryError(
                f"{path}: {member} is of another run: {what} {found[what]!r}, and {value!r} in {RESULTS}",
                hint="the bundle was put together by hand",
            )


def _json(body: Any) -> bytes:
    return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()
