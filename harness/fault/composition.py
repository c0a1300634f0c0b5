"""Schedules of faults as JSON and back, and whether they can be carried out at all.

A fault is {"kind": …}, a schedule {"schedule": …}, a trigger {"trigger": …}, each with its parameters beside.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

from harness.errors import UsageError
from harness.fault import catalog
from harness.fault.radius import claims, clash
from harness.fault.schedule import SCHEDULES, Parallel, Stagger, Step, injected, longest_s, simple, steps_of, triggers
from harness.fault.together import Together
from harness.fault.trigger import COUNTED_VERBS, TRIGGERS, OperatorCalls, TrafficDone

LONGEST_S = 900.0
"""No scenario harms for longer: somebody waits for the run to end."""

LONGEST_WAIT_S = 120.0
"""A trigger that has not fired by then never will."""

RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("after_s", "pause_s"), (0.0, catalog.LONGEST_S)),
    "every_s": (0.05, catalog.LONGEST_S),
    "jitter": (0.0, 0.9),
    "times": (2, 60),
    "deadline_s": (0.1, LONGEST_WAIT_S),
}
_LEAST_STEPS = {"sequence": 1, "parallel": 2, "stagger": 2}
_EVERYWHERE = frozenset({
    "discovery-broken", "discovery-unsettled", "discovery-pod-pending", "discovery-pod-rejected"
})  # fmt: skip
"""The kinds whose `node` may be "*", for every node."""

_NEWCOMERS = {"node-never-ready": "node", "node-empty-status": "node", "node-renamed": "becomes"}
"""The parameter that names a node which is not there yet, by kind."""


def to_json(step: Step) -> dict[str, Any]:
    """A step as JSON data."""
    if type(step) not in SCHEDULES.values():
        return catalog.to_json(step)  # type: ignore[arg-type]
    fields = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}  # type: ignore[arg-type]
    return {"schedule": step.kind, **{name: _plain(value) for name, value in fields.items()}}


def _plain(value: Any) -> Any:
    if type(value) in TRIGGERS.values():
        return {"trigger": value.kind, **dataclasses.asdict(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return to_json(value) if type(value) in (*SCHEDULES.values(), *catalog.KINDS.values()) else value


def from_json(body: Any) -> Step:
    """The step of a plan; raises UsageError naming what is unknown or out of range."""
    if not isinstance(body, Mapping):
        raise UsageError(f"{body!r} is no step of a schedule", hint='like {"kind": …} or {"schedule": …}')
    if "schedule" not in body:
        return catalog.from_json(body)
    step: Step = _made("schedule", SCHEDULES, body)
    check(step)
    return step


def _made(what: str, kinds: Mapping[str, type[Any]], body: Mapping[str, Any]) -> Any:
    kind = kinds.get(str(body[what]))
    if kind is None:
        raise UsageError(f"unknown {what} {body[what]!r}", hint=f"one of {', '.join(sorted(kinds))}")
    given = {name: value for name, value in body.items() if name != what}
    known = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(given) - known):
        hint = f"it has {', '.join(sorted(known)) or 'none'}"
        raise UsageError(f"{what} {kind.kind} has no parameter {unknown[0]!r}", hint=hint)
    try:
        return kind(**{name: _typed(value) for name, value in given.items()})
    except TypeError as exc:  # a parameter that is needed and missing
        raise UsageError(f"{what} {kind.kind}: {exc}", hint=f"given were {given}") from exc


def _typed(value: Any) -> Any:
    if isinstance(value, Mapping):
        # A schedule may have a trigger too, and a trigger has nothing else.
        is_trigger = "trigger" in value and "schedule" not in value
        return _made("trigger", TRIGGERS, value) if is_trigger else from_json(value)
    return tuple(_typed(item) for item in value) if isinstance(value, list) else value


def check(step: Any) -> None:
    """Raise UsageError where a step cannot be carried out, whatever the cluster is, or never ends."""
    if type(step) not in SCHEDULES.values():
        if type(step) not in catalog.KINDS.values():
            raise UsageError(f"{step!r} is neither a fault nor a schedule", hint="harness.faults, harness.schedules")
        catalog.check(step)
        return
    for name, (low, high) in RANGES.items():
        catalog.check_number(step, name, low, high)
    steps: Any = steps_of(step)
    least = _LEAST_STEPS.get(step.kind, 0)
    if not isinstance(steps, tuple) or len(steps) < least:
        raise UsageError(f"{step.kind}: {steps!r} is too few steps", hint=f"a tuple of {least} at least")
    for one in steps:
        check(one)
    if "fault" in step.__slots__ and type(step.fault) not in catalog.KINDS.values():
        raise UsageError(f"{step.kind}: {step.fault!r} is no fault", hint="one of harness.faults")
    if "trigger" in step.__slots__:
        _check_trigger(step.kind, step.trigger)


def _check_trigger(owner: str, trigger: Any) -> None:
    if type(trigger) not in TRIGGERS.values():
        raise UsageError(f"{owner}: {trigger!r} is no trigger", hint=f"one of {', '.join(sorted(TRIGGERS))}")
    for name in ("count", "operations"):
        catalog.check_number(trigger, name, 1, 10_000)
    if not isinstance(trigger, OperatorCalls):
        return
    if trigger.verb not in COUNTED_VERBS:
        hint = f"one of {', '.join(COUNTED_VERBS)}"
        raise UsageError(f"{trigger.kind}: verb={trigger.verb!r} is not counted", hint=hint)
    resource: Any = trigger.resource
    if not isinstance(resource, str) or not resource:
        raise UsageError(f"{trigger.kind}: resource={resource!r} matches nothing", hint="like 'nodes'")


def check_all(steps: tuple[Step, ...], *, pause_s: float, nodes: Collection[str], traffic: bool) -> None:
    """Raise UsageError where the steps of a scenario with these nodes cannot be carried out as they are.

    A node that is not there, two faults that harm one thing at the same time, a trigger that cannot fire, too long.
    """
    for step in steps:
        check(step)
    if (total_s := sum(pause_s + longest_s(step) for step in steps)) > LONGEST_S:
        raise UsageError(f"its faults may last {total_s:g} s together", hint=f"{LONGEST_S:g} s at most")
    for step in steps:
        _check_apart(step)
    for trigger in triggers(*steps):
        if isinstance(trigger, TrafficDone) and not traffic:
            raise UsageError(f"{trigger.kind} never fires: there is no traffic", hint="traffic=Churn(…)")
    known = {*nodes, *(name for fault in simple(*steps) for name, _profile in getattr(fault, "nodes", ()))}
    newcomers = {getattr(fault, _NEWCOMERS[fault.kind]) for fault in simple(*steps) if fault.kind in _NEWCOMERS}
    targets = [fault for fault in simple(*steps) if _NEWCOMERS.get(fault.kind) != "node"]
    named = [(fault.kind, getattr(fault, "node", None)) for fault in targets]
    for kind, node in [*named, *((trigger.kind, getattr(trigger, "node", None)) for trigger in triggers(*steps))]:
        if node is None or node in known | newcomers or (node == "*" and kind in _EVERYWHERE):
            continue
        hint = f"the scenario has {', '.join(sorted(known)[:5]) or 'none'}"
        raise UsageError(f"{kind}: no node is called {node!r}", hint=hint)
    if there := sorted(newcomers & known):
        raise UsageError(f"node {there[0]!r} is to join, and is there already", hint="another name for it")


def _check_apart(step: Step) -> None:
    """What may happen at the same time harms no one thing twice."""
    if isinstance(step, Parallel | Stagger):
        for some, others in combinations(steps_of(step), 2):
            _check_pair(step.kind, some, others)
    for fault in injected(step):
        _check_inside(fault)
    for one in steps_of(step):
        _check_apart(one)


def _check_inside(fault: Any) -> None:
    if isinstance(fault, Together):
        _check_pair(fault.kind, fault.first, fault.second)
        _check_inside(fault.first)
        _check_inside(fault.second)


def _check_pair(kind: str, some: Step, others: Step) -> None:
    for one in injected(some):
        for other in injected(others):
            if found := clash(claims(one), claims(other)):
                what, node = found
                which = f"{what} {'that is not named' if node == '*' else node}".rstrip()
                raise UsageError(
                    f"{kind}: {one.kind} and {other.kind} would harm {which} at the same time",
                    hint="one after the other, or name two that differ",
                )


def needs_proxy(steps: tuple[Step, ...]) -> bool:
    """Whether a fault or a trigger of the steps needs the API proxy."""
    counted = any(isinstance(trigger, OperatorCalls) for trigger in triggers(*steps))
    return counted or any(catalog.needs_proxy(fault) for fault in injected(*steps))
