"""The nemesis: proof, undo and their record, with faults that harm nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from harness.clock import RunClock
from harness.errors import FaultError
from harness.fault import journal, perimeter
from harness.fault.schedule import After, Once, Parallel, Sequence, Stagger, Until, unfold
from harness.history import reader
from harness.history.writer import HistoryWriter
from harness.run.nemesis import Nemesis
from harness.seed import stream
from tests.unit.fault.around import Around, Process, node

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from harness.fault.base import World
    from harness.fault.schedule import Step
    from harness.wait import Progress


@dataclass(slots=True)
class Told:
    """The world of these faults: what was done to it, and the journal's open entries at the moment of each inject."""

    path: Path
    done: list[str]
    open_at_inject: list[list[str]]
    cluster: Around = field(default_factory=Around)
    rng: random.Random | None = None

    @property
    def operator(self) -> Around:
        """Its state."""
        return self.cluster

    def drawing(self, rng: random.Random) -> Told:
        """The same, with random choices of its own."""
        return dataclasses.replace(self, rng=rng)


@dataclass(frozen=True, slots=True)
class Fake:
    """A fault that fails in the verb named by `breaks`."""

    name: str = "fake"
    breaks: str = ""
    for_s: float = 0.0
    _does: Callable[[Told], object] = bool
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
        assert state["target"] == self.name
        self._does(world)
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


@dataclass(frozen=True, slots=True)
class Done:
    """A trigger that fires once a step has been done; one that was done before it was armed counts for nothing."""

    step: str
    kind: ClassVar[str] = "done"

    @property
    def awaited(self) -> str:
        """The step."""
        return f"{self.step} to be done"

    async def arm(self, world: Told) -> dict[str, Any]:
        """How often it was done."""
        return {"had": world.done.count(self.step)}

    async def seen(self, world: Told, armed: dict[str, Any], progress: Progress) -> str | None:
        """It was done once more."""
        progress.last = f"{len(world.done)} steps"
        return "it was done" if world.done.count(self.step) > armed["had"] else None


def done(step: str) -> Any:
    """The trigger, for any schedule."""
    return Done(step)


def carried_out(
    tmp_path: Path, *steps: Any, heal_all: bool = False, cluster: Around | None = None
) -> tuple[Told, list[Any], Path]:
    """What was done, the fault records of the history, and the journal, after these steps in turn."""
    world = Told(tmp_path / journal.FILE_NAME, [], [], cluster or Around())
    history = HistoryWriter(tmp_path, RunClock())
    nemesis = Nemesis(cast("World", world), history, journal.Journal(tmp_path))

    async def go() -> None:
        if heal_all:
            for number, fault in enumerate(steps):
                await nemesis._inject(f"{number}-fake", fault)
        else:
            await nemesis.run(unfold(cast("tuple[Step, ...]", steps), 0.0, stream(1)))
        await nemesis.heal_all()

    asyncio.run(go())
    history.add("run", scenario={}, seed=1, operator={}, versions={})
    history.close()
    return world, records(tmp_path, "fault"), tmp_path / journal.FILE_NAME


def records(tmp_path: Path, kind: str) -> list[Any]:
    """What the history holds of a kind."""
    return list(reader.read(tmp_path / "history.jsonl").of(kind))


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


def named(*names: str, **values: Any) -> tuple[Any, ...]:
    """Faults of these names."""
    return tuple(Fake(name, **values) for name in names)


def test_faults_in_parallel_overlap_and_each_has_its_own_records(tmp_path: Path) -> None:
    """Both are open at once, with ids of their own, and each is healed when it has lasted its time."""
    _world, told, path = carried_out(tmp_path, Parallel((*named("one", for_s=0.2), Once(*named("two")))))

    phases = {name: [r["phase"] for r in told if r["id"] == name] for name in ("0-fake", "1-fake")}
    assert phases == {name: ["inject", "injected", "heal", "healed"] for name in phases}
    assert [r["target"] for r in told if r["phase"] == "healed"] == ["two", "one"]
    assert journal.pending(path) == []


def test_what_a_trigger_waits_for_is_not_missed(tmp_path: Path) -> None:
    """All triggers of a parallel are armed before its branches begin, and the step follows what was seen."""
    one, two = named("one", "two")
    world, _told, _path = carried_out(tmp_path, Parallel((one, After(done("heal one"), two))))

    assert world.done.index("inject two") > world.done.index("heal one")
    trigger = records(tmp_path, "trigger")
    assert [(r["id"], r["trigger"], r["phase"], r["seen"]) for r in trigger] == [
        ("t0-done", "done", "armed", ""), ("t0-done", "done", "fired", "it was done"),
    ]  # fmt: skip


def test_a_trigger_that_never_fires_leaves_its_step_out_and_says_what_was_seen(tmp_path: Path) -> None:
    """The rest goes on; what was waited for, and what was seen last, is in the history."""
    one, two = named("one", "two")
    world, _told, _path = carried_out(tmp_path, After(done("the end"), one, deadline_s=0.05), two)

    assert [step for step in world.done if step.startswith("inject")] == ["inject two"]
    last = records(tmp_path, "trigger")[-1]
    assert (last["phase"], last["awaited"]) == ("expired", "the end to be done")
    assert "last seen: 0 steps" in last["seen"]


def test_a_fault_until_a_trigger_lasts_as_long(tmp_path: Path) -> None:
    """Its own length counts for nothing, and it is healed when the trigger fires."""
    one, two = named("one", "two")
    world, _told, _path = carried_out(
        tmp_path, Parallel((Until(named("long", for_s=500.0)[0], done("heal two")), Sequence((one, two), pause_s=0.0)))
    )

    assert world.done.index("heal long") > world.done.index("heal two")


def test_a_fault_until_a_trigger_that_never_fires_is_healed_at_the_deadline(tmp_path: Path) -> None:
    """A schedule always heals."""
    world, told, _path = carried_out(tmp_path, Until(cast("Any", Fake()), done("the end"), deadline_s=0.05))

    assert told[-1]["phase"] == "healed"
    assert world.done[-1] == "healed fake"
    assert records(tmp_path, "trigger")[-1]["phase"] == "expired"


def test_what_cannot_be_healed_while_another_is_open_is_healed_in_the_end(tmp_path: Path) -> None:
    """The other may be what is in the way: it is tried again, and only then told as failed."""
    tries: list[str] = []

    @dataclass(frozen=True, slots=True)
    class Stubborn(Fake):
        async def heal(self, world: Told, state: dict[str, Any]) -> None:
            tries.append("heal")
            if len(tries) == 1:
                raise FaultError("the API server is away")
            await Fake.heal(self, world, state)

    world, told, path = carried_out(tmp_path, Parallel((*named("one", for_s=0.2), cast("Any", Stubborn("two")))))

    assert tries == ["heal", "heal"]
    assert world.done[-2:] == ["heal two", "healed two"]
    assert [r["phase"] for r in told if r["id"] == "1-fake"] == ["inject", "injected", "heal", "heal", "healed"]
    assert journal.pending(path) == []


def test_choices_of_a_schedule_do_not_depend_on_what_goes_on_beside(tmp_path: Path) -> None:
    """Each injection draws from a seed of its own, in whatever order they come to it."""
    drawn: dict[str, float] = {}

    @dataclass(frozen=True, slots=True)
    class Draws(Fake):
        async def prepare(self, world: Told) -> dict[str, Any]:
            assert world.rng is not None
            drawn[self.name] = world.rng.random()
            return await Fake.prepare(self, world)

    def of(directory: str, *gaps: float) -> dict[str, float]:
        drawn.clear()
        (tmp_path / directory).mkdir()
        pair = tuple(Once(cast("Any", Draws(name)), gap) for name, gap in zip(("one", "two"), gaps, strict=True))
        carried_out(tmp_path / directory, Parallel(pair))
        return dict(sorted(drawn.items()))

    assert of("first", 0.0, 0.1) == of("second", 0.1, 0.0)
    assert len(set(drawn.values())) == 2


def test_what_was_touched_beside_the_target_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the injection and after the heal, with how much was looked at."""
    monkeypatch.setattr(perimeter, "SETTLE_S", 0.05)
    cluster = Around({"a": node("a")}, {"etcd": Process(1)})

    carried_out(tmp_path, Fake(), Fake(_does=lambda world: world.cluster.nodes.clear()), cluster=cluster)

    assert [(r["id"], r["phase"], r["examined"], r["strays"]) for r in records(tmp_path, "radius")] == [
        ("0-fake", "injected", 2, []), ("0-fake", "healed", 2, []),
        ("1-fake", "injected", 1, ["node a is gone"]), ("1-fake", "healed", 1, ["node a is gone"]),
    ]  # fmt: skip


def test_a_stagger_does_not_wait_for_what_began_before(tmp_path: Path) -> None:
    """The second begins while the first is open."""
    world, _told, _path = carried_out(tmp_path, Stagger(named("one", "two", for_s=0.2), every_s=0.1, jitter=0.0))

    assert world.open_at_inject == [["one"], ["one", "two"]]
