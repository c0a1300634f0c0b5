"""Two faults at once: the second begins while the first is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.fault.base import Fault, State, World, affected, target
from harness.wait import interval

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True, slots=True)
class Together:
    """`second` is injected `after_s` seconds after the injection of `first`, lasts its own time, and is healed.

    Only then must `first` show that it bit: what shows it may not be seen while `second` lasts. `first` lasts its own
    time from then on.
    """

    first: Fault
    second: Fault
    after_s: float = 0.0
    kind: ClassVar[str] = "together"

    @property
    def affects(self) -> tuple[str, ...]:
        """What either makes impossible."""
        return (*self.first.affects, *self.second.affects)

    @property
    def for_s(self) -> float:
        """How long the first lasts after its evidence."""
        return self.first.for_s

    async def prepare(self, world: World) -> State:
        """Both prepare, before either acts."""
        first, second = await self.first.prepare(world), await self.second.prepare(world)
        affects = list(dict.fromkeys([*affected(self.first, first), *affected(self.second, second)]))
        named = f"{self.first.kind} {target(first)}, {self.second.kind} {target(second)}"
        return {"target": named, "first": first, "second": second, "affects": affects}

    async def inject(self, world: World, state: State) -> None:
        """One, and soon the other."""
        await self.first.inject(world, state["first"])
        await interval(self.after_s)
        await self.second.inject(world, state["second"])

    async def bitten(self, world: World, state: State) -> str:
        """The second's evidence, its end, and then the first's evidence."""
        second = await self.second.bitten(world, state["second"])
        await interval(self.second.for_s)
        await self.second.heal(world, state["second"])
        await self.second.healed(world, state["second"])
        return f"{await self.first.bitten(world, state['first'])}; {second}"

    async def heal(self, world: World, state: State) -> None:
        """Both, whatever is left; a failure of one does not keep the other from being undone."""
        try:
            await self.second.heal(world, state["second"])
        finally:
            await self.first.heal(world, state["first"])

    async def healed(self, world: World, state: State) -> None:
        """Both are over."""
        await self.second.healed(world, state["second"])
        await self.first.healed(world, state["first"])


def parts(fault: Any) -> list[Fault]:
    """The simple faults that a fault is made of."""
    return [*parts(fault.first), *parts(fault.second)] if isinstance(fault, Together) else [fault]
