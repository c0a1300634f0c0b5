"""Harm to the datastore as a whole: it goes away, changes hands, is slow, full, read-only, or out of connections."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import ClassVar

from harness.cluster.etcd import EtcdStore
from harness.cluster.kine import KineStore
from harness.cluster.relay import Rule
from harness.errors import ApiError, FaultError
from harness.fault import evidence
from harness.fault.base import API, BITE_DEADLINE_S, MEMBER, State, World
from harness.wait import Progress, until

_READY_DEADLINE_S = 60.0
_FILL_KEY = "/inventory-harness-fill/"
_FILL_PIECE = b"\0" * (1 << 19)
_FILL_MOST = 512
"""Pieces of half a MiB: more than any quota that a scenario sets."""


def etcd(world: World, *, members: int = 1) -> EtcdStore:
    """The etcd store behind the cluster; raises FaultError when there is none, or one with too few members."""
    store = world.cluster.datastore
    if not isinstance(store, EtcdStore) or len(store.members) < members:
        raise FaultError(
            f"the datastore is {store.source}, and the fault needs etcd with {members} members or more",
            hint="run it with --datastore etcd3" if members > 1 else "run it with --datastore etcd",
        )
    return store


@dataclass(frozen=True, slots=True)
class DatastoreStopped:
    """The datastore is killed as a whole, stays away for `for_s` seconds, and is started again with its data.

    What is killed: every etcd member, kine with its SQLite file, or the SQL server behind kine. A SQL server that is
    not ours is cut off instead: connections to it are reset and refused.
    """

    for_s: float = 5.0
    kind: ClassVar[str] = "datastore-stopped"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """What will be stopped."""
        return {"target": world.cluster.datastore.name}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL, or the way to it cut."""
        del state
        await take_away(world)

    async def bitten(self, world: World, state: State) -> str:
        """The API server says it is not ready without it."""
        del state
        return await evidence.unready(world.cluster)

    async def heal(self, world: World, state: State) -> None:
        """Start it again with its data."""
        del state
        await bring_back(world)

    async def healed(self, world: World, state: State) -> None:
        """The API server says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


async def take_away(world: World) -> None:
    """Stop the datastore; where it is not ours to stop, cut it off."""
    try:
        await world.cluster.datastore.stop()
    except FaultError:
        await world.cluster.set_rule("sql", rule=Rule(cut=True))


async def bring_back(world: World) -> None:
    """Undo `take_away`."""
    store = world.cluster.datastore
    if isinstance(store, KineStore) and store.sql is not None:
        await world.cluster.set_rule("sql")
    await store.start()


@dataclass(frozen=True, slots=True)
class LeaderLost:
    """Who holds the data changes, in whatever way this datastore has.

    With three etcd members the leader is killed and another elected; it comes back `for_s` seconds later. Any other
    datastore has but one that holds the data: it is killed and started again `for_s` seconds later, as a failover by
    restart.
    """

    for_s: float = 2.0
    kind: ClassVar[str] = "leader-lost"
    affects: ClassVar[tuple[str, ...]] = ()  # by datastore: see `prepare`

    async def prepare(self, world: World) -> State:
        """Who leads, in which term; or what is to be restarted."""
        store = world.cluster.datastore
        if isinstance(store, EtcdStore) and len(store.members) > 1:
            leader = await store.leader()
            term = (await store.statuses())[leader.member].term
            return {"target": leader.name, "member": leader.member, "term": term, "affects": [MEMBER]}
        return {"target": store.name, "affects": [API]}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL."""
        if "member" in state:
            await etcd(world).member(state["member"]).stop()
        else:
            await take_away(world)

    async def bitten(self, world: World, state: State) -> str:
        """The leader is gone and another member leads in a later term; or the API server is not ready."""
        if "member" in state:
            store = etcd(world)
            gone = await evidence.refused("127.0.0.1", store.member(state["member"]).client_port)
            return f"{gone}; {await another_leads(store, state['member'], state['term'])}"
        return await evidence.unready(world.cluster)

    async def heal(self, world: World, state: State) -> None:
        """Start what was killed."""
        if "member" not in state:
            await bring_back(world)
        elif not (member := etcd(world).member(state["member"])).child.running:
            await member.start()

    async def healed(self, world: World, state: State) -> None:
        """The datastore is whole and the API server ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


async def another_leads(store: EtcdStore, member: str, term: int) -> str:
    """Return when some other member leads in a term after `term`."""

    async def elected(progress: Progress) -> str | None:
        found = await store.statuses(timeout_s=0.5)
        progress.last = ", ".join(f"{name}: leader {s.leader:x} in term {s.term}" for name, s in found.items())
        leading = [(s.term, name) for name, s in found.items() if s.leads and name != member and s.term > term]
        return f"{max(leading)[1]} leads in term {max(leading)[0]}, {member} did in term {term}" if leading else None

    return await until(f"a leader after {member}", elected, deadline_s=BITE_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class DatastoreSlowed:
    """Everything between API server and datastore (for kine: between kine and the SQL server) takes `delay_s` longer.

    Each way: a request takes twice that, at least.
    """

    delay_s: float = 0.15
    for_s: float = 6.0
    kind: ClassVar[str] = "datastore-slowed"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """How long a write takes now."""
        links = _links(world)
        late = await evidence.late(world.cluster, links)
        return {"target": ", ".join(links), "links": links, "late": late, "before_s": await write_takes(world)}

    async def inject(self, world: World, state: State) -> None:
        """Delay every link."""
        for link in state["links"]:
            await world.cluster.set_rule(link, rule=Rule(delay_s=self.delay_s))

    async def bitten(self, world: World, state: State) -> str:
        """The relay handed bytes on late, and a write takes the delay of both ways longer than none at all."""

        async def slow(progress: Progress) -> str | None:
            took = await write_takes(world)
            late = await evidence.late(world.cluster, state["links"]) - state["late"]
            progress.last = f"a write took {took * 1000:.0f} ms, {late} pieces came late"
            if not late or took < 2 * self.delay_s:
                return None
            return f"{progress.last}; {state['before_s'] * 1000:.0f} ms before"

        return await until("the datastore to be slow", slow, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Lift the delay."""
        for link in state["links"]:
            await world.cluster.set_rule(link)

    async def healed(self, world: World, state: State) -> None:
        """The API server says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


def _links(world: World) -> list[str]:
    names = [link.name for link in world.cluster.datastore.links]
    chosen = [name for name in names if name == "sql"] or [name for name in names if name.startswith("client-")]
    if not chosen:
        raise FaultError("there is no relay before the datastore", hint="the scenario must ask for one: relayed=True")
    return chosen


async def write_takes(world: World) -> float:
    """How long the API server takes for one write, in seconds; raises ClusterError when it refuses."""
    began = time.monotonic()
    await evidence.write(world.cluster)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class SpaceExhausted:
    """etcd is filled up to its size limit: the NOSPACE alarm is raised and every write refused for `for_s` seconds.

    Healed as an administrator would: delete, compact, defragment, disarm.
    """

    for_s: float = 4.0
    kind: ClassVar[str] = "space-exhausted"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """That there is a limit which can be reached."""
        store = etcd(world)
        if not store.members[0].quota_bytes:
            raise FaultError("etcd has no size limit that could be reached", hint="the scenario must set quota_mib")
        return {"target": store.name}

    async def inject(self, world: World, state: State) -> None:
        """Write until it refuses."""
        del state
        api = (await etcd(world).leader()).api
        for number in range(_FILL_MOST):
            try:
                await api.put(f"{_FILL_KEY}{number}", _FILL_PIECE)
            except ApiError:
                return

    async def bitten(self, world: World, state: State) -> str:
        """The alarm is raised, and a write through the API server refused."""
        del state
        api = (await etcd(world).leader()).api

        async def alarmed(progress: Progress) -> str | None:
            alarms = await api.alarms()
            progress.last = f"alarms: {', '.join(sorted(alarms)) or 'none'}"
            return f"alarm {', '.join(sorted(alarms))}" if "NOSPACE" in alarms else None

        alarm = await until("etcd to raise NOSPACE", alarmed, deadline_s=BITE_DEADLINE_S)
        return f"{alarm}; {await evidence.write_refused(world.cluster)}"

    async def heal(self, world: World, state: State) -> None:
        """Delete the filling, compact, defragment every member, clear the alarm."""
        del state
        store = etcd(world)
        api = (await store.leader()).api
        # The delete itself may be refused while the alarm stands: compaction is not.
        with contextlib.suppress(ApiError):
            await api.delete_prefix(_FILL_KEY)
        try:
            await api.compact((await api.status()).revision)
        except ApiError as exc:
            if "compacted" not in exc.what:  # an undo that was cut off had come this far
                raise
        for member in store.members:
            await member.api.defragment()
        await api.disarm()

    async def healed(self, world: World, state: State) -> None:
        """A write goes through again."""
        del state
        await evidence.write_accepted(world.cluster)


@dataclass(frozen=True, slots=True)
class Compacted:
    """etcd forgets all history, and every member's file is rewritten, while watches are open.

    A watch that was closed cannot be taken up where it ended any more: the server answers 410.
    """

    for_s: float = 1.0
    kind: ClassVar[str] = "compacted"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The present revision."""
        store = etcd(world)
        status = await (await store.leader()).api.status()
        return {"target": store.name, "revision": status.revision, "size": status.size_bytes}

    async def inject(self, world: World, state: State) -> None:
        """Compact, then defragment one member after another."""
        store = etcd(world)
        await (await store.leader()).api.compact(state["revision"])
        for member in store.members:
            await member.api.defragment()

    async def bitten(self, world: World, state: State) -> str:
        """An older revision cannot be read any more."""
        api = (await etcd(world).leader()).api

        async def forgotten(progress: Progress) -> str | None:
            try:
                await api.read_at("/registry/namespaces/default", state["revision"] - 1)
            except ApiError as exc:
                progress.last = exc.what
                return f"revision {state['revision'] - 1} is gone" if "compacted" in exc.what else None
            progress.last = "the old revision was read"
            return None

        return await until("etcd to have forgotten", forgotten, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Nothing is to be undone."""

    async def healed(self, world: World, state: State) -> None:
        """The API server says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)
