"""The operator's ports, taken by another program: really, by a running operator and a listener of ours."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from typing import TYPE_CHECKING

import pytest

from harness import faults
from harness.errors import FaultError
from harness.fault import base
from harness.fault.port import BOTH, FAMILIES, IPV4, IPV6, listen_on, possible
from harness.process.ports import free
from tests.unit.fault.place import injected, undone
from tests.unit.fault.running import Running, answers, running

if TYPE_CHECKING:
    from harness.operator.base import OperatorConfig

NEEDS_IPV6 = pytest.mark.skipif(not possible(BOTH), reason="this machine has no IPv6")
EVERY = [IPV4, pytest.param(IPV6, marks=NEEDS_IPV6), pytest.param(BOTH, marks=NEEDS_IPV6)]


@pytest.mark.parametrize("port", ["rest", "both"])
@pytest.mark.parametrize("family", EVERY)
def test_a_port_is_taken_in_the_families_that_were_asked_for(config: OperatorConfig, family: str, port: str) -> None:
    """A supervised operator starts while another program has its ports, and serves once that is gone."""
    if family == IPV6:
        config = dataclasses.replace(config, address="0.0.0.0")
    numbers = [config.rest_port, *([config.grpc_port] if port == "both" else [])]

    async def go() -> None:
        async with running(config, supervised=True) as one:
            fault = faults.PortTaken(port=port, family=family)
            state, said = await injected(fault, one.world)
            assert set(one.world.held) == set(numbers)
            assert said.startswith(f"another program listens on {FAMILIES[family]}, port {numbers[0]}")
            assert all(str(number) in said and str(number) in state["target"] for number in numbers)
            await undone(fault, one.world, state)
            assert one.world.held == {}
            assert await answers(config.rest_port) == 503

    asyncio.run(go())


@pytest.mark.parametrize("port", ["rest", "grpc", "both"])
def test_ports_are_stolen_before_the_supervisor_comes(config: OperatorConfig, port: str) -> None:
    """It is killed and its supervisor starts it: all its ports are ours by then."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            before = one.world.operator.pid
            fault = faults.PortTaken(port=port, restart="kill")
            state, _said = await injected(fault, one.world)
            assert one.world.operator.pid not in {0, before}
            assert [event for event in one.events if event[1] == "supervisor"] == [
                ("restarting", "supervisor"), ("started", "supervisor"),
            ]  # fmt: skip
            await undone(fault, one.world, state)
            assert await answers(config.rest_port) == 503

    asyncio.run(go())


def test_ports_that_are_not_held_are_no_evidence(config: OperatorConfig) -> None:
    """Without the harm the ports are the operator's own."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            fault = faults.PortTaken(port="both")
            with pytest.raises(FaultError, match="could not be taken"):
                await fault.bitten(one.world, await fault.prepare(one.world))

    asyncio.run(go())


@pytest.mark.parametrize("family", [IPV6, BOTH])
def test_a_machine_without_ipv6_is_told_before_anything_is_done(
    config: OperatorConfig, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """The port is not even waited for."""
    monkeypatch.setattr("harness.fault.port.possible", lambda _family: False)
    one = Running(config, supervised=True)

    with pytest.raises(FaultError, match=r"no socket for \[::\]"):
        asyncio.run(faults.PortTaken(family=family).prepare(one.world))


@pytest.mark.parametrize(
    ("port", "listeners"), [("rest", (base.REST,)), ("grpc", (base.GRPC,)), ("both", (base.REST, base.GRPC))]
)
def test_each_port_affects_its_own_listener(port: str, listeners: tuple[str, ...]) -> None:
    """A taken REST port is no excuse for gRPC, nor the other way round."""
    assert faults.PortTaken(port=port).affects == (base.OPERATOR, *listeners)


@pytest.mark.parametrize(
    ("family", "taken", "left"),
    [
        (IPV4, [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")], [(socket.AF_INET, "127.0.0.2")]),
        pytest.param(
            IPV6, [(socket.AF_INET6, "::1"), (socket.AF_INET6, "::")],
            [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")], marks=NEEDS_IPV6,
        ),
        pytest.param(BOTH, [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], [], marks=NEEDS_IPV6),
    ],
)  # fmt: skip
def test_a_listener_has_the_port_in_its_families_alone(
    family: str, taken: list[tuple[int, str]], left: list[tuple[int, str]]
) -> None:
    """Nobody else can have it there, and everybody elsewhere; the harness itself does not take such a port either."""
    with listen_on(0, family) as held:
        port = held.getsockname()[1]
        for kind, address in taken:
            with socket.socket(kind, socket.SOCK_STREAM) as other, pytest.raises(OSError, match="in use"):
                other.bind((address, port))
        for kind, address in left:
            with socket.socket(kind, socket.SOCK_STREAM) as other:
                other.bind((address, port))
        assert not free(port)
    assert free(port)


@NEEDS_IPV6
def test_who_serves_both_families_by_one_socket_cannot_while_ipv6_is_taken() -> None:
    """As Go does when it is told to listen on 0.0.0.0: that is what the fault is for."""
    with listen_on(0, IPV6) as held, pytest.raises(OSError, match="in use"):
        listen_on(held.getsockname()[1], BOTH)
