"""Two faults at once, with parts that harm nothing: in which order they act, and what is undone when one fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from harness import faults
from harness.errors import FaultError
from harness.fault.base import affected, target
from harness.fault.together import Together, parts

if TYPE_CHECKING:
    from harness.fault.base import Fault, World


@dataclass(frozen=True, slots=True)
class Part:
    """A fault that notes what is asked of it, and fails in the verb named by `breaks`."""

    name: str
    breaks: str = ""
    says: tuple[str, ...] = ()
    for_s: float = 0.0
    done: list[str] = field(default_factory=list, compare=False)
    kind: ClassVar[str] = "part"
    affects: ClassVar[tuple[str, ...]] = ("api",)

    def _step(self, verb: str) -> None:
        self.done.append(f"{verb} {self.name}")
        if self.breaks == verb:
            raise FaultError(f"{verb} of {self.name} broke")

    async def prepare(self, _world: World) -> dict[str, Any]:
        """Choose itself, and say what it affects where that is known only now."""
        self._step("prepare")
        return {"target": self.name, **({"affects": list(self.says)} if self.says else {})}

    async def inject(self, _world: World, state: dict[str, Any]) -> None:
        """Do nothing."""
        assert state["target"] == self.name
        self._step("inject")

    async def bitten(self, _world: World, state: dict[str, Any]) -> str:
        """Say so."""
        self._step("bitten")
        return f"{state['target']} bit"

    async def heal(self, _world: World, state: dict[str, Any]) -> None:
        """Undo nothing."""
        assert state["target"] == self.name
        self._step("heal")

    async def healed(self, _world: World, state: dict[str, Any]) -> None:
        """Be well."""
        assert state["target"] == self.name
        self._step("healed")


NOWHERE = cast("World", None)


def both(*, one: str = "", two: str = "", after_s: float = 0.0, second_s: float = 0.0) -> tuple[Together, list[str]]:
    """Two parts, each of which fails in the verb that is named, and what they do."""
    done: list[str] = []
    first, second = Part("one", one, done=done), Part("two", two, for_s=second_s, done=done)
    return Together(cast("Fault", first), cast("Fault", second), after_s=after_s), done


async def carried_out(fault: Together) -> str:
    """All verbs in turn; the evidence."""
    state = await fault.prepare(NOWHERE)
    await fault.inject(NOWHERE, state)
    evidence = await fault.bitten(NOWHERE, state)
    await fault.heal(NOWHERE, state)
    await fault.healed(NOWHERE, state)
    return evidence


def test_the_second_is_over_before_the_first_must_show_that_it_bit() -> None:
    """Both are prepared before either acts; the second is healed as soon as it lasted its time, and again last."""
    fault, done = both()

    assert asyncio.run(carried_out(fault)) == "one bit; two bit"
    assert done == [
        "prepare one", "prepare two", "inject one", "inject two",
        "bitten two", "heal two", "healed two", "bitten one",
        "heal two", "heal one", "healed two", "healed one",
    ]  # fmt: skip


def test_the_second_begins_after_the_time_that_was_asked_for() -> None:
    """It is counted from the injection of the first, which is open meanwhile."""
    fault, done = both(after_s=0.1)
    began = time.monotonic()

    asyncio.run(fault.inject(NOWHERE, {"first": {"target": "one"}, "second": {"target": "two"}}))

    assert time.monotonic() - began >= 0.1
    assert done == ["inject one", "inject two"]


def test_the_second_lasts_its_own_time_from_its_evidence_on() -> None:
    """It is not healed before."""
    fault, done = both(second_s=0.1)
    began = time.monotonic()

    asyncio.run(fault.bitten(NOWHERE, {"first": {"target": "one"}, "second": {"target": "two"}}))

    assert time.monotonic() - began >= 0.1
    assert done == ["bitten two", "heal two", "healed two", "bitten one"]


def test_one_that_cannot_be_healed_does_not_keep_the_other() -> None:
    """The first is undone although the heal of the second fails, and the failure is told."""
    fault, done = both(two="heal")

    with pytest.raises(FaultError, match="heal of two broke"):
        asyncio.run(fault.heal(NOWHERE, {"first": {"target": "one"}, "second": {"target": "two"}}))
    assert done == ["heal two", "heal one"]


@pytest.mark.parametrize(("one", "two"), [("bitten", ""), ("", "bitten")])
def test_both_must_show_that_they_bit(one: str, two: str) -> None:
    """Without the evidence of either there is none."""
    fault, _done = both(one=one, two=two)

    with pytest.raises(FaultError, match=f"bitten of {'one' if one else 'two'} broke"):
        asyncio.run(carried_out(fault))


def test_a_first_that_cannot_be_done_leaves_the_second_undone() -> None:
    """There is no harm of the second without that of the first."""
    fault, done = both(one="inject")

    with pytest.raises(FaultError, match="inject of one broke"):
        asyncio.run(carried_out(fault))
    assert done[-1] == "inject one"


def test_what_either_affects_is_affected() -> None:
    """Each word once; what a part says when it is prepared counts more than what its kind says."""
    one, two = Part("one", says=("member",)), Part("two")
    fault = Together(cast("Fault", one), cast("Fault", two))

    state = asyncio.run(fault.prepare(NOWHERE))

    assert affected(fault, state) == ["member", "api"]
    assert target(state) == "part one, part two"
    assert set(fault.affects) == {"api"}


def test_the_whole_lasts_as_long_as_its_first() -> None:
    """It has no length of its own."""
    assert Together(faults.NodeSilent(for_s=9.0), faults.LeaderMoved(for_s=8.0)).for_s == 9.0


def test_parts_are_the_simple_faults_in_order() -> None:
    """However deep they stand."""
    one, two, three = faults.NodeSilent(), faults.LeaderMoved(), faults.Compacted()

    assert parts(Together(one, Together(two, three))) == [one, two, three]
    assert parts(one) == [one]
