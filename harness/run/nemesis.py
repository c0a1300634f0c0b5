"""The nemesis: carries out a scenario's schedule of faults, proves that they bit, undoes them, and looks around.

What was touched beside a fault's target is told by `harness.fault.perimeter` after the injection and after the heal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.concurrent import all_of
from harness.errors import ClusterError, FaultError, HarnessError, OperatorError, WaitTimeoutError
from harness.fault import catalog
from harness.fault.base import Fault, State, World, affected, target
from harness.fault.journal import Entry, Journal
from harness.fault.perimeter import Perimeter
from harness.fault.schedule import Act, AtOnce, Awaited, Injection, InOrder, Pause
from harness.fault.trigger import LOOK_S
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


NO_PROOF = (ClusterError, FaultError, OperatorError, WaitTimeoutError)
"""What a fault may raise that cannot be done, or cannot show that it was."""


@dataclass(slots=True)
class Nemesis:
    """Carries out a schedule; what is harmed and not yet healed stands in `open`, oldest first."""

    world: World
    history: HistoryWriter
    journal: Journal
    open: dict[str, tuple[Fault, State]] = field(default_factory=dict)
    perimeter: Perimeter = field(init=False)

    def __post_init__(self) -> None:
        self.perimeter = Perimeter(self.world)

    async def run(self, act: Act, armed: State | None = None) -> None:
        """Carry out an act and all that it is made of; `armed`: what its trigger was armed with, if it was already."""
        match act:
            case Pause():
                await interval(act.seconds)
            case InOrder():
                for one in act.acts:
                    await self.run(one)
            case AtOnce():
                # Armed before anything begins: what a branch brings about must not be over when it is waited for.
                ready = [(one, await self._arm(one) if isinstance(one, Awaited) else None) for one in act.acts]
                await all_of(*(self.run(one, state) for one, state in ready))
            case Awaited():
                if await self._fired(act, await self._arm(act) if armed is None else armed) and act.act is not None:
                    await self.run(act.act)
            case Injection():
                await self._carry_out(act)

    async def heal_all(self) -> None:
        """Undo whatever is still harmed, latest first."""
        for name in reversed(list(self.open)):
            await self._heal(name, last=True)

    async def _carry_out(self, act: Injection) -> None:
        """Inject, hold and heal one fault."""
        armed = None if act.until is None else await self._arm(act.until)
        if await self._inject(act.id, act.fault, act.seed):
            if act.until is None or armed is None:
                await interval(act.fault.for_s)
            else:
                await self._fired(act.until, armed)
        await self._heal(act.id)

    async def _inject(self, name: str, fault: Fault, seed: int | None = None) -> bool:
        """Do the harm and prove it; False when there is no proof."""
        world = self.world if seed is None else self.world.drawing(random.Random(seed))  # noqa: S311 - repeatable
        try:
            state = await fault.prepare(world)
        except (ClusterError, FaultError, WaitTimeoutError) as exc:
            self._note(name, fault, {}, "failed", evidence=f"could not be prepared: {exc.what}")
            return False
        await self.perimeter.enter(name, fault, state)
        self.journal.open(Entry(name, fault.kind, catalog.to_json(fault), state))
        self.open[name] = (fault, state)
        self._note(name, fault, state, "inject")
        try:
            await fault.inject(world, state)
            said = await fault.bitten(world, state)
        except NO_PROOF as exc:
            self._note(name, fault, state, "injected", bit=False, evidence=exc.what)
            return False
        self._note(name, fault, state, "injected", bit=True, evidence=said)
        await self._look_around(name, fault, "injected")
        return True

    async def _heal(self, name: str, *, last: bool = False) -> None:
        """Undo one; what cannot be undone while others are open is tried again when all is over."""
        if name not in self.open:
            return
        fault, state = self.open[name]
        self._note(name, fault, state, "heal")
        try:
            await fault.heal(self.world, state)
            await fault.healed(self.world, state)
        except HarnessError as exc:
            if last or len(self.open) == 1:
                self._note(name, fault, state, "failed", evidence=f"could not be healed: {exc.what}")
                del self.open[name]
            return
        self._note(name, fault, state, "healed")
        self.journal.close(name)
        await self._look_around(name, fault, "healed")
        del self.open[name]
        self.perimeter.leave(name)

    async def _look_around(self, name: str, fault: Fault, phase: str) -> None:
        examined, strays = await self.perimeter.verify(name, healed=phase == "healed")
        self.history.add("radius", id=name, fault=fault.kind, phase=phase, examined=examined, strays=strays)

    async def _arm(self, act: Awaited) -> State:
        """Note what has come already; a trigger that cannot be armed waits for nothing, and is told as expired."""
        try:
            armed = await act.trigger.arm(self.world)
        except ClusterError as exc:
            self._tell(act, "expired", f"it could not be armed: {exc.what}")
            return {}
        self._tell(act, "armed")
        return armed

    async def _fired(self, act: Awaited, armed: State) -> bool:
        """Wait for the trigger; False when it does not fire."""
        if not armed:
            return False

        async def seen(progress: Progress) -> str | None:
            return await act.trigger.seen(self.world, armed, progress)

        try:
            said = await until(act.trigger.awaited, seen, deadline_s=act.deadline_s, interval_s=LOOK_S)
        except WaitTimeoutError as exc:
            self._tell(act, "expired", exc.what)
            return False
        self._tell(act, "fired", said)
        return True

    def _tell(self, act: Awaited, phase: str, seen: str = "") -> None:
        self.history.add(
            "trigger", id=act.id, trigger=act.trigger.kind, phase=phase, awaited=act.trigger.awaited, seen=seen
        )

    def _note(self, name: str, fault: Fault, state: State, phase: str, **extra: Any) -> None:
        self.history.add(
            "fault",
            fault=fault.kind,
            id=name,
            phase=phase,
            target=target(state),
            affects=affected(fault, state),
            **extra,
        )
