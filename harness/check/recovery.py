"""RECOVER-1, RECOVER-4 and NAMES-1: true again, in time.

Windows that overlap are one disturbance: recovery is counted from its last heal, and watched until the next inject or
the end of the run. An operator has recovered at the first answer that is exactly true (within SLACK_S) and after which
no answer of that source is untrue by its field's objective; the disturbance is over when that holds for every source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check import restarts
from harness.check.agreement import (
    Difference,
    differences,
    expected_at,
    expected_storage_at,
    storage_differences,
    subject,
)
from harness.check.base import JUDGED_FIELDS, Context, capped, checker
from harness.check.exits import exit_permitted
from harness.check.tracks import SLACK_S
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import DISCOVERY, FaultWindow
from harness.model.inventory import ABSENT
from harness.model.timeline import CPU_INFO, GPU_INFO, PRESENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from harness.check.tracks import Bad, Judged

_SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class Recovery:
    """What followed one disturbance. `moment_s` is when the last source had recovered, None when one never did.

    `begin_s`: first inject; `healed_s`: last heal; `until_s`: next inject or the end, or a restart by the liveness
    script before which it had recovered; `cut_short`: it was an inject.
    `missing`: the sources that had not recovered by `until_s`.
    """

    windows: tuple[FaultWindow, ...]
    begin_s: float
    healed_s: float
    until_s: float
    cut_short: bool
    moment_s: float | None
    missing: tuple[str, ...]

    @property
    def recovery_s(self) -> float | None:
        """Seconds from the last heal to the recovery."""
        return None if self.moment_s is None else max(0.0, self.moment_s - self.healed_s)

    @property
    def names(self) -> str:
        """The faults that made up the disturbance."""
        return " and ".join(dict.fromkeys(window.kind for window in self.windows))


def recoveries(
    context: Context, *, affects: Collection[str] = (), fields: Sequence[str] = JUDGED_FIELDS
) -> list[Recovery]:
    """The recovery from each disturbance that was healed, by time; `affects`: only of those that affect any of them."""
    groups = _disturbances(context.windows.faults)
    healed = [group for group in groups if all(window.healed_s is not None for window in group)]
    wanted = [group for group in healed if not affects or any(not w.affects.isdisjoint(affects) for w in group)]
    if not wanted:
        return []
    found: list[Recovery] = []
    # A source that was never asked is OBSERVED's concern, not the operator's.
    bad = {source: _UntrueAnswers(context, source, fields) for source in context.tracks if context.answers[source]}
    for group in wanted:
        healed_s = max(window.end_s for window in group)
        following = min((w.inject_s for w in context.windows.faults if w.inject_s > healed_s), default=math.inf)
        until = min(following, context.end_s)
        # Who had recovered before the liveness script came is not judged on how the restart went.
        early = (r.t for r in context.windows.restarts if healed_s < r.t < until)
        until = next((t for t in early if all(one.recovered(healed_s, t) is not None for one in bad.values())), until)
        moments = {source: bad[source].recovered(healed_s, until) for source in bad}
        known = [moment for moment in moments.values() if moment is not None]
        found.append(
            Recovery(
                windows=tuple(group),
                begin_s=group[0].inject_s,
                healed_s=healed_s,
                until_s=until,
                cut_short=following < context.end_s,
                moment_s=max(known) if known and len(known) == len(moments) else None,
                missing=tuple(source for source, moment in moments.items() if moment is None),
            )
        )
    return found


def _disturbances(windows: Iterable[FaultWindow]) -> list[list[FaultWindow]]:
    groups: list[list[FaultWindow]] = []
    end = -math.inf
    for window in windows:
        if groups and window.inject_s <= end:
            groups[-1].append(window)
        else:
            groups.append([window])
            end = -math.inf
        end = max(end, window.end_s)
    return groups


class _UntrueAnswers:
    """Which answers of one source are untrue in any of the fields: by the objective, and exactly."""

    def __init__(self, context: Context, source: str, fields: Sequence[str]) -> None:
        self.context = context
        self.source = source
        self.track = context.tracks[source]
        self.late = self._marked(context.all_late(source, fields=fields))
        self.inexact = self._marked(context.all_inexact(source, fields=fields))

    def _marked(self, untrue: Iterable[Bad]) -> list[bool]:
        counts = [0] * (len(self.track.t) + 1)
        for bad in untrue:
            counts[bad.first] += 1
            counts[bad.last + 1] -= 1
        marked: list[bool] = []
        running = 0
        for change in counts[:-1]:
            running += change
            marked.append(running > 0)
        return marked

    def recovered(self, healed_s: float, until_s: float) -> float | None:
        """When this source had recovered; None when it had not by `until_s`."""
        low, high = self.track.indices(healed_s, until_s)
        start = next((index + 1 for index in range(high, low - 1, -1) if self.late[index]), low)
        if start > high or self._silent_at_the_end(until_s):
            return None
        exact = next((index for index in range(start, high + 1) if not self.inexact[index]), None)
        if until_s - healed_s < self.context.objective("RECOVER-1") and (exact is None or self.inexact[high]):
            # Too short to be late, and not true when it was cut off: nothing is known.
            return None
        # With traffic up to the end, an operator that is late by its steady lag may never be exact at any one moment.
        return self.track.t[start if exact is None else exact]

    def _silent_at_the_end(self, until_s: float) -> bool:
        """Whether the last inventory is older than the objective, with nothing but failures since."""
        failures = 0.0
        for answer in reversed(self.context.answers[self.source]):
            if answer.t > until_s:
                continue
            if answer.ok:
                break
            failures = until_s - answer.t0
        return failures > self.context.objective("RECOVER-1")


@checker("RECOVER-1")
def recover_1(context: Context) -> PromiseVerdict:
    """After every fault is healed, REST, QueryCluster and StreamCluster are true again in time, without a restart.

    A restart that the liveness script brought about after the heal is no recovery of the operator's; one that came
    before the operator's time was over leaves it open whether it would have recovered.
    """
    found = recoveries(context)
    verdict = _recovered(context, "RECOVER-1", found)
    exits = [finding for recovery in found for finding in _exits(context, recovery)]
    if not exits:
        return verdict
    return judge(
        "RECOVER-1",
        examined=verdict.examined,
        unit=verdict.unit,
        findings=capped("RECOVER-1", [*verdict.findings, *exits]),
        measured=verdict.measured,
    )


@checker("RECOVER-4")
def recover_4(context: Context) -> PromiseVerdict:
    """After a fault on hardware discovery, every node is there again with its hardware info in time.

    As with RECOVER-1, a restart by the liveness script is no recovery.
    """
    fields = (PRESENT, CPU_INFO, GPU_INFO)
    return _recovered(context, "RECOVER-4", recoveries(context, affects={DISCOVERY}, fields=fields), fields)


def _recovered(
    context: Context, promise: str, found: Sequence[Recovery], fields: Sequence[str] = JUDGED_FIELDS
) -> PromiseVerdict:
    objective_s = context.objective(promise)
    findings: list[Finding] = []
    reasons: list[str] = []
    cuts: list[bool] = []
    doubts: list[str] = []
    examined = 0
    for recovery in found:
        if doubt := _unheard(context, recovery, objective_s):
            doubts.append(doubt)
            continue
        if recovery.recovery_s is None and recovery.until_s - recovery.healed_s < objective_s:
            by = "the next fault" if recovery.cut_short else "the end of the run"
            reasons.append(f"{by} came {recovery.until_s - recovery.healed_s:.2f} s after the heal of {recovery.names}")
            cuts.append(recovery.cut_short)
            continue
        examined += 1
        if recovery.moment_s is None or recovery.recovery_s is None:
            findings += _never(context, recovery, fields)
            continue
        restart = restarts.last_before(context, recovery.healed_s, recovery.moment_s)
        if restart is not None and restart.t - recovery.healed_s > objective_s:
            moment_s, names = recovery.moment_s, recovery.names
            findings.append(restarts.healed_by(context, restart, recovery.healed_s, moment_s, names))
        elif restart is not None and recovery.moment_s - restart.until_s <= objective_s:
            doubts.append(restarts.cut_off(restart, recovery.healed_s, recovery.names, objective_s))
        elif recovery.recovery_s > objective_s:
            findings.append(_late(recovery, objective_s))
    known = [recovery for recovery in found if recovery.moment_s is not None]
    # A disturbance cut short by the next one is judged with it; only when nothing is left to judge is that a doubt.
    return judge(
        promise,
        examined=examined,
        unit="recoveries",
        findings=capped(promise, findings),
        reasons=[*doubts, *(why for why, cut in zip(reasons, cuts, strict=True) if not examined or not cut)],
        measured=_measured(context, known),
    )


def _measured(context: Context, known: Sequence[Recovery]) -> dict[str, float]:
    """The longest recovery; where restarts had a part in one, also with a kubelet's own waits."""
    if not known:
        return {}
    spans = [(recovery.healed_s, max(recovery.healed_s, recovery.moment_s or 0.0)) for recovery in known]
    longest = max(end - begin for begin, end in spans)
    unscaled = max(restarts.unscaled(context, begin, end) for begin, end in spans)
    return {"recovery_s": longest, **({"recovery_unscaled_s": unscaled} if unscaled > longest else {})}


def _unheard(context: Context, recovery: Recovery, objective_s: float) -> str:
    """Why nothing can be said of a recovery that came too late, or never: too little of that time was heard; or "".

    In the rest of it the inventory may have been true, and nobody could tell.
    """
    took_s = (recovery.until_s if recovery.moment_s is None else recovery.moment_s) - recovery.healed_s
    if took_s < objective_s:
        return ""
    heard_s = context.heard_s(recovery.healed_s, recovery.healed_s + took_s)
    if heard_s >= objective_s:
        return ""
    return (
        f"of the {took_s:.2f} s after the heal of {recovery.names} the operator could be heard for {heard_s:.2f} s, "
        f"and it had {objective_s:g} s"
    )


def _late(recovery: Recovery, objective_s: float) -> Finding:
    took = recovery.recovery_s or 0.0
    return Finding(
        text=f"the inventory was true {took:.2f} s after the heal of {recovery.names}, objective {objective_s:g} s",
        object=f"recovery from {recovery.names}",
        expected=f"within {objective_s:g} s",
        reported=f"{took:.2f} s",
        t_s=recovery.healed_s,
    )


def _never(context: Context, recovery: Recovery, fields: Sequence[str]) -> list[Finding]:
    """What was still untrue when time was up, at most _SHOWN_DIFFERENCES of it."""
    waited = recovery.until_s - recovery.healed_s
    after = f"{waited:.2f} s after the heal of {recovery.names}"
    findings: list[Finding] = []
    for source in recovery.missing:
        # Answers from before the heal tell nothing: a source that has been silent since is reported as that.
        low, high = context.tracks[source].overlapping(recovery.healed_s, recovery.until_s)
        left = _left_at(context, source, recovery.until_s, fields) if low <= high else []
        findings += [
            Finding(
                text=f"not recovered {after}: {source}: {difference}",
                object=subject(difference.node, difference.field),
                expected=difference.expected,
                reported=difference.reported,
                t_s=recovery.until_s,
            )
            for difference in left
        ]
        if not left:
            last = next((a for a in reversed(context.answers[source]) if a.t <= recovery.until_s), None)
            said = "nothing" if last is None else "untrue until the last moment" if last.ok else last.outcome
            findings.append(
                Finding(
                    text=f"not recovered {after}: {source}: {said}",
                    object=source,
                    expected="a true inventory",
                    reported=said,
                    t_s=recovery.until_s,
                )
            )
    return findings[:_SHOWN_DIFFERENCES]


def _left_at(context: Context, source: str, t: float, fields: Collection[str]) -> list[Difference]:
    track = context.tracks[source]
    _low, last = track.indices(-math.inf, t)
    if last < 0:
        return []
    reported = context.parsed[track.snapshots[last]].reported
    found = differences(expected_at(context.timeline, track.t[last]), reported)
    found += storage_differences(expected_storage_at(context.timeline, track.t[last]), reported)
    return [difference for difference in found if difference.field in fields]


def _exits(context: Context, recovery: Recovery) -> list[Finding]:
    until = recovery.until_s if recovery.moment_s is None else recovery.moment_s
    return [
        restarts.exited(context, gone, recovery.moment_s, recovery.names)
        for gone in context.windows.exits
        if recovery.begin_s <= gone.t <= until and not exit_permitted(context, gone)
    ]


@checker("NAMES-1")
def names_1(context: Context) -> PromiseVerdict:
    """Every node of the scenario's `names` (all nodes when it gives none) is reported with true figures at the end."""
    names = list(context.scenario.get("names") or expected_at(context.timeline, context.end_s))
    findings: list[Finding] = []
    reasons: list[str] = []
    examined = 0
    for name in names:
        if context.timeline.at((name, PRESENT), context.end_s) is ABSENT:
            reasons.append(f"node {name} was not one to be reported at the end of the run")
            continue
        examined += 1
        for source, track in context.tracks.items():
            last = len(track.t) - 1
            if last < 0:
                reasons.append(f"{source} never answered")
                continue
            keys = [(name, field) for field in JUDGED_FIELDS]
            late = [context.compared(source, key, lag_s=context.lag_s(key[1])) for key in keys]
            exact = [context.compared(source, key, lag_s=SLACK_S) for key in keys]
            if any(bad.last == last for one in late for bad in one.bad):
                left = _left_at(context, source, context.end_s, JUDGED_FIELDS)
                findings += [_name(name, d, source, track.t[last]) for d in left if d.node == name]
            elif any(_ends_at(last, one) for one in exact):
                reasons.append(f"the run ended before {source} had to be true about node {name}, and it was not yet")
    return judge(
        "NAMES-1",
        examined=examined,
        unit="nodes",
        findings=capped("NAMES-1", findings),
        reasons=dict.fromkeys(reasons),
    )


def _ends_at(last: int, judged: Judged) -> bool:
    """Whether the last answer is untrue, surely or not."""
    ranges = [*((bad.first, bad.last) for bad in judged.bad), *judged.unjudged]
    return any(first <= last <= end for first, end in ranges)


def _name(name: str, difference: Difference, source: str, t: float) -> Finding:
    return Finding(
        text=f"{source} at the end of the run ({len(name)} characters in the name): {difference}",
        object=f"node {name}: {difference.field}",
        expected=difference.expected,
        reported=difference.reported,
        t_s=t,
    )
