"""Memory that is limited, with a running operator, and a directory and signals of ours in the kernel's place."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.errors import FaultError, PlatformError
from harness.fault import memory
from harness.fault.base import started_again
from harness.operator.supervisor import BackOff
from harness.process.cell import MemoryCell
from tests.unit.fault.running import answers, running

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.embedded import EmbeddedCluster
    from harness.operator.base import OperatorConfig
    from harness.run.world import RunWorld
    from tests.unit.fault.running import Running


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the group will be; a directory, which is removed with whatever is in it."""
    place = tmp_path / "inventory-harness-run"
    monkeypatch.setattr("harness.process.cell.planned", lambda _name, *, pid: MemoryCell(place, 2))  # noqa: ARG005

    def removed(path: Path) -> bool:
        for file in path.glob("*"):
            file.unlink()
        if path.exists():
            path.rmdir()
        return True

    monkeypatch.setattr("harness.process.cell._removed", removed)
    return place


def world_of(one: Running, directory: Path) -> RunWorld:
    """The operator's world, in a run with a directory of its own."""
    run = directory / "run"
    run.mkdir()
    cluster = cast("EmbeddedCluster", SimpleNamespace(directory=run))
    return dataclasses.replace(cast("RunWorld", one.world), cluster=cluster)


def there(group: Path) -> bool:
    """Whether the group is there."""
    return group.exists()


def kill_for_memory(world: RunWorld, group: Path, count: int) -> None:
    """What the kernel does: count, and SIGKILL."""
    (group / "memory.events").write_text(f"oom_kill {count}\n", encoding="ascii")
    os.kill(world.operator.pid, signal.SIGKILL)


async def limited(one: Running, world: RunWorld, group: Path) -> tuple[dict[str, Any], str]:
    """The injection and its evidence, and a second kill, after which the operator is started a third time."""
    one.process.backoff = BackOff(0.01)
    fault = faults.MemoryLimited()
    state = await fault.prepare(world)
    await fault.inject(world, state)
    first = world.operator.pid
    kill_for_memory(world, group, 1)
    said = await fault.bitten(world, state)
    await started_again(world, first)
    second = world.operator.pid
    kill_for_memory(world, group, 2)
    await started_again(world, second)
    return state, said


def test_what_the_kernel_kills_is_noted_as_our_doing(config: OperatorConfig, group: Path, tmp_path: Path) -> None:
    """Each process enters the group; when it is gone the operator starts outside of it, and answers."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world, fault = world_of(one, tmp_path), faults.MemoryLimited()
            own = world.operator.pid
            state, said = await limited(one, world, group)
            assert f"{state['limit']}" == (group / "memory.max").read_text(encoding="ascii")
            assert said.startswith("the kernel has killed the operator 1 times in a control group with a limit of ")
            for _ in range(2):
                await fault.heal(world, state)
            await fault.healed(world, state)
            assert not there(group)
            assert world.held == {}
            assert await answers(config.rest_port) == 503
            exits = [(event["cause"], event["detail"]) for event in one.noted if event["event"] == "exited"]
            assert exits[0] == ("harness", "")
            assert [(cause, said.partition(":")[0]) for cause, said in exits[1:3]] == [
                ("harness", "killed by the kernel for memory")
            ] * 2
            assert own not in {0, world.operator.pid}

    asyncio.run(go())


def test_it_is_undone_from_the_journal(config: OperatorConfig, group: Path, tmp_path: Path) -> None:
    """With nothing held, and a process that is in the group still."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world, fault = world_of(one, tmp_path), faults.MemoryLimited()
            state = json.loads(json.dumps(await fault.prepare(world)))
            await fault.inject(world, dict(state))
            inside = world.operator.pid
            assert (group / "cgroup.procs").read_text(encoding="ascii") == str(inside)
            for held in world.held.values():
                held.close()
            world.held.clear()
            for _ in range(2):
                await fault.heal(world, state)
            await fault.healed(world, state)
            assert world.operator.pid not in {0, inside}
            assert not there(group)
            assert one.process.cell is None

    asyncio.run(go())


@pytest.mark.usefixtures("group")
def test_an_exit_that_the_kernel_did_not_count_is_the_operators_own(config: OperatorConfig, tmp_path: Path) -> None:
    """A process that is in the group may die of something else."""

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world, fault = world_of(one, tmp_path), faults.MemoryLimited()
            state = await fault.prepare(world)
            await fault.inject(world, state)
            inside = world.operator.pid
            os.kill(inside, signal.SIGKILL)
            await started_again(world, inside)
            assert [event["cause"] for event in one.noted if event["event"] == "exited"] == ["harness", "self"]
            await fault.heal(world, state)

    asyncio.run(go())


def test_where_no_group_can_be_made_it_is_said(
    config: OperatorConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is done; the operator has to be supervised, too."""

    def none(_name: str, *, pid: int) -> MemoryCell:
        raise PlatformError(f"no control group for memory can be made here ({pid > 0})", hint="run as root")

    monkeypatch.setattr("harness.process.cell.planned", none)

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world, fault = world_of(one, tmp_path), faults.MemoryLimited()
            with pytest.raises(FaultError, match="memory-limited: no control group") as caught:
                await fault.prepare(world)
            assert caught.value.hint == "run as root"
            one.process.supervised = False
            with pytest.raises(FaultError, match="supervised"):
                await fault.prepare(world)
            with pytest.raises(FaultError, match="not started in a control group"):
                await fault.bitten(world, {})
            one.process.supervised = True

    asyncio.run(go())


def test_a_group_that_could_not_be_made_leaves_the_operator_running(
    config: OperatorConfig, group: Path, tmp_path: Path
) -> None:
    """The injection fails after the operator's end, and the heal starts it."""
    group.mkdir()

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world, fault = world_of(one, tmp_path), faults.MemoryLimited()
            state = await fault.prepare(world)
            with pytest.raises(FaultError, match="no control group for memory can be made here"):
                await fault.inject(world, state)
            assert world.operator.pid == 0
            await fault.heal(world, state)
            assert await answers(config.rest_port) == 503

    asyncio.run(go())


@pytest.mark.parametrize(("share", "least"), [(0.5, 8 << 20), (0.05, 8 << 20)])
def test_the_limit_is_a_share_of_what_the_operator_has(
    config: OperatorConfig, group: Path, tmp_path: Path, share: float, least: int
) -> None:
    """Of its own memory, and never so little that nothing could be started."""
    assert not group.exists()

    async def go() -> None:
        async with running(config, supervised=True) as one:
            world = world_of(one, tmp_path)
            used = memory._in_use(world.operator.pid)
            state = await faults.MemoryLimited(share=share).prepare(world)
            assert least <= state["limit"] <= max(least, 1.2 * share * used)

    asyncio.run(go())
