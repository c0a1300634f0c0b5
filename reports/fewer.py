"""Few enough shapes to draw, for a run of any length.

A lane with many short stretches is drawn by columns: each column takes the worst state in it, so that merging never
hides trouble.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.timeline import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RANK = {"ok": 0, "up": 0, "gap": 1, "stopped": 1, "error": 2, "refused": 3, "timeout": 4, "died": 5}
TICK_PX = 70.0
TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a time is drawn: `width` pixels from `begin_s` to `end_s`."""

    begin_s: float
    end_s: float
    width: float

    @property
    def scale(self) -> float:
        """Pixels for each second."""
        return self.width / (self.end_s - self.begin_s)

    def x(self, t: float) -> float:
        """The place of a time; one before or after the plot is at its edge."""
        return min(max((t - self.begin_s) * self.scale, 0.0), self.width)

    def t(self, x: float) -> float:
        """The time at a place."""
        return self.begin_s + x / self.scale


def ticks(axis: Axis) -> list[float]:
    """Round times within the axis, at least 70 pixels apart."""
    least = TICK_PX / axis.scale
    step = next((step for step in TICK_STEPS_S if step >= least), math.ceil(least / 3600) * 3600)
    first, last = math.ceil(axis.begin_s / step - 1e-9), math.floor(axis.end_s / step + 1e-9)
    return [round(number * step, 6) for number in range(first, last + 1)]


def fewer(stretches: Sequence[Stretch], axis: Axis, budget: int) -> list[Stretch]:
    """At most `budget` stretches: while there are more, columns twice as wide, each in the worst state it holds."""
    found, column = list(stretches), 1.0
    while len(found) > budget:
        column *= 2
        found = _columns(stretches, axis, column)
    return found


def _columns(stretches: Iterable[Stretch], axis: Axis, column: float) -> list[Stretch]:
    cells: list[Stretch | None] = [None] * (math.ceil(axis.width / column) + 1)
    for piece in stretches:
        first, last = int(axis.x(piece.begin_s) / column), int(axis.x(piece.end_s) / column)
        for index in range(first, last + 1):
            there = cells[index]
            if there is None or RANK.get(piece.state, 1) > RANK.get(there.state, 1):
                cells[index] = piece
    found: list[Stretch] = []
    joined: Stretch | None = None
    for index, cell in enumerate(cells):
        begin, end = axis.t(index * column), min(axis.t((index + 1) * column), axis.end_s)
        if cell is not None and begin < end:
            if joined is not None and joined.state == cell.state:
                found[-1] = joined = Stretch(joined.begin_s, end, cell.state, joined.text)
            else:
                joined = Stretch(begin, end, cell.state, cell.text)
                found.append(joined)
        else:
            joined = None
    return found


def fewer_steps(steps: Sequence[tuple[float, float]], end_s: float, budget: int) -> list[tuple[float, float]]:
    """At most `budget` + 1 steps: one for each column of time, at its highest value, and the last value."""
    if len(steps) <= budget:
        return list(steps)
    found: list[tuple[float, float]] = []
    width, index, value = end_s / budget, 0, 0.0
    for column in range(budget):
        end, highest = (column + 1) * width, value
        while index < len(steps) and steps[index][0] < end:
            value = steps[index][1]
            highest = max(highest, value)
            index += 1
        if not found or found[-1][1] != highest:
            found.append((column * width, highest))
    if found[-1][1] != steps[-1][1]:
        found.append((end_s, steps[-1][1]))
    return found
