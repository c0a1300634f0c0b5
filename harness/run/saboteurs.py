"""The table of saboteurs (fixtures/data/saboteurs.toml), running one of its rows, and whether it was caught.

A row is run in a pytest of its own, with an output directory of its own: a saboteur is another operator.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.bundle import SUMMARY_FILE
from harness.check.base import MAX_FINDINGS
from harness.check.verdict import FAIL, UNKNOWN
from harness.errors import HistoryError, UsageError
from harness.history import reader
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

TABLE = "fixtures/data/saboteurs.toml"
SEED = 11
"""What rows are run with unless told otherwise: the one seed with which all of them have been caught."""

CAUGHT, OTHERWISE, MISSED, DOUBTED, NOT_RUN = "caught", "caught otherwise", "not caught", "in doubt", "not run"


@dataclass(frozen=True, slots=True)
class Row:
    """One saboteur in one scenario.

    `name`: the table's, usually that of the defect; `test`: a pytest node id; `fails`, `may`: what findings say, by
    promise; `datastore`: "" for the usual one; the file explains the rest.
    """

    defect: str
    test: str
    fails: Mapping[str, re.Pattern[str]]
    unknown: frozenset[str]
    why: str
    datastore: str = ""
    may: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    name: str = ""

    @classmethod
    def read(cls, name: str, body: Mapping[str, Any]) -> Row:
        """One table of the file; a key that is not known raises TypeError."""
        rest = dict(body)
        fails = {promise: re.compile(pattern) for promise, pattern in rest.pop("fails").items()}
        may = {promise: re.compile(pattern) for promise, pattern in rest.pop("may", {}).items()}
        return cls(
            name=name,
            defect=rest.pop("defect", name),
            test=f"scenarios/{rest.pop('test')}".replace("{datastore}", str(rest.get("datastore", ""))),
            fails=fails,
            may=may,
            unknown=frozenset(rest.pop("unknown", ())),
            why=rest.pop("why", ""),
            **rest,
        )

    def argv(self, suite: Path, out: Path, seed: int) -> list[str]:
        """The command that runs it; it dies with the thread that starts it."""
        return command([
            sys.executable, "-m", "pytest", self.test, f"--rootdir={suite}", "-c", str(suite / "tox.ini"),
            f"--defect={self.defect}", f"--seed={seed}", f"--out={out}",
            *([f"--datastore={self.datastore}"] if self.datastore else []),
            "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        ])  # fmt: skip


def load(suite: Path) -> tuple[Row, ...]:
    """All rows, in the order of the file; raises UsageError when there is no table at `suite`."""
    path = suite / TABLE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot read the table of saboteurs {path}: {exc.strerror}") from exc
    return tuple(Row.read(name, body) for name, body in tomllib.loads(text).items())


def chosen(rows: Iterable[Row], words: Iterable[str]) -> tuple[Row, ...]:
    """The rows of which a word is a part of the name, of the test or one of the promises; all of them without words."""
    wanted, listed = tuple(words), tuple(rows)
    found = [row for row in listed if any(word in row.name or word in row.test or word in row.fails for word in wanted)]
    if wanted and not found:
        raise UsageError(f"no saboteur matches {' '.join(wanted)}", hint="part of a name of docs/saboteurs.md")
    return tuple(found) if wanted else listed


def environment() -> dict[str, str]:
    """Ours, without anything of a pytest that we are in: neither its options nor an xdist worker's name."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def entry_of(out: Path) -> dict[str, Any]:
    """The one scenario's entry in the summary of a run; raises HistoryError where it was not judged as a whole."""
    try:
        summary = json.loads((out / SUMMARY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise HistoryError(f"{out} has no summary that can be read ({exc})") from exc
    wrong = [str(problem) for problem in (*summary["errors"], *summary["problems"])]
    if wrong or len(summary["scenarios"]) != 1:
        raise HistoryError(f"{out}: the run was not judged as a whole: {'; '.join(wrong) or 'no scenario was run'}")
    return dict(summary["scenarios"][0])


def complaints(row: Row, entry: Mapping[str, Any]) -> list[str]:
    """What is not as the row says: promises that FAIL and should not, or do not and should, and findings beside it."""
    verdicts = {str(promise["id"]): str(promise["verdict"]) for promise in entry["promises"]}
    failed = {promise for promise, verdict in verdicts.items() if verdict == str(FAIL)}
    doubted = {promise for promise, verdict in verdicts.items() if verdict == str(UNKNOWN)} - row.unknown
    wrong = [f"{promise} is {verdicts.get(promise, 'not judged')}" for promise in sorted(set(row.fails) - failed)]
    wrong += [f"{promise} is FAIL as well" for promise in sorted(failed - set(row.fails) - set(row.may))]
    wrong += [f"{promise} is UNKNOWN" for promise in sorted(doubted - set(row.fails))]
    patterns = {**row.may, **row.fails}
    for promise in entry["promises"]:
        if promise["id"] in failed & set(patterns):
            # Beyond MAX_FINDINGS there is one more that only counts the rest.
            texts = [str(finding["text"]) for finding in promise["findings"][:MAX_FINDINGS]]
            beside = [text for text in texts if not patterns[promise["id"]].search(text)]
            wrong += [f"{promise['id']} has no findings"] if not texts else []
            wrong += [f"{promise['id']} has a finding that is not about it: {text}" for text in beside]
    return wrong


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one row.

    `outcome`: caught (as the table says), caught otherwise (by other promises, or with other findings), not caught, in
    doubt (nothing failed, something is UNKNOWN) or not run; `by`: the promises that FAIL; `found_s`: seconds from the
    gate, when the operator was shown to be well, to the first finding of an expected promise; `wall_s`: of the run.
    """

    name: str
    defect: str
    test: str
    datastore: str
    expected: tuple[str, ...]
    outcome: str
    by: tuple[str, ...] = ()
    found_s: float | None = None
    wall_s: float | None = None
    seed: int = SEED
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The shape of a row of the scoreboard's JSON."""
        return {
            "name": self.name, "defect": self.defect, "test": self.test, "datastore": self.datastore,
            "expected": list(self.expected), "outcome": self.outcome, "by": list(self.by), "found_s": self.found_s,
            "wall_s": self.wall_s, "seed": self.seed, "why": self.why,
        }  # fmt: skip

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Score:
        """Back again; raises TypeError or KeyError for what is no score."""
        return cls(**{**body, "expected": tuple(body["expected"]), "by": tuple(body["by"])})


def score(row: Row, entry: Mapping[str, Any], *, gate_s: float, seed: int = SEED) -> Score:
    """The score of a row from the summary's entry of its run. `gate_s`: when the gate was passed, run clock."""
    wrong = complaints(row, entry)
    by = tuple(str(promise["id"]) for promise in entry["promises"] if promise["verdict"] == str(FAIL))
    doubted = any(promise["verdict"] == str(UNKNOWN) for promise in entry["promises"])
    outcome = CAUGHT if not wrong else OTHERWISE if by else DOUBTED if doubted else MISSED
    times = [
        float(finding["t_s"])
        for promise in entry["promises"]
        if promise["id"] in row.fails
        for finding in promise["findings"]
    ]
    return Score(
        row.name, row.defect, row.test, row.datastore, tuple(row.fails), outcome, by,
        found_s=round(max(0.0, min(times) - gate_s), 2) if times else None,
        wall_s=round(float(entry["wall_s"]), 1), seed=seed, why="; ".join(wrong)[:500],
    )  # fmt: skip


def scored(row: Row, out: Path, seed: int) -> Score:
    """The score of a row whose run has ended and left its summary in `out`; one that left none is "not run"."""
    try:
        entry = entry_of(out)
        gate = reader.read(out / str(entry["id"]) / "history.jsonl").mark("gate-passed")
    except HistoryError as exc:
        return not_run(row, seed, exc.what)
    return score(row, entry, gate_s=float(gate["t"]) if gate is not None else 0.0, seed=seed)


def not_run(row: Row, seed: int, why: str) -> Score:
    """A row of which nothing is known."""
    return Score(
        row.name, row.defect, row.test, row.datastore, tuple(row.fails), NOT_RUN, seed=seed, why=why[:500]
    )  # fmt: skip
