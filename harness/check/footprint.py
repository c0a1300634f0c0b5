"""SURVIVE-2: no resource leaks. What an operator uses is the same again when all is quiet again.

Four questions, each answered from samples in the history, and never from one sample alone:

- Processor time: once nothing is harmed and nothing is done any more, does it go on working? (field report 661)
- Growth: of memory, files, threads, goroutines and open watches, over quiet moments that should be alike
  (`harness.check.quiet`, `harness.check.growth`). What is given back within the objective after the last harm was only
  kept for a while;
- Discovery pods: are some left on nodes that are gone? (`harness.check.orphans`)

Goroutines are judged where the operator serves its profile, watches where it goes through the API proxy. What cannot be
judged is said, and is no PASS.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.check import quiet
from harness.check.agreement import named
from harness.check.base import Context, capped, checker
from harness.check.growth import LEAST_POINTS, Growth, Limit, Point, growth, point, rise
from harness.check.orphans import COLLECTED_S, Orphan, absences, due_s, orphans
from harness.check.verdict import Finding, PromiseVerdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.check.quiet import Moment
    from harness.history.record import Record

PROMISE = "SURVIVE-2"

SETTLE_S = 3.0
"""After the last heal an operator has things to make up for: a new list, hardware, labels."""

PIECE_S = 2.0
LEAST_PIECES = 2
"""Processor time is held against the operator only when it was used in each piece of the quiet: a burst is no loop."""

BUSY_CORES = 0.3
BUSY_TIMES = 1.5
"""A loop without end takes a whole core where it can have one. On two cores with five others at work it still gets
0.3; a quiet operator that is asked twenty times a second takes less than a tenth. What it took before the harm, with
the same questions, is added 1.5 times over: a machine that is busier by now makes the same work take longer."""

STARVED_WANTS = 0.9
STARVED_CORES = 0.1
STARVED_TIMES = 5.0
"""On a machine with more to do than that, a loop is told by what it asks for: it runs or waits to run all of the time,
and what it gets is still many times what the operator took before the harm. Who merely is slow is neither."""

DOUBTED_TIMES = 3.0
"""Who wants so many times what it wanted before the harm, on the same machine, and is given too little to be judged by
that, may be a loop. Its silence is no proof of rest."""

BUSY_AT_ONCE_CORES = 0.8
SMALL_CLUSTER = 10
"""Without a time before the harm to compare with, only a small cluster and nearly a whole core say anything."""

LIMITS: Mapping[str, Limit] = {
    "watches": Limit(rise=3),
    "goroutines": Limit(rise=3),
    "files": Limit(rise=3),
    # The runtime of Go starts threads as it needs them and ends none.
    "threads": Limit(rise=16),
    # Collected heaps breathe: twice what is alive is usual, and pages are given back late.
    "memory": Limit(rise=24, share=0.25),
    "processor": Limit(rise=0.3),
}
"""From which rise on each figure grows, in UNITS. One thing kept of each cycle has grown by three after six."""

UNITS: Mapping[str, str] = {"memory": " MiB", "processor": " cores"}
_MEASURED: Mapping[str, str] = {
    "watches": "watches_rise", "goroutines": "goroutines_rise", "files": "files_rise", "threads": "threads_rise",
    "memory": "memory_rise_mib", "processor": "processor_rise_cores",
}  # fmt: skip

LEFT_S = 5.0
"""A pod that is made while its node comes back, or that is removed that moment, is not left behind."""

_WATCH_LOOK_S = 0.25
_EXACTLY_S = 1e-6


@dataclass(frozen=True, slots=True)
class _Watch:
    begin_s: float
    end_s: float
    resource: str


@dataclass(frozen=True, slots=True)
class _Samples:
    """What there is to judge, by time."""

    usage: Sequence[Record]
    goroutines: Sequence[Record]
    watches: Sequence[_Watch]
    proxied: bool

    @classmethod
    def of(cls, context: Context) -> _Samples:
        return cls(
            usage=list(context.history.of("usage")),
            goroutines=list(context.history.of("goroutines")),
            watches=[_watch(record) for record in context.history.of("api-call") if record["verb"] == "watch"],
            # Plans of an earlier harness have one key for both.
            proxied=bool(context.scenario.get("behind_proxy", context.scenario.get("proxied"))),
        )

    def between(self, begin_s: float, end_s: float) -> list[Record]:
        """The samples of the process, of one process only (the first)."""
        found = [record for record in self.usage if begin_s <= record["t"] <= end_s]
        return [record for record in found if record["pid"] == found[0]["pid"]]

    def seen(self, figure: str, begin_s: float, end_s: float) -> list[float]:
        """What was seen of a figure in that time."""
        match figure:
            case "watches":
                looks = math.floor((end_s - begin_s) / _WATCH_LOOK_S) + 1 if self.proxied else 0
                return [float(len(self.open_watches(begin_s + n * _WATCH_LOOK_S))) for n in range(looks)]
            case "goroutines":
                return [float(r["total"]) for r in self.goroutines if begin_s <= r["t"] <= end_s]
            case "processor":
                return _cores(self.between(begin_s, end_s))
            case "memory":
                return [record["rss_kib"] / 1024 for record in self.between(begin_s, end_s)]
            case "files":
                return [float(record["fds"]) for record in self.between(begin_s, end_s)]
        return [float(record[figure]) for record in self.between(begin_s, end_s)]

    def open_watches(self, t: float) -> list[str]:
        """The resources of the watches that are open."""
        return [watch.resource for watch in self.watches if watch.begin_s <= t < watch.end_s]

    def began_in(self, begin_s: float, end_s: float) -> Counter[str]:
        """The kinds of goroutines of the last profile in that time."""
        found = [record["began_in"] for record in self.goroutines if begin_s <= record["t"] <= end_s]
        return Counter(found[-1] if found else {})


def _watch(record: Record) -> _Watch:
    return _Watch(float(record["t0"]), float(record["t"]) if record.get("ended") else math.inf, str(record["resource"]))


def _cores(samples: Sequence[Record]) -> list[float]:
    """The share of a core that was used between each two samples."""
    pairs = [(a, b) for a, b in pairwise(samples) if b["t"] > a["t"]]
    return [float(b["cpu_s"] - a["cpu_s"]) / float(b["t"] - a["t"]) for a, b in pairs]


@checker(PROMISE)
def survive_2(context: Context) -> PromiseVerdict:
    """In quiet the operator does nothing, after equal harm it uses as much as before, and pods go with their nodes."""
    samples = _Samples.of(context)
    busy, busy_why, cores = _busy(context, samples)
    grown, grown_why, rises = _grown(context, samples)
    left, left_why, pods = _left(context)
    sampled = [] if samples.usage else ["the operator's process was not sampled"]
    return judge(
        PROMISE,
        examined=len(samples.usage) + len(samples.goroutines) + pods,
        unit="samples and nodes that left",
        findings=capped(PROMISE, [*busy, *grown, *left]),
        reasons=sampled or [*busy_why, *grown_why, *left_why],
        measured={**cores, **rises},
    )


# -- processor time ------------------------------------------------------------------------------------------------


def _busy(context: Context, samples: _Samples) -> tuple[list[Finding], list[str], dict[str, float]]:
    """Whether the operator went on working in the last quiet of the run."""
    since_s = quiet.last_quiet_s(context)
    begin_s = since_s + SETTLE_S
    used = samples.between(begin_s, context.end_s)
    pieces = _pieces(used)
    if len(pieces) < LEAST_PIECES or quiet.process_at(context.windows, begin_s, context.end_s) is None:
        why = f"the run lasted {max(0.0, context.end_s - since_s):.1f} s after all was quiet"
        return [], [f"{why}, too short for the processor time that is used then"], {}
    before = _before(context, samples)
    limit = _busy_limit(context, before)
    measured = {"quiet_cores": _share(used)} | ({} if before is None else {"cores_before_harm": before})
    wanted = ""
    if min(pieces) < limit:
        if before is None or _wanted(used) < STARVED_WANTS:
            return [], [], measured
        limit = STARVED_CORES + STARVED_TIMES * before * _more(context)
        if min(pieces) < limit:
            return [], _too_busy(context, samples, used), measured
        wanted = f", and waited for the processor all the rest of the time (it wanted {_wanted(used):.2f} cores)"
    compared = ("" if before is None else f"; before the harm it was {before:.2f}") + wanted
    text = (
        f"the operator used {min(pieces):.2f} to {max(pieces):.2f} cores for {_length_s(used):.1f} s on end while "
        f"nothing was harmed and nothing was done, {context.windows.when(begin_s)}; quiet is less than {limit:.2f}"
        f"{compared}"
    )
    finding = Finding(text, "processor time", f"less than {limit:.2f} cores", f"{min(pieces):.2f} cores", begin_s)
    return [finding], [], measured


def _too_busy(context: Context, samples: _Samples, used: Sequence[Record]) -> list[str]:
    """Why rest cannot be told from a loop that gets nothing: the operator wants far more than it did, all the time."""
    wants, wanted = _wanted(used), _wanted(samples.between(context.gate_s, quiet.first_harm_s(context)))
    if wants < DOUBTED_TIMES * wanted:
        return []
    got = f"wanted {wants:.2f} cores, and {wanted:.2f} before the harm, and got {_share(used):.2f}"
    return [f"in quiet the operator {got}: this machine was too busy to tell whether it went on working"]


def _length_s(samples: Sequence[Record]) -> float:
    return float(samples[-1]["t"] - samples[0]["t"]) if samples else 0.0


def _pieces(samples: Sequence[Record]) -> list[float]:
    """The share of a core that was used in each piece, of as many equal ones as there are PIECE_S in the samples."""
    count = int(_length_s(samples) // PIECE_S)
    times = [float(record["t"]) for record in samples]
    ends = [times[0] + _length_s(samples) * (number + 1) / count for number in range(count)]
    cuts = [0, *(bisect_right(times, end + _EXACTLY_S) - 1 for end in ends)]
    return [_share(samples[begin : end + 1]) for begin, end in pairwise(cuts) if end > begin]


def _share(samples: Sequence[Record]) -> float:
    took_s = _length_s(samples)
    return float(samples[-1]["cpu_s"] - samples[0]["cpu_s"]) / took_s if took_s else 0.0


def _wanted(samples: Sequence[Record]) -> float:
    """The share of the time in which the process ran or waited to run, counted for each thread; 0: nobody knows."""
    first, last = samples[0], samples[-1]
    if first.get("waited_s") is None or last.get("waited_s") is None:
        return 0.0
    return _share(samples) + float(last["waited_s"] - first["waited_s"]) / _length_s(samples)


def _before(context: Context, samples: _Samples) -> float | None:
    """What the operator used between the gate and the first harm; None when that was no time at all."""
    first_s = quiet.first_harm_s(context)
    used = samples.between(context.gate_s, first_s) if first_s < math.inf else []
    return _share(used) if _length_s(used) >= quiet.LEAST_S else None


def _busy_limit(context: Context, before: float | None) -> float:
    if before is None:
        nodes = quiet.nodes_at(context.timeline, context.end_s)
        return BUSY_AT_ONCE_CORES if nodes <= SMALL_CLUSTER else math.inf
    return BUSY_CORES + BUSY_TIMES * before * _more(context)


def _more(context: Context) -> float:
    """How many times the nodes of the beginning there are: answers are as long as that."""
    nodes = quiet.nodes_at(context.timeline, context.end_s)
    return max(1.0, nodes / max(1, quiet.nodes_at(context.timeline, context.gate_s)))


# -- growth --------------------------------------------------------------------------------------------------------


def _grown(context: Context, samples: _Samples) -> tuple[list[Finding], list[str], dict[str, float]]:
    """What grew over moments that should be alike, and was not given back in time."""
    findings: list[Finding] = []
    rises: dict[str, float] = {}
    why: list[str] = []
    judged = False
    for (after, _nodes, process), moments in quiet.alike(context).items():
        for figure, limit in LIMITS.items():
            pairs = [(m, point(m.end_s, samples.seen(figure, m.begin_s, m.end_s))) for m in moments]
            known = [(moment, seen) for moment, seen in pairs if seen is not None]
            points = [seen for _moment, seen in known]
            if len(points) < LEAST_POINTS:
                continue
            judged = True
            name = _MEASURED[figure]
            rises[name] = max(rises.get(name, -math.inf), rise(points))
            found = growth(points, limit)
            if found is None:
                continue
            kept = _kept(context, samples, figure, process)
            if kept is None:
                why.append(f"{figure} grew, and the run ended before it had to be given back")
            elif kept >= max(found.first[1] + limit.rise, found.first[1] * (1 + limit.share)):
                what = _what(figure, samples, [moment for moment, _seen in known])
                findings.append(_grows(context, figure, after, found, points, what))
    if not judged:
        why.append(f"no harm was done {LEAST_POINTS} times with quiet after it, so growth could not be judged")
    return findings, list(dict.fromkeys(why)), rises


def _kept(context: Context, samples: _Samples, figure: str, process: int) -> float | None:
    """The least of a figure from the objective after the last harm on; None where the run was over by then."""
    begin_s = quiet.last_quiet_s(context) + context.objective(PROMISE)
    if context.end_s - begin_s < quiet.LEAST_S or quiet.process_at(context.windows, begin_s, context.end_s) != process:
        return None
    return min(samples.seen(figure, begin_s, context.end_s), default=None)


def _what(figure: str, samples: _Samples, moments: Sequence[Moment]) -> str:
    """What there is more of at the end than at the beginning: "; pods from 1 to 31, nodes from 1 to 11"."""
    first, last = moments[0], moments[-1]
    if figure == "watches":
        before, after = (Counter(samples.open_watches(m.end_s - _WATCH_LOOK_S)) for m in (first, last))
    elif figure == "goroutines":
        before, after = (samples.began_in(m.begin_s, m.end_s) for m in (first, last))
    else:
        return ""
    more = sorted(((after[name] - before[name], name) for name in after), reverse=True)
    told = [f"{name} from {before[name]} to {after[name]}" for rise_, name in more[:2] if rise_ > 0]
    return f"; {', '.join(told)}" if told else ""


def _grows(
    context: Context, figure: str, after: tuple[str, ...], found: Growth, points: Sequence[Point], what: str
) -> Finding:
    unit = UNITS.get(figure, "")
    first, last = (f"{_number(low)} to {_number(high)}{unit}" for low, high in (found.first, found.last))
    text = (
        f"{figure} grew with every {' and '.join(after)}: {first} after the first {len(points) // 3} of "
        f"{len(points)}, {last} after the last {len(points) // 3}, {_number(found.per_cycle)}{unit} each time, "
        f"{context.windows.when(found.t_s)}{what}"
    )
    return Finding(text, figure, f"{first}, as in the beginning", last, found.t_s)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


# -- discovery pods ------------------------------------------------------------------------------------------------


def _left(context: Context) -> tuple[list[Finding], list[str], int]:
    """Discovery pods that were left on nodes that are gone; and of how many nodes that left it is known."""
    objective_s = context.objective(PROMISE)
    by_node: dict[tuple[str, float], list[Orphan]] = {}
    for orphan in orphans(context.history, context.timeline):
        by_node.setdefault((orphan.node, orphan.gone_s), []).append(orphan)
    away = context.away()
    findings: list[Finding] = []
    undecided: list[str] = []
    examined = 0
    for node, gone_s in _departures(context):
        pods = by_node.get((node, gone_s), [])
        due = _known_s(context, due_s(gone_s, max(objective_s, COLLECTED_S), away))
        left = [pod for pod in pods if min(pod.end_s, context.end_s) - max(pod.begin_s, due) >= LEFT_S]
        if left:
            findings.append(_left_behind(context, left[0], due))
        elif due + LEFT_S > context.end_s and any(pod.end_s >= context.end_s for pod in pods):
            undecided.append(node)
            continue
        examined += 1
    why = f"the run ended before the discovery pods of {len(undecided)} nodes that left had to be gone"
    return findings, [why] if undecided else [], examined


def _departures(context: Context) -> Iterable[tuple[str, float]]:
    """Each time a node was there and then not any more, after the gate."""
    for node, spans in absences(context.timeline).items():
        yield from ((node, begin) for begin, _end in spans if begin >= context.gate_s)


def _known_s(context: Context, t: float) -> float:
    """`t`, or the end of the gap of the ground truth that is open then."""
    return max([t, *(end for begin, end in context.timeline.gaps if begin <= t <= end)])


def _left_behind(context: Context, pod: Orphan, due: float) -> Finding:
    t = max(pod.begin_s, due)
    how = f"made {pod.begin_s - pod.gone_s:.0f} s after" if pod.begin_s > pod.gone_s else "there since before"
    until = "to the end" if math.isinf(pod.end_s) else f"until {pod.end_s - pod.gone_s:.0f} s after"
    text = (
        f"discovery pod {pod.namespace}/{named(pod.name)} is left on node {named(pod.node)}, which is gone since "
        f"{pod.gone_s:.2f} s: {how}, and {until}; objective {context.objective(PROMISE):g} s, and the cluster itself "
        f"removes it within {COLLECTED_S:g} s"
    )
    return Finding(text, f"node {pod.node}: discovery pod", "gone with its node", "left behind", t)
