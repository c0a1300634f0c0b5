"""The same seeded plan on several datastores: it must end with the same inventory on each. Judges no promise.

Compared is what REST reported last, order and notation aside and without what a gate let pass untrue. A run without
such an inventory is not comparable, and the comparison says why: nothing is taken for equal that was not looked at.

On several backends inventories differ as their machines do. There the verdicts are compared, promise by promise.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.agreement import disagreement, named, shown
from harness.check.answers import Parsed, read_answers
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict
from harness.errors import HistoryError
from harness.history import reader
from harness.history.writer import FILE_NAME
from harness.model.reported import parse
from harness.model.timeline import PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.check.agreement import Difference
    from harness.history.reader import History
    from reports.campaign import Run

EMBEDDED = "embedded"
"""The usual backend, and that of every bundle that does not say."""

ORDER = ("embedded", "etcd", "etcd3", "sqlite", "postgres", "mysql", "kind", "k3s", "external")
"""Places as columns stand: datastores of the embedded backend, then other backends; others come behind, by name."""

_INDEX = re.compile(r"\[\d+\]")


def place(backend: str, datastore: str) -> str:
    """What a column is called: the datastore on the embedded backend, elsewhere the backend."""
    return (datastore or backend) if backend == EMBEDDED else backend


@dataclass(frozen=True, slots=True, order=True)
class NotApplicable:
    """A scenario that cannot be run on a datastore that was asked for, or on a backend at all (`datastore` is empty).

    `why`: what it needs, or where it can be run.
    """

    test: str
    datastore: str
    why: str
    backend: str = EMBEDDED

    @property
    def place(self) -> str:
        """What it is not applicable on, as columns are called."""
        return place(self.backend, self.datastore)

    def as_json(self) -> dict[str, str]:
        """The shape of not-applicable.json and summary.json."""
        return {"test": self.test, "backend": self.backend, "datastore": self.datastore, "why": self.why}


@dataclass(frozen=True, slots=True)
class Final:
    """The last inventory of a run, as JSON, and the fields that its gate let pass untrue.

    `why` is empty, or says why there is none that can be compared.
    """

    body: Any = None
    excepted: frozenset[str] = frozenset()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether inventories are the same: None when it cannot be said of all of them, and then `why`."""

    same: bool | None
    differences: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """The fastest and the slowest recovery of a scenario, by datastore; `ratio` is infinite where one took no time."""

    fastest: str
    slowest: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario on its datastores and backends, in the order of `ORDER`; `of_verdicts`: those are compared."""

    scenario: str
    runs: Mapping[str, Run]
    agreement: Agreement
    of_verdicts: bool = False

    @property
    def verdict(self) -> Verdict:
        """FAIL for a difference, UNKNOWN where several cannot be compared; one alone is compared with none."""
        if self.agreement.same is False:
            return FAIL
        return UNKNOWN if self.agreement.same is None and len(self.runs) > 1 else PASS

    @property
    def spread(self) -> Spread | None:
        """None when fewer than two recoveries are known."""
        times = sorted((run.recovery_s, kind) for kind, run in self.runs.items() if run.recovery_s is not None)
        if len(times) < 2 or not math.isfinite(times[-1][0]):
            return None
        (least, fastest), (most, slowest) = times[0], times[-1]
        ratio = most / least if least > 0 else float("inf") if most > 0 else 1.0
        return Spread(fastest, slowest, ratio)

    def as_json(self) -> dict[str, Any]:
        """The scenario's entry in summary.json."""
        stores = {
            kind: {"id": run.id, "verdict": str(run.verdict), "recovery_s": run.recovery_s}
            for kind, run in self.runs.items()
        }
        said = self.agreement
        return {
            "scenario": self.scenario,
            "datastores": stores,
            "same_verdicts" if self.of_verdicts else "same_inventory": said.same,
            "differences": list(said.differences),
            "why": said.why,
        }


def compare(runs: Iterable[Run]) -> tuple[Comparison, ...]:
    """Every scenario on its datastores and backends, by id; none when all runs are on the same one.

    Reads the histories of scenarios that ran on more than one; never raises for what they hold.
    """
    listed = list(runs)
    by_backend = _by_backend(listed)
    grouped: dict[str, dict[str, Run]] = {}
    for run in listed:
        grouped.setdefault(run.scenario, {})[run.backend if by_backend else run.place] = run
    if len({kind for on in grouped.values() for kind in on}) < 2:
        return ()
    return tuple(_comparison(scenario, grouped[scenario]) for scenario in sorted(grouped))


def _by_backend(runs: list[Run]) -> bool:
    """Whether a column is a backend: there are several, and no scenario was on two datastores of one of them."""
    places = Counter((run.scenario, run.backend) for run in runs)
    return len({run.backend for run in runs}) > 1 and max(places.values()) == 1


def in_order(kinds: Iterable[str]) -> list[str]:
    """Each kind of datastore once, as columns stand."""
    return sorted(set(kinds), key=lambda kind: (ORDER.index(kind) if kind in ORDER else len(ORDER), kind))


def final(history: History) -> Final:
    """The last inventory that REST answered with before the run's end, if the run converged."""
    if history.torn:
        return Final(why="the history is torn: the harness was ended while writing it")
    if history.mark("converged") is None:
        return Final(why="it did not converge")
    end, gate = history.mark("end"), history.mark("gate-passed")
    end_s = float(end["t"]) if end is not None else float("inf")
    answers = [answer for answer in read_answers(history)["rest"] if answer.ok and answer.t <= end_s]
    if not answers:
        return Final(why="REST never answered with an inventory")
    if answers[-1].snapshot not in history.snapshots:
        return Final(why=f"the last inventory ({answers[-1].snapshot}) is not in the history")
    excepted = frozenset(str(item["field"]) for item in (gate or {}).get("excepted") or ())
    return Final(history.snapshots[answers[-1].snapshot], excepted)


def agreement(finals: Mapping[str, Final]) -> Agreement:
    """Compare the inventories of one scenario, by datastore: each with the first one that can be read.

    What the gate of any of them let pass is left out of all, so that the rest is still compared.
    """
    excepted = frozenset(name for one in finals.values() for name in one.excepted)
    parsed = {kind: Parsed(*parse(one.body, excepted)) for kind, one in finals.items() if not one.why}
    doubts = [f"{kind}: {one.why}" for kind, one in finals.items() if one.why]
    doubts += [f"{kind}: {one.problems[0]}" for kind, one in parsed.items() if not one.readable]
    readable = {kind: one for kind, one in parsed.items() if one.readable}
    first = next(iter(readable), "")
    others = [kind for kind in readable if kind != first]
    found = tuple(text for kind in others for text in _different(first, readable[first], kind, readable[kind]))
    return Agreement(False if found else None if doubts else True, found, "; ".join(doubts))


def verdicts_agree(runs: Mapping[str, Run]) -> Agreement:
    """Compare the verdicts of one scenario: a promise kept in one place and broken in another is a difference.

    What could not be judged somewhere is in doubt, also where it could not be judged anywhere.
    """
    found: dict[str, dict[str, Verdict]] = {}
    for kind, run in runs.items():
        for promise in run.promises:
            found.setdefault(promise.promise, {})[kind] = promise.verdict
    different = tuple(
        f"{promise} is {', '.join(f'{verdict} on {kind}' for kind, verdict in on.items())}"
        for promise, on in found.items()
        if {PASS, FAIL} <= set(on.values())
    )
    doubts = [f"{kind}: it was not judged" for kind, run in runs.items() if run.error is not None]
    doubts += [
        f"{promise} could not be judged on {kind}"
        for promise, on in found.items()
        for kind, verdict in on.items()
        if verdict is UNKNOWN
    ]
    return Agreement(False if different else None if doubts or not found else True, different, "; ".join(doubts))


def _comparison(scenario: str, on: Mapping[str, Run]) -> Comparison:
    runs = {kind: on[kind] for kind in in_order(on)}
    if len(runs) < 2:
        return Comparison(scenario, runs, Agreement(None, why=f"run on {', '.join(runs)} only"))
    if len({run.backend for run in runs.values()}) > 1:
        return Comparison(scenario, runs, verdicts_agree(runs), of_verdicts=True)
    seeds = {kind: run.seed for kind, run in runs.items() if run.error is None}
    if len(set(seeds.values())) > 1:
        listed = ", ".join(f"{seed} on {kind}" for kind, seed in seeds.items())
        return Comparison(scenario, runs, Agreement(None, why=f"the seeds are not the same: {listed}"))
    return Comparison(scenario, runs, agreement({kind: _final(run) for kind, run in runs.items()}))


def _final(run: Run) -> Final:
    return Final(why="it was not judged") if run.error is not None else _read(run.bundle / FILE_NAME)


def _read(path: Path) -> Final:
    try:
        return final(reader.read(path))
    except HistoryError as exc:
        return Final(why=exc.what)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as exc:
        return Final(why=f"the history has a record that this version cannot read ({type(exc).__name__}: {exc})")


def _different(first: str, a: Parsed, kind: str, b: Parsed) -> Iterator[str]:
    """Every difference between two inventories in a line; what only one of them says beside the nodes' figures too."""
    yield from (_said(item, first, kind) for item in disagreement(a.reported, b.reported))
    left, right = Counter(_beside(a)), Counter(_beside(b))
    for only, lines in ((first, left - right), (kind, right - left)):
        yield from (f"{text}: on {only}, not on {kind if only == first else first}" for text in sorted(lines))


def _said(item: Difference, first: str, kind: str) -> str:
    what = "" if item.field == PRESENT else f"{item.field} "
    return f"node {named(item.node)}: {what}{item.reported} on {kind}, {item.expected} on {first}"


def _beside(one: Parsed) -> Iterator[str]:
    """What an inventory says that `disagreement` leaves out: storage, and what is not in the documented shape."""
    for item in one.reported.storage.values():
        figures = ", ".join(
            f"{figure.removeprefix('storage.')} {shown(item.values[figure])}" for figure in sorted(item.values)
        )
        yield f"cluster storage {item.class_name}, iops {item.iops or 'not told'}: {figures or 'no figures'}"
    # Without the place in a list: the order of nodes is free.
    yield from (_INDEX.sub("[]", str(problem)) for problem in one.problems)
