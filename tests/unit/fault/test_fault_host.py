"""Harm to a process: the reference operator itself, which cannot reach any cluster."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.errors import FaultError
from harness.fault import evidence
from harness.fault.base import started_again
from harness.fault.host import limit_for
from harness.operator.base import OperatorConfig, parse
from harness.operator.process import OperatorProcess
from harness.operator.supervisor import BackOff
from harness.process.ports import Ports
from harness.run.world import RunControl
from harness.wait import Progress, until
from tests.unit.fault.place import injected, undone, world_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from harness.fault.base import World

BOTH_FAMILIES = pytest.mark.skipif(not evidence.dual_stack(), reason="this machine has no IPv6")

NOWHERE = """\
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
users: [{name: nobody, user: {token: none}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[OperatorConfig]:
    """What the operator is started with: a cluster that is nowhere."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(NOWHERE, encoding="utf-8")
    ports = Ports()
    yield OperatorConfig(kubeconfig, ports.take(), ports.take(), "http://127.0.0.1:1", "akash-services")
    ports.release()


class Running:
    """The operator, and what was noted of its process."""

    def __init__(self, config: OperatorConfig, *, supervised: bool) -> None:
        self.noted: list[dict[str, Any]] = []
        self.process = OperatorProcess(
            parse("reference"), config, config.kubeconfig.parent, dict(os.environ), self._note, supervised
        )
        self.world: World = world_of(RunControl(self.process))

    def _note(self, **fields: Any) -> None:
        self.noted.append(fields)

    @property
    def events(self) -> list[tuple[str, str]]:
        """What happened to the process, and who did it."""
        return [(event["event"], event["cause"]) for event in self.noted]


async def answers(port: int) -> int:
    """The status of a REST answer on a connection of its own, as soon as there is one."""

    async def told(progress: Progress) -> int | None:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /v1/inventory HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
                line = await reader.readline()
                writer.close()
        except (OSError, TimeoutError) as exc:
            progress.last = repr(exc)
            return None
        return int(line.split()[1]) if line else None

    return await until("an answer", told, deadline_s=20.0)


@asynccontextmanager
async def running(config: OperatorConfig, *, supervised: bool = False) -> AsyncIterator[Running]:
    """An operator that answers, ended with the block."""
    one = Running(config, supervised=supervised)
    await one.process.start()
    try:
        await answers(config.rest_port)
        yield one
    finally:
        for held in one.world.held.values():
            held.close()
        await one.process.stop()


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


@pytest.mark.parametrize("family", ["ipv4", pytest.param("both", marks=BOTH_FAMILIES)])
def test_a_port_is_taken_in_the_families_that_were_asked_for(config: OperatorConfig, family: str) -> None:
    """A supervised operator starts while another program has its port, and serves once that is gone."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            fault = faults.PortTaken(family=family)
            state, said = await injected(fault, one.world)
            address = "127.0.0.1" if family == "ipv4" else "[::]"
            assert said.startswith(f"another program listens on {address}:{config.rest_port} ")
            await undone(fault, one.world, state)
            assert await answers(config.rest_port) == 503

    asyncio.run(go())


def test_a_machine_without_ipv6_is_told_before_anything_is_done(
    config: OperatorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is not even waited for."""
    monkeypatch.setattr("harness.fault.evidence.dual_stack", lambda: False)
    one = Running(config, supervised=True)

    with pytest.raises(FaultError, match="no socket for IPv4 and IPv6 at once"):
        asyncio.run(faults.PortTaken(family="both").prepare(one.world))


@BOTH_FAMILIES
def test_a_listener_everywhere_has_the_port_in_both_families() -> None:
    """Nobody else can have it, on 127.0.0.1 or on ::1."""
    with evidence.listen_on(0, everywhere=True) as taken:
        port = taken.getsockname()[1]
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_STREAM) as other, pytest.raises(OSError, match="in use"):
                other.bind((address, port))
