"""RECOVER-2: where the datastore has members to lose, losing one is not visible outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.agreement import kind_of, named, shown, subject
from harness.check.availability import dropped
from harness.check.base import JUDGED_FIELDS, Context, capped, checker
from harness.check.tracks import WRONG
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import MEMBER, Span

if TYPE_CHECKING:
    from harness.check.tracks import Bad, Track

_NO_WINDOW = "no fault took a leader, a member or a server away"


@checker("RECOVER-2")
def recover_2(context: Context) -> PromiseVerdict:
    """While one of several is lost, and after, no answer lacks a node that it must have, or says what never was true.

    Judged from the inject of each such fault until RECOVER-1's objective after its heal. An answer that is only late
    is no matter of this promise: TRUTH-1 to TRUTH-5 judge how late.
    """
    spans = context.until_recovered({MEMBER})
    if not spans:
        return judge("RECOVER-2", examined=0, unit="inventories", reasons=[_NO_WINDOW])
    findings: list[Finding] = []
    examined = 0
    for source, track in context.tracks.items():
        for span in spans:
            low, high = track.overlapping(*span)
            examined += max(0, high - low + 1)
            findings += dropped(context, source, track, span)
            findings += _wrong(context, source, track, span)
    return judge("RECOVER-2", examined=examined, unit="inventories", findings=capped("RECOVER-2", findings))


def _wrong(context: Context, source: str, track: Track, span: Span) -> list[Finding]:
    """One finding for each stretch of answers in the span that say what never was true."""
    low, high = track.overlapping(*span)
    found: list[Finding] = []
    for key in track.runs:
        if key[1] in JUDGED_FIELDS:
            judged = context.compared(source, key, lag_s=context.lag_s(key[1]))
            # What was said before the fault is not the fault's doing, also where a gap cuts it in two.
            begun = [run for run in track.runs[key] if low <= run.first <= high]
            found += [
                _finding(context, source, track, bad)
                for bad in judged.bad
                if bad.kind == WRONG and bad.first <= high and any(run.first <= bad.first <= run.last for run in begun)
            ]
    return found


def _finding(context: Context, source: str, track: Track, bad: Bad) -> Finding:
    name, field = bad.key
    t = track.t[bad.first]
    expected = context.timeline.at(bad.key, t)
    return Finding(
        text=(
            f"{source}: {subject(named(name), field)} {kind_of(field, expected, bad.value)}: "
            f"expected {shown(expected)}, reported {shown(bad.value)}, which never was true, {context.windows.when(t)}"
        ),
        object=subject(named(name), field),
        expected=shown(expected),
        reported=shown(bad.value),
        t_s=t,
    )
