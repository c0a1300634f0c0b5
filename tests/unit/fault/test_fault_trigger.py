"""Triggers: what has come already counts for nothing, what is waited for is seen, and what was seen last is told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.fault.trigger import (
    COUNTED_VERBS,
    TRIGGERS,
    DiscoveryPodRunning,
    OperatorCalls,
    RestAnswers,
    TrafficDone,
)
from harness.wait import Progress
from tests.unit.fault.world import Api, pod

if TYPE_CHECKING:
    from harness.fault.base import World
    from harness.fault.trigger import Trigger


class Proxy:
    """A cluster whose proxy has counted calls."""

    def __init__(self) -> None:
        self.answered = {"patch nodes": 3}

    async def api_stats(self) -> dict[str, Any]:
        """What was counted."""
        return {"answered": self.answered}


def looked(trigger: Trigger, world: Any, *changes: Any) -> tuple[list[str | None], str]:
    """What the trigger sees after it was armed and after each change, and what it told last."""

    async def go() -> tuple[list[str | None], str]:
        progress = Progress()
        armed = await trigger.arm(cast("World", world))
        found = [await trigger.seen(cast("World", world), armed, progress)]
        for change in changes:
            change()
            found.append(await trigger.seen(cast("World", world), armed, progress))
        return found, progress.last

    return asyncio.run(go())


def test_calls_are_counted_from_the_arming_on() -> None:
    """What the operator did before is no first patch; the second call is not the first."""
    proxy = Proxy()
    world = SimpleNamespace(cluster=proxy)

    found, last = looked(
        OperatorCalls("patch", "nodes", count=2), world,
        lambda: proxy.answered.update({"patch nodes": 4, "list nodes": 9}),
        lambda: proxy.answered.update({"patch nodes": 5}),
    )  # fmt: skip

    assert found == [None, None, "2 calls to patch nodes since"]
    assert last == "2 calls to patch nodes since"


def test_calls_about_anything_are_counted_together() -> None:
    """Of that verb alone."""
    proxy = Proxy()
    found, last = looked(
        OperatorCalls("list", "*", count=2), SimpleNamespace(cluster=proxy),
        lambda: proxy.answered.update({"list pods": 1, "patch nodes": 9}),
        lambda: proxy.answered.update({"list nodes": 1}),
    )  # fmt: skip

    assert found == [None, None, last] == [None, None, "2 calls to list anything since"]


def test_a_discovery_pod_that_runs_already_is_not_the_first() -> None:
    """A pod counts by uid, when it is Running, and on the node that is asked for."""
    api = Api()
    api.put(pod("one", "worker-1", "u1"), pod("two", "worker-2", "u2", phase="Pending"))
    world = SimpleNamespace(cluster=SimpleNamespace(client=api))

    def runs(name: str, node: str, uid: str) -> Any:
        return lambda: api.put(pod(name, node, uid))

    assert looked(DiscoveryPodRunning(), world, runs("one", "worker-1", "u3"))[0] == [None, "one is Running"]
    found, last = looked(
        DiscoveryPodRunning("worker-2"), world, runs("one", "worker-1", "u4"), runs("two", "worker-2", "u2")
    )
    assert found == [None, None, "two is Running"]
    assert last == "1 discovery pods run, 1 of them new"


def test_traffic_is_counted_from_the_arming_on() -> None:
    """Operations before it count for nothing."""
    world = SimpleNamespace(operations=30)

    found, _last = looked(
        TrafficDone(10), world,
        lambda: setattr(world, "operations", 39), lambda: setattr(world, "operations", 40),
    )  # fmt: skip

    assert found == [None, None, "10 operations since"]


def test_an_answer_counts_when_it_is_of_another_process() -> None:
    """The operator that answered before is not waited for; neither is one that does not listen yet."""

    async def go() -> list[str | None]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        operator = SimpleNamespace(pid=7, rest_port=port)
        world = cast("World", SimpleNamespace(operator=operator))
        trigger, progress = RestAnswers(), Progress()
        armed = await trigger.arm(world)
        found = [await trigger.seen(world, armed, progress)]
        for pid in (0, 8):
            operator.pid = pid
            found.append(await trigger.seen(world, armed, progress))
        server.close()
        await server.wait_closed()
        found.append(await trigger.seen(world, armed, progress))
        assert "does not answer" in progress.last
        return found

    assert asyncio.run(go()) == [None, None, "process 8 answered 'HTTP/1.1 503 Service Unavailable'", None]


@pytest.mark.parametrize("kind", sorted(TRIGGERS))
def test_every_trigger_says_what_it_waits_for(kind: str) -> None:
    """In words that end a sentence."""
    given = {"operator-calls": {"verb": "patch", "resource": "nodes"}}.get(kind, {})

    assert len(TRIGGERS[kind](**given).awaited) > 15


def test_watches_are_not_counted() -> None:
    """They are over only when they end."""
    assert "watch" not in COUNTED_VERBS
    assert {"list", "patch", "create"} <= set(COUNTED_VERBS)
