"""A watch without connections: what it sends, when, and who ends it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.apicalls import Call
from harness.cluster.apirules import Action, Active, ApiRule, Match
from harness.cluster.apiwatch import RULE, SERVER, WatchStream
from tests.unit.cluster.proxied import HANG_S, event


@dataclass
class Alone:
    """A watch without connections."""

    sent: bytearray = field(default_factory=bytearray)
    stopped: int = 0

    def stop(self) -> None:
        """The request to the API server is broken off."""
        self.stopped += 1

    def stream(self, *rules: Active) -> WatchStream:
        """The watch, begun."""
        watch = WatchStream(Call("watch", "", "nodes"), self.sent.extend, self.stop, time.monotonic())
        watch.begin(rules)
        return watch


def ruled(do: str, **action: Any) -> Active:
    """A rule in force."""
    return Active(ApiRule("it", Match(), Action(do, **action)))


STEPS = st.lists(st.sampled_from(["freeze", "late", "clear"]) | st.integers(1, 200), max_size=20)


@given(STEPS, st.integers(0, 12))
def test_whatever_holds_it_back_a_watch_is_whole_and_in_order(steps: list[Any], count: int) -> None:
    """Fed in any pieces, frozen, delayed and freed in any order, it brings every event once and then its end."""
    data = b"".join(event(number) for number in range(count))

    async def story() -> None:
        alone, rest = Alone(), data
        watch = alone.stream()
        for step in steps:
            if isinstance(step, int):
                watch.feed(rest[:step])
                rest = rest[step:]
            else:
                named = {"freeze": ruled("watch-freeze"), "late": ruled("watch-delay", delay_s=HANG_S)}
                watch.ruled([named[step]] if step in named else [])
            assert data.startswith(alone.sent)
        watch.feed(rest)
        watch.finish()
        watch.ruled([])
        assert (bytes(alone.sent), watch.ended, watch.events) == (data, SERVER, count)

    asyncio.run(story())


def test_too_much_held_back_makes_the_api_server_wait() -> None:
    """There is room again when it has been sent, and nothing is lost."""

    async def story() -> None:
        alone = Alone()
        watch = alone.stream(ruled("watch-freeze"))
        line = event(1, name="x" * 100_000)
        for _ in range(50):
            watch.feed(line)
        assert not watch.room.is_set()
        assert alone.sent == b""
        watch.ruled([])
        assert watch.room.is_set()
        assert alone.sent == line * 50

    asyncio.run(story())


def test_who_ended_a_watch_is_told_once() -> None:
    """A rule breaks off the request to the API server; an end of the server's own does not."""

    async def story() -> None:
        alone = Alone()
        watch = alone.stream()
        watch.feed(b'{"type": "ADDED"')
        watch.finish()
        watch.end(RULE)
        assert (watch.ended, alone.stopped, watch.done.is_set()) == (SERVER, 0, True)
        watch = alone.stream(ruled("watch-close"))
        assert (watch.ended, alone.stopped) == (RULE, 1)

    asyncio.run(story())


def test_lines_that_are_no_events_pass() -> None:
    """Rules about events leave alone what is none."""

    async def story() -> None:
        alone = Alone()
        watch = alone.stream(ruled("watch-drop"))
        for line in (b"\n", b"no json\n", b"[1]\n", b'{"type": "ADDED", "object": 7}\n'):
            watch.feed(line)
        assert alone.sent == b"\nno json\n[1]\n"

    asyncio.run(story())
