"""Harm to the GPU registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.cluster.hardware import registry
from harness.errors import FaultError
from harness.fault import evidence
from harness.fault.base import NODE, OPERATOR, REGISTRY, State, World, start_if_left_dead, start_operator
from harness.wait import interval

_FLAP_S = 1.0
"""Faster than the operator asks here (every 2 s), slower than the registry answers (1 s)."""

_READS_LEAST = 2
"""A reader that comes once sees a change, but no flapping."""


@dataclass(frozen=True, slots=True)
class RegistryChanged:
    """The registry's content changes for good.

    `names` maps a product's known name to its new one; `without`: the vendors that are not in it ("nvidia", "amd").
    With neither, it is as it was at the start: after a change without a vendor, that vendor is added.
    """

    names: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    for_s: float = 0.5
    kind: ClassVar[str] = "registry-changed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """How often the registry had been changed."""
        return {"target": "GPU registry", "changes": await evidence.registry_changes(world.cluster)}

    async def inject(self, world: World, state: State) -> None:
        """Change the content."""
        del state
        await world.set_registry(registry(names=dict(self.names), without=self.without))

    async def bitten(self, world: World, state: State) -> str:
        """The operator has fetched the registry since."""
        return await evidence.registry_asked(world.cluster, int(state["changes"]))

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class RegistryBroken:
    """The registry tells nothing about GPUs for `for_s` seconds; `mode` is one of `sidecar.REGISTRY_FAULTY`.

    All of them are errors to an operator, which keeps what it had (contract, part A, "GPU registry"): a redirect that
    leads to itself has to be given up, and an object that is no registry is not one without vendors. So nothing is
    excused, unless `restart_operator`: it is killed and started again meanwhile, and has nothing to keep.
    """

    mode: str = "error"
    for_s: float = 5.0
    restart_operator: bool = False
    kind: ClassVar[str] = "registry-broken"

    @property
    def affects(self) -> tuple[str, ...]:
        """An operator that runs has what it read before; one that starts has nothing."""
        return (REGISTRY, OPERATOR) if self.restart_operator else ()

    async def prepare(self, world: World) -> State:
        """How often the registry had been changed."""
        return {"target": "GPU registry", "changes": await evidence.registry_changes(world.cluster)}

    async def inject(self, world: World, state: State) -> None:
        """Break it; restart the operator."""
        await world.cluster.set_registry(mode=self.mode)
        if self.restart_operator:
            await world.operator.kill(again=False)
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The operator has met the broken registry."""
        return await evidence.registry_asked(world.cluster, int(state["changes"]))

    async def heal(self, world: World, state: State) -> None:
        """Answer again; start the operator where it was left dead."""
        await world.cluster.set_registry(mode="answer")
        if self.restart_operator:
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class RegistryFlaps:
    """The registry's content changes `times` times, a second apart, between two; what it ends with stays.

    `names` are the products that have another name in the last content, and in every other one before it.
    """

    names: tuple[tuple[str, str], ...] = (("a100", "a100-80g"),)
    times: int = 9
    for_s: float = 0.5
    kind: ClassVar[str] = "registry-flaps"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """How often the registry had been asked."""
        return {"target": "GPU registry", "asked": await _asked(world)}

    async def inject(self, world: World, state: State) -> None:
        """Change, each time with a record of the truth; then count who came meanwhile."""
        for left in reversed(range(self.times)):
            await self._set(world, renamed=left % 2 == 0)
            if left:
                await interval(_FLAP_S)
        state["met"] = await _asked(world)

    async def bitten(self, world: World, state: State) -> str:
        """The registry was asked often enough while it changed."""
        del world
        count = int(state.get("met", 0)) - int(state["asked"])
        if count < _READS_LEAST:
            raise FaultError(f"the registry was asked {count} times while it changed, {_READS_LEAST} are wanted")
        return f"the registry was asked {count} times while its content changed {self.times} times"

    async def heal(self, world: World, state: State) -> None:
        """Give it the last content, wherever the changing was cut off."""
        del state
        await self._set(world, renamed=True)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""

    async def _set(self, world: World, *, renamed: bool) -> None:
        await world.set_registry(registry(names=dict(self.names) if renamed else None))


async def _asked(world: World) -> int:
    return int((await world.cluster.discovery_stats())["registry"])
