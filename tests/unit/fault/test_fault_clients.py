"""Clients that misbehave, against the serving half of the reference operator over real sockets."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from yarl import URL

from harness import faults
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import crowd
from harness.fault.clients import DEAF, DRIP
from harness.reference.defects import DEFECTS
from tests.unit.fault.place import injected, undone, world_of
from tests.unit.reference.serving import see, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.fault.base import Fault, World
    from tests.unit.reference.serving import Serving

ANSWERED_S = 3.0
"""AVAIL-2's objective."""


def around(operator: Serving) -> World:
    """A world whose operator is served by this very process."""
    rest = URL(operator.base).port
    return world_of(SimpleNamespace(rest_port=rest, grpc_port=operator.grpc_port, pid=os.getpid()))


def connections(port: int) -> int:
    """How many established connections to the port this process has the far end of."""
    listed = psutil.Process().net_connections(kind="tcp")
    return sum(one.raddr[1:] == (port,) and one.status == "ESTABLISHED" for one in listed)


def harmed(fault: Fault, check: Callable[[Serving, str], Awaitable[None]], *names: str) -> None:
    """Inject, look, heal; nothing of ours is left then."""

    async def go() -> None:
        async with serving() as operator:
            await see(operator, *names)
            world = around(operator)
            state, evidence = await injected(fault, world)
            await check(operator, evidence)
            await operator.http.close()
            await undone(fault, world, state)
            assert world.held == {}
            assert connections(world.operator.rest_port) == 0

    asyncio.run(go())


async def served(operator: Serving) -> None:
    """Another client, with a connection of its own, is answered in time, over REST and by a query."""
    began = time.monotonic()
    assert (await operator.get("/v1/inventory"))[0] == 200
    assert len((await operator.query()).nodes) > 0
    assert time.monotonic() - began < ANSWERED_S


async def answered_for_ever(operator: Serving) -> None:
    """Ask again and again; raises TimeoutError when there is no answer within a second."""
    while True:
        await operator.get("/v1/inventory")


def test_slow_clients_send_byte_by_byte_and_others_are_served() -> None:
    """The evidence counts connections and bytes, and another client is answered meanwhile."""

    async def check(operator: Serving, evidence: str) -> None:
        assert evidence.startswith("5 connections to port ")
        assert "are established, 5 of them accepted" in evidence
        assert evidence.endswith("bytes of requests were sent, one at a time")
        await served(operator)

    harmed(faults.SlowClients(how=DRIP, count=5), check, "n")


def test_deaf_clients_leave_answers_unread_and_others_are_served() -> None:
    """Every one of them has answers that nobody reads, and another client is answered meanwhile."""

    async def check(operator: Serving, evidence: str) -> None:
        assert "3 connections" in evidence
        assert evidence.endswith("bytes of answers wait unread")
        await served(operator)

    harmed(faults.SlowClients(how=DEAF, count=3), check, "n")


def test_deaf_clients_hold_up_the_others_where_one_is_served_at_a_time() -> None:
    """The saboteur that waits for each client's taking leaves everybody else without an answer."""

    async def go() -> None:
        async with serving(DEFECTS["rest-takes-turns"].behaviour) as operator:
            await see(operator, *(f"node-{number}" for number in range(20)))
            assert (await operator.get("/v1/inventory"))[0] == 200
            world = around(operator)
            fault = faults.SlowClients(how=DEAF, count=2)
            state, _evidence = await injected(fault, world)
            with pytest.raises(TimeoutError):
                await answered_for_ever(operator)
            await undone(fault, world, state)
            assert (await operator.get("/v1/inventory"))[0] == 200

    asyncio.run(go())


def test_idle_connections_are_accepted_and_others_are_served() -> None:
    """The kernel says how many are established and how many the operator holds."""

    async def check(operator: Serving, evidence: str) -> None:
        assert evidence.startswith("120 connections to port ")
        assert evidence.endswith("are established, 120 of them accepted")
        await served(operator)

    harmed(faults.IdleConnections(count=120), check, "n")


def test_half_open_streams_fill_their_window_and_others_are_served() -> None:
    """Each stream has taken its few bytes; a query, another stream and later inventories go on."""

    async def check(operator: Serving, evidence: str) -> None:
        assert evidence.startswith("10 streams have filled their window of 16 bytes; 10 connections to port ")
        assert evidence.endswith("are established, 10 of them accepted")
        await served(operator)
        stream = operator.stream()
        assert [node.name for node in (await stream.read()).nodes] == ["n"]
        await see(operator, "late")
        assert [node.name for node in (await stream.read()).nodes] == ["late", "n"]
        stream.cancel()

    harmed(faults.HalfOpenStreams(count=10), check, "n")


def test_streams_of_an_operator_without_an_inventory_do_not_bite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is ended at once is no half-open stream, and the error says what was seen."""
    monkeypatch.setattr("harness.fault.clients.BITE_DEADLINE_S", 0.3)

    async def go() -> None:
        async with serving() as operator:
            fault, world = faults.HalfOpenStreams(count=2), around(operator)
            state = await fault.prepare(world)
            await fault.inject(world, state)
            with pytest.raises(WaitTimeoutError, match="0 streams have filled their window"):
                await fault.bitten(world, state)
            await undone(fault, world, state)

    asyncio.run(go())


def test_huge_headers_are_sent_whatever_becomes_of_them_and_others_are_served() -> None:
    """The evidence counts bytes and tells how requests ended."""

    async def check(operator: Serving, evidence: str) -> None:
        assert " bytes of headers were sent in " in evidence
        assert " requests of 256 KiB, which met: " in evidence
        await served(operator)

    harmed(faults.HugeHeaders(count=2, size_kib=256), check, "n")


def test_a_client_that_is_hung_up_on_comes_back() -> None:
    """An operator that closes idle connections does not end the fault; the clients' connections are made anew."""

    async def go() -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        fault = faults.IdleConnections(count=2)
        world = world_of(SimpleNamespace(rest_port=port, grpc_port=port, pid=os.getpid()))
        state, _evidence = await injected(fault, world)
        held: Any = world.held[state["key"]]
        async with asyncio.timeout(10):
            while held.connected < 4:
                await asyncio.wait({*held.tasks}, timeout=0.05)
        assert held.endings() == f"hung up ({held.met['hung up']})"
        await undone(fault, world, state)
        server.close()

    asyncio.run(go())


def test_closing_what_is_held_ends_the_clients() -> None:
    """A run that is cut off closes what the world holds; the sockets are gone with the tasks."""

    async def go() -> None:
        async with serving() as operator:
            await see(operator, "n")
            world = around(operator)
            await injected(faults.IdleConnections(count=5), world)
            await operator.http.close()
            assert connections(world.operator.rest_port) == 5
            (held,) = world.held.values()
            held.close()
            assert isinstance(held, crowd.Crowd)
            await asyncio.gather(*held.tasks, return_exceptions=True)
            assert connections(world.operator.rest_port) == 0

    asyncio.run(go())


def test_more_clients_than_this_process_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is harmed then, and the hint says which limit to raise."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (512, 4096))
    world = world_of(SimpleNamespace(rest_port=1, grpc_port=1, pid=1))

    with pytest.raises(FaultError, match="500 connections are more than this process may open") as caught:
        asyncio.run(faults.IdleConnections(count=500).prepare(world))
    assert caught.value.hint == "ulimit -n 600"
