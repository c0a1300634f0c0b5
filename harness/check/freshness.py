"""How soon what is reported becomes true: for each node and resource, from the cause to the truth.

A cause is a change of what must be reported, timed when our watch saw it. It has become true over a source at the first
answer afterwards that says the new value, or one that became true still later: an operator that is quicker to skip a
value than to tell it has caught up with it as well. Over all sources it is as late as the latest. A cause of which no
answer tells to the end of the run has *never* become true, unless the run ended within the promise's objective.

No verdict rests on this; the promises judge what is too late. What is measured here is what users wait for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.check.agreement import kind_of
from harness.check.tracks import SLACK_S, STALE, WRONG
from harness.check.windows import touches
from harness.model.inventory import ABSENT
from harness.model.readings import fits
from harness.model.timeline import CPU_INFO, GPU_INFO, NODE_CLASSES, PRESENT, STORAGE_FIELDS, STORAGE_PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.check.base import Context
    from harness.check.tracks import Track
    from harness.model.timeline import Key

NODES, STORAGE = "nodes", "storage"
ORDER = (NODES, "cpu", "memory", "gpu", "ephemeral_storage", CPU_INFO, GPU_INFO, STORAGE)
"""The resources, in the order in which they are shown: nodes that come and go, figures, hardware info, storage."""

KINDS = ("lost", "ghost", "over", "under", "info", STALE, WRONG)
"""In what ways something was untrue; the last two say whether it had been true before."""

KEPT_MOST = 200
"""Delays that are kept of each resource; of more, as many that stand for equal shares of them."""

NODES_KEPT = 30
"""Nodes of which each resource is told by itself: the slowest ones."""

BUCKET_S = 0.25
"""In a plot over time, the longest delay of each such piece of the run is told."""


@dataclass(slots=True)
class Freshness:
    """One resource of one node (of storage: or of one class), or of all together.

    `delays`: seconds, of causes that the operator could see; `away`: of those while it could not, or was not there;
    `never`: causes that did not become true; `untrue_s`: seconds for which REST was untrue (beyond the slack that is
    given to our own watch), by KINDS, summed over keys.
    """

    resource: str
    node: str = ""
    delays: list[float] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    never: int = 0
    untrue_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def causes(self) -> int:
        """How many causes there were."""
        return len(self.delays) + len(self.away) + self.never

    def add(self, other: Freshness) -> None:
        """Take in another one's."""
        self.delays += other.delays
        self.away += other.away
        self.never += other.never
        for kind, seconds in other.untrue_s.items():
            self.untrue_s[kind] += seconds

    def as_json(self) -> dict[str, Any]:
        """{"resource", "node", "causes", "delays", "seen", "away", "away_seen", "never", "untrue_s"}.

        `seen`, `away_seen`: how many delays there were; `delays`, `away`: those kept (`kept`), sorted.
        """
        return {
            "resource": self.resource,
            "node": self.node,
            "causes": self.causes,
            "seen": len(self.delays),
            "delays": kept(self.delays),
            "away_seen": len(self.away),
            "away": kept(self.away),
            "never": self.never,
            "untrue_s": {kind: round(self.untrue_s[kind], 3) for kind in KINDS if self.untrue_s.get(kind)},
        }

    def summary(self) -> dict[str, Any]:
        """{"node", "resource", "causes", "p50_s", "p90_s", "p99_s", "max_s", "away_max_s", "never", "untrue_s"}."""
        ordered = sorted(self.delays)
        return {
            "node": self.node,
            "resource": self.resource,
            "causes": self.causes,
            **{f"p{round(100 * share)}_s": _rounded(quantile(ordered, share)) for share in (0.5, 0.9, 0.99)},
            "max_s": _rounded(max(ordered, default=None)),
            "away_max_s": _rounded(max(self.away, default=None)),
            "never": self.never,
            "untrue_s": {kind: round(self.untrue_s[kind], 3) for kind in KINDS if self.untrue_s.get(kind)},
        }

    @property
    def badness(self) -> tuple[int, float]:
        """How bad it was: what never became true outweighs what was late."""
        return self.never, max([*self.delays, *self.away], default=0.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """The freshness of a run: by resource, by node and resource, and the longest delays over time, [t, seconds].

    `nodes`: all resources of each of the NODES_KEPT slowest nodes, by node.
    """

    resources: tuple[Freshness, ...] = ()
    nodes: tuple[Freshness, ...] = ()
    series: tuple[tuple[float, float], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """{"resources": […], "nodes": […]}; the series goes with the others."""
        return {
            "resources": [one.as_json() for one in self.resources],
            "nodes": [one.summary() for one in self.nodes],
        }


def kept(delays: Sequence[float]) -> list[float]:
    """The delays, sorted; of more than KEPT_MOST, as many in equal distances, the longest among them."""
    ordered = sorted(delays)
    if len(ordered) > KEPT_MOST:
        ordered = [ordered[-(-(n + 1) * len(ordered) // KEPT_MOST) - 1] for n in range(KEPT_MOST)]
    return [round(delay, 3) for delay in ordered]


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The least delay that is no less than that share of all (nearest rank); None of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def resource_of(name: str) -> str:
    """The resource that a field is about."""
    if name == PRESENT:
        return NODES
    if name == NODE_CLASSES or name in STORAGE_FIELDS:
        return STORAGE
    return name if name in {CPU_INFO, GPU_INFO} else name.partition(".")[0]


def measure(context: Context) -> Measured:
    """The freshness of a run after its gate."""
    sources = [source for source, track in context.tracks.items() if track.t]
    if not sources or math.isinf(context.gate_s):
        return Measured()
    away = context.away()
    found: dict[tuple[str, str], Freshness] = {}
    buckets: dict[int, float] = {}
    every = context.timeline.keys()
    for key in every:
        resource = resource_of(key[1])
        if resource not in ORDER:
            continue
        entry = found.setdefault((resource, key[0]), Freshness(resource, key[0]))
        for t, delay in _delays(context, sources, key):
            if delay is None:
                entry.never += 1
                continue
            (entry.away if touches(away, t, t) else entry.delays).append(delay)
            bucket = int(t / BUCKET_S)
            buckets[bucket] = max(buckets.get(bucket, 0.0), delay)
    for key, kind, seconds in _untrue(context):
        entry = found.setdefault((resource_of(key[1]), key[0]), Freshness(resource_of(key[1]), key[0]))
        entry.untrue_s[kind] += seconds
    by_resource = {name: _together(name, found.values()) for name in ORDER}
    resources = tuple(one for one in by_resource.values() if one.causes or one.untrue_s)
    series = tuple((round(bucket * BUCKET_S, 3), round(delay, 3)) for bucket, delay in sorted(buckets.items()))
    return Measured(resources, tuple(_slowest(found.values())), series)


def _together(resource: str, every: Iterable[Freshness]) -> Freshness:
    whole = Freshness(resource)
    for one in every:
        if one.resource == resource:
            whole.add(one)
    return whole


def _slowest(every: Iterable[Freshness]) -> Iterable[Freshness]:
    """All that is known of the slowest nodes, by node, the resources of each in their order."""
    told = [one for one in every if one.causes or one.untrue_s]
    worst: dict[str, tuple[int, float]] = {}
    for one in told:
        worst[one.node] = max(worst.get(one.node, (0, 0.0)), one.badness)
    names = sorted(worst, key=lambda name: (-worst[name][0], -worst[name][1], name))[:NODES_KEPT]
    return sorted((one for one in told if one.node in names), key=lambda one: (one.node, ORDER.index(one.resource)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _delays(context: Context, sources: Sequence[str], key: Key) -> Iterable[tuple[float, float | None]]:
    """Each cause of a key after the gate: when, and how long until it was true over all sources; None: never."""
    steps = [step for step in context.timeline.changes(key) if _is_cause(key, step[1])]
    lag_s = context.lag_s(key[1])
    for number, (t, _value) in enumerate(steps):
        if t < context.gate_s or t >= context.end_s or context.timeline.in_gap(t, t):
            continue
        moments = [_moment(context.tracks[source], key, steps[number:]) for source in sources]
        known = [moment for moment in moments if moment is not None]
        if len(known) == len(moments):
            yield t, max(0.0, max(known) - t)
        elif context.end_s - t > lag_s and not _taken_back(context, key, t, lag_s):
            yield t, None


def _is_cause(key: Key, value: Any) -> bool:
    """Whether a step says what must be reported; the figures of what must not be reported are none."""
    return value is not None and (value is not ABSENT or key[1] in {PRESENT, STORAGE_PRESENT})


def _taken_back(context: Context, key: Key, t: float, lag_s: float) -> bool:
    """Whether something else was true, or the node gone, before the operator's time for this cause was over."""
    return any(t < at <= t + lag_s for at, _value in context.timeline.changes(key))


def _moment(track: Track, key: Key, steps: Sequence[tuple[float, Any]]) -> float | None:
    """The first answer after the first of the steps that says what it, or a later one of them, brought."""
    runs = track.runs.get(key, ())
    begin = bisect_left(track.t, steps[0][0])
    for run in runs[bisect_left(runs, begin, key=lambda one: one.last) :]:
        since = _brought_s(steps, run.value, track.t[run.last] + SLACK_S)
        if since is None:
            continue
        # What was said before already became true again only when it was brought about again.
        first = run.first if track.t[run.first] >= since - SLACK_S else bisect_left(track.t, since)
        if first <= run.last:
            return track.t[max(first, begin)]
    return None


def _brought_s(steps: Sequence[tuple[float, Any]], value: Any, until_s: float) -> float | None:
    """When the value was first brought about by one of the steps, up to that time."""
    for at, brought in steps:
        if at > until_s:
            return None
        if fits(brought, value):
            return at
    return None


def _untrue(context: Context) -> Iterable[tuple[Key, str, float]]:
    """How long REST was untrue of each key, in which way, and whether it had been true before."""
    track = context.tracks.get("rest")
    if track is None:
        return
    fields = [name for _node, name in track.runs]
    for bad in context.all_inexact("rest", fields=list(dict.fromkeys(fields))):
        begin_s, end_s = track.t[bad.first], track.t[min(bad.last + 1, len(track.t) - 1)]
        seconds = end_s - max(begin_s, context.gate_s)
        if seconds <= 0:
            continue
        expected = context.timeline.at(bad.key, begin_s)
        yield bad.key, kind_of(bad.key[1], expected, bad.value), seconds
        if bad.kind in {STALE, WRONG}:
            yield bad.key, bad.kind, seconds


def shares(entries: Iterable[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """All kept delays of entries as JSON, each with how many it stands for, sorted: what a campaign adds up."""
    weighted = [
        (float(delay), float(entry["seen"]) / len(entry["delays"])) for entry in entries for delay in entry["delays"]
    ]
    return sorted(weighted)


def weighted_quantile(ordered: Sequence[tuple[float, float]], share: float) -> float | None:
    """As `quantile`, of delays that stand for several."""
    total = sum(weight for _delay, weight in ordered)
    reached = 0.0
    for delay, weight in ordered:
        reached += weight
        if reached >= share * total - 1e-9:
            return delay
    return ordered[-1][0] if ordered else None
