"""AVAIL-1 to AVAIL-3: what is unknown is not reported as empty, answers come in time, and health tells the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.check.agreement import shown
from harness.check.answers import TIMEOUT
from harness.check.base import Context, capped, checker
from harness.check.recovery import recoveries
from harness.check.tracks import SLACK_S
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import API, GRPC, MEMBER, OPERATOR, REST, WATCH, Span, merged, touches
from harness.model.inventory import ABSENT
from harness.model.storage import CLASSES
from harness.model.timeline import PRESENT, STORAGE_PRESENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from harness.check.answers import Answer
    from harness.check.tracks import Track
    from harness.model.timeline import Key

HEALTH, READY = "/metrics/health", "/metrics/ready"
_OK_STATUS = "200"
_SHOWN_NODES = 5
_NO_API_WINDOW = "no fault took the API server away"


@checker("AVAIL-1")
def avail_1(context: Context) -> PromiseVerdict:
    """While the cluster cannot be seen or followed, no healthy answer drops a node that was reported and still must be.

    The same holds for classes of cluster storage. Judged from the inject of each such fault until RECOVER-1's objective
    after its heal. A process that has just been started may tell of no nodes until it has told of some, unless the
    cluster cannot be seen at that moment: then it knows that it does not know. A gap in our own sight of the truth is
    no excuse here: what was last known counts, unless it turned out after the gap that the node had gone.
    """
    spans = context.until_recovered({API, WATCH, MEMBER})
    if not spans:
        return judge("AVAIL-1", examined=0, unit="answers", reasons=[_NO_API_WINDOW])
    findings: list[Finding] = []
    examined = 0
    for source, track in context.tracks.items():
        answers = [a for a in context.answers[source] if a.answered and touches(spans, a.t0, a.t)]
        examined += len(answers)
        if source == "stream" and not answers:
            # Silence is what a stream does while nothing changes; the state it left standing is judged all the same.
            examined += sum(1 for t in track.t if touches(spans, t, t))
        for begin, end in spans:
            findings += dropped(context, source, track, (begin, end))
    return judge("AVAIL-1", examined=examined, unit="answers", findings=capped("AVAIL-1", findings))


def dropped(context: Context, source: str, track: Track, span: Span) -> list[Finding]:
    """One finding for each answer in the span that lacks nodes which the answer before still had, or has none at all.

    And one for each that lacks classes of cluster storage likewise. Only the moment of the drop is judged. Once a node
    was rightly dropped, not to see it come back is what blindness means: TRUTH-1 and RECOVER-1 judge how long that is.
    """
    low, high = track.overlapping(*span)
    missing: dict[tuple[int, str], list[str]] = {}
    keys = [
        *((name, PRESENT) for name in context.timeline.nodes()),
        *((name, STORAGE_PRESENT) for name in context.timeline.classes()),
    ]
    for name, presence in keys:
        for run in track.runs.get((name, presence), ()):
            if run.value is not ABSENT or not low <= run.first <= high:
                continue
            if _still_starting(context, track, run.first, presence):
                continue
            empty = not _listed(context, track.snapshots[run.first], presence)
            if (run.first > 0 or empty) and _must_be_there(context, track, (name, presence), run.first):
                missing.setdefault((run.first, presence), []).append(name)
    return [_dropping(context, source, track, *where, names) for where, names in sorted(missing.items())]


def _listed(context: Context, snapshot: str, presence: str) -> Collection[str]:
    """The nodes, or classes, that an inventory lists."""
    reported = context.parsed[snapshot].reported
    return reported.nodes if presence == PRESENT else reported.storage


def _still_starting(context: Context, track: Track, index: int, presence: str) -> bool:
    """Whether the process has told of no node since it was started, at a moment at which it can see the cluster."""
    t = track.t[index]
    if any(window.inject_s <= t <= window.surely_until_s for window in context.windows.affecting({API})):
        return False
    starts = [float(record["t"]) for record in context.history.of("process") if record["event"] == "started"]
    start = max((at for at in starts if at <= t), default=None)
    if start is None:
        return False
    told = (answer for answer in context.answers[track.source] if answer.ok and start <= answer.t0 and answer.t < t)
    return not any(_listed(context, answer.snapshot, presence) for answer in told)


def _must_be_there(context: Context, track: Track, key: Key, index: int) -> bool:
    """Whether the node had to be reported at every moment that the answer may speak of.

    That the node was not there yet explains its absence only from a source that has never reported it.
    """
    name, presence = key
    begin = track.t0[index] - context.lag_s(presence)
    if any(run.value is True and run.first < index for run in track.runs.get(key, ())):
        first = next((t for t, value in context.timeline.changes(key) if value is True), begin)
        begin = max(begin, first)
    known = _known_at(context, track.t[index], "nodes" if presence == PRESENT else CLASSES)
    return not context.timeline.removed_between(name, begin, known, presence=presence)


def _known_at(context: Context, t: float, resource: str) -> float:
    """When we knew at last which nodes there were at `t`: with the list that ended a gap open then, or soon after.

    Nodes fall NotReady right after an outage, when their leases are found expired: that says nothing of the outage.
    """
    begin = math.inf
    for record in context.history.of("gap"):
        if record["resource"] != resource:
            continue
        if record["phase"] == "begin":
            begin = float(record["t"])
            continue
        end = float(record["t"])
        if begin <= t + SLACK_S and t <= end:
            # Close to the end the operator's list may be newer than ours, which was on its way.
            return end if end - t > SLACK_S else end + SLACK_S
        begin = math.inf
    return t + SLACK_S


def _dropping(context: Context, source: str, track: Track, index: int, presence: str, names: Sequence[str]) -> Finding:
    t = track.t[index]
    count = len(_listed(context, track.snapshots[index], presence))
    one, several = ("node", "nodes") if presence == PRESENT else ("class", "classes of storage")
    listed = ", ".join(sorted(names)[:_SHOWN_NODES]) + (", …" if len(names) > _SHOWN_NODES else "")
    return Finding(
        text=(
            f"{source} answered ok with {count} {several} and without {len(names)} that must be there ({listed}), "
            f"{context.windows.when(t)}; expected the last known inventory or an error"
        ),
        object=f"{one} {min(names)}" if len(names) == 1 else f"{len(names)} {several} ({listed})",
        expected=shown(True),
        reported=shown(ABSENT),
        t_s=t,
    )


@checker("AVAIL-2")
def avail_2(context: Context) -> PromiseVerdict:
    """Each REST and QueryCluster request is answered, by an inventory or an error, within the API timeout.

    Not counted: requests while the listener or the process is away by a fault (and until RECOVER-3 and RECOVER-1 want
    it back), or while the process is away by its own exit and one API timeout before: SURVIVE-1 judges the exit. An
    operator that the liveness script restarts is away from then on, as by a fault. Time in which an answer could not
    reach us, because we stood still or the way to the operator's pod was shut, is no time that it took.
    """
    limit_s = context.objective("AVAIL-2")
    findings: list[Finding] = []
    latencies: list[float] = []
    examined = 0
    for source, listener in (("rest", REST), ("query", GRPC)):
        away = merged(
            [
                *context.windows.spans({OPERATOR}, grace_s=context.objective("RECOVER-1")),
                *context.windows.spans({listener}, grace_s=context.objective("RECOVER-3")),
                # A process that ends closes its listeners first, and may take as long as an answer may to be gone.
                *((gone.t - limit_s, gone.t) for gone in context.windows.exits),
            ]
        )
        counted = [
            a for a in context.answers.get(source, ()) if a.t0 >= context.gate_s and not touches(away, a.t0, a.t)
        ]
        examined += len(counted)
        latencies += [answer.t - answer.t0 for answer in counted if answer.answered]
        findings += _unanswered(context, source, counted, limit_s)
    return judge(
        "AVAIL-2",
        examined=examined,
        unit="requests",
        findings=capped("AVAIL-2", findings),
        measured=_latency(latencies),
    )


def _unanswered(context: Context, source: str, answers: Sequence[Answer], limit_s: float) -> list[Finding]:
    """One finding for each stretch of requests without an answer in time."""
    findings: list[Finding] = []
    stretch: list[Answer] = []
    for answer in (*answers, None):
        if answer is not None and _late(context, answer, limit_s):
            stretch.append(answer)
            continue
        if stretch:
            first = stretch[0]
            how = first.outcome if not first.answered else f"answered after {first.t - first.t0:.2f} s"
            findings.append(
                Finding(
                    text=(
                        f"{source}: {len(stretch)} requests in a row not answered within {limit_s:g} s (first: {how}"
                        f"{', ' + first.error if first.error else ''}), {context.windows.when(first.t0)}"
                    ),
                    object=source,
                    expected=f"an answer within {limit_s:g} s",
                    reported=how,
                    t_s=first.t0,
                )
            )
        stretch = []
    return findings


def _late(context: Context, answer: Answer, limit_s: float) -> bool:
    """Whether there was no answer in time, of the time in which one could have reached us.

    Where we gave up before that time was over, something must not have been in the way meanwhile.
    """
    took_s = answer.t - answer.t0
    if took_s > limit_s:
        return context.heard_s(answer.t0, answer.t) > limit_s
    if answer.outcome == TIMEOUT:
        return context.heard_s(answer.t0, answer.t) >= took_s
    return not answer.answered


def _latency(latencies: Sequence[float]) -> dict[str, float]:
    if not latencies:
        return {}
    ordered = sorted(latencies)
    # Nearest-rank percentile: a latency that was really seen.
    return {"worst_latency_s": ordered[-1], "p99_latency_s": ordered[math.ceil(0.99 * len(ordered)) - 1]}


@checker("AVAIL-3")
def avail_3(context: Context) -> PromiseVerdict:
    """Health is 200 only while the cluster can be seen, and again once all is true; ready waits for an inventory."""
    objective_s = context.objective("AVAIL-3")
    away = context.windows.spans({OPERATOR}, grace_s=context.objective("RECOVER-1"))
    health = [probe for probe in context.health.get(HEALTH, ()) if not touches(away, probe.t0, probe.t)]
    findings: list[Finding] = []
    examined = 0
    moments = recoveries(context)
    for window in context.windows.affecting({API}):
        during = [
            a
            for a in health
            if window.inject_s + objective_s <= a.t0 and a.t <= min(window.surely_until_s, context.end_s)
        ]
        examined += len(during)
        lying = next((probe for probe in during if probe.status == _OK_STATUS), None)
        if lying is not None:
            findings.append(_probe(context, lying, HEALTH, "not 200: the cluster cannot be seen", "200"))
        recovered = next(
            (m.moment_s for m in moments if m.moment_s is not None and m.healed_s >= window.end_s > m.begin_s), None
        )
        if recovered is not None:
            until = next(m.until_s for m in moments if m.moment_s == recovered)
            after = [a for a in health if recovered + objective_s <= a.t0 and a.t <= until]
            examined += len(after)
            late = next((probe for probe in after if probe.status != _OK_STATUS), None)
            if late is not None:
                said = late.status or late.outcome
                findings.append(_probe(context, late, HEALTH, "200: the inventory is true again", said))
    ready, seen = _ready_too_soon(context)
    return judge("AVAIL-3", examined=examined + seen, unit="probes", findings=capped("AVAIL-3", [*findings, *ready]))


def _ready_too_soon(context: Context) -> tuple[list[Finding], int]:
    """For each start of the process, the first 200 of ready against the first inventory asked for after it."""
    findings: list[Finding] = []
    seen = 0
    starts = [float(record["t"]) for record in context.history.of("process") if record["event"] == "started"]
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else context.end_s
        probes = [probe for probe in context.health.get(READY, ()) if start <= probe.t0 and probe.t <= end]
        first = next((probe for probe in probes if probe.status == _OK_STATUS), None)
        track = context.tracks.get("rest")
        if first is None or track is None:
            continue
        low, high = track.indices(first.t, end)
        if high < low:
            continue
        seen += 1
        reported = context.parsed[track.snapshots[low]].reported.nodes
        lacking = [
            name
            for name in context.timeline.nodes()
            if name not in reported and not context.timeline.removed_between(name, start, track.hi[low])
        ]
        if lacking:
            said = f"200, and {len(lacking)} nodes not reported ({', '.join(lacking[:_SHOWN_NODES])})"
            findings.append(_probe(context, first, READY, "not 200 before the first complete inventory", said))
    return findings, seen


def _probe(context: Context, probe: Answer, path: str, expected: str, reported: str) -> Finding:
    text = f"{path} answered {reported}, expected {expected}, {context.windows.when(probe.t)}"
    return Finding(text, path, expected, reported, probe.t)
