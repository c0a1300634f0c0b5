"""Harm to the operator's watches, by the API proxy, while its requests are answered and everybody else is told all.

What such a fault excuses is that the operator does not know the latest (WATCH): what it has been told before stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.cluster import apicalls
from harness.cluster.apirules import (
    BOOKMARKS,
    CLOSE,
    DROP,
    DUPLICATE,
    ERROR,
    FREEZE,
    LATE,
    REORDER,
    Action,
    Match,
)
from harness.fault import rules
from harness.fault.base import WATCH, State, World

_HARDLY_LATE_S = 2.0


def _planned(world: World, kind: str, resource: str, action: Action) -> State:
    match = Match(verb=apicalls.WATCH, resource=resource)
    return rules.planned(world, kind, f"watches of {resource or 'everything'}", (match, action))


class _Lost(rules.Ruled):
    """What the faults that keep events from the operator for good have in common."""

    __slots__ = ()

    async def heal(self, world: World, state: State) -> None:
        """Tell the operator that it missed something, and lift it."""
        await rules.gone(world, state)
        await super().heal(world, state)


@dataclass(frozen=True, slots=True)
class WatchesClosed(rules.Ruled):
    """Watches end in order `after_s` seconds after they began, open ones at once; each may be taken up again."""

    resource: str = ""
    after_s: float = 1.0
    for_s: float = 6.0
    kind: ClassVar[str] = "watches-closed"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(CLOSE, after_s=self.after_s))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has closed a watch."""
        return await rules.acted(world, state, f"watches were closed ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchError(rules.Ruled):
    """Each watch, open or new, brings an ERROR event with this code for `for_s` seconds and ends.

    410: what is known is too old, and only a new list helps. 500: the API server could not go on.
    """

    code: int = 410
    resource: str = ""
    for_s: float = 3.0
    kind: ClassVar[str] = "watch-error"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(ERROR, status=self.code))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has sent the event."""
        return await rules.acted(world, state, f"watches were ended by {self.code} ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchFrozen(rules.Ruled):
    """Watches stay open and bring nothing for `for_s` seconds; then all that was held back comes, in order."""

    resource: str = ""
    for_s: float = 8.0
    kind: ClassVar[str] = "watch-frozen"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(FREEZE))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy holds an event back."""
        return await rules.acted(world, state, f"events were held back ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchDropsEvents(_Lost):
    """Events of these `types` (all but bookmarks, when none is given) are lost for `for_s` seconds.

    Then those watches are gone: they end in order, and taking one up is answered 410, once. What was lost cannot be
    learned but from a new list.
    """

    resource: str = "pods"
    types: tuple[str, ...] = ("DELETED",)
    for_s: float = 6.0
    kind: ClassVar[str] = "watch-drops-events"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(DROP, types=self.types))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has lost an event."""
        return await rules.acted(world, state, f"events were lost ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchBookmarksOnly(_Lost):
    """Watches bring bookmarks and nothing else for `for_s` seconds; what they should have brought is lost.

    Bookmarks move the version from which a watch is taken up beyond what was lost. So those watches are gone then: they
    end in order, and taking one up is answered 410, once.
    """

    resource: str = ""
    for_s: float = 8.0
    kind: ClassVar[str] = "watch-bookmarks-only"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(BOOKMARKS))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has lost an event."""
        return await rules.acted(world, state, f"events were lost, bookmarks apart ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchDelayed(rules.Ruled):
    """Every event comes `delay_s` later for `for_s` seconds, in order; then what is still held back comes at once.

    Up to 2 s nothing is excused: TRUTH-1 to TRUTH-3 give 5 s, and that is what they are for.
    """

    delay_s: float = 2.0
    resource: str = ""
    for_s: float = 8.0
    kind: ClassVar[str] = "watch-delayed"

    @property
    def affects(self) -> tuple[str, ...]:
        """A long delay leaves the operator no time of its own."""
        return (WATCH,) if self.delay_s > _HARDLY_LATE_S else ()

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(LATE, delay_s=self.delay_s))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has held an event back."""
        return await rules.acted(world, state, f"events came {self.delay_s:g} s later ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchReorders(rules.Ruled):
    """Of two neighbouring events the second comes first, for `for_s` seconds, where they are about different objects.

    Events of one object keep their order: of two states of one object no client can tell the later one. An event waits
    for its neighbour, so it may be late.
    """

    resource: str = ""
    for_s: float = 8.0
    kind: ClassVar[str] = "watch-reorders"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(REORDER))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has made an event wait for the next."""
        return await rules.acted(world, state, f"events came after the next ({state['target']})")


@dataclass(frozen=True, slots=True)
class WatchDuplicates(rules.Ruled):
    """Every event comes twice for `for_s` seconds. Nothing is missing, so it excuses nothing."""

    resource: str = ""
    for_s: float = 6.0
    kind: ClassVar[str] = "watch-duplicates"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The rule."""
        return _planned(world, self.kind, self.resource, Action(DUPLICATE))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has sent an event twice."""
        return await rules.acted(world, state, f"events came twice ({state['target']})")
