"""The one way to wait: for a condition, under a deadline, by watching.

Nothing else in the harness sleeps. A condition is an async function that returns its value when it holds and `None`
while it does not, after telling `progress` what it saw, so that a timeout can say what was missing.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.errors import WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

T = TypeVar("T")

_MOST_S: ContextVar[float] = ContextVar("_MOST_S", default=math.inf)


@dataclass(slots=True)
class Progress:
    """What a condition saw last; shown when the wait gives up."""

    last: str = ""


async def until(
    awaited: str,
    condition: Callable[[Progress], Awaitable[T | None]],
    *,
    deadline_s: float,
    interval_s: float = 0.05,
    changed: asyncio.Event | None = None,
    hint: str = "",
) -> T:
    """Return the first value of `condition` that is not None.

    `deadline_s` is counted from now. Between two looks the wait ends early when `changed` is set (and clears it);
    otherwise it looks again after `interval_s`. Raises WaitTimeoutError with the last progress when the deadline
    passes. The condition itself is cut off at the deadline as well. Within `at_most` no deadline is longer than that.
    A condition that lets the cut pass, as `asyncio.wait_for` of Python 3.11 does when its answer comes at that moment,
    is asked no more.
    """
    deadline_s = min(deadline_s, _MOST_S.get())
    start = time.monotonic()
    progress = Progress()
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                value = await condition(progress)
                if value is not None:
                    return value
                if time.monotonic() - start >= deadline_s:
                    raise TimeoutError  # noqa: TRY301 - as the cut itself would
                await _pause(interval_s, changed)
    except TimeoutError as exc:
        waited = time.monotonic() - start
        raise WaitTimeoutError(awaited, waited_s=waited, last=progress.last, hint=hint) from exc


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let no wait that begins in here, and in tasks made here, have a longer deadline.

    For whoever expects that what is awaited never comes, and need not wait as long as somebody who hopes for it.
    """
    before = _MOST_S.set(min(seconds, _MOST_S.get()))
    try:
        yield
    finally:
        _MOST_S.reset(before)


async def _pause(interval_s: float, changed: asyncio.Event | None) -> None:
    if changed is None:
        await asyncio.sleep(interval_s)
        return
    try:
        async with asyncio.timeout(interval_s):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()


async def interval(seconds: float) -> None:
    """Let `seconds` pass. For periods that are themselves the subject (a poll period, a fault's length)."""
    await asyncio.sleep(seconds)
