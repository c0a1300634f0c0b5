"""Harm to the operator's configuration file: the file is real, the operator is not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.cluster.configfile import WAYS, ConfigFile, text
from harness.errors import FaultError
from harness.fault.config import BROKEN
from harness.history import reader
from harness.model.config import ConfigError, is_empty, parse
from harness.run.configured import document
from harness.run.observe import LiveTruth
from tests.unit.fault.place import injected, undone, world_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.fault.base import World
    from harness.history.writer import HistoryWriter
    from harness.run.world import RunWorld

BEFORE = text(("^a$",))


@dataclass
class Operator:
    """Notes what it is told, and what the file said then."""

    path: Path
    running: bool = True
    log: list[tuple[str, str]] = field(default_factory=list)

    async def kill(self, *, again: bool = True) -> None:
        """It is dead, and no supervisor is to start it."""
        assert not again
        self.running = False
        self.log.append(("kill", self.path.read_text(encoding="utf-8")))

    async def start(self) -> None:
        """It runs; a start of one that runs is none."""
        if not self.running:
            self.log.append(("start", self.path.read_text(encoding="utf-8")))
        self.running = True


def world_with(file: ConfigFile, history: HistoryWriter) -> World:
    """A world with that file and an operator."""
    world = cast("RunWorld", world_of(Operator(file.path)))
    world.config, world.live = file, LiveTruth(history)
    return world


def made(tmp_path: Path, how: str) -> ConfigFile:
    """A file that changes in that way."""
    return ConfigFile.create(tmp_path / "config", BEFORE, volume=how == "configmap-swap")


def recorded(history: HistoryWriter) -> list[Any]:
    """What the history says of the file, in order."""
    return [record["body"] for record in reader.read(history.path).of("config")]


@pytest.mark.parametrize("how", WAYS)
def test_a_changed_file_is_read_recorded_and_undone(tmp_path: Path, how: str, history: HistoryWriter) -> None:
    """The evidence is what is read through the operator's path, and the file ends as it was."""
    file = made(tmp_path, how)
    fault = faults.ConfigChanged(exclude=("^b$",), how=how)

    async def go() -> str:
        world = world_with(file, history)
        state, said = await injected(fault, world)
        await undone(fault, world, state)
        return said

    said = asyncio.run(go())
    assert said.startswith("config.yaml reads 'version: v1\\n")
    assert "^b$" in said
    assert (file.read() or "").strip() == BEFORE.strip()
    bodies = recorded(history)
    assert [body for body in bodies if body and "raw" not in body] == [document(text(("^b$",))), document(BEFORE)]
    assert len(bodies) == (6 if how == "in-place" else 2)


def test_a_change_at_a_restart_is_made_while_the_operator_is_dead(tmp_path: Path, history: HistoryWriter) -> None:
    """It is killed with the old file and started with the new one, which stays where it is to stay."""
    file = made(tmp_path, "rename")
    fault = faults.ConfigChanged(exclude=("^b$",), restart_operator=True, for_good=True)
    world = world_with(file, history)

    async def go() -> None:
        state, _said = await injected(fault, world)
        await undone(fault, world, state)

    asyncio.run(go())
    operator = cast("Operator", world.operator)
    assert operator.log == [("kill", BEFORE), ("start", text(("^b$",)))]
    assert file.read() == text(("^b$",))


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_an_error(what: str) -> None:
    """Every bad file is one that an operator must not accept, and only the empty one is not bad for certain."""
    body = document(BROKEN[what])

    assert is_empty(body) is (what == "empty")
    if what != "empty":
        with pytest.raises(ConfigError):
            parse(body)


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("how", WAYS)
def test_a_broken_file_is_good_again(tmp_path: Path, what: str, how: str, history: HistoryWriter) -> None:
    """Each kind in each way is read by whoever reads, recorded as bad, and undone."""
    file = made(tmp_path, how)
    fault = faults.ConfigBroken(what=what, how=how)

    async def go() -> str | None:
        world = world_with(file, history)
        state, _said = await injected(fault, world)
        found = file.read()
        await undone(fault, world, state)
        return found

    found = asyncio.run(go())
    assert (found or "").rstrip("\n") == BROKEN[what].rstrip("\n")
    assert (file.read() or "").strip() == BEFORE.strip()
    assert document(BROKEN[what]) in recorded(history)
    assert recorded(history)[-1] == document(BEFORE)


@pytest.mark.parametrize("how", WAYS)
def test_a_file_that_is_gone_is_back(tmp_path: Path, how: str, history: HistoryWriter) -> None:
    """There is none, which is recorded as bad, and then there is one again."""
    file = made(tmp_path, how)
    fault = faults.ConfigDeleted(how=how)

    async def go() -> str:
        world = world_with(file, history)
        state, said = await injected(fault, world)
        assert file.read() is None
        await undone(fault, world, state)
        return said

    assert asyncio.run(go()) == "config.yaml is not there"
    assert file.read() == BEFORE
    assert recorded(history)[0] == {"raw": None}


def test_a_half_done_change_is_undone(tmp_path: Path, history: HistoryWriter) -> None:
    """A file that was emptied and not written any more gets its old content back."""
    file = made(tmp_path, "in-place")
    fault = faults.ConfigChanged(how="in-place")
    world = world_with(file, history)

    async def go() -> None:
        state = await fault.prepare(world)
        file.path.write_text("", encoding="utf-8")
        await undone(fault, world, state)

    asyncio.run(go())
    assert file.read() == BEFORE


@pytest.mark.parametrize("fault", [faults.ConfigChanged(), faults.ConfigBroken(), faults.ConfigDeleted()])
def test_without_a_file_nothing_can_be_prepared(fault: faults.Fault) -> None:
    """The error says that the scenario has to give the operator one."""
    with pytest.raises(FaultError, match="no configuration file") as caught:
        asyncio.run(fault.prepare(world_of(None)))

    assert "configuration" in caught.value.hint
