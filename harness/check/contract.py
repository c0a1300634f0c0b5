"""The promises of the contract's part B, and the judgement of a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.check import (
    availability,
    config,
    footprint,
    freshness,
    labels,
    ports,
    process,
    recovery,
    replicas,
    shape,
    storage,
    truth,
)
from harness.check.assumption import ASSUMPTIONS, gate_failure, shortage
from harness.check.base import CHECKERS, JUDGED_FIELDS, Context, build_context
from harness.check.verdict import PASS, UNKNOWN, PromiseVerdict, Verdict, judge, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.history.reader import History

# Importing a module of checkers registers what it judges.
CHECKER_MODULES = (availability, config, footprint, labels, ports, process, recovery, replicas, shape, storage, truth)


@dataclass(frozen=True, slots=True)
class Promise:
    """One clause of the contract.

    `objective_s`: seconds allowed by default; 0 means at every moment. `judged` is false for a promise whose checker
    does not exist yet: asking for it gives UNKNOWN.
    """

    id: str
    text: str
    objective_s: float = 0.0
    judged: bool = True


PROMISES: Mapping[str, Promise] = {
    promise.id: promise
    for promise in (
        Promise("SHAPE-1", "answers have the documented shape at every moment"),
        Promise("SHAPE-2", "REST, QueryCluster and StreamCluster tell the same inventory", 2),
        Promise("TRUTH-1", "every schedulable Ready node, and no other, is reported", 5),
        Promise("TRUTH-2", "capacity and allocatable equal the Node's", 5),
        Promise("TRUTH-3", "allocated equals what the non-terminal pods on the node request", 5),
        Promise("TRUTH-4", "allocated is never negative, and deleting a pod never raises it"),
        Promise("TRUTH-5", "CPU and GPU info equal what the node's hardware answers", 10),
        Promise("TRUTH-6", "storage equals StorageClasses, PersistentVolumes and pools", 10),
        Promise("LABEL-1", "managed labels equal the wanted set, foreign labels are never touched", 10),
        Promise("AVAIL-1", "what is unknown is not reported as empty"),
        # The API timeout of the contract's part A, flag --api-timeout.
        Promise("AVAIL-2", "REST and gRPC answer within the API timeout", 3),
        Promise(
            "AVAIL-3", "health says unhealthy when the cluster cannot be seen, ready only after a first inventory", 5
        ),
        Promise("RECOVER-1", "after a fault is healed the inventory is true again without a restart", 15),
        Promise("RECOVER-2", "losing a leader, a member or a server is not visible outside"),
        Promise("RECOVER-3", "a taken port is named by an error, and served as soon as it is free", 5),
        Promise("RECOVER-4", "a broken discovery pod is replaced or asked again", 30),
        Promise("SURVIVE-1", "no panic, no exit, no deadlock"),
        Promise("SURVIVE-2", "no resource leaks", 60),
        Promise("NAMES-1", "every name that Kubernetes accepts works"),
        Promise("CONFIG-1", "configuration changes apply live, a bad one keeps the last good one", 5),
    )
}
"""The contract by promise id, in its own order."""

# Judged even when the gate was not passed: they speak of every moment, the start included.
WITHOUT_GATE = frozenset({"SHAPE-1", "SURVIVE-1"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that is known of a run.

    `verdict` is the worst of the promises; `recovery_s` the longest recovery measured (None: there was none, or one
    never ended). `series["stale"]`: steps [t, number of fields that REST reported and that were not true then];
    `series["delay"]`: [t, the longest time from a cause then to the truth]. `freshness`: `harness.check.freshness`.
    """

    promises: tuple[PromiseVerdict, ...]
    assumptions: tuple[PromiseVerdict, ...]
    verdict: Verdict
    recovery_s: float | None
    series: Mapping[str, list[list[float]]]
    freshness: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The shape of summary.json's `verdict`, `recovery_s`, `promises`, with what was examined and why."""
        return {
            "verdict": str(self.verdict),
            "recovery_s": None if self.recovery_s is None else round(self.recovery_s, 3),
            "promises": [_as_json(verdict) for verdict in self.promises],
            "assumptions": [_as_json(verdict) for verdict in self.assumptions],
            "series": {name: [list(step) for step in steps] for name, steps in self.series.items()},
            "freshness": dict(self.freshness),
        }


def _as_json(verdict: PromiseVerdict) -> dict[str, Any]:
    promise = PROMISES.get(verdict.promise)
    return {
        "id": verdict.promise,
        "text": promise.text if promise is not None else "",
        "verdict": str(verdict.verdict),
        "examined": verdict.examined,
        "unit": verdict.unit,
        "findings": [finding.as_json() for finding in verdict.findings],
        "reasons": list(verdict.reasons),
        "measured": {name: round(value, 3) for name, value in verdict.measured.items()},
    }


def judge_history(history: History) -> Judgement:
    """Judge the promises that the scenario names. Pure, and never raises: what cannot be judged is UNKNOWN."""
    names = _names(history)
    objectives = {promise.id: promise.objective_s for promise in PROMISES.values()}
    try:
        context = build_context(history, objectives)
    except Exception as exc:  # noqa: BLE001 - as for a checker that raises, for all promises at once
        doubt = judge("WHOLE", examined=0, unit="records", reasons=[f"the history cannot be judged: {_text(exc)}"])
        unknown = tuple(judge(name, examined=0, unit="records", reasons=doubt.reasons) for name in names)
        return Judgement(unknown, (doubt,), UNKNOWN, None, {"stale": []})
    assumptions = tuple(_guarded(name, check, context) for name, check in ASSUMPTIONS)
    promises = tuple(_doubted(_promise(name, context), assumptions) for name in names)
    try:
        recovery_s, stale = _extras(context)
        measured = freshness.measure(context)
    except Exception as exc:  # noqa: BLE001 - what only feeds plots must not take the verdicts with it
        recovery_s, stale, measured = None, [], freshness.Measured()
        why = f"recovery time, staleness and freshness could not be computed: {_text(exc)}"
        assumptions = (*assumptions, judge("SERIES", examined=0, unit="records", reasons=[why]))
    series = {"stale": stale, "delay": [list(step) for step in measured.series]}
    verdict = worst(p.verdict for p in promises)
    return Judgement(promises, assumptions, verdict, recovery_s, series, measured.as_json())


def _names(history: History) -> list[str]:
    header = history.records[0] if history.records else {}
    scenario = header.get("scenario")
    listed = scenario.get("promises") if isinstance(scenario, dict) else None
    return list(dict.fromkeys(str(name) for name in listed or ()))


def _promise(name: str, context: Context) -> PromiseVerdict:
    promise, check = PROMISES.get(name), CHECKERS.get(name)
    if promise is None:
        return judge(name, examined=0, unit="records", reasons=[f"{name} is not a promise of the contract"])
    if not promise.judged or check is None:
        return judge(name, examined=0, unit="records", reasons=[f"{name} is not judged yet"])
    failure = shortage(context) or (gate_failure(context) if name not in WITHOUT_GATE else [])
    if failure:
        return judge(name, examined=0, unit="records", reasons=failure)
    return _guarded(name, check, context)


def _guarded(name: str, check: Callable[[Context], PromiseVerdict], context: Context) -> PromiseVerdict:
    try:
        return check(context)
    except Exception as exc:  # noqa: BLE001 - a checker that raises must not pass, nor take the other verdicts with it
        return judge(name, examined=0, unit="records", reasons=[f"the checker of {name} raised: {_text(exc)}"])


def _text(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def _doubted(verdict: PromiseVerdict, assumptions: Sequence[PromiseVerdict]) -> PromiseVerdict:
    """A PASS is only as good as the run: any assumption that does not hold makes it UNKNOWN. A FAIL stands."""
    doubts = [f"{a.promise}: {reason}" for a in assumptions if a.verdict is not PASS for reason in a.reasons]
    if verdict.verdict is PASS and doubts:
        return replace(verdict, verdict=UNKNOWN, reasons=(*verdict.reasons, *doubts))
    return verdict


def _extras(context: Context) -> tuple[float | None, list[list[float]]]:
    """The longest recovery, and the staleness of REST over time. For plots and tables, no part of any verdict."""
    found = recovery.recoveries(context)
    times = [item.recovery_s for item in found]
    known = [time for time in times if time is not None]
    longest = max(known) if known and len(known) == len(times) else None
    return longest, _stale(context)


def _stale(context: Context) -> list[list[float]]:
    track = context.tracks.get("rest")
    if track is None or not track.t:
        return []
    changes = [0] * (len(track.t) + 1)
    for bad in context.all_inexact("rest", fields=JUDGED_FIELDS):
        changes[bad.first] += 1
        changes[bad.last + 1] -= 1
    steps: list[list[float]] = []
    count = 0
    for index, t in enumerate(track.t):
        count += changes[index]
        if not steps or steps[-1][1] != count:
            steps.append([round(t, 3), float(count)])
    return steps
