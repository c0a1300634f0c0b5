"""Whether a figure grows without an end over quiet moments that should all be alike.

Between equal cycles of harm an operator is as it was, or it keeps something of each. Figures of a living process are
never exactly the same, though: connections come and go, heaps breathe, caches fill up once. So growth is called that
only where all of this holds:

- there are LEAST_POINTS quiet moments or more, after at least as many equal cycles;
- everything that was seen in the last third of them is above everything that was seen in the first third, by the
  figure's own limit: what only fluctuates does not keep two thirds apart;
- both halves of the rise are at least EVEN of it: what fills up once, or jumps once, has all its rise in one half.

The rise is told from the most of the first third to the least of the last, so it is never overstated.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_POINTS = 6
"""Two in each third, so that no third rests on a single look."""

EVEN = 0.3
"""A steady rise has a half in either half. A cache that fills by a half of the rest in each cycle has 0.06 of its rise
in the second half of six cycles, and less of more."""


@dataclass(frozen=True, slots=True)
class Point:
    """One quiet moment: the least, the middle and the most of what was seen in it. `t`: its end, seconds."""

    t: float
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Limit:
    """From which rise on a figure grows: `rise` in its own unit, and at least `share` of what it was."""

    rise: float
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """A figure that grows: what was seen in the first and in the last third, and by how much more for each cycle."""

    first: tuple[float, float]
    last: tuple[float, float]
    per_cycle: float
    t_s: float


def point(t: float, values: Sequence[float]) -> Point | None:
    """The quiet moment that ends at `t`; None when nothing was seen in it."""
    return Point(t, min(values), median(values), max(values)) if values else None


def rise(points: Sequence[Point]) -> float:
    """From the most of the first third to the least of the last; below zero where they overlap. 0.0: too few points."""
    if len(points) < LEAST_POINTS:
        return 0.0
    first, _middle, last = _thirds(points)
    return min(p.low for p in last) - max(p.high for p in first)


def growth(points: Sequence[Point], limit: Limit) -> Growth | None:
    """How the figure grows; None when it does not, or when there are too few points to tell."""
    if len(points) < LEAST_POINTS:
        return None
    first, middle, last = _thirds(points)
    before = max(p.high for p in first)
    if rise(points) < max(limit.rise, limit.share * before):
        return None
    begin, half, end = (median(p.middle for p in third) for third in (first, middle, last))
    if min(half - begin, end - half) < EVEN * (end - begin):
        return None
    # From the middle of the first third to that of the last it is two thirds of the way.
    cycles = len(points) - len(first)
    return Growth(_range(first), _range(last), (end - begin) / cycles, last[0].t)


def _thirds(points: Sequence[Point]) -> tuple[Sequence[Point], Sequence[Point], Sequence[Point]]:
    size = len(points) // 3
    return points[:size], points[size:-size], points[-size:]


def _range(points: Sequence[Point]) -> tuple[float, float]:
    return min(p.low for p in points), max(p.high for p in points)
