"""LABEL-1: a node carries the wanted managed labels, and foreign labels are never touched.

Managed labels may differ from the wanted ones for the objective at a time, and while the operator cannot see the
cluster or may not write labels (each with RECOVER-1's objective after it). A foreign label that traffic has set must
stand, as it was set, until traffic changes it again or the node goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.check.agreement import shown
from harness.check.base import Context, capped, checker
from harness.check.tracks import SLACK_S
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import DISCOVERY, LABELLING, REGISTRY, Span, merged, without
from harness.model.inventory import ABSENT, is_managed
from harness.model.timeline import LABELS, LabelStep

SET_FOREIGN_LABEL = "set-foreign-label"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Mismatch:
    begin_s: float
    end_s: float
    wanted: Labels
    actual: Labels


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A label that traffic set: it must stand from `t` to `until_s`. `rv`: the node's version after it, if known."""

    node: str
    key: str
    value: str
    t: float
    until_s: float
    rv: str


@checker("LABEL-1")
def label_1(context: Context) -> PromiseVerdict:
    """Managed labels equal the wanted set in time; foreign labels stand."""
    objective_s = context.objective("LABEL-1")
    findings = context.untrue_from_the_start(LABELS)
    examined = 0
    hardware = context.windows.spans({DISCOVERY, REGISTRY}, grace_s=context.objective("RECOVER-4"))
    denied = context.windows.spans({LABELLING}, grace_s=context.objective("RECOVER-1"))
    # The operator starts before the gate; it gets the objective once more from there.
    starting = (-math.inf, context.gate_s + objective_s)
    excuses = merged([*context.away(), *hardware, *denied, *context.timeline.gaps, starting])
    for node, steps in context.timeline.label_history.items():
        wanted = _wanted(context, node)
        examined += sum(1 for step in steps if step.exists)
        for mismatch in _mismatches(steps, wanted, context.end_s):
            late = (mismatch.begin_s + objective_s, mismatch.end_s)
            if late[1] > late[0] and without(late, excuses):
                findings.append(_unwanted(context, node, mismatch, objective_s))
    foreign = _foreign_labels(context)
    for label in foreign:
        findings += _touched(context, label)
    return judge(
        "LABEL-1",
        examined=examined + len(foreign),
        unit="label states",
        findings=capped("LABEL-1", findings),
    )


def _wanted(context: Context, node: str) -> list[tuple[float, Labels | None]]:
    """The wanted managed labels over time: none while the node is not to be reported, None while not known."""
    steps = [(t, {} if value is ABSENT else value) for t, value in context.timeline.changes((node, LABELS))]
    return [(-math.inf, {}), *steps]


def _mismatches(
    steps: Sequence[LabelStep], wanted: Sequence[tuple[float, Labels | None]], end_s: float
) -> list[_Mismatch]:
    """The longest stretches in which what the node carries is not what is wanted, as long as it is the same node."""
    found: list[_Mismatch] = []
    uid = ""
    for begin, end, step, want in _together(steps, wanted, end_s):
        actual = {key: value for key, value in step.labels.items() if is_managed(key)}
        if not step.exists or want is None or actual == dict(want):
            continue
        before = found[-1] if found else None
        if before is not None and before.end_s == begin and uid == step.uid:
            found[-1] = _Mismatch(before.begin_s, end, want, actual)
        else:
            found.append(_Mismatch(begin, end, want, actual))
        uid = step.uid
    return found


def _together(
    steps: Sequence[LabelStep], wanted: Sequence[tuple[float, Labels | None]], end_s: float
) -> list[tuple[float, float, LabelStep, Labels | None]]:
    """Both step functions cut at every change of either."""
    found: list[tuple[float, float, LabelStep, Labels | None]] = []
    for number, step in enumerate(steps):
        until = steps[number + 1].t if number + 1 < len(steps) else end_s
        for index, (since, value) in enumerate(wanted):
            following = wanted[index + 1][0] if index + 1 < len(wanted) else math.inf
            begin, end = max(step.t, since), min(until, following)
            if begin < end:
                found.append((begin, end, step, value))
    return found


def _unwanted(context: Context, node: str, mismatch: _Mismatch, objective_s: float) -> Finding:
    lacking = {k: v for k, v in mismatch.wanted.items() if mismatch.actual.get(k) != v}
    extra = {k: v for k, v in mismatch.actual.items() if mismatch.wanted.get(k) != v}
    return Finding(
        text=(
            f"node {node}: managed labels not as wanted for {mismatch.end_s - mismatch.begin_s:.2f} s "
            f"(objective {objective_s:g} s), {context.windows.when(mismatch.begin_s)}: wanted and not there: "
            f"{shown(lacking)}; there and not wanted: {shown(extra)}"
        ),
        object=f"node {node}: labels",
        expected=shown(mismatch.wanted),
        reported=shown(mismatch.actual),
        t_s=mismatch.begin_s + objective_s,
    )


def _foreign_labels(context: Context) -> list[_Foreign]:
    """What traffic set, each until the next operation on the same label begins. A timed-out one promises nothing."""
    operations = [record for record in context.history.of("op") if record["op"] == SET_FOREIGN_LABEL]
    found: list[_Foreign] = []
    for record in operations:
        detail = record.get("detail") or {}
        node, key, value = record["object"], detail.get("key"), detail.get("value")
        if record["phase"] != "ok" or key is None or value is None:
            continue
        t = float(record["t"])
        later = [
            float(other["t"])
            for other in operations
            if other["phase"] == "invoke"
            and float(other["t"]) > t
            and other["object"] == node
            and (other.get("detail") or {}).get("key") == key
        ]
        found.append(_Foreign(node, key, value, t, min(later, default=context.end_s), str(detail.get("rv") or "")))
    return found


def _touched(context: Context, label: _Foreign) -> list[Finding]:
    """The first state of the node after the operation in which the label is not as it was set.

    Without the operation's resourceVersion, states are taken as newer from the first that shows the label, or SLACK_S
    after the operation at the latest: until then our watch may still be delivering what was before.
    """
    uid = ""
    confirmed = False
    steps = context.timeline.label_history.get(label.node, ())
    for number, step in enumerate(steps):
        until = steps[number + 1].t if number + 1 < len(steps) else math.inf
        stands = step.exists and step.labels.get(label.key) == label.value
        if until <= label.t and not _newer(step.rv, label.rv):
            uid = step.uid
            confirmed = stands
            continue
        if step.t >= label.until_s:
            break
        if not step.exists or (uid and step.uid != uid):
            break
        uid = step.uid
        confirmed = confirmed or stands
        late = until > label.t + SLACK_S
        if not stands and (confirmed or late or _newer(step.rv, label.rv)):
            return [_foreign(context, label, step.labels.get(label.key), max(step.t, label.t))]
    return []


def _newer(rv: str, than: str) -> bool:
    """Whether a resourceVersion is at least another; only numbers can be compared (as etcd and kine give them)."""
    return rv.isdecimal() and than.isdecimal() and int(rv) >= int(than)


def _foreign(context: Context, label: _Foreign, now: str | None, t: float) -> Finding:
    reported = "not there" if now is None else now
    return Finding(
        text=(
            f"node {label.node}: the foreign label {label.key}={label.value}, set at {label.t:.2f} s, "
            f"became {reported}, {context.windows.when(t)}"
        ),
        object=f"node {label.node}: label {label.key}",
        expected=label.value,
        reported=reported,
        t_s=t,
    )


__all__ = ["SET_FOREIGN_LABEL", "Span", "label_1"]
