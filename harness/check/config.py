"""CONFIG-1: a new configuration applies live, and a bad one keeps the last good one and is told of.

The history says at each moment what the configuration file said. Of what the sources told of the nodes, this promise
takes what follows from the configuration: a node that is excluded and reported, one that is excluded no longer and not
reported, one that vanishes when the file changes or while it is bad. The rest is TRUTH-1's. An operator that is started
with a bad file may end over it (`check.exits`), and has to say so.

An empty file is neither bad nor the default for certain (the contract does not say), so an operator may do either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.check.agreement import named
from harness.check.base import Context, capped, checker
from harness.check.exits import exit_permitted
from harness.check.phases import Phase, phases_of
from harness.check.tracks import SLACK_S
from harness.check.truth import Episode, finding_of, untrue
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import SelfExit, Span, merged, touches, without
from harness.model import config
from harness.model.inventory import ABSENT, is_managed
from harness.model.timeline import LABELS, PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.check.tracks import Track
    from harness.model.timeline import LabelStep

_NO_CHANGE = "the configuration did not change after the gate"


@dataclass(frozen=True, slots=True)
class Effect:
    """From `begin_s` to `end_s`, because of a change of the file at `begin_s`, the node is to be reported or not."""

    node: str
    begin_s: float
    end_s: float
    included: bool


@checker("CONFIG-1")
def config_1(context: Context) -> PromiseVerdict:
    """Each change of the file shows in the answers and labels in time; a bad file changes nothing and is told of."""
    objective_s = context.objective("CONFIG-1")
    phases = phases_of(context.history, context.end_s)
    later = [phase for phase in phases[1:] if phase.begin_s >= context.gate_s]
    if not later:
        return judge("CONFIG-1", examined=0, unit="changes", reasons=[_NO_CHANGE])
    effects = _effects(context, later)
    bad = _bad(later, objective_s)
    excuses = merged([*context.away(), *context.timeline.gaps])
    findings = _of_answers(context, phases, later, objective_s)
    if not any(item["field"] == LABELS for item in context.exceptions):
        findings += [found for effect in effects for found in _of_labels(context, effect, excuses, objective_s)]
    findings += [
        _exit(context, gone, later)
        for gone in context.windows.exits
        if _due_to(gone.t, later, objective_s) and not exit_permitted(context, gone)
    ]
    starts = _bad_starts(context, later)
    findings += _silent_starts(context, starts, objective_s)
    silent, unsaid = _of_log(context, bad, excuses, objective_s)
    applied = [took for effect in effects for took in _applied(context, effect)]
    labelled = [took for effect in effects for took in (_labelled(context, effect),) if took is not None]
    return judge(
        "CONFIG-1",
        examined=len(applied) + len(labelled) + len(starts) + sum(_answers(context, phase) for phase in bad),
        unit="effects of changes, and starts and answers while it was bad",
        findings=capped("CONFIG-1", [*findings, *silent]),
        measured={
            **({"applied_s": max(applied)} if applied else {}),
            **({"labels_s": max(labelled)} if labelled else {}),
            **({"bad": float(len(bad)), "unsaid": float(unsaid)} if bad else {}),
            **({"bad_starts": float(len(starts))} if starts else {}),
        },
    )


def _bad(phases: Sequence[Phase], objective_s: float) -> list[Phase]:
    """The phases in which the file was bad for longer than an operator has to see it."""
    return [phase for phase in phases if phase.good is None and phase.end_s - phase.begin_s > objective_s + SLACK_S]


def _effects(context: Context, phases: Sequence[Phase]) -> list[Effect]:
    changed = {phase.begin_s for phase in phases if phase.good is not None}
    found: list[Effect] = []
    for node in context.timeline.nodes():
        steps = context.timeline.changes((node, PRESENT))
        ends = [*(t for t, _value in steps[1:]), context.end_s]
        found += [
            Effect(node, t, end, included=value is True)
            for (t, value), end in zip(steps, ends, strict=bool(steps))
            if t in changed and value in {True, ABSENT}
        ]
    return found


def _of_answers(context: Context, phases: Sequence[Phase], later: Sequence[Phase], objective_s: float) -> list[Finding]:
    found: list[Finding] = []
    for episode in untrue(context, (PRESENT,), context.away(), lag_s=objective_s).episodes:
        why = _why(context, phases, later, episode, objective_s)
        if why:
            finding = finding_of(context, episode, objective_s)
            found.append(replace(finding, text=f"{finding.text}; {why}"))
    return found


def _why(
    context: Context, phases: Sequence[Phase], later: Sequence[Phase], episode: Episode, objective_s: float
) -> str:
    """What the configuration has to do with it; empty when it has nothing to do with it."""
    node, t = episode.key[0], episode.begin_s
    before = [phase for phase in phases if phase.begin_s <= t]
    now = str(before[-1]) if before else ""
    if episode.first.value is not ABSENT:
        in_force = next((phase.good for phase in reversed(before) if phase.good is not None), config.DEFAULT)
        return f"the configuration excludes it{now and ', and '}{now}" if in_force.excludes(node) else ""
    since = context.timeline.since(episode.key, t)
    if any(phase.begin_s == since and phase.good is not None for phase in later):
        return f"the configuration excludes it no longer, since {since:.2f} s"
    change = _due_to(t, later, objective_s)
    # At the gate all was true: a node that was due by then was reported.
    if change is not None and since <= max(change.begin_s - objective_s, context.gate_s):
        return f"no configuration excludes it; {now or f'the configuration changed at {change.begin_s:.2f} s'}"
    return ""


def _due_to(t: float, phases: Sequence[Phase], objective_s: float) -> Phase | None:
    """The latest change of the file that may be the cause of what happened at `t`.

    A bad file may be met at any moment while it is bad, and until an operator has seen that it is good again.
    """
    for phase in reversed(phases):
        end = phase.end_s if phase.trouble else phase.begin_s
        if phase.begin_s <= t <= end + objective_s + SLACK_S:
            return phase
    return None


def _exit(context: Context, gone: SelfExit, phases: Sequence[Phase]) -> Finding:
    last = f"; its last words: {gone.detail}" if gone.detail else ""
    now = [phase for phase in phases if phase.begin_s <= gone.t][-1]
    return Finding(
        text=f"the operator exited by itself when the configuration changed, {context.windows.when(gone.t)}"
        f"{f'; {now}' if now.trouble else ''}{last}",
        object="operator process",
        expected="the last good configuration stays",
        reported="it exited",
        t_s=gone.t,
    )


def _bad_starts(context: Context, phases: Sequence[Phase]) -> list[float]:
    """When a process was started whose configuration file was bad, or gone, at that moment."""
    bad = [(phase.begin_s, phase.end_s) for phase in phases if phase.good is None]
    return [start for start in context.windows.starts if any(begin <= start < end for begin, end in bad)]


def _silent_starts(context: Context, starts: Iterable[float], objective_s: float) -> list[Finding]:
    """A finding for each process that was started with a bad file and wrote nothing at all up to its end, or in time.

    What it wrote may be told a moment later; a process that we ended before its time is no finding.
    """
    log = list(context.history.of("log"))
    own = {gone.t for gone in context.windows.exits}
    ends = sorted(float(record["t"]) for record in context.history.of("process") if record["event"] == "exited")
    found: list[Finding] = []
    for start in starts:
        end = next((t for t in ends if t >= start), math.inf)
        if not log or (end not in own and min(end, context.end_s) < start + objective_s):
            continue
        until = min(end, start + objective_s) + SLACK_S
        if any(record["lines"] for record in log if start <= float(record["t"]) <= until):
            continue
        found.append(
            Finding(
                text=f"the operator was started while its configuration file was bad, and logged nothing at all "
                f"{context.windows.when(until)}, objective {objective_s:g} s",
                object="operator log",
                expected="a word about the bad configuration",
                reported="nothing",
                t_s=until,
            )
        )
    return found


def _applied(context: Context, effect: Effect) -> list[float]:
    """For each source how long it took until it told of the effect, and of nothing else up to the effect's end."""
    wanted = True if effect.included else ABSENT
    found: list[float] = []
    for track in context.tracks.values():
        moment = _last_run_from(track, effect, wanted)
        if moment is not None:
            found.append(max(0.0, moment - effect.begin_s))
    return found


def _last_run_from(track: Track, effect: Effect, wanted: object) -> float | None:
    low, high = track.indices(effect.begin_s, effect.end_s)
    for run in track.runs.get((effect.node, PRESENT), ()):
        if low <= high and run.first <= high <= run.last:
            return track.t[run.first] if run.value == wanted else None
    return None


def _answers(context: Context, phase: Phase) -> int:
    spans = (track.indices(phase.begin_s, phase.end_s) for track in context.tracks.values())
    return sum(max(0, high - low + 1) for low, high in spans)


def _of_labels(context: Context, effect: Effect, excuses: Sequence[Span], objective_s: float) -> list[Finding]:
    """Whether the node carries managed labels in time where it is included, and none where it is excluded.

    Which ones an included node carries is LABEL-1's: they may wait for its hardware.
    """
    begin = effect.begin_s + objective_s + SLACK_S
    late = [
        piece
        for span in _wrongly_labelled(context, effect)
        for piece in without((max(span[0], begin), span[1]), excuses)
    ]
    if not late:
        return []
    expected, reported = ("managed labels", "none") if effect.included else ("no managed label", "some")
    no_longer = "no longer " if effect.included else ""
    return [
        Finding(
            text=(
                f"node {named(effect.node)}: expected {expected}, found {reported} {late[0][0] - effect.begin_s:.2f} s "
                f"after the change by which the configuration {no_longer}excludes it{'' if no_longer else ' now'}, "
                f"{context.windows.when(late[0][0])}, objective {objective_s:g} s"
            ),
            object=f"node {effect.node}: labels",
            expected=expected,
            reported=reported,
            t_s=late[0][0],
        )
    ]


def _labelled(context: Context, effect: Effect) -> float | None:
    """How long it took until the labels showed the effect and went on to; None when they did not."""
    wrong = _wrongly_labelled(context, effect)
    if wrong and wrong[-1][1] >= effect.end_s:
        return None
    return wrong[-1][1] - effect.begin_s if wrong else 0.0


def _wrongly_labelled(context: Context, effect: Effect) -> list[Span]:
    steps = context.timeline.label_history.get(effect.node, ())
    ends = [*(step.t for step in steps[1:]), effect.end_s]
    spans = (
        (max(step.t, effect.begin_s), min(end, effect.end_s))
        for step, end in zip(steps, ends, strict=bool(steps))
        if step.exists and _has_managed(step) is not effect.included
    )
    return merged(span for span in spans if span[0] < span[1])


def _has_managed(step: LabelStep) -> bool:
    return any(is_managed(key) for key in step.labels)


def _of_log(
    context: Context, bad: Iterable[Phase], excuses: Sequence[Span], objective_s: float
) -> tuple[list[Finding], int]:
    """A finding for each bad file on which nothing was logged at all, and on how many no line may be about it.

    Nobody can say in general which line is about the configuration, so only silence is a finding.
    """
    log = list(context.history.of("log"))
    findings: list[Finding] = []
    unsaid = 0
    for phase in bad:
        until = phase.begin_s + objective_s + SLACK_S
        if touches(excuses, phase.begin_s, until) or not any(float(record["t"]) <= phase.begin_s for record in log):
            continue
        heard = [record for record in log if phase.begin_s <= float(record["t"]) <= until]
        unsaid += not any(record["said"] for record in heard)
        if not any(record["lines"] for record in heard):
            findings.append(
                Finding(
                    text=f"the operator logged nothing at all {context.windows.when(until)}; {phase}, "
                    f"objective {objective_s:g} s",
                    object="operator log",
                    expected="a word about the bad configuration",
                    reported="nothing",
                    t_s=until,
                )
            )
    return findings, unsaid
