"""A real API proxy on loopback: what rules do to calls."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from harness.cluster.apirules import NONSENSE, Match
from tests.unit.cluster.proxied import HANG_S, LARGE, NODES, POD, QUIET_S, Proxied, answering, get, over


def test_a_rule_refuses_as_the_api_server_would() -> None:
    """Status, Retry-After and a metav1.Status; nothing reaches the API server, and the connection goes on."""

    async def story(it: Proxied) -> None:
        it.rule("status", status=429, retry_after_s=2, match=Match(resource="nodes"))
        async with it.session.post(it.url(), data=LARGE) as response:
            body = await response.json()
            assert (response.status, response.headers["Retry-After"]) == (429, "2")
        assert (body["kind"], body["code"], body["reason"]) == ("Status", 429, "TooManyRequests")
        assert body["details"] == {"kind": "nodes", "retryAfterSeconds": 2}
        assert it.double.asked == []
        assert (await get(it, POD))[0] == 200
        assert it.acted == 1
        async with it.session.head(it.url()) as response:
            assert response.status == 429
        it.clear()
        assert (await get(it))[0] == 200
        assert it.proxy.command({"do": "stats"})["connections"] == 1
        assert [call["rule"] for call in it.calls()] == ["it", "", "it", ""]

    over(story)


def test_a_rule_acts_on_those_calls_that_it_is_about() -> None:
    """It lets the first ones pass, acts so many times, and then lets pass again."""

    async def story(it: Proxied) -> None:
        it.rule("status", status=503, skip=2, times=2, match=Match(verb="list"))
        assert (await get(it, POD))[0] == 200
        assert [(await get(it))[0] for _ in range(6)] == [200, 200, 503, 503, 200, 200]
        assert it.acted == 2

    over(story)


def test_a_reset_is_no_answer() -> None:
    """The operator's connection breaks and nothing reaches the API server."""

    async def story(it: Proxied) -> None:
        it.rule("reset", times=1)
        with pytest.raises(aiohttp.ClientOSError):
            await it.session.post(it.url(), data=b"x")
        assert (it.double.asked, it.acted) == ([], 1)
        assert (await get(it))[0] == 200

    over(story)


def test_a_call_that_hangs_goes_on_when_the_rule_is_cleared() -> None:
    """Until then nothing reaches the API server, and an operator that gives up is let go."""

    async def story(it: Proxied) -> None:
        it.rule("hang")
        with pytest.raises(TimeoutError):
            await get(it, timeout=aiohttp.ClientTimeout(total=QUIET_S))
        task = asyncio.create_task(get(it))
        _done, waiting = await asyncio.wait([task], timeout=QUIET_S)
        assert waiting
        assert it.double.asked == []
        it.clear()
        assert (await task)[0] == 200
        assert len(it.double.asked) == 1

    over(story)


def test_a_slow_call_is_late_and_no_more() -> None:
    """It arrives after the delay, or at once when the rule is cleared."""

    async def story(it: Proxied) -> None:
        it.rule("delay", delay_s=0.2)
        began = time.monotonic()
        assert (await get(it))[0] == 200
        assert time.monotonic() - began >= 0.2
        it.rule("delay", delay_s=10 * HANG_S)
        task = asyncio.create_task(get(it))
        await asyncio.wait([task], timeout=QUIET_S)
        it.clear()
        assert (await task)[0] == 200

    over(story)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize(("cut", "arrives"), [(0, 0), (7, 7), (100_000, 100_000), (1 << 30, len(LARGE))])
def test_a_truncated_body_is_never_whole(cut: int, arrives: int, chunked: bool) -> None:
    """So many bytes arrive, and then the connection ends before what was announced."""

    def answer() -> web.Response:
        response = web.Response(body=LARGE)
        if chunked:
            response.enable_chunked_encoding()
        return response

    async def story(it: Proxied) -> None:
        it.double.answer = answering(answer)
        it.rule("truncate", after_bytes=cut)
        got = bytearray()
        response = await it.open(NODES)
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await take_all(response, got)
        assert got == LARGE[: len(got)]
        assert len(got) <= arrives
        assert it.acted == 1

    over(story)


async def take_all(response: aiohttp.ClientResponse, into: bytearray) -> None:
    """Read a body, and keep what came before it broke off."""
    async for piece in response.content.iter_any():
        into += piece


def test_garbage_is_an_answer_that_is_none() -> None:
    """It comes with 200 and as JSON, and is none."""

    async def story(it: Proxied) -> None:
        it.rule("garbage")
        async with it.session.get(it.url()) as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert await response.read() == NONSENSE
        assert it.double.asked == []

    over(story)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"do": "dance"}, "unknown command"),
        ({"do": "rule"}, "no rule"),
        ({"do": "rule", "rule": {"id": "x", "match": {}, "action": {"do": "dance"}}}, "dance"),
        ({"do": "rule", "rule": {"id": "x", "match": {"verb": "look"}, "action": {"do": "reset"}}}, "look"),
        ({"do": "rule", "rule": {"id": "x", "match": {}, "action": {"do": "status", "status": 200}}}, "400 to 599"),
        ({"do": "rule", "rule": {"id": "x", "match": {}, "action": {"do": "delay", "delay_s": -1}}}, "below zero"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(body: dict[str, Any], error: str) -> None:
    """The answer says what is wrong."""

    async def story(it: Proxied) -> None:
        assert error in it.proxy.command(body)["error"]

    over(story)
