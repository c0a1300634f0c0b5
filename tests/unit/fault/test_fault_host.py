"""Harm to a process: the reference operator itself, which cannot reach any cluster."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.errors import FaultError
from harness.fault.base import started_again
from harness.fault.host import limit_for
from harness.operator.supervisor import BackOff
from tests.unit.fault.place import injected, undone
from tests.unit.fault.running import Running, answers, running

if TYPE_CHECKING:
    from harness.operator.base import OperatorConfig


def affinity(pid: int) -> list[set[int]]:
    """The processors of each thread."""
    return [
        os.sched_getaffinity(int(thread))
        for thread in sorted(path.name for path in Path(f"/proc/{pid}/task").iterdir())
    ]


def test_a_paused_operator_is_stopped_and_answers_nothing_until_it_goes_on(config: OperatorConfig) -> None:
    """The process is the same afterwards, and answers."""

    async def go() -> None:
        async with running(config) as one:
            pid = one.world.operator.pid
            fault = faults.OperatorPaused()
            state, said = await injected(fault, one.world)
            assert (
                said == f"the operator is stopped; a request to port {config.rest_port} got no answer within a second"
            )
            await undone(fault, one.world, state)
            assert await answers(config.rest_port) == 503
            assert one.world.operator.pid == pid

    asyncio.run(go())


@pytest.mark.parametrize("kind", [faults.OperatorTerminated, faults.OperatorInterrupted], ids=lambda kind: kind.kind)
@pytest.mark.parametrize("supervised", [False, True], ids=["alone", "supervised"])
def test_an_operator_that_is_told_to_end_is_there_again(config: OperatorConfig, kind: Any, *, supervised: bool) -> None:
    """It ends in order, which is noted as ours; its supervisor starts it again, or the heal where there is none."""

    async def go() -> None:
        async with running(config, supervised=supervised) as one:
            before = one.world.operator.pid
            fault = kind()
            state, said = await injected(fault, one.world)
            name = "SIGTERM" if kind is faults.OperatorTerminated else "SIGINT"
            assert said == f"process {before} ended on {name}, with code 0"
            await undone(fault, one.world, state)
            assert one.world.operator.pid not in {0, before}
            assert await answers(config.rest_port) == 503
            again = (
                [("restarting", "supervisor"), ("started", "supervisor")] if supervised else [("started", "harness")]
            )
            assert one.events == [("started", "harness"), ("exited", "harness"), *again]

    asyncio.run(go())


def test_a_crash_loop_kills_what_the_supervisor_starts(config: OperatorConfig) -> None:
    """Each process is another one, and the supervisor waits longer each time; afterwards it is there again."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            one.process.backoff = BackOff(0.01)
            fault = faults.OperatorCrashLoops(kills=3, alive_s=0.0)
            state, said = await injected(fault, one.world)
            await undone(fault, one.world, state)
            assert said.startswith(f"processes {', '.join(map(str, state['killed']))} were killed")
            assert len({*state["killed"], one.world.operator.pid}) == 4
            assert [event["backoff_s"] for event in one.noted if event["event"] == "restarting"] == [0.01, 0.1, 0.2]
            assert await answers(config.rest_port) == 503

    asyncio.run(go())


def test_a_crash_loop_needs_a_supervisor(config: OperatorConfig) -> None:
    """Nobody else would start the operator between the kills."""
    with pytest.raises(FaultError, match="supervised"):
        asyncio.run(faults.OperatorCrashLoops().prepare(Running(config, supervised=False).world))


def test_a_failed_probe_restarts_the_operator(config: OperatorConfig) -> None:
    """It is told to end for that cause, ends on the signal, and is started again by its supervisor."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            before = one.world.operator.pid
            assert await one.process.restart("no nodes reported", grace_s=5.0) == 0
            await started_again(one.world, before)
            assert one.events == [
                ("started", "harness"), ("terminating", "liveness"), ("exited", "liveness"),
                ("restarting", "supervisor"), ("started", "supervisor"),
            ]  # fmt: skip
            assert one.noted[1]["detail"] == "no nodes reported"

    asyncio.run(go())


def test_a_supervisor_leaves_dead_what_it_is_told_to(config: OperatorConfig) -> None:
    """The end is noted before the start that somebody else makes."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            await one.process.kill(again=False)
            await one.process.start()
            assert one.events == [("started", "harness"), ("exited", "harness"), ("started", "harness")]

    asyncio.run(go())


def test_an_operator_without_files_goes_on_when_it_has_them_again(config: OperatorConfig) -> None:
    """It cannot accept while the limit stands, does not end over it, and has exactly its old limits afterwards."""

    async def go() -> None:
        async with running(config) as one:
            pid = one.world.operator.pid
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            fault = faults.FilesLimited()
            state, said = await injected(fault, one.world)
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (state["limit"], before[1])
            assert "16 connections are established, " in said
            await undone(fault, one.world, state)
            assert one.world.held == {}
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == before
            assert await answers(config.rest_port) == 503
            assert one.world.operator.pid == pid
            assert one.process.child is not None
            assert one.process.child.tail(1000).count("cannot accept a connection") == 1

    asyncio.run(go())


def test_the_limits_of_another_process_are_left_alone(config: OperatorConfig) -> None:
    """An operator that was restarted meanwhile has limits of its own, and nothing of the old ones to be undone."""

    async def go() -> None:
        async with running(config) as one:
            fault = faults.FilesLimited()
            state = await fault.prepare(one.world)
            state["limits"] = [64, 64]
            await one.process.kill()
            await one.process.start()
            before = resource.prlimit(one.world.operator.pid, resource.RLIMIT_NOFILE)
            await fault.heal(one.world, state)
            assert resource.prlimit(one.world.operator.pid, resource.RLIMIT_NOFILE) == before

    asyncio.run(go())


def test_a_starved_operator_runs_in_slices_and_answers(config: OperatorConfig) -> None:
    """It is stopped most of the time, answers all the same, and every thread has its processors again afterwards."""

    async def go() -> None:
        async with running(config) as one:
            pid = one.world.operator.pid
            before = affinity(pid)
            fault = faults.ProcessorStarved()
            state, said = await injected(fault, one.world)
            assert f"runs on processor {min(before[0])} alone" in said
            assert affinity(pid) == [{min(before[0])}] * len(before)
            assert await answers(config.rest_port) == 503
            await undone(fault, one.world, state)
            assert one.world.held == {}
            assert affinity(pid) == before
            assert one.process.child is not None
            assert one.process.child.state() != "stopped"

    asyncio.run(go())


def test_a_process_that_is_not_there_cannot_be_harmed(config: OperatorConfig) -> None:
    """The fault says so before anything is written down."""
    one = Running(config, supervised=False)

    for fault in (
        faults.OperatorPaused(),
        faults.OperatorTerminated(),
        faults.FilesLimited(),
        faults.ProcessorStarved(),
    ):
        with pytest.raises(FaultError, match="the operator is not running"):
            asyncio.run(fault.prepare(one.world))


def test_one_that_does_not_end_on_the_signal_is_killed(config: OperatorConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process is deaf to SIGTERM; after the deadline it is killed, and the evidence says so."""
    monkeypatch.setattr("harness.operator.process.END_DEADLINE_S", 0.2)

    async def go() -> None:
        async with running(config) as one:
            before = one.world.operator.pid
            one.world.operator.send(signal.SIGSTOP)
            _state, said = await injected(faults.OperatorTerminated(), one.world)
            assert said == f"process {before} had to be killed: SIGTERM did not end it"

    asyncio.run(go())


@pytest.mark.parametrize(
    ("spare", "taken", "limit"),
    [(1, [], 1), (4, [0, 1, 2], 7), (2, [0, 1, 2, 7], 5), (4, [0, 1, 2, 5, 6], 9), (3, [1000], 3)],
)
def test_a_limit_on_files_leaves_as_many_numbers_as_wanted(spare: int, taken: list[int], limit: int) -> None:
    """Numbers in use above the limit stay in use, and gaps below are what is given first."""
    assert limit_for(spare, taken) == limit
