"""What must hold of the run itself before a PASS may be believed.

An assumption is never FAIL: when it does not hold, the harness has not shown what it meant to show, which is UNKNOWN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.check.verdict import PromiseVerdict, judge
from harness.check.windows import without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.base import Context


def whole(context: Context) -> PromiseVerdict:
    """The history is complete: not torn, and it has its `end` mark."""
    reasons: list[str] = []
    if context.history.torn:
        reasons.append("the history is torn: the harness was killed while writing it")
    if context.history.mark("end") is None:
        reasons.append("the history has no end mark: the run was cut off")
    return judge("WHOLE", examined=len(context.history.records), unit="records", reasons=reasons)


def gate(context: Context) -> PromiseVerdict:
    """The steady state held before anything was done to the operator."""
    reasons = gate_failure(context)
    marks = sum(1 for record in context.history.of("mark") if record["mark"].startswith("gate"))
    measured = {"excepted": float(len(context.exceptions))} if context.exceptions else None
    return judge("GATE", examined=marks, unit="marks", reasons=reasons, measured=measured)


def gate_failure(context: Context) -> list[str]:
    """Why nothing after the gate may be judged; empty when it was passed."""
    failed = context.history.mark("gate-failed")
    if failed is not None:
        return [f"the gate failed: {_shown(failed.get('detail'))}"]
    return ["the gate was never passed"] if math.isinf(context.gate_s) else []


def _shown(detail: Any) -> str:
    if isinstance(detail, list):
        return "; ".join(str(item) for item in detail)
    if isinstance(detail, dict):
        return "; ".join(f"{key}: {_shown(value)}" for key, value in detail.items())
    return str(detail or "no detail given")


def fault_bit(context: Context) -> PromiseVerdict:
    """Every fault has shown that it bit. Not applicable, hence held, in a scenario that has no faults."""
    windows = context.windows.faults
    planned = context.scenario.get("faults") or []
    marks = sum(1 for _ in context.history.of("mark"))
    if not windows and not planned:
        return judge("FAULT-BIT", examined=marks, unit="marks")
    reasons = [] if windows else [f"none of the {len(planned)} faults of the scenario was injected"]
    for window in windows:
        if window.failed:
            reasons.append(f"{window.kind} ({window.id}) failed: {window.evidence or 'no evidence given'}")
        elif window.injected_s is None:
            reasons.append(f"{window.kind} ({window.id}) was begun and never reported as injected")
        elif not window.bit:
            reasons.append(f"{window.kind} ({window.id}) did not bite: {window.evidence or 'no evidence given'}")
    missing = {kind for step in planned for kind in _kinds(step)} - {window.kind for window in windows}
    reasons += [f"{kind} is in the scenario and was never injected" for kind in sorted(missing) if windows and kind]
    return judge("FAULT-BIT", examined=len(windows), unit="faults", reasons=reasons)


def _kinds(step: Any) -> Iterator[str]:
    """The kinds of fault that a step of the plan injects; a fault made of faults is one, a schedule is all of its."""
    if isinstance(step, dict) and "schedule" in step:
        for value in step.values():
            for one in value if isinstance(value, list) else [value]:
                yield from _kinds(one) if isinstance(one, dict) else ()
    elif isinstance(step, dict):
        yield str(step.get("kind") or "")
    else:
        yield str(step)


def triggers(context: Context) -> PromiseVerdict:
    """Every trigger of the schedule that was waited for has fired. Held where there was none."""
    ends = {str(record["id"]): record for record in context.history.of("trigger")}
    reasons = [
        f"{record['awaited']} never came: {record['seen']}"
        if record["phase"] == "expired"
        else f"{record['awaited']}: the wait for it was cut off"
        for record in ends.values()
        if record["phase"] != "fired"
    ]
    marks = sum(1 for _ in context.history.of("mark"))
    unit = "triggers" if ends else "marks"
    return judge("TRIGGER", examined=len(ends) or marks, unit=unit, reasons=reasons)


def radius(context: Context) -> PromiseVerdict:
    """No fault touched more than it may. Held where there was none."""
    looks = list(context.history.of("radius"))
    reasons = [
        f"beside {look['fault']} ({look['id']}), when it was {look['phase']}: {stray}"
        for look in looks
        for stray in look["strays"]
    ]
    marks = sum(1 for _ in context.history.of("mark"))
    examined = sum(int(look["examined"]) for look in looks)
    unit = "nodes and processes" if looks else "marks"
    return judge("RADIUS", examined=examined if looks else marks, unit=unit, reasons=reasons)


def machine(context: Context) -> PromiseVerdict:
    """The machine had what an operator needs of it."""
    marks = sum(1 for _ in context.history.of("mark"))
    return judge("MACHINE", examined=marks, unit="marks", reasons=shortage(context))


def shortage(context: Context) -> list[str]:
    """Why nothing at all may be held against the operator; empty when the machine ran out of nothing."""
    short = context.history.mark("shortage")
    return [] if short is None else [_shown(short.get("detail"))]


def traffic(context: Context) -> PromiseVerdict:
    """Enough of our traffic was done."""
    wanted = int(context.scenario.get("min_ops") or 0)
    done = sum(1 for record in context.history.of("op") if record["phase"] == "ok")
    reasons = [] if done >= wanted else [f"{done} operations were done, at least {wanted} are wanted"]
    # A scenario that wants no traffic is examined by its marks, so that zero operations are not a doubt.
    marks = sum(1 for _ in context.history.of("mark"))
    return judge("TRAFFIC", examined=done if wanted else max(done, marks), unit="operations", reasons=reasons)


def heal(context: Context) -> PromiseVerdict:
    """Every fault was undone."""
    windows = context.windows.faults
    marks = sum(1 for _ in context.history.of("mark"))
    reasons = [f"{window.kind} ({window.id}) was never healed" for window in windows if window.healed_s is None]
    return judge("HEAL", examined=len(windows) or marks, unit="faults" if windows else "marks", reasons=reasons)


def observed(context: Context) -> PromiseVerdict:
    """Each source gave an inventory after the gate, and the truth was watched for some time after the last heal.

    In runs all three are asked; a history of something else says which were.
    """
    reasons: list[str] = []
    examined = 0
    asked = context.history.header.get("sources") or context.tracks
    for source, track in ((name, track) for name, track in context.tracks.items() if name in asked):
        first, last = track.indices(context.gate_s, context.end_s)
        examined += max(0, last - first + 1)
        if last < first:
            reasons.append(f"{source} gave no readable inventory after the gate")
    begin = max((w.healed_s for w in context.windows.faults if w.healed_s is not None), default=context.gate_s)
    if begin < context.end_s and not without((begin, context.end_s), context.timeline.gaps):
        reasons.append(f"the ground truth was not watched at all from {begin:.2f} s to the end")
    return judge("OBSERVED", examined=examined, unit="inventories", reasons=reasons)


ASSUMPTIONS: tuple[tuple[str, Callable[[Context], PromiseVerdict]], ...] = (
    ("WHOLE", whole),
    ("GATE", gate),
    ("FAULT-BIT", fault_bit),
    ("TRIGGER", triggers),
    ("RADIUS", radius),
    ("MACHINE", machine),
    ("TRAFFIC", traffic),
    ("HEAL", heal),
    ("OBSERVED", observed),
)
"""The assumptions by name, in the order in which they are shown."""
