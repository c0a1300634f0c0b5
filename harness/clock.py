"""Time, behind a seam.

All times in a history are seconds on the machine's monotonic clock, counted from the start of the run. Every process
that the harness starts on one machine shares that clock (`CLOCK_MONOTONIC`), so a helper process can stamp events
for the same history when it is told the origin.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class RunClock:
    """Seconds since the run began.

    `origin` is the value of `monotonic` at the start of the run; `monotonic` is replaced in unit tests.
    """

    origin: float = field(default_factory=time.monotonic)
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> float:
        """Seconds since the run began; never goes back."""
        return self.monotonic() - self.origin
