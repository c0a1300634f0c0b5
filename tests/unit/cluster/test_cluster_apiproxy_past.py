"""A real API proxy on loopback: watches that are gone, the past, and what the API server itself refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from harness.cluster.apirules import Action, ApiRule, Match
from harness.wait import Progress, until
from tests.unit.cluster.proxied import HANG_S, NODES, Proxied, answering, event, get, over

TARGET = f"{NODES}?watch=true&resourceVersion=5"
GONE_EVENT = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'


async def opened(it: Proxied, target: str = TARGET) -> Any:
    """A watch through the proxy that is open at both ends."""
    answer = await it.open(target)
    assert answer.status == 200
    await it.double.watching(1)
    return answer, it.double.watches.pop(0)


@pytest.mark.parametrize("first", [TARGET, f"{NODES}?watch=true"], ids=["with a version", "with none"])
def test_a_watch_that_is_gone_ends_in_order_and_cannot_be_taken_up(first: str) -> None:
    """No ERROR event; whoever takes it up is answered 410 once, wherever it would go on; another one is not."""

    async def story(it: Proxied) -> None:
        answer, _events = await opened(it, first)
        it.rule("watch-gone", match=Match("watch", "nodes"))
        assert await answer.content.read() == b""
        assert (await get(it, NODES))[0] == 200
        again = await it.open(f"{NODES}?watch=true&resourceVersion=9&timeoutSeconds=3")
        body = await again.json()
        assert (again.status, body["kind"], body["reason"]) == (410, "Status", "Expired")
        for target in (TARGET, f"{TARGET}&labelSelector=a", f"{NODES}?watch=true", "/api/v1/pods?watch=1"):
            await opened(it, target)
        assert it.proxy.command({"do": "stats"})["refused"] == []

    over(story)


@pytest.mark.parametrize("do", ["watch-drop", "watch-bookmarks"])
def test_a_watch_of_which_events_were_lost_is_gone_though_it_has_ended(do: str) -> None:
    """Its client may be about to take it up; it is told, and the watch of somebody else goes on where it was."""

    async def story(it: Proxied) -> None:
        it.rule(do, match=Match("watch", "nodes"))
        answer, events = await opened(it)
        events.put_nowait(event(6))
        events.put_nowait(event(7, "BOOKMARK"))
        assert json.loads(await answer.content.readline())["type"] == "BOOKMARK"
        events.put_nowait(None)
        assert await answer.content.read() == b""
        rule = ApiRule("gone", Match("watch", "nodes"), Action("watch-gone"))
        it.proxy.command({"do": "rule", "rule": rule.as_json()})
        it.clear()
        await opened(it, f"{TARGET}&labelSelector=a")
        assert (await it.open(f"{NODES}?watch=true&resourceVersion=7")).status == 410
        await opened(it, f"{NODES}?watch=true&resourceVersion=8")

    over(story)


def test_a_list_is_answered_from_the_past_where_it_may_be() -> None:
    """The API server is asked for exactly that version; a list that wants the latest is left alone."""

    async def story(it: Proxied) -> None:
        it.rule("past", version="7", match=Match("list", "nodes"))
        for query in ("?resourceVersion=0&limit=5", "?resourceVersion=9", "?limit=5", ""):
            assert (await get(it, NODES + query))[0] == 200
        assert [asked["target"] for asked in it.double.asked] == [
            f"{NODES}?limit=5&resourceVersion=7&resourceVersionMatch=Exact",
            f"{NODES}?resourceVersion=9", f"{NODES}?limit=5", NODES,
        ]  # fmt: skip
        assert it.acted == 1

    over(story)


def test_a_watch_that_begins_in_the_past_counts_what_is_repeated() -> None:
    """Two events that its client knew are evidence, the one after them is not; each arrives once."""

    async def story(it: Proxied) -> None:
        it.rule("past", version="3", match=Match("watch", "nodes"))
        answer, events = await opened(it)
        assert it.double.asked[-1]["target"] == f"{NODES}?watch=true&resourceVersion=3"
        for number in (4, 5, 6, 7):
            events.put_nowait(event(number))
        heard = [json.loads(await answer.content.readline()) for _ in range(4)]
        assert [said["object"]["metadata"]["resourceVersion"] for said in heard] == ["4", "5", "6", "7"]
        assert it.acted == 2
        await opened(it, f"{NODES}?watch=true&resourceVersion=2")
        assert it.double.asked[-1]["target"] == f"{NODES}?watch=true&resourceVersion=2"

    over(story)


def test_what_the_api_server_refuses_is_told_apart() -> None:
    """An ERROR event of its own and a refusal count, by verb, resource and code; what a rule refuses does not."""

    async def story(it: Proxied) -> None:
        answer, events = await opened(it)
        events.put_nowait(GONE_EVENT)
        events.put_nowait(None)
        assert await answer.content.read() == GONE_EVENT
        it.double.answer = answering(lambda: web.Response(status=403))
        await get(it)
        it.rule("status", status=503)
        await get(it)

        async def counted(progress: Progress) -> Any:
            progress.last = str(it.proxy.command({"do": "stats"})["refused"])
            found = it.proxy.command({"do": "stats"})["refused"]
            return found if len(found) == 2 else None

        found = await until("both to be counted", counted, deadline_s=HANG_S, interval_s=0.01)
        assert sorted((one["verb"], one["resource"], one["status"], one["count"]) for one in found) == [
            ("list", "nodes", 403, 1), ("watch", "nodes", 410, 1),
        ]  # fmt: skip
        assert [call.get("error") for call in it.calls()] == [410, None, None]

    over(story)


@pytest.mark.parametrize(
    ("second", "heard"),
    [
        (event(2, name="b"), ["2", "1"]),
        (event(2, name="a"), ["1", "2"]),
        (event(2, "DELETED", name="a"), ["1", "2"]),
        (event(2, name="a", namespace="other"), ["2", "1"]),
        (event(2, "BOOKMARK"), ["1", "2"]),
    ],
    ids=["another", "the same", "deleted", "of another namespace", "bookmark"],
)
def test_events_of_one_object_do_not_change_places(second: bytes, heard: list[str]) -> None:
    """Only those of different objects do."""

    async def story(it: Proxied) -> None:
        it.rule("watch-reorder")
        answer, events = await opened(it)
        events.put_nowait(event(1, name="a"))
        events.put_nowait(second)
        said = [json.loads(await answer.content.readline()) for _ in range(2)]
        assert [one["object"]["metadata"]["resourceVersion"] for one in said] == heard

    over(story)
