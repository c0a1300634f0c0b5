"""The operator is told the past by the API proxy, or what it goes on from has been forgotten by the API server.

With several API servers one may lag behind another, and what is read from it is older than what was read before. Told
the past is only what the API allows to be old (`harness.cluster.aged`); it is of one moment and says of which, so that
whoever watches from there on is right again by itself. Therefore nothing is made up for at the heal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.apicalls import LIST
from harness.cluster.apicalls import WATCH as WATCHING
from harness.cluster.apirules import CLOSE, HANG, PAST, Action, Match
from harness.cluster.etcd import EtcdStore
from harness.fault import rules
from harness.fault.base import (
    API,
    BITE_DEADLINE_S,
    OPERATOR,
    WATCH,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_READY_DEADLINE_S = 60.0
_GONE = 410
_NEEDED = frozenset({"nodes", "pods"})


async def _now(world: World) -> str:
    """The present version of the datastore, as a list of the latest says it."""
    listed = await world.cluster.client.get("/api/v1/nodes", params={"limit": "1"})
    return str(listed["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class ListsFromThePast(rules.Ruled):
    """The operator is started anew, and lists that take any version are answered as things were `age_s` seconds before.

    So a start against a server that lags behind. Watches are up to date: one that begins where the list ended brings
    all that has happened since. Lists that want the latest get it.
    """

    age_s: float = 4.0
    resource: str = ""
    for_s: float = 3.0
    kind: ClassVar[str] = "lists-from-the-past"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """The version that will be the past."""
        match = Match(LIST, self.resource)
        step = (match, Action(PAST, version=await _now(world)))
        return rules.planned(world, self.kind, f"lists of {self.resource or 'everything'}", step)

    async def inject(self, world: World, state: State) -> None:
        """Let time pass, end the operator, put the rule in force, start the operator."""
        await interval(self.age_s)
        await world.operator.kill(again=False)
        await rules.put(world, state)
        await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """A list was answered from the past."""
        version = state["rules"][0]["action"]["version"]
        what = f"lists were answered as of version {version}, {self.age_s:g} s old ({state['target']})"
        return await rules.acted(world, state, what)

    async def heal(self, world: World, state: State) -> None:
        """Lift it; start the operator where it was left dead."""
        await rules.lift(world, state)
        await start_if_left_dead(world, state)


@dataclass(frozen=True, slots=True)
class WatchesFromThePast(rules.Ruled):
    """Watches end in order, and those that are taken up begin `age_s` seconds earlier than asked for.

    What its client has seen since is repeated, in order, and then the present goes on: the last word on each object is
    the true one. Until `for_s` is over, every watch that is taken up begins there.
    """

    age_s: float = 4.0
    resource: str = ""
    for_s: float = 4.0
    kind: ClassVar[str] = "watches-from-the-past"
    affects: ClassVar[tuple[str, ...]] = (WATCH,)

    async def prepare(self, world: World) -> State:
        """The version that will be the past."""
        match = Match(WATCHING, self.resource)
        steps = ((match, Action(PAST, version=await _now(world))), (match, Action(CLOSE, open_only=True)))
        return rules.planned(world, self.kind, f"watches of {self.resource or 'everything'}", *steps)

    async def inject(self, world: World, state: State) -> None:
        """Let time pass, and put the rules in force."""
        await interval(self.age_s)
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """Events came that the operator had seen before."""
        return await rules.acted(world, state, f"events of the past were repeated ({state['target']})")


@dataclass(frozen=True, slots=True)
class VersionExpired:
    """The API server itself says 410: what the operator's watches would go on from is too old.

    Watches end in order and cannot be taken up (the proxy keeps the requests) while the API server is killed and
    started again, with nothing in its watch cache, and etcd, where that is the datastore, forgets its history. Then the
    requests reach it: "too old resource version", as an ERROR event or as an answer.
    """

    for_s: float = 0.0
    kind: ClassVar[str] = "version-expired"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The rules, and how often the API server had said so."""
        match = Match(WATCHING)
        steps = ((match, Action(HANG)), (match, Action(CLOSE, open_only=True)))
        state = rules.planned(world, self.kind, world.cluster.api_server.name, *steps)
        return {**state, "expired": await _expired(world)}

    async def inject(self, world: World, state: State) -> None:
        """Keep the watches, restart the API server on a compacted datastore, let the watches go on."""
        await rules.put(world, state)
        await rules.acted(world, state, "watches were kept")
        await world.cluster.api_server.stop()
        store = world.cluster.datastore
        if isinstance(store, EtcdStore):
            leader = (await store.leader()).api
            await leader.compact((await leader.status()).revision)
        await world.cluster.api_server.start()
        await rules.lift(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The API server has answered 410 to watches of nodes or pods, not the proxy."""
        before: Mapping[str, Any] = state["expired"]

        async def said(progress: Progress) -> str | None:
            counts = {name: count - before.get(name, 0) for name, count in (await _expired(world)).items()}
            found = {name: count for name, count in counts.items() if count}
            progress.last = f"410 from the API server: {found or 'none'}"
            told = ", ".join(f"{count} of {name}" for name, count in sorted(found.items()))
            return f"the API server answered 410 to watches: {told}" if _NEEDED & set(found) else None

        return await until("the API server to answer 410", said, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Let watches through, and start the API server where it was left dead."""
        await rules.lift(world, state)
        if not world.cluster.api_server.child.running:
            await world.cluster.api_server.start()

    async def healed(self, world: World, state: State) -> None:
        """It says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


async def _expired(world: World) -> dict[str, int]:
    """Resource -> watches of the operator that the API server itself has answered with 410."""
    counts: dict[str, int] = {}
    for refused in (await world.cluster.api_stats())["refused"]:
        if refused["verb"] == WATCHING and refused["status"] == _GONE:
            counts[refused["resource"]] = counts.get(refused["resource"], 0) + refused["count"]
    return counts
