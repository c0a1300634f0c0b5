"""TRUTH-1 to TRUTH-5: what is reported is true, or was true no longer ago than the objective.

Lag and falsehood differ (design section 5). A value that was true before is *stale*: a finding once it is older than
the objective, unless the operator could not see the cluster (a fault on the API server, the datastore, the operator's
watches or the operator itself, and RECOVER-1's objective after its heal; RECOVER-1 judges the rest). A value that never
was true is *wrong*: a finding at once, whatever fault is open. Nothing is judged before the gate: until then the
operator is starting.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from harness.check.agreement import kind_of, named, shown, subject
from harness.check.base import Context, capped, checker
from harness.check.tracks import MISSING, WRONG, Bad, Run, Track, excused_indices, without_indices
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import DISCOVERY, REGISTRY, Span
from harness.model import quantity
from harness.model.inventory import ABSENT, FIELDS
from harness.model.timeline import CPU_INFO, GPU_INFO, PRESENT, Key

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALLOCATED = tuple(name for name in FIELDS if name.endswith(".allocated"))
_SIZES = tuple(name for name in FIELDS if not name.endswith(".allocated"))

# Episodes of one key that several sources show at nearly the same time are one finding; sources are polled in turn.
_SAME_EPISODE_S = 2.0


@dataclass(frozen=True, slots=True)
class Episode:
    """One key of one or more sources untrue without a break: the first untrue value stands for all of it."""

    key: Key
    sources: tuple[str, ...]
    first: Bad
    begin_s: float
    end_s: float
    answers: int
    wrong: bool


@checker("TRUTH-1")
def truth_1(context: Context) -> PromiseVerdict:
    """Every schedulable Ready node, and no other, is reported."""
    return _fresh(context, "TRUTH-1", (PRESENT,), context.away())


@checker("TRUTH-2")
def truth_2(context: Context) -> PromiseVerdict:
    """Capacity and allocatable equal the Node's."""
    return _fresh(context, "TRUTH-2", _SIZES, context.away())


@checker("TRUTH-3")
def truth_3(context: Context) -> PromiseVerdict:
    """Allocated equals the sum of what the pods on the node request."""
    return _fresh(context, "TRUTH-3", _ALLOCATED, context.away())


@checker("TRUTH-5")
def truth_5(context: Context) -> PromiseVerdict:
    """CPU and GPU info equal what the hardware answers, through the registry."""
    hardware = context.windows.spans({DISCOVERY, REGISTRY}, grace_s=context.objective("RECOVER-4"))
    return _fresh(context, "TRUTH-5", (CPU_INFO, GPU_INFO), [*context.away(), *hardware])


@dataclass(frozen=True, slots=True)
class Untrue:
    """What was untrue of some fields, how many values were held against the truth, and how many could not be."""

    episodes: tuple[Episode, ...]
    examined: int
    unjudged: int


def untrue(context: Context, fields: Sequence[str], excuses: Sequence[Span], *, lag_s: float) -> Untrue:
    """Everything that was said of the fields after the gate and was untrue for longer than `lag_s`, excuses aside."""
    episodes: list[Episode] = []
    examined = unjudged = 0
    for source, track in context.tracks.items():
        gate, _last = track.indices(context.gate_s, context.end_s)
        excused = excused_indices(track, excuses)
        for key, runs in track.runs.items():
            if key[1] not in fields:
                continue
            judged = context.compared(source, key, lag_s=lag_s)
            said = [(max(run.first, gate), run.last) for run in runs if run.last >= gate]
            total, seen = _count(said), sum(_count(without_indices(span, judged.unjudged)) for span in said)
            examined += seen
            unjudged += total - seen
            episodes += _episodes(source, track, _unexcused(judged.bad, excused, gate))
    return Untrue(tuple(_across_sources(episodes)), examined, unjudged)


def _fresh(context: Context, promise: str, fields: Sequence[str], excuses: Sequence[Span]) -> PromiseVerdict:
    lag_s = context.objective(promise)
    found = untrue(context, fields, excuses, lag_s=lag_s)
    findings = [finding_of(context, episode, lag_s) for episode in found.episodes]
    if promise == "TRUTH-5":
        findings += context.untrue_from_the_start(CPU_INFO, GPU_INFO)
    return judge(
        promise,
        examined=found.examined,
        unit="values",
        findings=capped(promise, findings),
        measured={"indeterminate": float(found.unjudged)} if found.unjudged else None,
    )


def _count(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _unexcused(bad: Sequence[Bad], excused: Sequence[tuple[int, int]], gate: int) -> list[Bad]:
    """What remains after the gate; no excuse covers a value that never was true."""
    found: list[Bad] = []
    for item in bad:
        span = (max(item.first, gate), item.last)
        pieces = without_indices(span, () if item.kind == WRONG else excused)
        found += [replace(item, first=first, last=last) for first, last in pieces]
    return found


def _episodes(source: str, track: Track, bad: Sequence[Bad]) -> list[Episode]:
    """Untrue values of one key joined where one follows the other without a true answer between."""
    found: list[Episode] = []
    last = -2
    for item in sorted(bad, key=lambda bad: bad.first):
        begin, end, count = track.t[item.first], track.t[item.last], item.last - item.first + 1
        if found and item.first == last + 1:
            before = found[-1]
            wrong = before.wrong or item.kind == WRONG
            found[-1] = replace(before, end_s=end, answers=before.answers + count, wrong=wrong)
        else:
            found.append(Episode(item.key, (source,), item, begin, end, count, item.kind == WRONG))
        last = item.last
    return found


def _across_sources(episodes: Sequence[Episode]) -> list[Episode]:
    found: list[Episode] = []
    latest: dict[Key, int] = {}
    for episode in sorted(episodes, key=lambda item: (item.key, item.begin_s, item.sources)):
        index = latest.get(episode.key)
        if index is not None and episode.begin_s <= found[index].end_s + _SAME_EPISODE_S:
            before = found[index]
            found[index] = replace(
                before,
                sources=tuple(sorted({*before.sources, *episode.sources})),
                end_s=max(before.end_s, episode.end_s),
                answers=before.answers + episode.answers,
                wrong=before.wrong or episode.wrong,
            )
        else:
            latest[episode.key] = len(found)
            found.append(episode)
    return found


def finding_of(context: Context, episode: Episode, lag_s: float) -> Finding:
    """An episode as a finding."""
    name, field = episode.key
    bad = episode.first
    expected = context.timeline.at(episode.key, episode.begin_s)
    text = (
        f"{subject(named(name), field)} {kind_of(field, expected, bad.value)}: expected {shown(expected)}, reported "
        f"{shown(bad.value)} by {', '.join(episode.sources)}, {context.windows.when(episode.begin_s)}; "
        f"{_past(context, episode, lag_s)}; untrue for {episode.end_s - episode.begin_s:.2f} s, "
        f"in {episode.answers} answers"
    )
    return Finding(text, subject(*episode.key), shown(expected), shown(bad.value), episode.begin_s)


def _past(context: Context, episode: Episode, lag_s: float) -> str:
    bad = episode.first
    if bad.kind == WRONG:
        return "this was never true"
    if bad.kind == MISSING:
        never = bad.value is ABSENT and all(_never_seen(context, source, episode) for source in episode.sources)
        since = context.timeline.since(episode.key, episode.begin_s)
        return f"{'never seen, ' if never else ''}expected since {since:.2f} s, objective {lag_s:g} s"
    return f"stale since {bad.last_true_s:.2f} s, objective {lag_s:g} s"


def _never_seen(context: Context, source: str, episode: Episode) -> bool:
    track = context.tracks[source]
    return not any(run.value is True and track.t[run.first] < episode.begin_s for run in track.runs[episode.key])


@checker("TRUTH-4")
def truth_4(context: Context) -> PromiseVerdict:
    """Allocated is never negative, and deleting a pod never raises it.

    A rise to a value that is or was true is fine: that is what happens when a pod comes after one has gone.
    """
    lag_s = context.objective("TRUTH-3")
    findings: list[Finding] = []
    examined = 0
    for source, track in context.tracks.items():
        gate, _last = track.indices(context.gate_s, context.end_s)
        for key, runs in track.runs.items():
            if key[1] not in _ALLOCATED:
                continue
            examined += _count([(max(run.first, gate), run.last) for run in runs if run.last >= gate])
            findings += [
                _negative(context, source, track, key, run) for run in runs if run.last >= gate and run.value < 0
            ]
            untrue = {bad.first for bad in context.compared(source, key, lag_s=lag_s).bad if bad.kind == WRONG}
            findings += [
                _raised(context, source, track, key, before, after)
                for before, after in itertools.pairwise(runs)
                if before.last >= gate
                and after.first == before.last + 1
                and after.value > before.value
                and after.first in untrue
                and _only_deletions(context, key, track.t0[before.last] - lag_s, track.hi[after.first])
            ]
    return judge("TRUTH-4", examined=examined, unit="values", findings=capped("TRUTH-4", findings))


def _only_deletions(context: Context, key: Key, begin: float, end: float) -> bool:
    """Whether pods left the node between the two times, and nothing else changed its sum."""
    before = context.timeline.at(key, begin)
    steps = [value for t, value in context.timeline.changes(key) if begin < t <= end]
    values = [before, *steps]
    if not steps or any(not isinstance(value, Decimal) for value in values):
        return False
    return all(later < earlier for earlier, later in zip(values, steps, strict=False))


def _raised(context: Context, source: str, track: Track, key: Key, before: Run, after: Run) -> Finding:
    t = track.t[after.first]
    expected = context.timeline.at(key, t)
    text = (
        f"node {named(key[0])}: {key[1]} rose from {shown(before.value)} to {shown(after.value)} in {source} although "
        f"pods only left the node, {context.windows.when(t)}; expected {shown(expected)}"
    )
    return Finding(text, f"node {key[0]}: {key[1]}", shown(expected), shown(after.value), t)


def _negative(context: Context, source: str, track: Track, key: Key, run: Run) -> Finding:
    t = track.t[run.first]
    expected = context.timeline.at(key, t)
    text = (
        f"node {key[0]}: {key[1]} is negative, {quantity.text(run.value)} in {source}, {context.windows.when(t)}; "
        f"expected {'0 or more' if expected is ABSENT else shown(expected)}"
    )
    return Finding(text, f"node {key[0]}: {key[1]}", shown(expected), shown(run.value), t)
