"""What a long resolution tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step for one component.

    `phase` is one of "waiting" (another process is at it), "downloading", "verifying", "building", "refused" (a way
    did not work; `detail` says why and another way is tried), "ready". `seconds` counts from the start of the phase.
    """

    component: str
    phase: str
    seconds: float
    detail: str = ""


Report = Callable[[Progress], None]

TICK_S = 0.5
"""Longest silence during a download or a build: a person at a terminal must see that it lives."""
