"""SHAPE-1 and SHAPE-2: answers have the documented shape, and all three sources tell the same inventory."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from harness.check import stream
from harness.check.agreement import shown, subject
from harness.check.answers import SOURCES
from harness.check.base import Context, capped, checker
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import GRPC, OPERATOR, REST, Span, merged, without

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.check.tracks import Run, Track
    from harness.model.timeline import Key

QUERY = "query"

# Problems of one answer shown in its finding: the first ones say what is broken, a thousand say no more.
_SHOWN_PROBLEMS = 3


@checker("SHAPE-1")
def shape_1(context: Context) -> PromiseVerdict:
    """Every ok answer of every source, at every moment, before the gate as well, has the documented shape."""
    findings: list[Finding] = []
    examined = 0
    for source, answers in context.answers.items():
        seen: set[str] = set()
        for answer in answers:
            if not answer.ok:
                continue
            examined += 1
            problems = context.parsed[answer.snapshot].problems
            if not problems or problems[0].path in seen:
                continue
            # One finding for each way in which a source is broken, not for each answer that shows it.
            seen.add(problems[0].path)
            listed = "; ".join(str(problem) for problem in problems[:_SHOWN_PROBLEMS])
            more = len(problems) - _SHOWN_PROBLEMS
            rest = f" and {more} more" if more > 0 else ""
            findings.append(
                Finding(
                    text=f"{source} answer out of shape, {context.windows.when(answer.t)}: {listed}{rest}",
                    object=f"{source}: {problems[0].path}",
                    expected=problems[0].expected,
                    reported=problems[0].found,
                    t_s=answer.t,
                )
            )
    return judge("SHAPE-1", examined=examined, unit="answers", findings=capped("SHAPE-1", findings))


@checker("SHAPE-2")
def shape_2(context: Context) -> PromiseVerdict:
    """No source goes on saying a value for longer than the objective while another goes on saying something else.

    Sources are polled at different moments, so a value that comes and goes may be seen by one and missed by another.
    What one says steadily, though, every other must have said at least once in that time. A stream without connection
    says nothing, and neither does a source in a window that affects its listener or the process (and RECOVER-1's
    objective after). Every other client of StreamCluster is held against QueryCluster in the same way. What a stream
    owes beyond agreement is in `harness.check.stream`.
    """
    objective_s = context.objective("SHAPE-2")
    findings: list[Finding] = []
    examined = 0
    told: set[Key] = set()
    following = stream.clients(context)
    tracks = {**context.tracks, **stream.tracks(following, context)}
    present = [source for source in SOURCES if context.tracks.get(source) and context.tracks[source].t]
    others = [name for name in tracks if name not in context.tracks and QUERY in present]
    pairs = [*permutations(present, 2), *((QUERY, name) for name in others), *((name, QUERY) for name in others)]
    for one, other in pairs:
        away = context.windows.spans(_listeners(one, other) | {OPERATOR}, grace_s=context.objective("RECOVER-1"))
        left, right = tracks[one], tracks[other]
        away = merged([*away, *_silences(left, objective_s), *_silences(right, objective_s)])
        examined += _examined(left, context)
        for key in sorted(left.runs.keys() & right.runs.keys()):
            if key in told:
                continue
            for run, silent in _unsaid(left, right, key, context.gate_s):
                pieces = [piece for piece in without(silent, away) if piece[1] - piece[0] > objective_s]
                if pieces:
                    told.add(key)
                    findings.append(_finding(context, one, other, key, run, pieces[0], right))
                    break
    late, calls, longest = stream.not_at_once(context, following)
    back, messages = stream.gone_back(context, following)
    findings += [*late, *back]
    reasons = [] if len(present) > 1 or findings else ["fewer than two sources answered, so nothing could be compared"]
    measured = {"stream_clients": float(len(following)), "calls": float(calls), "messages": float(messages)}
    return judge(
        "SHAPE-2",
        examined=examined,
        unit="answers",
        findings=capped("SHAPE-2", findings),
        reasons=reasons,
        measured=measured if longest is None else {**measured, "first_snapshot_s": longest},
    )


def _listeners(*sources: str) -> set[str]:
    return {REST if source == "rest" else GRPC for source in sources}


def _silences(track: Track, objective_s: float) -> list[Span]:
    """When a source gave no inventory for longer than the objective: then it does not go on saying anything."""
    return [(t, t0) for t, t0 in zip(track.t, track.t0[1:], strict=False) if t0 - t > objective_s]


def _examined(track: Track, context: Context) -> int:
    first, last = track.indices(context.gate_s, context.end_s)
    return max(0, last - first + 1)


def _unsaid(left: Track, right: Track, key: Key, begin: float) -> Iterator[tuple[Run, Span]]:
    """Each run of `left` with each span in which `right`, over two answers or more, never said its value."""
    others = right.runs[key]
    start = 0
    for run in left.runs[key]:
        low, high = max(left.t[run.first], begin), left.t0[run.last]
        if high <= low:
            continue
        while start < len(others) and right.t[others[start].last] < low:
            start += 1
        for first, last in _stretches(others[start:], run, until=high, track=right):
            span = (max(low, right.t[first]), min(high, right.t0[last]))
            if span[1] > span[0]:
                yield run, span


def _stretches(runs: Sequence[Run], told: Run, *, until: float, track: Track) -> list[tuple[int, int]]:
    """Index ranges of answers that follow each other and none of which says the told value."""
    found: list[tuple[int, int]] = []
    for run in runs:
        if track.t[run.first] > until:
            break
        if run.value == told.value:
            continue
        if found and run.first == found[-1][1] + 1:
            found[-1] = (found[-1][0], run.last)
        else:
            found.append((run.first, run.last))
    return found


def _finding(context: Context, one: str, other: str, key: Key, run: Run, span: Span, right: Track) -> Finding:
    said = next((item.value for item in reversed(right.runs[key]) if right.t[item.first] <= span[0]), None)
    of = subject(*key)
    text = (
        f"{of}: {one} says {shown(run.value)}, {other} says {shown(said)}, "
        f"{context.windows.when(span[0])}, for {span[1] - span[0]:.2f} s"
    )
    return Finding(text, of, f"{shown(run.value)} ({one})", f"{shown(said)} ({other})", span[0])
