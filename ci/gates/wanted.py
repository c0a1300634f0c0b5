"""Which gates are carried out, what each has to say, and whether it said so."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.check.verdict import FAIL
from harness.errors import HistoryError, UsageError
from harness.evidence.gate import A_REGRESSION, NO_WORSE, Outcome
from harness.operator.base import REFERENCE
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.run.saboteurs import Row

AS_WANTED, OTHERWISE, NOT_RUN = "as it should", "otherwise", "not run"

ROW_DEADLINE_S = 900.0
"""How long the gate of a saboteur may take: two runs, of which the longest takes 150 s, beside other work."""
SAME_DEADLINE_S = 7200.0
"""Likewise for a gate of a whole tier."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gate that is to be carried out against the reference operator.

    `row`: the saboteur that it has to find; None: it has to find that nothing is worse, with the reference operator on
    both sides. `scenarios`: how they are chosen, as options of `harness gate`.
    """

    name: str
    candidate: str
    seed: int
    scenarios: Mapping[str, str]
    row: Row | None = None

    @property
    def alone(self) -> bool:
        """Whether it is large enough to be carried out by itself, with all workers."""
        return self.row is None

    @property
    def deadline_s(self) -> float:
        """How long it may take."""
        return SAME_DEADLINE_S if self.row is None else ROW_DEADLINE_S

    def argv(self, out: Path, workers: int) -> list[str]:
        """The command that carries it out, or goes on with it; it dies with the thread that starts it."""
        return command([
            sys.executable, "-m", "harness.cli.main", "gate", "--candidate", self.candidate, "--baseline", REFERENCE,
            f"--seed={self.seed}", f"--out={out}", "-n", str(workers),
            *(word for option, value in self.scenarios.items() for word in (option, value)),
            *([] if self.row is not None else ["--same"]),
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a gate.

    `outcome`: as it should, otherwise, or not run; `verdict`: the gate's own word; `by`: the promises on which the
    saboteur was found; `compared`: how many promises of scenarios; `wrong`: what is not as it should be.
    """

    name: str
    outcome: str
    verdict: str = ""
    by: tuple[str, ...] = ()
    compared: int = 0
    wall_s: float | None = None
    wrong: tuple[str, ...] = ()
    seed: int = 0
    where: str = ""

    def as_json(self) -> dict[str, Any]:
        """The shape of an entry of the JSON."""
        return {
            "name": self.name, "outcome": self.outcome, "verdict": self.verdict, "by": list(self.by),
            "compared": self.compared, "wall_s": self.wall_s, "wrong": list(self.wrong), "seed": self.seed,
            "out": self.where,
        }  # fmt: skip


def of_rows(rows: Iterable[Row], seed: int) -> tuple[Wanted, ...]:
    """A gate for each saboteur, on exactly the scenario that is to catch it."""
    return tuple(
        Wanted(
            f"saboteur-{row.name}", f"{REFERENCE}+{row.defect}", seed,
            {"-k": expression(row.test), **({"--datastore": row.datastore} if row.datastore else {})}, row,
        )
        for row in rows
    )  # fmt: skip


def of_the_same(times: int, first_seed: int, marks: str) -> tuple[Wanted, ...]:
    """The reference operator against itself, each time with another seed."""
    return tuple(
        Wanted(f"same-{seed}", REFERENCE, seed, {"-m": marks}) for seed in range(first_seed, first_seed + times)
    )


def expression(test: str) -> str:
    """The `-k` that chooses exactly the test of that node id: its name with its parameters, in its file."""
    path, found, name = test.rpartition("::")
    if not found or not path.endswith(".py"):
        raise UsageError(f"{test} is no test of a file", hint="FILE.py::TEST, as in fixtures/data/saboteurs.toml")
    return f"{name} and {path.rpartition('/')[2]}"


def judged(wanted: Wanted, body: Mapping[str, Any], *, wall_s: float | None = None, where: str = "") -> Shown:
    """What a gate's comparison.json says of it; raises HistoryError where that is another gate's, or no comparison."""
    compared = body.get("compared")
    if not isinstance(compared, list) or not all(_is_compared(one) for one in compared):
        raise HistoryError(f"{where}: comparison.json has not the shape of a comparison", hint="remove the directory")
    if other := _another(wanted, body):
        raise HistoryError(f"{where} is another gate's: {other}", hint="give another --out")
    code = body.get("exit_code")
    scenarios = sorted({str(one["scenario"]) for one in compared})
    wrong = _not_found(wanted.row, compared, code, scenarios) if wanted.row is not None else _worse(compared, code)
    by = () if wanted.row is None else tuple(one["promise"] for one in _regressions(compared))
    return Shown(
        wanted.name, OTHERWISE if wrong else AS_WANTED, str(body.get("verdict")), by, len(compared), wall_s,
        tuple(wrong), wanted.seed, where,
    )  # fmt: skip


def not_run(wanted: Wanted, why: str, *, where: str = "", wall_s: float | None = None) -> Shown:
    """A gate that said nothing."""
    return Shown(wanted.name, NOT_RUN, wall_s=wall_s, wrong=(why,), seed=wanted.seed, where=where)


def _is_compared(one: object) -> bool:
    keys = {"scenario", "promise", "outcome", "candidate", "baseline", "findings", "reasons"}
    return isinstance(one, Mapping) and keys <= set(one)


def _another(wanted: Wanted, body: Mapping[str, Any]) -> str:
    """In what it is another gate; "" where it is this one."""
    selection = body.get("selection")
    chosen = {key: selection.get(key) for key in ("-k", "-m", "--datastore")} if isinstance(selection, Mapping) else {}
    there = {key: value for key, value in chosen.items() if value}
    if there != dict(wanted.scenarios):
        return f"its scenarios were chosen by {there or 'nothing'}"
    if body.get("seed") != wanted.seed:
        return f"its seed was {body.get('seed')}"
    sides = [body.get(side) for side in ("candidate", "baseline")]
    defects = [side.get("defect", "") if isinstance(side, Mapping) else None for side in sides]
    if defects != [wanted.row.defect if wanted.row is not None else "", ""]:
        return f"its operators were {sides[0]} and {sides[1]}"
    return ""


def _regressions(compared: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in compared if one["outcome"] == str(Outcome.REGRESSION)]


def _not_found(row: Row, compared: list[Mapping[str, Any]], code: object, scenarios: list[str]) -> list[str]:
    """What is not as it should be where a saboteur is to be found."""
    found = _regressions(compared)
    wrong = [f"exit code {code}, not {A_REGRESSION}"] if code != A_REGRESSION else []
    if len(scenarios) != 1:
        wrong.append(f"it compared {', '.join(scenarios) or 'nothing'}, not one scenario")
    by = {one["promise"] for one in found}
    if not by & set(row.fails):
        wrong.append(f"no regression on {' or '.join(row.fails)}: {_told(compared, row.fails)}")
    wrong += [f"a regression on {name} as well" for name in sorted(by - set(row.fails) - set(row.may))]
    patterns = {**row.may, **row.fails}
    for one in found:
        if one["promise"] in patterns:
            beside = [text for text in one["findings"] if not patterns[one["promise"]].search(text)]
            wrong += [f"{one['promise']}: a finding that is not about it: {text}" for text in beside]
    return wrong


def _told(compared: Iterable[Mapping[str, Any]], promises: Iterable[str]) -> str:
    """What the gate said of these promises."""
    wanted = set(promises)
    said = [_line(one) for one in compared if one["promise"] in wanted or not one["promise"]]
    return "; ".join(said) or "they were not compared"


def _worse(compared: Iterable[Mapping[str, Any]], code: object) -> list[str]:
    """What is not as it should be where nothing is worse."""
    fine = {str(Outcome.SAME), str(Outcome.BETTER)}
    wrong = [f"{one['scenario']} {_line(one)}" for one in compared if one["outcome"] not in fine]
    wrong += [
        f"{one['scenario']} {one['promise']}: the reference breaks it"
        for one in compared
        if one["outcome"] in fine and str(FAIL) in {*one["candidate"], *one["baseline"]}
    ]
    return ([f"exit code {code}, not {NO_WORSE}"] if code != NO_WORSE else []) + wrong


def _line(one: Mapping[str, Any]) -> str:
    sides = f"candidate {'/'.join(one['candidate'])}, baseline {'/'.join(one['baseline'])}"
    why = [*one["findings"], *one["reasons"]]
    return f"{one['promise'] or 'nothing'}: {one['outcome']} ({sides}){f': {why[0]}' if why else ''}"


@dataclass(frozen=True, slots=True)
class Gates:
    """All that was shown."""

    shown: tuple[Shown, ...] = field(default_factory=tuple)

    def of(self, outcome: str) -> list[Shown]:
        """Those of which that came."""
        return [one for one in self.shown if one.outcome == outcome]

    @property
    def exit_code(self) -> int:
        """0: all are as they should be; 1: one is not; 3: one could not be carried out, or there was none."""
        if self.of(OTHERWISE):
            return 1
        return 3 if self.of(NOT_RUN) or not self.shown else 0

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "format": "inventory-harness gates",
            "version": 1,
            "exit_code": self.exit_code,
            "as_it_should": len(self.of(AS_WANTED)),
            "gates": [one.as_json() for one in self.shown],
        }
