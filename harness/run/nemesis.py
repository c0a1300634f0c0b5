"""The nemesis: injects the scenario's faults one after another, proves that they bit, and undoes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError, FaultError, HarnessError, OperatorError, WaitTimeoutError
from harness.fault import catalog
from harness.fault.base import Fault, State, World, affected, target
from harness.fault.journal import Entry, Journal
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.history.writer import HistoryWriter


NO_PROOF = (ClusterError, FaultError, OperatorError, WaitTimeoutError)
"""What a fault may raise that cannot be done, or cannot show that it was."""


@dataclass(slots=True)
class Nemesis:
    """Carries out a schedule; what is harmed and not yet healed stands in `open`."""

    world: World
    history: HistoryWriter
    journal: Journal
    open: dict[str, tuple[Fault, State]] = field(default_factory=dict)

    async def run(self, faults: Sequence[Fault], *, pause_s: float) -> None:
        """Inject, hold and heal each fault in turn, `pause_s` before each."""
        for number, fault in enumerate(faults):
            await interval(pause_s)
            name = f"{number}-{fault.kind}"
            if await self._inject(name, fault):
                await interval(fault.for_s)
            await self._heal(name)

    async def heal_all(self) -> None:
        """Undo whatever is still harmed, latest first."""
        for name in reversed(list(self.open)):
            await self._heal(name)

    async def _inject(self, name: str, fault: Fault) -> bool:
        """Do the harm and prove it; False when there is no proof."""
        try:
            state = await fault.prepare(self.world)
        except (ClusterError, FaultError, WaitTimeoutError) as exc:
            self._note(name, fault, {}, "failed", evidence=f"could not be prepared: {exc.what}")
            return False
        self.journal.open(Entry(name, fault.kind, catalog.to_json(fault), state))
        self.open[name] = (fault, state)
        self._note(name, fault, state, "inject")
        try:
            await fault.inject(self.world, state)
            said = await fault.bitten(self.world, state)
        except NO_PROOF as exc:
            self._note(name, fault, state, "injected", bit=False, evidence=exc.what)
            return False
        self._note(name, fault, state, "injected", bit=True, evidence=said)
        return True

    async def _heal(self, name: str) -> None:
        if name not in self.open:
            return
        fault, state = self.open.pop(name)
        self._note(name, fault, state, "heal")
        try:
            await fault.heal(self.world, state)
            await fault.healed(self.world, state)
        except HarnessError as exc:
            self._note(name, fault, state, "failed", evidence=f"could not be healed: {exc.what}")
            return
        self._note(name, fault, state, "healed")
        self.journal.close(name)

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
