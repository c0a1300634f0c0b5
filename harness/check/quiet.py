"""Quiet moments of a run: when no fault is open, and which of them should be alike.

Two moments are alike when the same kinds of fault were healed just before, the same number of nodes is there, and it is
still the same process. Harm that is done again and again so gives a row of moments that an operator without leaks does
not tell apart.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.base import Context
    from harness.check.windows import Windows
    from harness.model.timeline import Timeline

LONGEST_S = 2.0
"""A moment is the last of the quiet before the next harm, when most of what it brought about is over."""

LEAST_S = 1.0
"""Two samples at least: in less an operator has not come to rest."""

Alike = tuple[tuple[str, ...], int, int]
"""What moments that should be alike have in common: the kinds of fault healed last, how many nodes, and the process."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Nothing was harmed from `begin_s` to `end_s`; `after`: the kinds of fault that were healed before."""

    begin_s: float
    end_s: float
    after: tuple[str, ...]


def moments(windows: Windows, end_s: float) -> list[Moment]:
    """The quiet moments between faults, and at the end of the run, oldest first."""
    found: list[Moment] = []
    healed_s, kinds = -math.inf, set[str]()
    for window in (*windows.faults, None):
        until_s = end_s if window is None else window.inject_s
        if kinds and until_s > healed_s:
            begin_s = max(healed_s, until_s - LONGEST_S)
            if until_s - begin_s >= LEAST_S:
                found.append(Moment(begin_s, until_s, tuple(sorted(kinds))))
            kinds = set()
        if window is not None:
            kinds.add(window.kind)
            healed_s = max(healed_s, window.end_s)
    return found


def nodes_at(timeline: Timeline, t: float) -> int:
    """How many nodes there are."""
    count = 0
    for name in timeline.nodes():
        steps = timeline.label_history[name]
        index = bisect_right([step.t for step in steps], t) - 1
        count += index >= 0 and steps[index].exists
    return count


def process_at(windows: Windows, begin_s: float, end_s: float) -> int | None:
    """Which of the operator's processes ran all the time, counted from 0; None where none did, or another began."""
    index = bisect_right(windows.starts, begin_s) - 1
    if index < 0 or index != bisect_right(windows.starts, end_s) - 1:
        return None
    gone = any(begin_s <= exit_.t <= end_s for exit_ in windows.exits)
    return None if gone else index


def alike(context: Context) -> dict[Alike, Sequence[Moment]]:
    """The quiet moments after the gate, those together that should be alike."""
    found: dict[Alike, list[Moment]] = {}
    for moment in moments(context.windows, context.end_s):
        process = process_at(context.windows, moment.begin_s, moment.end_s)
        if process is not None and moment.begin_s >= context.gate_s:
            key = (moment.after, nodes_at(context.timeline, moment.end_s), process)
            found.setdefault(key, []).append(moment)
    return dict(found)


def last_quiet_s(context: Context) -> float:
    """From when on nothing was done any more: the last heal, and the end of traffic."""
    healed = max((window.end_s for window in context.windows.faults), default=context.gate_s)
    traffic = context.history.mark("traffic-end")
    return max(healed, context.gate_s, float(traffic["t"]) if traffic is not None else -math.inf)


def first_harm_s(context: Context) -> float:
    """When the first fault was injected; infinity when none was."""
    return min((window.inject_s for window in context.windows.faults), default=math.inf)
