"""What each source said of each key over time, held against what was true then.

A *track* is all that one source said. For each key (node, field) it holds runs: stretches of answers with one value.
Comparing runs with the steps of the timeline, instead of each answer with each expectation, makes the cost follow the
number of changes, not the number of answers.

An answer to a request sent at `t0` and received at `t` is fresh for a key when its value was true at any moment of
[t0 - lag, t + SLACK_S]. Otherwise it is `stale` (it was true before), `missing` (no hardware info, no storage classes
or no node, where there is something to tell: not known yet, so a matter of time as well), or `wrong` (it never was
true).

What is fresh is good in any case. What is not is left unjudged when the ground truth was not watched at some moment of
that span (a gap), when it could not be known, or, for all fields but "present", when the node did not have to be
reported at some moment of it: while a node goes and comes back, its pods go and come one by one. A value that persists
beyond is judged. All of this holds for classes of cluster storage as for nodes, and for their "storage.present".

Where the contract leaves open which of several values is meant, each of them is true.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.agreement import fields_of, fields_of_storage
from harness.check.answers import Answer, Parsed
from harness.check.windows import Span, merged
from harness.model.inventory import ABSENT
from harness.model.readings import values_of
from harness.model.timeline import CPU_INFO, GPU_INFO, NODE_CLASSES, PRESENT, STORAGE_PRESENT, Key, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.model.reported import Reported

# Our own watch of the API server may deliver a change later than the operator's does: events are timed when they reach
# us, and the harness shares its cores with the cluster. A value counts as true this long before we saw it become true.
SLACK_S = 1.0

# The state of a stream is looked at this often between two messages.
STREAM_SAMPLE_S = 0.5

# "Just before" the next message: far below what a history can tell apart.
_JUST_BEFORE_S = 1e-6

STALE, WRONG, MISSING = "stale", "wrong", "missing"
_LEARNED = frozenset({CPU_INFO, GPU_INFO, NODE_CLASSES})
_PRESENCE = frozenset({PRESENT, STORAGE_PRESENT})


@dataclass(frozen=True, slots=True)
class Run:
    """The answers `first` to `last` (indices into the track) all said `value`."""

    value: Any
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Bad:
    """The answers `first` to `last` said `value`, which was not true then; `last_true_s` is None for what never was."""

    key: Key
    first: int
    last: int
    value: Any
    kind: str
    last_true_s: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """The readable inventories of one source, by time. `hi[i]` is until when a truth counts for answer `i`."""

    source: str
    t0: Sequence[float]
    t: Sequence[float]
    hi: Sequence[float]
    snapshots: Sequence[str]
    runs: Mapping[Key, Sequence[Run]]

    def indices(self, begin: float, end: float) -> tuple[int, int]:
        """First and last index of the answers that lie wholly within [begin, end]; last < first for none."""
        return bisect_left(self.t0, begin), bisect_right(self.t, end) - 1

    def overlapping(self, begin: float, end: float) -> tuple[int, int]:
        """First and last index of the answers that share a moment with [begin, end]; last < first for none."""
        return bisect_left(self.t, begin), bisect_right(self.t0, end) - 1


def samples(answers: Sequence[Answer], end_s: float) -> Iterator[Answer]:
    """The state of a stream as if it had been asked: at each message, then every STREAM_SAMPLE_S while connected.

    The state is the last message; after an error there is none until the next message.
    """
    for number, answer in enumerate(answers):
        if not answer.ok:
            continue
        following = answers[number + 1].t if number + 1 < len(answers) else end_s
        yield Answer(answer.source, answer.t, answer.t, answer.outcome, snapshot=answer.snapshot)
        count = math.ceil((following - answer.t) / STREAM_SAMPLE_S)
        for step in range(1, count + 1):
            t = min(answer.t + step * STREAM_SAMPLE_S, following - _JUST_BEFORE_S)
            if t > answer.t:
                yield Answer(answer.source, t, t, answer.outcome, snapshot=answer.snapshot)


def build_track(source: str, answers: Sequence[Answer], parsed: Mapping[str, Parsed], timeline: Timeline) -> Track:
    """The track of the ok answers given (a stream's as `samples`)."""
    usable = [answer for answer in answers if answer.ok and parsed[answer.snapshot].readable]
    t = [answer.t for answer in usable]
    t0 = [answer.t0 for answer in usable]
    # Requests may overlap: with the earliest request still open, times never go back, and no answer is judged harder.
    for index in range(len(t0) - 2, -1, -1):
        t0[index] = min(t0[index], t0[index + 1])
    hi = [_until(timeline.gaps, at + SLACK_S) for at in t]
    snapshots = [answer.snapshot for answer in usable]
    return Track(source, t0, t, hi, snapshots, _runs(snapshots, parsed, timeline))


def _until(gaps: Sequence[Span], t: float) -> float:
    """`t`, or when what happened in the truth gap that is open at `t` was known at last."""
    for begin, end in gaps:
        if begin <= t <= end + SLACK_S:
            return end + SLACK_S
    return t


Thing = tuple[str, str]
"""What an inventory lists: a node or a class, as the key of its presence."""


def _runs(snapshots: Sequence[str], parsed: Mapping[str, Parsed], timeline: Timeline) -> dict[Key, list[Run]]:
    if not snapshots:
        return {}
    listed = {snapshot: dict(_things(parsed[snapshot].reported)) for snapshot in dict.fromkeys(snapshots)}
    known = {*((name, PRESENT) for name in timeline.nodes()), *((name, STORAGE_PRESENT) for name in timeline.classes())}
    writer = _RunWriter(known.union(*listed.values()))
    before: Mapping[Thing, Any] = {}
    for index, snapshot in enumerate(snapshots):
        if index and snapshot == snapshots[index - 1]:
            continue
        things = listed[snapshot]
        for thing in before.keys() - things.keys():
            writer.gone(thing, _said_of(thing, before[thing]), index)
        for thing, item in things.items():
            old = before.get(thing)
            if old is not item:
                writer.said(thing, {} if old is None else _said_of(thing, old), _said_of(thing, item), index)
        before = things
    return writer.finish(len(snapshots))


def _things(reported: Reported) -> Iterator[tuple[Thing, Any]]:
    yield from (((name, PRESENT), node) for name, node in reported.nodes.items())
    yield from (((name, STORAGE_PRESENT), item) for name, item in reported.storage.items())


def _said_of(thing: Thing, item: Any) -> dict[str, Any]:
    return dict(fields_of(item) if thing[1] == PRESENT else fields_of_storage(item))


class _RunWriter:
    """Opens and closes runs while walking over the answers of one source. Everything begins as not reported."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self._runs: dict[Key, list[Run]] = {}
        self._open: dict[Key, tuple[Any, int]] = dict.fromkeys(sorted(things), (ABSENT, 0))

    def gone(self, thing: Thing, before: Iterable[str], index: int) -> None:
        """From answer `index` on the thing, of which these fields were reported, is not reported."""
        for field in before:
            self._close((thing[0], field), index)
        self._open[thing] = (ABSENT, index)

    def said(self, thing: Thing, before: Iterable[str], said: Mapping[str, Any], index: int) -> None:
        """From answer `index` on the thing, of which the fields `before` were reported, is reported like this."""
        for field in before:
            if field not in said:
                self._close((thing[0], field), index)
        for field, value in said.items():
            key = (thing[0], field)
            if key in self._open:
                if self._open[key][0] == value:
                    continue
                self._close(key, index)
            self._open[key] = (value, index)

    def finish(self, count: int) -> dict[Key, list[Run]]:
        """All runs by key, after `count` answers."""
        for key in list(self._open):
            self._close(key, count)
        return self._runs

    def _close(self, key: Key, index: int) -> None:
        value, first = self._open.pop(key)
        listed = self._runs.setdefault(key, [])
        # A value replaced at the very answer it began with was never said.
        if first < index:
            listed.append(Run(value, first, index - 1))


@dataclass(frozen=True, slots=True)
class Judged:
    """The comparison of one key.

    `bad`: what was surely not true. `doubtful`: what was not true as far as known, in or near a gap of the truth.
    `unjudged`: the answers (index ranges, merged) that were not true as far as known and are not held against anybody.
    """

    bad: tuple[Bad, ...]
    doubtful: tuple[Bad, ...]
    unjudged: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _TrueTimes:
    """When each value of a key was true (closed spans), when none could be known, and when none was to be reported."""

    spans: Mapping[Any, Sequence[Span]]
    unknown: Sequence[Span]
    absent: Sequence[Span]


def _true_times(timeline: Timeline, key: Key) -> _TrueTimes:
    spans: dict[Any, list[Span]] = {}
    unknown: list[Span] = []
    absent: list[Span] = []
    steps = [(-math.inf, ABSENT), *timeline.changes(key)]
    for number, (begin, value) in enumerate(steps):
        end = steps[number + 1][0] if number + 1 < len(steps) else math.inf
        if value is None:
            unknown.append((begin, end))
        elif value is ABSENT and key[1] not in _PRESENCE:
            absent.append((begin, end))
        else:
            for one in values_of(value):
                spans.setdefault(one, []).append((begin, end))
    return _TrueTimes({value: merged(found) for value, found in spans.items()}, unknown, absent)


def compare(track: Track, timeline: Timeline, key: Key, *, lag_s: float) -> Judged:
    """Hold what the track says of `key` against the truth."""
    times = _true_times(timeline, key)
    unknown = [_span_indices(track, span, lag_s) for span in times.unknown]
    leaving = [_span_indices(track, span, lag_s) for span in times.absent]
    # Before a node first came there was nothing to lag behind: false figures are false at once, but for the slack.
    coming = [_span_indices(track, span, min(lag_s, SLACK_S) if span[0] < 0 else lag_s) for span in times.absent]
    gaps = [_span_indices(track, span, lag_s) for span in timeline.gaps]
    bad: list[Bad] = []
    doubtful: list[Bad] = []
    unjudged: list[tuple[int, int]] = []
    for run in track.runs.get(key, ()):
        for begin, end, last_true in _untrue(track, times.spans.get(run.value, ()), lag_s, run.first, run.last):
            kind = _kind(key, run.value, last_true)
            nobody = _merged_indices([*unknown, *(leaving if kind == MISSING else coming)])
            sure = without_indices((begin, end), _merged_indices([*nobody, *gaps]))
            maybe = [rest for piece in without_indices((begin, end), nobody) for rest in without_indices(piece, sure)]
            bad += [Bad(key, first, last, run.value, kind, last_true) for first, last in sure]
            doubtful += [Bad(key, first, last, run.value, kind, last_true) for first, last in maybe]
            unjudged += without_indices((begin, end), sure)
    return Judged(tuple(bad), tuple(doubtful), tuple(unjudged))


def _kind(key: Key, value: Any, last_true: float | None) -> str:
    if value is ABSENT or (key[1] in _LEARNED and value == ()):
        return MISSING
    return WRONG if last_true is None else STALE


def _untrue(
    track: Track, spans: Sequence[Span], lag_s: float, low: int, high: int
) -> Iterator[tuple[int, int, float | None]]:
    """The index ranges within [low, high] whose answers touch none of `spans`, with the end of the span before."""
    ended: float | None = None
    begin = low
    for start, end in spans:
        before = bisect_left(track.hi, start, begin, high + 1) - 1
        if begin <= before:
            yield begin, before, ended
        begin = max(begin, bisect_right(track.t0, end + lag_s, begin, high + 1))
        ended = end
        if begin > high:
            return
    if begin <= high:
        yield begin, high, ended


def _span_indices(track: Track, span: Span, lag_s: float) -> tuple[int, int]:
    """The answers whose [t0 - lag, hi] shares a moment with `span`."""
    return bisect_left(track.hi, span[0]), bisect_right(track.t0, span[1] + lag_s) - 1


def _merged_indices(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if first > last:
            continue
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def without_indices(span: tuple[int, int], holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of the index range (ends included) when the holes (merged, ends included) are taken out."""
    pieces: list[tuple[int, int]] = []
    begin, end = span
    for low, high in holes:
        if high < begin or low > end:
            continue
        if low > begin:
            pieces.append((begin, low - 1))
        begin = max(begin, high + 1)
    if begin <= end:
        pieces.append((begin, end))
    return pieces


def excused_indices(track: Track, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The answers that share a moment with any of the spans, as merged index ranges."""
    return _merged_indices([track.overlapping(begin, end) for begin, end in spans])
