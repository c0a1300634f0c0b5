"""A harness that stood still says so in the history."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from harness.history import reader
from harness.model.timeline import HARNESS
from harness.run import stall
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


def test_a_look_that_is_late_is_a_gap(history: HistoryWriter) -> None:
    """The gap lasts from when the look was due to when it was taken; a little lateness is none."""
    stall.note(history, 1.0, 1.0 + stall.STALL_S)
    stall.note(history, 2.0, 2.1 + stall.STALL_S)

    begin, end = reader.read(history.path).of("gap")
    assert (begin["phase"], begin["since"], begin["resource"]) == ("begin", 2.0, HARNESS)
    assert "stood still for 0.60 s" in begin["why"]
    assert (end["phase"], end["resource"]) == ("end", HARNESS)


def test_a_loop_that_is_kept_from_running_is_noticed(history: HistoryWriter) -> None:
    """While something else has the event loop, nothing is read; a loop that runs freely writes nothing down."""

    async def story() -> None:
        following = asyncio.create_task(stall.follow(history, history.clock))
        await interval(0.0)
        until_s = time.monotonic() + 2 * stall.STALL_S
        while time.monotonic() < until_s:
            pass

        async def written(progress: Progress) -> bool | None:
            progress.last = "no gap"
            return any(reader.read(history.path).of("gap")) or None

        await until("the gap", written, deadline_s=20.0)
        following.cancel()

    asyncio.run(story())

    begin, end = list(reader.read(history.path).of("gap"))[:2]
    assert begin["since"] < end["t"]
