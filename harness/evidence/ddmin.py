"""Delta debugging: the least part of a list that still shows it, and the least of a number.

The algorithm is Zeller's and Hildebrandt's ddmin ("Simplifying and isolating failure-inducing input", 2002), which asks
in batches, so that whoever answers may try several parts at a time. `Shows` gets candidates in order of preference and
returns the index of one that shows it, or None.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Shows = Callable[[Sequence[tuple[Item, ...]]], int | None]

_BISECTIONS = 3
"""A duration within an eighth of the least is short enough: each further step is another run."""


def ddmin(items: Sequence[Item], shows: Shows[Item]) -> tuple[Item, ...]:
    """A part of the items, in order, that shows it and of which no single item can be left out.

    All of the items are taken to show it. Where `shows` is not steady (a race), the part may be larger than need be.
    """
    kept = tuple(items)
    if not kept or shows([()]) is not None:
        return ()
    parts = 2
    while len(kept) > 1:
        chunks = _split(kept, parts)
        rests = [tuple(item for other in chunks if other is not chunk for item in other) for chunk in chunks]
        tried = chunks if parts == 2 else [*chunks, *rests]
        found = shows(tried)
        if found is not None:
            kept = tried[found]
            parts = 2 if found < len(chunks) else max(parts - 1, 2)
        elif parts < len(kept):
            parts = min(2 * parts, len(kept))
        else:
            break
    return kept


def _split(items: tuple[Item, ...], parts: int) -> list[tuple[Item, ...]]:
    """As many parts, of nearly one size, in order."""
    edges = [number * len(items) // parts for number in range(parts + 1)]
    return [items[begin:end] for begin, end in itertools.pairwise(edges)]


def least(value: float, floor: float, shows: Callable[[float], bool]) -> float:
    """A number from `floor` to `value` that shows it and is small: the floor itself, or near the least there is."""
    if value <= floor:
        return value
    if shows(floor):
        return floor
    low, high = floor, value
    for _step in range(_BISECTIONS):
        middle = round((low + high) / 2, 2)
        if not low < middle < high:
            break
        if shows(middle):
            high = middle
        else:
            low = middle
    return high
