"""The operator's calls on their way from the proxy into the history."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster.apicalls import Call
from harness.cluster.footprint import KEPT_MOST, Calls
from harness.errors import ClusterError
from harness.history import reader
from harness.run import footprint

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


def cluster(calls: Calls) -> Any:
    """As much of a cluster as the observer sees."""

    async def api_calls(*, also_open: bool = False) -> dict[str, Any]:
        return {"calls": calls.fetch(also_open=also_open), "lost": calls.lost}

    return SimpleNamespace(api_calls=api_calls)


def test_each_call_becomes_one_record(history: HistoryWriter) -> None:
    """At the time when it was over, with the time when it began; what is still open is told at the end."""
    calls = Calls()
    began = history.clock.now()
    listed = calls.begin(Call("list", "", "nodes"))
    listed.answer(200)
    calls.finish(listed)
    calls.begin(Call("create", "", "pods", "", "ns"))

    asyncio.run(footprint.record(cluster(calls), history))
    asyncio.run(footprint.record(cluster(calls), history, also_open=True))

    first, second = reader.read(history.path).of("api-call")
    assert (first["verb"], first["resource"], first["status"], first["rule"]) == ("list", "nodes", 200, "")
    assert began <= first["t0"] <= first["t"] <= second["t"] <= history.clock.now()
    assert first["latency_s"] == pytest.approx(first["t"] - first["t0"], abs=1e-4)
    assert (second["verb"], second["namespace"], second["status"]) == ("create", "ns", 0)


def test_calls_that_were_lost_are_no_footprint(history: HistoryWriter) -> None:
    """A record that could not be kept makes the run the harness's own failure, not a quiet gap."""
    calls = Calls()
    for _ in range(KEPT_MOST + 1):
        calls.finish(calls.begin(Call("get")))

    with pytest.raises(ClusterError, match="lost 1 records"):
        asyncio.run(footprint.record(cluster(calls), history))


def test_what_the_api_server_refused_is_counted() -> None:
    """By kind of request and status; what a rule answered in its place is not the API server's."""
    calls = Calls()
    for call, status, rule in (
        (Call("create", "", "pods", "", "ns", "a"), 403, ""),
        (Call("create", "", "pods", "", "ns", "b"), 403, ""),
        (Call("create", "", "pods"), 429, "made-up"),
        (Call("list", "", "pods"), 200, ""),
        (Call("connect", "", "pods", "proxy"), 0, ""),
    ):
        record = calls.begin(call)
        record.answer(status)
        record.rule, record.made_up = rule, bool(rule)
        calls.finish(record)

    kind = {"verb": "create", "resource": "pods", "subresource": ""}
    assert calls.refused() == [{**kind, "status": 403, "count": 2}]


def test_answered_calls_are_counted_by_kind() -> None:
    """Whatever the answer was, whichever object it was about, and not before it is over; no answer is none."""
    calls = Calls()
    for name, status in (("a", 200), ("b", 404), ("c", 0), ("d", 200)):
        record = calls.begin(Call("patch", "", "nodes", "", "", name))
        if status:
            record.answer(status)
        if name != "d":
            calls.finish(record)
    proxied = calls.begin(Call("connect", "", "pods", "proxy", "ns", "x"))
    proxied.answer(200)
    calls.finish(proxied)

    assert calls.answered == {"patch nodes": 2, "connect pods/proxy": 1}
