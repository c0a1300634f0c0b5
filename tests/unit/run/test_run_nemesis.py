"""The nemesis: proof, undo and their record, with faults that harm nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from harness.clock import RunClock
from harness.errors import FaultError
from harness.fault import journal
from harness.history import reader
from harness.history.writer import HistoryWriter
from harness.run.nemesis import Nemesis

if TYPE_CHECKING:
    from pathlib import Path

    from harness.fault.base import Fault, World


@dataclass(slots=True)
class Told:
    """The world of these faults: what was done to it, and the journal's open entries at the moment of each inject."""

    path: Path
    done: list[str]
    open_at_inject: list[list[str]]


@dataclass(frozen=True, slots=True)
class Fake:
    """A fault that fails in the verb named by `breaks`."""

    name: str = "fake"
    breaks: str = ""
    for_s: float = 0.0
    kind: ClassVar[str] = "fake"
    affects: ClassVar[tuple[str, ...]] = ("api",)

    def _step(self, world: Told, verb: str) -> None:
        world.done.append(f"{verb} {self.name}")
        if self.breaks == verb:
            raise FaultError(f"{verb} broke")

    async def prepare(self, world: Told) -> dict[str, Any]:
        """Choose itself."""
        self._step(world, "prepare")
        return {"target": self.name}

    async def inject(self, world: Told, state: dict[str, Any]) -> None:
        """Note what the journal says now."""
        world.open_at_inject.append([str(entry.state["target"]) for entry in journal.pending(world.path)])
        assert state == {"target": self.name}
        self._step(world, "inject")

    async def bitten(self, world: Told, state: dict[str, Any]) -> str:
        """Say so."""
        self._step(world, "bitten")
        return f"{state['target']} hurt"

    async def heal(self, world: Told, state: dict[str, Any]) -> None:
        """Undo."""
        del state
        self._step(world, "heal")

    async def healed(self, world: Told, state: dict[str, Any]) -> None:
        """Be well."""
        del state
        self._step(world, "healed")


def carried_out(tmp_path: Path, *faults: Fake, heal_all: bool = False) -> tuple[Told, list[Any], Path]:
    """What was done, the fault records of the history, and the journal, after these faults in turn."""
    world = Told(tmp_path / journal.FILE_NAME, [], [])
    history = HistoryWriter(tmp_path, RunClock())
    nemesis = Nemesis(cast("World", world), history, journal.Journal(tmp_path))

    async def go() -> None:
        if heal_all:
            for number, fault in enumerate(faults):
                await nemesis._inject(f"{number}-fake", cast("Fault", fault))
            await nemesis.heal_all()
        else:
            await nemesis.run(cast("list[Fault]", list(faults)), pause_s=0.0)

    asyncio.run(go())
    history.add("run", scenario={}, seed=1, operator={}, versions={})
    history.close()
    return world, list(reader.read(tmp_path / "history.jsonl").of("fault")), tmp_path / journal.FILE_NAME


def test_a_fault_is_in_the_journal_before_it_acts_and_closed_after_its_heal(tmp_path: Path) -> None:
    """The undo is on disk at the moment of the harm, and nothing is pending at the end."""
    world, records, path = carried_out(tmp_path, Fake())

    assert world.open_at_inject == [["fake"]]
    assert [record["phase"] for record in records] == ["inject", "injected", "heal", "healed"]
    assert records[1]["bit"] is True
    assert records[1]["evidence"] == "fake hurt"
    assert journal.pending(path) == []


@pytest.mark.parametrize("verb", ["inject", "bitten"])
def test_harm_without_proof_did_not_bite_and_is_undone(tmp_path: Path, verb: str) -> None:
    """A fault that fails half-way is told as not bitten, with the reason, and healed like any other."""
    world, records, path = carried_out(tmp_path, Fake(breaks=verb))

    assert [record["phase"] for record in records] == ["inject", "injected", "heal", "healed"]
    assert (records[1]["bit"], records[1]["evidence"]) == (False, f"{verb} broke")
    assert world.done[-2:] == ["heal fake", "healed fake"]
    assert journal.pending(path) == []


def test_a_fault_that_cannot_be_prepared_harms_nothing(tmp_path: Path) -> None:
    """It is told as failed; there is nothing to undo."""
    world, records, _path = carried_out(tmp_path, Fake(breaks="prepare"))

    assert world.done == ["prepare fake"]
    assert [record["phase"] for record in records] == ["failed"]


@pytest.mark.parametrize("verb", ["heal", "healed"])
def test_a_fault_that_cannot_be_healed_stays_in_the_journal(tmp_path: Path, verb: str) -> None:
    """Whoever looks at the bundle finds what is left to undo, and the run is told of it."""
    _world, records, path = carried_out(tmp_path, Fake(breaks=verb))

    assert records[-1]["phase"] == "failed"
    assert f"could not be healed: {verb} broke" in records[-1]["evidence"]
    assert [entry.state for entry in journal.pending(path)] == [{"target": "fake"}]


def test_the_final_heal_undoes_the_latest_first(tmp_path: Path) -> None:
    """Later harm may stand on earlier harm."""
    world, _records, path = carried_out(tmp_path, Fake("one"), Fake("two"), heal_all=True)

    assert [step for step in world.done if step.startswith("heal ")] == ["heal two", "heal one"]
    assert journal.pending(path) == []
