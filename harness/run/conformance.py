"""What a run of the conformance suite says of each promise, and of each clause of the interface. Pure.

A run is a mapping as in summary.json's `scenarios`: `id`, `promises` [{`id`, `verdict`, `examined`, `unit`, `findings`,
`reasons`}], and here also `clauses`, the ids that its test carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.check.clauses import CLAUSES
from harness.check.contract import PROMISES
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOT_JUDGED = "not judged yet"
NO_SCENARIO = "no scenario judged it"
RUN_KEYS = ("id", "seed", "datastore", "names", "supervision", "verdict", "recovery_s", "promises", "assumptions")
"""What is kept of a run's entry in summary.json: paths and commands of the machine are not."""

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PromiseLine:
    """The verdict on one promise over all runs.

    `verdict`: the worst of the runs that judged it, UNKNOWN without any, None while the promise has no checker;
    `scenarios`: how many judged it; `failed`, `unknown`: how many of these were not PASS; `examined`: the sum, and the
    units it is counted in; `worst`: the first finding of the run that has the most, or the first reason of an UNKNOWN;
    `where`: that run.
    """

    id: str
    text: str
    verdict: Verdict | None
    scenarios: int
    failed: int
    unknown: int
    examined: int
    unit: str
    worst: str
    where: str

    @property
    def counted(self) -> str:
        """How many scenarios, and how many of them were not PASS."""
        worse = [f"{count} {word}" for count, word in ((self.failed, FAIL), (self.unknown, UNKNOWN)) if count]
        return f"{self.scenarios} ({', '.join(worse)})" if worse else str(self.scenarios)

    def as_json(self) -> dict[str, Any]:
        """The fields, the verdict by its word."""
        return {**asdict(self), "verdict": None if self.verdict is None else str(self.verdict)}


@dataclass(frozen=True, slots=True)
class ClauseLine:
    """The verdict on one clause: that of its promises in the runs that carry it.

    None where it has none, for which `reason` stands.
    """

    id: str
    text: str
    verdict: Verdict | None
    scenarios: tuple[str, ...]
    judged_by: tuple[str, ...]
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The fields, the verdict by its word."""
        return {**asdict(self), "verdict": None if self.verdict is None else str(self.verdict)}


@dataclass(frozen=True, slots=True)
class Difference:
    """A promise of a run that is judged otherwise today."""

    run: str
    promise: str
    stored: str
    today: str


def runs_of(summary: Mapping[str, Any], clauses: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The runs of a campaign's summary, by id, each with the clauses of its scenario."""
    found = [{key: entry.get(key) for key in RUN_KEYS} for entry in summary["scenarios"]]
    for run in found:
        run["clauses"] = list(clauses.get(scenario_of(run), ()))
    return sorted(found, key=lambda run: str(run["id"]))


def scenario_of(run: Run) -> str:
    """The id of the scenario of a run, which may carry a datastore behind it."""
    return str(run["id"]).partition("@")[0]


def promise_lines(runs: Iterable[Run]) -> tuple[PromiseLine, ...]:
    """One line for each promise of the contract, in its order."""
    judged: dict[str, list[tuple[str, Mapping[str, Any]]]] = {promise: [] for promise in PROMISES}
    for run in runs:
        for said in run["promises"]:
            judged.setdefault(str(said["id"]), []).append((str(run["id"]), said))
    return tuple(_line(promise, found) for promise, found in judged.items())


def _line(promise: str, found: Sequence[tuple[str, Mapping[str, Any]]]) -> PromiseLine:
    known = PROMISES.get(promise)
    verdicts = [Verdict(said["verdict"]) for _run, said in found]
    where, text = _worst(found)
    asked = known is None or known.judged or bool(found)
    return PromiseLine(
        id=promise,
        text=known.text if known is not None else "not a promise of the contract",
        verdict=worst(verdicts) if asked else None,
        scenarios=len(found),
        failed=verdicts.count(FAIL),
        unknown=verdicts.count(UNKNOWN),
        examined=sum(int(said.get("examined", 0)) for _run, said in found),
        unit=", ".join(dict.fromkeys(str(said.get("unit", "")) for _run, said in found)),
        worst=text if found else NO_SCENARIO if asked else NOT_JUDGED,
        where=where,
    )


def _worst(found: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, str]:
    """The run with the most findings and the first of them; without any, an UNKNOWN and its first reason."""
    failed = [(run, said) for run, said in found if said.get("findings")]
    if failed:
        run, said = max(failed, key=lambda one: len(one[1]["findings"]))
        return run, str(said["findings"][0]["text"])
    doubted = [(run, said) for run, said in found if said["verdict"] == str(UNKNOWN)]
    if doubted:
        run, said = doubted[0]
        return run, str(next(iter(said.get("reasons") or ()), "no reason was given"))
    return "", ""


def clause_lines(runs: Iterable[Run]) -> tuple[ClauseLine, ...]:
    """One line for each clause of the interface, in the contract's order."""
    carrying: dict[str, list[Run]] = {clause: [] for clause in CLAUSES}
    for run in runs:
        for clause in run["clauses"]:
            carrying.setdefault(str(clause), []).append(run)
    lines = []
    for clause in CLAUSES.values():
        found = carrying[clause.id]
        verdicts = [
            Verdict(said["verdict"]) for run in found for said in run["promises"] if said["id"] in clause.judged_by
        ]
        lines.append(
            ClauseLine(
                id=clause.id,
                text=clause.text,
                verdict=worst(verdicts) if clause.judged_by else None,
                scenarios=tuple(str(run["id"]) for run in found),
                judged_by=clause.judged_by,
                reason=clause.reason,
            )
        )
    return tuple(lines)


def overall(lines: Iterable[PromiseLine]) -> Verdict:
    """The worst of the promises that are judged."""
    return worst(line.verdict for line in lines if line.verdict is not None)


def judged_again(run: Run, promises: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], list[Difference]]:
    """The run with today's verdicts in the place of the stored ones, and what differs. `promises`: as in a run."""
    stored = {str(said["id"]): str(said["verdict"]) for said in run["promises"]}
    listed = list(promises)
    today = {str(said["id"]): str(said["verdict"]) for said in listed}
    none = "not judged"
    differences = [
        Difference(str(run["id"]), promise, stored.get(promise, none), today.get(promise, none))
        for promise in dict.fromkeys((*stored, *today))
        if stored.get(promise) != today.get(promise)
    ]
    verdict = worst(Verdict(word) for word in today.values())
    return {**run, "promises": listed, "verdict": str(verdict)}, differences


def as_json(lines: Sequence[PromiseLine], clauses: Sequence[ClauseLine]) -> dict[str, Any]:
    """Both tables and the verdict of the whole, for programs."""
    return {
        "verdict": str(overall(lines)),
        "promises": [line.as_json() for line in lines],
        "clauses": [line.as_json() for line in clauses],
    }


def as_markdown(lines: Iterable[PromiseLine]) -> str:
    """The table of promises for documents: id, text, verdict, scenarios, examined, worst finding."""
    rows = [
        f"| {line.id} | {_cell(line.text)} | {line.verdict or '-'} | {line.counted} | {line.examined} "
        f"| {_cell(f'`{line.where}`: {line.worst}' if line.where else line.worst)} |"
        for line in lines
    ]
    head = "| promise | text | verdict | scenarios | examined | worst finding |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows]) + "\n"


def _cell(text: str) -> str:
    """Text that may stand in a cell: on one line, without what would end the cell or begin a tag."""
    plain = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    return plain.replace("|", "\\|").replace("<", "&lt;")


def kept(lines: Iterable[PromiseLine]) -> int:
    """How many promises are PASS."""
    return sum(1 for line in lines if line.verdict is PASS)
