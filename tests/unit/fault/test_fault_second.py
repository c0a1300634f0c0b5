"""A second operator beside the first: real processes, and an API server in memory for the pods of both."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from harness import faults
from harness.errors import FaultError
from harness.process.ports import Ports
from tests.unit.fault.running import answers, running
from tests.unit.fault.world import PREFIX, fake, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.cluster.embedded import EmbeddedCluster
    from harness.operator.base import OperatorConfig
    from harness.run.world import RunWorld
    from tests.unit.fault.running import Running


class Cluster:
    """Pods, and ports for whoever asks."""

    def __init__(self) -> None:
        self.ports = Ports()
        self.client = fake(pod(PREFIX + "n1", "n1", "u1")).api

    def take_port(self) -> int:
        """One of our own."""
        return self.ports.take()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of one discovery pod."""
    one = Cluster()
    yield one
    one.ports.release()


def world_of(one: Running, cluster: Cluster) -> RunWorld:
    """The operator's world, with that cluster."""
    world = cast("RunWorld", one.world)
    return dataclasses.replace(world, cluster=cast("EmbeddedCluster", cluster))


def test_two_operators_run_until_the_second_is_ended(config: OperatorConfig, cluster: Cluster) -> None:
    """The second answers on a port of its own, ends in order, and nothing of it is noted; the first goes on."""

    async def go() -> None:
        async with running(config) as one:
            world, fault = world_of(one, cluster), faults.SecondOperator()
            first = world.operator.pid
            state = await fault.prepare(world)
            await fault.inject(world, state)
            said = await fault.bitten(world, state)
            second = int(said.split(" and ")[1].split()[0])
            assert said.startswith(f"processes {first} and {second} run at once; the second: port {state['port']} ")
            assert said.endswith("; 1 of 1 discovery pods are the first one's still")
            assert state["port"] not in {config.rest_port, config.grpc_port}
            assert psutil.Process(second).is_running()
            for _ in range(2):
                await fault.heal(world, state)
            await fault.healed(world, state)
            assert not psutil.pid_exists(second)
            assert world.held == {}
            assert (await answers(config.rest_port), world.operator.pid) == (503, first)
            assert one.events == [("started", "harness")]
            assert (one.process.log_dir / "second-operator.stderr.log").exists()

    asyncio.run(go())


def test_a_second_operator_that_was_not_started_is_no_evidence(config: OperatorConfig, cluster: Cluster) -> None:
    """The first alone shows nothing."""

    async def go() -> None:
        async with running(config) as one:
            world, fault = world_of(one, cluster), faults.SecondOperator()
            with pytest.raises(FaultError, match="no second operator"):
                await fault.bitten(world, await fault.prepare(world))

    asyncio.run(go())


@pytest.mark.parametrize("gone", ["first", "second"])
def test_one_operator_is_not_two(config: OperatorConfig, cluster: Cluster, gone: str) -> None:
    """Where either has ended, or the first is another by now, there is no evidence; what is held ends with the run."""

    async def go() -> None:
        async with running(config) as one:
            world, fault = world_of(one, cluster), faults.SecondOperator()
            state = await fault.prepare(world)
            await fault.inject(world, state)
            await fault.bitten(world, state)
            if gone == "first":
                await one.process.kill()
                with pytest.raises(FaultError, match="do not run at once"):
                    await fault.bitten(world, state)
            for held in world.held.values():
                held.close()
            await fault.heal(world, state)
            assert world.held == {}

    asyncio.run(go())
