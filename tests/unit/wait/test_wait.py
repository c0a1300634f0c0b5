from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from harness.clock import RunClock
from harness.errors import WaitTimeoutError
from harness.wait import Progress, at_most, interval, until


def test_the_first_value_is_returned() -> None:
    """A condition is asked until it gives something other than None; falsy values count."""
    answers = iter([None, None, 0])

    async def condition(_progress: Progress) -> int | None:
        return next(answers)

    assert asyncio.run(until("it", condition, deadline_s=5.0, interval_s=0.001)) == 0


def test_a_timeout_says_what_was_seen_last() -> None:
    """The error carries what was awaited, for how long, the last progress and the hint."""

    async def condition(progress: Progress) -> None:
        progress.last = "2 of 3 nodes"

    with pytest.raises(WaitTimeoutError) as caught:
        asyncio.run(until("all nodes", condition, deadline_s=0.05, interval_s=0.01, hint="look at kwok"))

    assert str(caught.value).startswith("gave up waiting for all nodes after 0.")
    assert "last seen: 2 of 3 nodes" in caught.value.what
    assert caught.value.hint == "look at kwok"
    assert caught.value.last == "2 of 3 nodes"
    assert 0.05 <= caught.value.waited_s < 2.0


def test_a_condition_that_hangs_is_cut_off() -> None:
    """The deadline holds for a look that never comes back as well."""

    async def condition(progress: Progress) -> bool:
        progress.last = "asking"
        await asyncio.Event().wait()
        return True

    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="last seen: asking"):
        asyncio.run(until("an answer", condition, deadline_s=0.1))

    assert time.monotonic() - began < 2.0


def test_a_condition_that_swallows_its_cut_is_asked_no_more() -> None:
    """A wait ends though what it asks lost the one cancellation that there is, as a wait for an answer may."""
    asked = 0

    async def condition(_progress: Progress) -> None:
        nonlocal asked
        asked += 1
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(WaitTimeoutError):
        asyncio.run(asyncio.wait_for(until("it", condition, deadline_s=0.05), timeout=5.0))
    assert asked == 1


def test_a_change_is_seen_at_once() -> None:
    """Setting the event ends the pause between two looks, and the event is cleared for the next."""
    state: list[int] = []

    async def condition(_progress: Progress) -> bool | None:
        return True if state else None

    async def story() -> float:
        changed = asyncio.Event()

        def happen() -> None:
            state.append(1)
            changed.set()

        asyncio.get_running_loop().call_later(0.05, happen)
        began = time.monotonic()
        await until("a change", condition, deadline_s=30.0, interval_s=20.0, changed=changed)
        assert not changed.is_set()
        return time.monotonic() - began

    assert asyncio.run(story()) < 5.0


def test_without_a_change_it_looks_again_after_the_interval() -> None:
    """An event that is never set does not stop the looks."""
    looks: list[int] = []

    async def condition(_progress: Progress) -> bool | None:
        looks.append(1)
        return True if len(looks) == 4 else None

    async def story() -> None:
        await until("the fourth look", condition, deadline_s=10.0, interval_s=0.01, changed=asyncio.Event())

    asyncio.run(story())

    assert len(looks) == 4


def test_an_error_of_the_condition_is_not_a_timeout() -> None:
    """What the condition raises comes through, and at once."""

    async def condition(_progress: Progress) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(until("it", condition, deadline_s=10.0))


def test_a_cancelled_wait_is_cancelled() -> None:
    """Cancelling is not taken for a deadline."""

    async def condition(_progress: Progress) -> None:
        return None

    async def story() -> None:
        task: asyncio.Task[None] = asyncio.create_task(until("never", condition, deadline_s=60.0))
        await interval(0.02)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())


def test_an_interval_lasts() -> None:
    """At least the asked time passes."""
    began = time.monotonic()
    asyncio.run(interval(0.03))

    assert time.monotonic() - began >= 0.03


def test_the_run_clock_counts_from_its_origin() -> None:
    """Times are seconds since the run began, by whatever clock it was given."""
    assert RunClock(origin=100.0, monotonic=lambda: 103.5).now() == 3.5
    clock = RunClock()
    assert 0 <= clock.now() <= clock.now() < 60


def test_no_wait_is_longer_than_at_most() -> None:
    """Within it, and however it is nested, the shorter deadline holds, also in tasks; outside it does not."""

    async def never(_progress: Progress) -> None:
        return None

    async def soon(_progress: Progress) -> bool:
        await interval(0.05)
        return True

    async def story() -> None:
        with at_most(0.01):
            with at_most(1000.0), pytest.raises(WaitTimeoutError):
                await until("it", never, deadline_s=1000.0)
            with pytest.raises(WaitTimeoutError):
                await asyncio.create_task(until("it", never, deadline_s=1000.0))
        assert await until("it", soon, deadline_s=1000.0)

    asyncio.run(story())
