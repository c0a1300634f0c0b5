"""Recovery times by datastore, as shapes with coordinates: a dot for each run, a tick for the median.

Narrow enough for a phone: the drawing grows with the page, never beyond it.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.differential import in_order
from reports.fewer import Axis, ticks
from reports.visible import count, line, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.campaign import Run
    from reports.differential import Comparison

NAMES_PX, PLOT_PX, MARGIN_PX = 78.0, 262.0, 20.0
ROW_PX, TOP_PX, AXIS_PX = 46.0, 6.0, 24.0
DOT_PX = 4.0
LANES_PX = (0.0, -8.0, 8.0, -16.0, 16.0)  # dots that would hide each other go above and below the middle


@dataclass(frozen=True, slots=True)
class Dot:
    """One run; `state` is its verdict, `title` what the pointer says."""

    x: float
    y: float
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One datastore; `median_x` is None where no recovery is known."""

    name: str
    note: str
    y: float
    dots: tuple[Dot, ...]
    median_x: float | None


@dataclass(frozen=True, slots=True)
class Strip:
    """Everything that the template draws; `ticks`: (x, text)."""

    width: float
    height: float
    bottom: float
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    description: str


def draw_spread(comparisons: Sequence[Comparison]) -> Strip | None:
    """The recoveries of all runs; None when none is known."""
    placed = [(kind, run) for item in comparisons for kind, run in item.runs.items()]
    kinds = in_order(kind for kind, _run in placed)
    by_kind = {kind: _timed(run for where, run in placed if where == kind) for kind in kinds}
    longest = max((t for timed in by_kind.values() for t, _ in timed), default=None)
    if longest is None:
        return None
    axis = Axis(0.0, max(longest, 0.1), PLOT_PX)
    rows = tuple(
        _row(kind, listed, axis, TOP_PX + (number + 0.5) * ROW_PX)
        for number, (kind, listed) in enumerate(by_kind.items())
    )
    bottom = TOP_PX + len(rows) * ROW_PX
    said = "; ".join(_in_words(kind, listed) for kind, listed in by_kind.items())
    return Strip(
        width=NAMES_PX + PLOT_PX + MARGIN_PX,
        height=bottom + AXIS_PX,
        bottom=bottom,
        rows=rows,
        ticks=tuple((NAMES_PX + axis.x(t), f"{t:g} s") for t in ticks(axis)),
        description=f"Recovery times by datastore. {said}.",
    )


def _timed(runs: Iterable[Run]) -> list[tuple[float, Run]]:
    """The runs with a known recovery, the fastest first; an endless one has no place."""
    known = [(run.recovery_s, run) for run in runs if run.recovery_s is not None and math.isfinite(run.recovery_s)]
    return sorted(known, key=lambda one: (one[0], one[1].id))


def _row(kind: str, timed: Sequence[tuple[float, Run]], axis: Axis, y: float) -> Row:
    ends = [-math.inf] * len(LANES_PX)
    dots: list[Dot] = []
    for t, run in timed:
        x = NAMES_PX + axis.x(t)
        # The first lane with room; where all are full, the one whose last dot is farthest to the left.
        lane = next((number for number, end in enumerate(ends) if end <= x), ends.index(min(ends)))
        ends[lane] = x + 2 * DOT_PX
        title = f"{run.scenario} on {kind}: {seconds(t)}, {run.verdict}"
        dots.append(Dot(x, y + LANES_PX[lane], str(run.verdict), line(title)))
    median = statistics.median(t for t, _ in timed) if timed else None
    note = f"median {seconds(median)}" if median is not None else "none known"
    return Row(line(kind), note, y, tuple(dots), None if median is None else NAMES_PX + axis.x(median))


def _in_words(kind: str, timed: Sequence[tuple[float, Run]]) -> str:
    """The row for those who cannot see it: "sqlite: 3 runs, 0.8 s to 4.1 s, median 2.3 s"."""
    if not timed:
        return f"{line(kind)}: no recovery known"
    ends = f"{seconds(timed[0][0])} to {seconds(timed[-1][0])}"
    return f"{line(kind)}: {count(len(timed), 'run')}, {ends}, median {seconds(statistics.median(t for t, _ in timed))}"
