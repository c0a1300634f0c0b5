"""When the harness itself stands still: what reached it meanwhile is timed too late.

The harness shares its cores with the cluster that it watches. An event of the API server that waits in a socket while
nobody reads it has, for the history, not happened yet, and an operator that tells of it would be called wrong. So a
stall is written down as a gap of the ground truth, in and around which only what cannot have been true is held against
anybody (`harness.check.tracks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.timeline import HARNESS
from harness.wait import interval

if TYPE_CHECKING:
    from harness.clock import RunClock
    from harness.history.writer import HistoryWriter

TICK_S = 0.1
STALL_S = 0.5
"""Half of the slack that checkers give to our own watch; the other half is for what the API server takes."""


async def follow(history: HistoryWriter, clock: RunClock) -> None:
    """Look at the clock every TICK_S, for ever; a look that comes more than STALL_S late is a gap."""
    due = clock.now() + TICK_S
    while True:
        await interval(TICK_S)
        note(history, due, clock.now())
        due = clock.now() + TICK_S


def note(history: HistoryWriter, due: float, now: float) -> None:
    """Write down the gap from `due` to `now`, seconds since the run began, if it is one."""
    if now - due > STALL_S:
        why = f"the harness stood still for {now - due:.2f} s"
        history.add("gap", phase="begin", resource=HARNESS, since=round(due, 6), why=why)
        history.add("gap", phase="end", resource=HARNESS, why=why)
