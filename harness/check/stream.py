"""What SHAPE-2 asks of StreamCluster beyond agreement: the snapshot at once, in order, to every client.

Contract part A: "StreamCluster -> stream Cluster (the last snapshot at once, then one for each change)".

- *At once*: a call is told something within SHAPE-2's objective, while QueryCluster has something to tell.
- *In order*: of one client, what it is told of a figure never goes back. There must be moments, none before the one
  before it, at each of which what was told was true. A value that was never true is TRUTH's affair, and one that is
  only late is TRUTH's as well; going back from something newer is neither lateness nor falsehood, and has no objective.
  A client that comes back goes on where it was. A wrong sum may by chance be one that was right before: so REST and
  QueryCluster are heard as well, and what they say too was not told out of order.
- *To every client*: whoever else follows the stream is told what QueryCluster says, as the one client is that is always
  there (`harness.check.shape`).

Several changes at nearly the same time may be told as one, and a slow reader may be told the newest of them only: what
stands for as long as the objective must be told, and that follows from the agreement.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.check.agreement import named, shown
from harness.check.answers import ERROR, OK, Answer, parse_snapshots
from harness.check.tracks import build_track, samples
from harness.check.verdict import Finding
from harness.check.windows import API, GRPC, MEMBER, OPERATOR, WATCH, merged, touches
from harness.model.inventory import ABSENT, FIELDS
from harness.model.timeline import PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.check.answers import Parsed
    from harness.check.base import Context
    from harness.check.tracks import Run, Track
    from harness.check.windows import Span
    from harness.model.timeline import Key

FIRST = 0
"""The client that is always there, whose messages are the answers of source "stream"."""

_IN_ORDER = (PRESENT, *FIELDS)
"""What is told by watches in the order in which it happened; hardware and registry are read at moments of their own."""


_POLLED = ("rest", "query")
_HEARD_LEAST = 2
"""Answers of REST and QueryCluster that must say otherwise: what stands for less than two of them is nobody's basis."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of StreamCluster: from `begin_s` to `end_s` (infinity: it was open at the end), told first at `told_s`.

    `told_s`: infinity when it was told nothing.
    """

    client: int
    begin_s: float
    end_s: float
    told_s: float


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its calls, its messages in order, and the snapshots in them, parsed."""

    number: int
    calls: tuple[Call, ...]
    messages: tuple[Answer, ...]
    parsed: Mapping[str, Parsed]

    @property
    def name(self) -> str:
        """How findings call it."""
        return "stream" if self.number == FIRST else f"stream client {self.number}"


def clients(context: Context) -> list[Client]:
    """Every client of the run, the one that is always there first; empty where no calls were recorded."""
    records: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for record in context.history.of("stream"):
        if float(record["t"]) <= context.end_s:
            records[int(record["client"])].append(record)
    found = []
    for number, listed in sorted(records.items()):
        messages = context.answers["stream"] if number == FIRST else _answers(number, listed)
        excepted = frozenset(str(item["field"]) for item in context.exceptions)
        parsed = context.parsed if number == FIRST else parse_snapshots(context.history, {"stream": messages}, excepted)
        found.append(Client(number, tuple(_calls(number, listed, messages)), tuple(messages), parsed))
    return found


def _answers(number: int, records: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """What a client was told, and when its calls ended, in the form of answers."""
    source = f"stream client {number}"
    found: list[Answer] = []
    for record in records:
        t = float(record["t"])
        if record["event"] == "told":
            found.append(Answer(source, t, t, OK, snapshot=str(record["snapshot"])))
        elif record["event"] == "ended":
            found.append(Answer(source, t, t, ERROR, str(record.get("status") or "")))
    return found


def _calls(number: int, records: Sequence[Mapping[str, Any]], messages: Sequence[Answer]) -> Iterator[Call]:
    told = [message.t for message in messages if message.ok]
    begun: float | None = None
    for record in records:
        t = float(record["t"])
        if record["event"] == "called":
            begun = t
        elif record["event"] == "ended" and begun is not None:
            yield Call(number, begun, t, _first(told, begun, t))
            begun = None
    if begun is not None:
        yield Call(number, begun, math.inf, _first(told, begun, math.inf))


def _first(told: Sequence[float], begin_s: float, end_s: float) -> float:
    index = bisect_left(told, begin_s)
    return told[index] if index < len(told) and told[index] <= end_s else math.inf


def tracks(found: Sequence[Client], context: Context) -> dict[str, Track]:
    """What each client was told over time, as if it had been asked, without the one that is always there."""
    return {
        client.name: build_track(
            client.name, tuple(samples(client.messages, context.end_s)), client.parsed, context.timeline
        )
        for client in found
        if client.number != FIRST and any(message.ok for message in client.messages)
    }


# -- at once -------------------------------------------------------------------------------------------------------


def not_at_once(context: Context, found: Sequence[Client]) -> tuple[list[Finding], int, float | None]:
    """Calls that were told nothing in time; how many were judged, and the longest time until the first message."""
    objective_s = context.objective("SHAPE-2")
    excused = context.windows.spans({GRPC, OPERATOR}, grace_s=context.objective("RECOVER-1"))
    # A gap is also when the harness itself stood still, and took a message for later than it was.
    away = merged([*excused, *context.timeline.gaps])
    served = [answer for answer in context.answers["query"] if answer.ok]
    findings: list[Finding] = []
    judged, longest = 0, None
    for client in found:
        late: list[Call] = []
        for call in client.calls:
            due = call.begin_s + objective_s
            if call.begin_s < context.gate_s or due > context.end_s or touches(away, call.begin_s, due):
                continue
            if call.told_s > due and (call.end_s <= due or not _within(served, call.begin_s, due)):
                continue  # it was ended, or there was nothing to tell, so nothing can be asked of it
            judged += 1
            if call.told_s > due:
                late.append(call)
            else:
                longest = max(longest or 0.0, call.told_s - call.begin_s)
        if late:
            findings.append(_silent(context, client, late, objective_s))
    return findings, judged, longest


def _within(answers: Sequence[Answer], begin_s: float, end_s: float) -> bool:
    index = bisect_left(answers, begin_s, key=lambda answer: answer.t0)
    return index < len(answers) and answers[index].t <= end_s


def _silent(context: Context, client: Client, late: Sequence[Call], objective_s: float) -> Finding:
    first = late[0]
    said = "nothing" if math.isinf(first.told_s) else f"the first snapshot {first.told_s - first.begin_s:.2f} s later"
    more = f", and so on {len(late) - 1} other calls" if len(late) > 1 else ""
    text = (
        f"{client.name} called {context.windows.when(first.begin_s)} and was told {said}{more}, while QueryCluster "
        f"answered; the last snapshot comes at once, objective {objective_s:g} s"
    )
    return Finding(text, client.name, "the last snapshot at once", said, first.begin_s + objective_s)


# -- in order ------------------------------------------------------------------------------------------------------


def gone_back(context: Context, found: Sequence[Client]) -> tuple[list[Finding], int]:
    """Figures of which a client was told something older after something newer; and how many messages were judged."""
    excused = context.windows.spans({API, WATCH, OPERATOR, MEMBER}, grace_s=context.objective("RECOVER-1"))
    findings: list[Finding] = []
    judged = 0
    for client in found:
        track = build_track(client.name, client.messages, client.parsed, context.timeline)
        judged += len(track.t)
        for key in track.runs:
            # A configuration is read at a moment of its own, so which of two changes came first cannot be told.
            if key[1] in _IN_ORDER and (key[1] != PRESENT or not context.scenario.get("config")):
                back = _back(context, track, key, excused)
                if back is not None:
                    findings.append(_older(context, client, key, track, back))
    return findings, judged


@dataclass(frozen=True, slots=True)
class _Back:
    """What was told, after something newer.

    `since_s`: since when the newer one was true; `until_s`: since when the older one was true no more; `said`: what the
    polled sources said meanwhile.
    """

    newer: Run
    older: Run
    since_s: float
    until_s: float
    said: str


def _back(context: Context, track: Track, key: Key, excused: Sequence[Span]) -> _Back | None:
    """The first time that what was told goes back; None where it never does."""
    spans, gaps = _spans(context, key), context.timeline.gaps
    newest_s = -math.inf
    newest: Run | None = None
    before: Run | None = None
    for run in track.runs[key]:
        t, since = track.t[run.first], track.t[run.first if before is None else before.first]
        # A node that is not told of for a while is a new one when it comes back, as far as its figures are concerned.
        apart = before is None or before.last + 1 != run.first
        blind = t < context.gate_s or touches(excused, since, t) or touches(gaps, since, track.hi[run.first])
        if apart or blind:
            newest_s, newest = -math.inf, None
        true = [span for span in spans.get(run.value, ()) if span[0] <= track.hi[run.first]]
        later = next((span for span in true if span[1] > newest_s), None)
        if later is not None:
            newest_s, newest = max(newest_s, later[0]), run
        elif true and newest is not None:
            said = _otherwise(context, track, key, run)
            if said is not None:
                return _Back(newest, run, newest_s, true[-1][1], said)
        before = run
    return None


def _otherwise(context: Context, track: Track, key: Key, run: Run) -> str | None:
    """What REST and QueryCluster said last while the value stood; None where one said the same, or they said little."""
    begin_s = track.t[run.first]
    end_s = track.t[run.last + 1] if run.last + 1 < len(track.t) else context.end_s
    heard, last = 0, ""
    for source in _POLLED:
        polled = context.tracks.get(source)
        if polled is None:
            continue
        first, end = polled.indices(begin_s, end_s)
        for one in polled.runs.get(key, ()):
            low, high = max(one.first, first), min(one.last, end)
            if low > high:
                continue
            if one.value == run.value:
                return None
            heard += high - low + 1
            last = f"{source} says {shown(one.value)}"
    return last if heard >= _HEARD_LEAST else None


def _spans(context: Context, key: Key) -> Mapping[Any, Sequence[Span]]:
    """When each value was true, from then on and until just before the end; while nothing was known, all were."""
    steps = [(-math.inf, ABSENT), *context.timeline.changes(key)]
    found: dict[Any, list[Span]] = defaultdict(list)
    values = {value for _t, value in steps if value is not None}
    for (begin, value), (end, _next) in pairwise([*steps, (math.inf, None)]):
        for one in values if value is None else (value,):
            found[one].append((begin, end))
    return found


def _older(context: Context, client: Client, key: Key, track: Track, back: _Back) -> Finding:
    node, name = key
    t, newer, older = track.t[back.older.first], shown(back.newer.value), shown(back.older.value)
    text = (
        f"node {named(node)}: {name} goes back in {client.name}: told {newer} at {track.t[back.newer.first]:.2f} s, "
        f"true since {back.since_s:.2f} s, and then {older}, true no more since {back.until_s:.2f} s, "
        f"{context.windows.when(t)}, while {back.said}"
    )
    return Finding(text, f"node {node}: {name}", f"{newer}, or newer", older, t)
