"""Watches through a real API proxy: whole and in order when nothing is asked for, and edited as the rules say."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio import sslproto
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import pytest

from harness.cluster.apiproxy import TLS_BUFFER
from harness.cluster.apirules import Match
from harness.wait import Progress, until
from tests.unit.cluster.proxied import HANG_S, NODES, QUIET_S, Proxied, event, over

TARGET = f"{NODES}?watch=true&resourceVersion=1"
WATCHES = 1000


@dataclass
class Watching:
    """An open watch: both of its ends."""

    it: Proxied
    answer: aiohttp.ClientResponse
    events: asyncio.Queue[bytes | None]

    @classmethod
    async def open(cls, it: Proxied, target: str = TARGET) -> Self:
        """Open one through the proxy."""
        answer = await it.open(target)
        assert answer.status == 200
        await it.double.watching(1)
        return cls(it, answer, it.double.watches.pop(0))

    def say(self, *lines: bytes) -> None:
        """The API server sends this."""
        self.events.put_nowait(b"".join(lines))

    async def hear(self, count: int = 1) -> list[int]:
        """The versions of the next events."""
        return [
            int(json.loads(await self.answer.content.readline())["object"]["metadata"]["resourceVersion"])
            for _ in range(count)
        ]

    async def silent(self) -> bool:
        """Whether nothing comes for a while."""
        try:
            await asyncio.wait_for(self.answer.content.readany(), QUIET_S)
        except TimeoutError:
            return True
        return False


def test_events_come_as_they_were_sent() -> None:
    """Whatever the pieces in which they are sent, lines arrive whole and in order, and the end in order too."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        data = b"".join(event(number) for number in range(50))
        for begin in range(0, len(data), 77):
            watch.say(data[begin : begin + 77])
        assert await watch.hear(50) == list(range(50))
        watch.events.put_nowait(None)
        assert await watch.answer.content.read() == b""
        (call,) = it.calls()
        assert (call["verb"], call["status"], call["events"], call["ended"]) == ("watch", 200, 50, "server")
        assert it.proxy.command({"do": "stats"})["connections"] == 1

    over(story)


def test_an_operator_that_leaves_ends_the_watch() -> None:
    """The API server is told, and the footprint says who ended it."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        assert it.proxy.command({"do": "stats"})["watches"] == {"nodes": 1}
        assert it.calls(also_open=True)[0]["ended"] == ""
        watch.answer.close()

        async def told(progress: Progress) -> bool | None:
            progress.last = str(it.double.ended)
            return bool(it.double.ended) or None

        await until("the API server to be told", told, deadline_s=HANG_S, interval_s=0.01)
        assert it.calls()[0]["ended"] == "client"

    over(story)


def test_a_frozen_watch_thaws_in_order() -> None:
    """Nothing comes while it is frozen, not even its end; then everything does, and what comes later after it."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        watch.say(event(1))
        assert await watch.hear() == [1]
        it.rule("watch-freeze", match=Match(resource="nodes"))
        watch.say(event(2), event(3))
        watch.say(event(4))
        watch.events.put_nowait(None)
        assert await watch.silent()
        assert it.acted == 3
        it.clear()
        assert await watch.hear(3) == [2, 3, 4]
        assert await watch.answer.content.read() == b""

    over(story)


def test_a_rule_is_about_the_watches_that_it_matches() -> None:
    """A watch of something else goes on."""

    async def story(it: Proxied) -> None:
        pods = await Watching.open(it, "/api/v1/pods?watch=1")
        it.rule("watch-freeze", match=Match(resource="nodes"))
        pods.say(event(7))
        assert await pods.hear() == [7]
        nodes = await Watching.open(it)
        nodes.say(event(8))
        assert await nodes.silent()

    over(story)


def test_late_events_are_late_and_in_order() -> None:
    """Each comes after the delay, and at once when the rule is cleared."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        it.rule("watch-delay", delay_s=0.2)
        began = time.monotonic()
        watch.say(event(1), event(2))
        assert await watch.hear(2) == [1, 2]
        assert time.monotonic() - began >= 0.2
        it.rule("watch-delay", delay_s=10 * HANG_S)
        watch.say(event(3))
        assert await watch.silent()
        it.clear()
        assert await watch.hear() == [3]

    over(story)


@pytest.mark.parametrize(
    ("do", "options", "heard"),
    [
        ("watch-drop", {}, [5]),
        ("watch-drop", {"types": ("DELETED",)}, [1, 2, 4, 5]),
        ("watch-drop", {"types": ("BOOKMARK",)}, [1, 2, 3, 4]),
        ("watch-drop", {"skip": 1, "times": 2}, [1, 4, 5]),
        ("watch-drop", {"match": Match(name="b")}, [1, 3, 4, 5]),
        ("watch-drop", {"match": Match(namespace="ns", name="c")}, [1, 2, 4, 5]),
        ("watch-bookmarks", {}, [5]),
        ("watch-duplicate", {}, [1, 1, 2, 2, 3, 3, 4, 4, 5]),
        ("watch-duplicate", {"types": ("ADDED",), "times": 1}, [1, 1, 2, 3, 4, 5]),
        ("watch-reorder", {}, [2, 1, 4, 3, 5]),
        ("watch-reorder", {"skip": 1, "times": 1}, [1, 3, 2, 4, 5]),
    ],
)
def test_events_are_edited(do: str, options: dict[str, Any], heard: list[int]) -> None:
    """They are lost, come twice, or change places, and only those that the rule is about."""

    async def story(it: Proxied) -> None:
        it.rule(do, **options)
        watch = await Watching.open(it)
        watch.say(
            event(1, "ADDED", name="a"), event(2, name="b"), event(3, "DELETED", name="c", namespace="ns"),
            event(4, "ADDED", name="d"), event(5, "BOOKMARK"),
        )  # fmt: skip
        assert await watch.hear(len(heard)) == heard
        assert it.acted > 0
        it.clear()
        watch.say(event(6))
        assert await watch.hear() == [6]

    over(story)


def test_an_event_that_waits_for_its_neighbour_is_not_lost() -> None:
    """It comes when the rule is cleared."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        it.rule("watch-reorder")
        watch.say(event(1))
        assert await watch.silent()
        it.clear()
        assert await watch.hear() == [1]

    over(story)


@pytest.mark.parametrize("code", [410, 500])
def test_an_error_event_ends_open_and_new_watches(code: int) -> None:
    """It is a metav1.Status of that code; the connection can be used again, and the next watch once it is cleared."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        watch.say(event(1))
        assert await watch.hear() == [1]
        it.rule("watch-error", status=code)
        for number in (1, 2):
            said = json.loads(await watch.answer.content.readline())
            assert (said["type"], said["object"]["kind"], said["object"]["code"]) == ("ERROR", "Status", code)
            assert await watch.answer.content.read() == b""
            assert it.acted == number
            if number == 1:
                watch.answer = await it.open(TARGET)
        it.clear()
        it.double.watches.clear()
        again = await Watching.open(it)
        again.say(event(9))
        assert await again.hear() == [9]
        assert [call["ended"] for call in it.calls()] == ["rule", "rule"]

    over(story)


def test_what_is_for_open_watches_leaves_new_ones_alone() -> None:
    """A watch that begins after the rule was set goes on."""

    async def story(it: Proxied) -> None:
        first = await Watching.open(it)
        it.rule("watch-close", open_only=True)
        assert await first.answer.content.read() == b""
        second = await Watching.open(it)
        second.say(event(2))
        assert await second.hear() == [2]
        assert it.acted == 1

    over(story)


def test_a_watch_is_closed_when_it_is_old_enough() -> None:
    """An older one at once, a new one after its time."""

    async def story(it: Proxied) -> None:
        old = await Watching.open(it)
        assert await old.silent()
        it.rule("watch-close", after_s=QUIET_S)
        assert await old.answer.content.read() == b""
        began = time.monotonic()
        new = await Watching.open(it)
        assert await new.answer.content.read() == b""
        assert time.monotonic() - began >= QUIET_S
        assert it.acted == 2

    over(story)


def test_a_broken_watch_breaks() -> None:
    """When the API server's connection is reset in the middle, the operator does not take it for an end."""

    async def story(it: Proxied) -> None:
        watch = await Watching.open(it)
        (operator,) = it.proxy._open
        assert operator.upstream is not None
        operator.upstream.abort()
        with pytest.raises(aiohttp.ClientPayloadError):
            await watch.answer.content.read()

    over(story)


def test_a_thousand_watches_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brings its own events to whom it belongs, and all end when their operator leaves."""
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", TLS_BUFFER)

    async def story(it: Proxied) -> None:
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> Any:
            async with gate:
                return await it.open(f"{TARGET}&timeoutSeconds={number}")

        answers = await asyncio.gather(*(one(number) for number in range(WATCHES)))
        await it.double.watching(WATCHES)
        assert it.proxy.command({"do": "stats"})["watches"] == {"nodes": WATCHES}
        for number, events in enumerate(it.double.watches):
            events.put_nowait(event(number))
        heard = {
            json.loads(await answer.content.readline())["object"]["metadata"]["resourceVersion"] for answer in answers
        }
        assert heard == {str(number) for number in range(WATCHES)}
        for answer in answers:
            answer.close()

        async def none_left(progress: Progress) -> bool | None:
            stats = it.proxy.command({"do": "stats"})
            progress.last = str(stats)
            return stats["connections"] == 0 or None

        await until("all to be gone", none_left, deadline_s=HANG_S)

    over(story, within_s=8 * HANG_S)
