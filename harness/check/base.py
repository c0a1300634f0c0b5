"""What every checker is given, and the register of checkers.

A checker is a pure function from a `Context` to the verdict on one promise. The context is the history, read once:
answers, parsed snapshots, tracks, fault windows and the truth over time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.check.answers import Answer, Parsed, parse_snapshots, read_answers, read_health
from harness.check.tracks import SLACK_S, Bad, Judged, Track, build_track, compare, samples
from harness.check.verdict import Finding, PromiseVerdict
from harness.check.windows import API, OPERATOR, WATCH, Span, Windows, merged, read_windows, without
from harness.model.timeline import (
    CPU_INFO,
    GPU_INFO,
    KEY_FIELDS,
    LABELS,
    NODE_CLASSES,
    PRESENT,
    STORAGE_FIELDS,
    Key,
    Timeline,
)

if TYPE_CHECKING:
    from harness.history.reader import History

# Findings of one promise shown in full; the rest are counted. A run in which everything is wrong must stay readable.
MAX_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Context:
    """One run, prepared for judging.

    `objectives` holds seconds by promise id, the scenario's over the contract's. `gate_s` is when the gate was passed
    (infinity when it never was), `end_s` when the run ended. `tracks` hold what each source said. `exceptions`: what
    was not true at the gate and let pass, because it had not been true from the operator's start on and nothing
    pointed to a change: {field, node, nodes, expected, reported, after_s}. It is a finding, and then left out of all
    comparison.
    """

    history: History
    scenario: Mapping[str, Any]
    timeline: Timeline
    windows: Windows
    answers: Mapping[str, tuple[Answer, ...]]
    health: Mapping[str, tuple[Answer, ...]]
    parsed: Mapping[str, Parsed]
    tracks: Mapping[str, Track]
    objectives: Mapping[str, float]
    gate_s: float
    end_s: float
    exceptions: tuple[Mapping[str, Any], ...] = ()
    _compared: dict[tuple[str, Key, float], Judged] = field(default_factory=dict, repr=False, compare=False)

    @property
    def supervised(self) -> bool:
        """Whether a kubelet-like supervisor restarts the operator when it exits."""
        return bool(self.scenario.get("supervised"))

    @property
    def pace(self) -> float:
        """How many times as long a kubelet would have waited where our supervisor did."""
        return 1.0 / float(self.scenario.get("backoff_scale") or 1.0)

    def objective(self, promise: str) -> float:
        """The objective of the promise in this run, seconds."""
        return self.objectives[promise]

    def lag_s(self, field_name: str) -> float:
        """How long a value of this field may lag behind the truth: the objective of the promise that speaks of it."""
        if field_name in {CPU_INFO, GPU_INFO}:
            return self.objective("TRUTH-5")
        if field_name == NODE_CLASSES or field_name in STORAGE_FIELDS:
            return self.objective("TRUTH-6")
        if field_name == PRESENT:
            return self.objective("TRUTH-1")
        return self.objective("TRUTH-3" if field_name.endswith(".allocated") else "TRUTH-2")

    def away(self) -> list[Span]:
        """When the operator could not know the latest or was not there, each with RECOVER-1's objective after it."""
        return self.windows.spans({API, WATCH, OPERATOR}, grace_s=self.objective("RECOVER-1"))

    def heard_s(self, begin_s: float, end_s: float) -> float:
        """How long in that time what the operator said could reach us."""
        return sum(end - begin for begin, end in without((begin_s, end_s), self.timeline.unheard))

    def until_recovered(self, affects: Collection[str]) -> list[Span]:
        """From each inject of such a fault until RECOVER-1's objective after its heal or the run's end, merged."""
        grace_s = self.objective("RECOVER-1")
        return merged(
            (window.inject_s, min(window.end_s + grace_s, self.end_s)) for window in self.windows.affecting(affects)
        )

    def untrue_from_the_start(self, *prefixes: str) -> list[Finding]:
        """A finding for each field with such a prefix that the gate let pass untrue."""
        return [_exception(item, self.gate_s) for item in self.exceptions if str(item["field"]).startswith(prefixes)]

    def compared(self, source: str, key: Key, *, lag_s: float) -> Judged:
        """All that `source` said of `key`, held against the truth; computed once."""
        wanted = (source, key, lag_s)
        if wanted not in self._compared:
            self._compared[wanted] = compare(self.tracks[source], self.timeline, key, lag_s=lag_s)
        return self._compared[wanted]

    def all_late(self, source: str, *, fields: Sequence[str]) -> list[Bad]:
        """Everything that `source` said and that was surely untrue by the field's objective."""
        keys = [key for key in self.tracks[source].runs if key[1] in fields]
        return [bad for key in keys for bad in self.compared(source, key, lag_s=self.lag_s(key[1])).bad]

    def all_inexact(self, source: str, *, fields: Sequence[str]) -> list[Bad]:
        """Everything that `source` said and that was not true at that moment, as far as known (within SLACK_S)."""
        found: list[Bad] = []
        for key in self.tracks[source].runs:
            if key[1] in fields:
                judged = self.compared(source, key, lag_s=SLACK_S)
                found += (*judged.bad, *judged.doubtful)
        return found


Checker = Callable[[Context], PromiseVerdict]

CHECKERS: dict[str, Checker] = {}
"""Every promise that can be judged, by id. Filled by the modules of this package when `contract` is imported."""


def _exception(item: Mapping[str, Any], gate_s: float) -> Finding:
    node, name, others = item["node"], item["field"], int(item.get("nodes", 1)) - 1
    more = f" and {others} other nodes" if others else ""
    # Of cluster storage each class is an exception of its own: "storage.capacity of local-path".
    what, of_class, _ = name.partition(" of ")
    of = f"class {node}: {what}" if of_class else f"node {node}{more}: {name}"
    text = (
        f"{of}: expected {item['expected']}, reported {item['reported']}; never true from the "
        f"operator's start until the gate {float(item['after_s']):.1f} s later, and not judged from then on"
    )
    subject = of if of_class else f"node {node}: {name}"
    return Finding(text, subject, str(item["expected"]), str(item["reported"]), gate_s)


def checker(promise: str) -> Callable[[Checker], Checker]:
    """Register the function as the judge of `promise`."""

    def register(function: Checker) -> Checker:
        CHECKERS[promise] = function
        return function

    return register


def build_context(history: History, objectives: Mapping[str, float]) -> Context:
    """Prepare a history for judging. Raises HistoryError when it has no header or its truth cannot be understood."""
    scenario: Mapping[str, Any] = history.header.get("scenario") or {}
    gate, end = history.mark("gate-passed"), history.mark("end")
    end_s = float(end["t"]) if end is not None else max(float(record["t"]) for record in history.records)
    exceptions = tuple((gate or {}).get("excepted") or ())
    excepted = frozenset(str(item["field"]) for item in exceptions)
    timeline = Timeline.build(history, excepted)
    answers = {
        source: tuple(answer for answer in listed if answer.t <= end_s)
        for source, listed in read_answers(history).items()
    }
    parsed = parse_snapshots(history, answers, excepted)
    tracks = {
        source: build_track(source, _judgeable(source, listed, end_s), parsed, timeline)
        for source, listed in answers.items()
    }
    return Context(
        history=history,
        scenario=scenario,
        timeline=timeline,
        windows=read_windows(history, end_s=end_s),
        answers=answers,
        health=read_health(history),
        parsed=parsed,
        tracks=tracks,
        objectives={**objectives, **{k: float(v) for k, v in (scenario.get("objectives") or {}).items()}},
        gate_s=float(gate["t"]) if gate is not None else math.inf,
        end_s=end_s,
        exceptions=exceptions,
    )


def _judgeable(source: str, answers: Sequence[Answer], end_s: float) -> Sequence[Answer]:
    return tuple(samples(answers, end_s)) if source == "stream" else answers


def capped(promise: str, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first MAX_FINDINGS by time, and one more that says how many were left out."""
    ordered = sorted(findings, key=lambda finding: (finding.t_s, finding.object, finding.text))
    if len(ordered) <= MAX_FINDINGS:
        return tuple(ordered)
    rest = ordered[MAX_FINDINGS:]
    more = Finding(
        text=f"and {len(rest)} more findings of {promise}, the last first seen at {rest[-1].t_s:.2f} s",
        object=f"{len(rest)} more",
        expected="",
        reported="",
        t_s=rest[0].t_s,
    )
    return (*ordered[:MAX_FINDINGS], more)


JUDGED_FIELDS = (*(name for name in KEY_FIELDS if name != LABELS), *STORAGE_FIELDS)
"""What answers are judged on; labels are on the Node, not in the answers."""
