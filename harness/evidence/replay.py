"""The same plan again, as often as wanted: how many runs show what the bundle shows.

The plan repeats every choice: the same nodes, pods, gaps and triggers. What it cannot repeat is how the machine
schedules processes, so a race shows in some runs and not in others, and the count says in how many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.bundle import CAPTURED
from harness.check.contract import judge_history
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict
from harness.cluster import backend
from harness.cluster.backend import BackendSpec
from harness.errors import HarnessError, UsageError
from harness.evidence.findings import Shown, shown, signatures
from harness.evidence.pool import outcome
from harness.operator.base import REFERENCE
from harness.run import plan as plans
from harness.run.engine import not_applicable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from harness.bundle.opened import Bundle
    from harness.check.contract import Judgement
    from harness.evidence.findings import Signature
    from harness.evidence.job import Job
    from harness.history.reader import History
    from harness.run.plan import Plan

Choice = tuple[str, str, str]
"""(id of an injection, kind of fault, target)."""


@dataclass(frozen=True, slots=True)
class Original:
    """What is repeated.

    `findings`: what is looked for; `choices`: what was harmed, in order; `verdict`: today's; `doubts`: the assumptions
    that did not hold.
    """

    name: str
    plan: Plan
    operator: Mapping[str, str]
    verdict: Verdict
    findings: frozenset[Signature]
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def original(bundle: Bundle, promises: Collection[str] = ()) -> Original:
    """Read what is to be repeated; `promises`: whose findings are looked for, those of all when there are none.

    Raises UsageError when the plan is none, or when a promise is named of which the bundle has no finding.
    """
    judgement = judge_history(bundle.history)
    found = signatures(judgement, promises)
    if missing := sorted(set(promises) - {one.promise for one in found}):
        broken = sorted({one.promise for one in signatures(judgement)})
        raise UsageError(
            f"the bundle has no finding of {missing[0]}", hint=f"it has findings of {', '.join(broken) or 'no promise'}"
        )
    plan = plans.from_json(bundle.plan)
    return Original(
        bundle.name,
        plan,
        bundle.operator,
        judgement.verdict,
        found,
        choices(bundle.history),
        bundle.notes,
        doubts_of(judgement),
    )


def provider_of(plan: Plan) -> BackendSpec:
    """What provides the cluster of a stored plan, here as it did there.

    Raises UsageError where no plan can be carried out on it, PlatformError where this machine lacks it.
    """
    spec = BackendSpec(plan.backend)
    if spec.name not in backend.BY_ITSELF:
        raise UsageError(
            f"{plan.scenario.id} was run on a cluster that was there already, and no bundle says how it is reached",
            hint=f"harness run -k {plan.scenario.id} --seed {plan.seed} --backend {spec.name} …",
        )
    if why := not_applicable(plan.scenario, spec):
        raise UsageError(f"{plan.scenario.id} is not applicable on {spec.name}: {why}", hint="the plan was changed")
    for obstacle in backend.make(spec).obstacles():
        raise obstacle
    return spec


def operator_of(stored: Mapping[str, str], operator: str | None, defect: str | None) -> tuple[str, str | None]:
    """--operator and --defect of a repetition: what was given, or what the bundle was made with where that can be had.

    Raises UsageError for a bundle of a binary when none was given: a bundle does not hold it.
    """
    if operator is not None or defect is not None:
        return operator or REFERENCE, defect
    if stored.get("defect"):
        return REFERENCE, stored["defect"]
    if stored.get("name") == REFERENCE:
        return REFERENCE, None
    if stored.get("name") == CAPTURED:
        raise UsageError("the bundle is of a user's cluster, without its operator", hint="give a path with --operator")
    which = f"{stored.get('name') or 'an operator'} with sha256 {stored.get('sha256', 'unknown')[:16]}…"
    raise UsageError(f"the bundle is of {which}, which it does not hold", hint="give its path with --operator")


def doubts_of(judgement: Judgement) -> tuple[str, ...]:
    """The assumptions of a run that do not hold."""
    return tuple(one.promise for one in judgement.assumptions if one.verdict is not PASS)


def choices(history: History) -> tuple[Choice, ...]:
    """What was harmed, in the order in which it began."""
    return tuple(
        (str(record["id"]), str(record["fault"]), str(record.get("target", "")))
        for record in history.of("fault")
        if record["phase"] == "inject"
    )


@dataclass(frozen=True, slots=True)
class Repetition:
    """One run of it. `error`: why there is none; `same_choices`: whether it harmed what the original harmed."""

    name: str
    bundle: Path
    verdict: Verdict = UNKNOWN
    promises: tuple[tuple[str, Verdict], ...] = ()
    found: frozenset[Signature] = frozenset()
    shown: tuple[Shown, ...] = ()
    same_choices: bool = False
    doubts: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The run's entry in `harness replay --json`."""
        return {
            "run": self.name,
            "bundle": str(self.bundle),
            "verdict": None if self.error else str(self.verdict),
            "promises": {name: str(verdict) for name, verdict in self.promises},
            "shown": {one.promise: "same" if one.same else "alike" if one.alike else "no" for one in self.shown},
            "same_choices": self.same_choices,
            "reasons": list(self.reasons),
            "error": self.error,
        }


def repetition(job: Job, first: Original) -> Repetition:
    """What came of a job of it."""
    try:
        with outcome(job) as bundle:
            judgement = judge_history(bundle.history)
            found = signatures(judgement)
            return Repetition(
                job.name,
                job.bundle,
                judgement.verdict,
                tuple((verdict.promise, verdict.verdict) for verdict in judgement.promises),
                found,
                shown(first.findings, found),
                not first.choices or choices(bundle.history) == first.choices,
                doubts_of(judgement),
                tuple(reason for one in judgement.assumptions for reason in one.reasons),
            )
    except HarnessError as exc:
        return Repetition(job.name, job.bundle, error=exc.what)


@dataclass(frozen=True, slots=True)
class Count:
    """In how many runs a promise of the original was seen broken: by the `same` finding, by an `alike` one, at all."""

    promise: str
    same: int
    alike: int
    broken: int


def counts(first: Original, runs: Collection[Repetition]) -> tuple[Count, ...]:
    """For each promise with findings in the original."""
    found = []
    for promise in sorted({one.promise for one in first.findings}):
        seen = [one for run in runs for one in run.shown if one.promise == promise]
        broken = sum(1 for run in runs if (promise, FAIL) in run.promises)
        found.append(Count(promise, sum(1 for one in seen if one.same), sum(1 for one in seen if one.alike), broken))
    return tuple(found)


def reproduced(runs: Collection[Repetition]) -> int:
    """How many runs showed a finding of every promise that was broken in the original, as it was."""
    return sum(1 for run in runs if run.shown and all(one.same for one in run.shown))
