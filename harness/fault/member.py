"""Harm to one or more of three etcd members."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.etcd import peer_links
from harness.cluster.relay import Rule
from harness.errors import ClusterError
from harness.fault import evidence
from harness.fault.base import API, BITE_DEADLINE_S, MEMBER, State, World
from harness.fault.datastore import another_leads, etcd
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.etcd import EtcdMember, EtcdStore

_READY_DEADLINE_S = 60.0
ROLES = ("leader", "follower")


async def _choose(world: World, role: str) -> State:
    """The leader, or a follower drawn from the seed, and the term before the harm."""
    store = etcd(world, members=3)
    leader = await store.leader()
    term = (await store.statuses())[leader.member].term
    followers = sorted(member.member for member in store.members if member is not leader)
    name = leader.member if role == "leader" else world.rng.choice(followers)
    return {"target": f"{store.member(name).name} ({role})", "member": name, "term": term, "leader": leader.member}


async def healthy(world: World) -> None:
    """Every member serves, they have a leader, and the API servers are ready."""
    store = etcd(world)
    await store.ready()
    await store.leader()
    await world.cluster.ready(_READY_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class LeaderMoved:
    """Leadership is handed to another member, drawn from the seed (etcdctl move-leader). Nothing is lost."""

    for_s: float = 1.0
    kind: ClassVar[str] = "leader-moved"
    affects: ClassVar[tuple[str, ...]] = (MEMBER,)

    async def prepare(self, world: World) -> State:
        """Who leads, and who will."""
        state = await _choose(world, "leader")
        others = sorted(m.member for m in etcd(world).members if m.member != state["member"])
        return {**state, "to": world.rng.choice(others)}

    async def inject(self, world: World, state: State) -> None:
        """Hand it over."""
        store = etcd(world)
        to = (await store.member(state["to"]).api.status()).member
        await store.member(state["member"]).api.move_leader(to)

    async def bitten(self, world: World, state: State) -> str:
        """The other leads, in a later term."""
        return await another_leads(etcd(world), state["member"], state["term"])

    async def heal(self, world: World, state: State) -> None:
        """Nothing is to be undone."""

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)


@dataclass(frozen=True, slots=True)
class MemberKilled:
    """One member of etcd is killed, and started again with its data `for_s` seconds later."""

    role: str = "leader"
    for_s: float = 4.0
    kind: ClassVar[str] = "member-killed"
    affects: ClassVar[tuple[str, ...]] = (MEMBER,)

    async def prepare(self, world: World) -> State:
        """Which member."""
        return await _choose(world, self.role)

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL."""
        await etcd(world).member(state["member"]).stop()

    async def bitten(self, world: World, state: State) -> str:
        """Its port refuses connections; after a leader, another leads."""
        store = etcd(world)
        gone = await evidence.refused("127.0.0.1", store.member(state["member"]).client_port)
        if self.role == "follower":
            return gone
        return f"{gone}; {await another_leads(store, state['member'], state['term'])}"

    async def heal(self, world: World, state: State) -> None:
        """Start it with its data."""
        member = etcd(world).member(state["member"])
        if not member.child.running:
            await member.start()

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)


@dataclass(frozen=True, slots=True)
class MemberPaused:
    """One member of etcd is stopped (SIGSTOP) for `for_s` seconds: its connections stay open and say nothing.

    API servers that speak to it wait for it, so what they tell may be late; but never empty or wrong.
    """

    role: str = "leader"
    for_s: float = 5.0
    kind: ClassVar[str] = "member-paused"
    affects: ClassVar[tuple[str, ...]] = (API, MEMBER)

    async def prepare(self, world: World) -> State:
        """Which member."""
        return await _choose(world, self.role)

    async def inject(self, world: World, state: State) -> None:
        """SIGSTOP."""
        etcd(world).member(state["member"]).child.send(signal.SIGSTOP)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel says it is stopped, and it does not answer; after a leader, another leads."""
        store = etcd(world)
        member = store.member(state["member"])
        stopped = await evidence.stopped(member.child)
        if self.role == "leader":
            return f"{stopped}; {await another_leads(store, state['member'], state['term'])}"
        return f"{stopped}; {await _silent(member)}"

    async def heal(self, world: World, state: State) -> None:
        """SIGCONT."""
        etcd(world).member(state["member"]).child.send(signal.SIGCONT)

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)


async def _silent(member: EtcdMember) -> str:
    async def unanswered(progress: Progress) -> str | None:
        try:
            await member.api.status(timeout_s=1.0)
        except ClusterError as exc:
            return f"it gives no answer: {exc.what}"
        progress.last = "it answered"
        return None

    return await until(f"{member.name} to be silent", unanswered, deadline_s=BITE_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class MemberPartitioned:
    """Nothing passes between one member and its peers for `for_s` seconds, either way; API servers reach it."""

    role: str = "leader"
    for_s: float = 5.0
    kind: ClassVar[str] = "member-partitioned"
    affects: ClassVar[tuple[str, ...]] = (API, MEMBER)

    async def prepare(self, world: World) -> State:
        """Which member, and what lies between it and its peers."""
        state = await _choose(world, self.role)
        return {**state, "links": [list(link) for link in peer_links(etcd(world), state["member"])]}

    async def inject(self, world: World, state: State) -> None:
        """Silence the links."""
        for link, source in state["links"]:
            await world.cluster.set_rule(link, source, Rule(stall=True))

    async def bitten(self, world: World, state: State) -> str:
        """The member itself knows no leader any more; after a leader, the others have another."""
        store = etcd(world)
        lonely = await _led(store, state["member"], led=False)
        if self.role == "follower":
            return lonely
        return f"{lonely}; {await another_leads(store, state['member'], state['term'])}"

    async def heal(self, world: World, state: State) -> None:
        """Let everything pass again."""
        for link, source in state["links"]:
            await world.cluster.set_rule(link, source)

    async def healed(self, world: World, state: State) -> None:
        """It knows the leader, and all members serve."""
        await _led(etcd(world), state["member"], led=True)
        await healthy(world)


async def _led(store: EtcdStore, member: str, *, led: bool) -> str:
    async def seen(progress: Progress) -> str | None:
        status = (await store.statuses()).get(member)
        progress.last = f"{member} says {'nothing' if status is None else f'leader {status.leader:x}'}"
        if status is None or status.led is not led:
            return None
        return f"{member} says it has {'a' if led else 'no'} leader in term {status.term}"

    what = f"{member} to have {'a' if led else 'no'} leader"
    return await until(what, seen, deadline_s=BITE_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class MemberSlowed:
    """Everything that one member says to its peers and to API servers, and they to it, takes `delay_s` longer."""

    role: str = "leader"
    delay_s: float = 0.2
    for_s: float = 6.0
    kind: ClassVar[str] = "member-slowed"
    affects: ClassVar[tuple[str, ...]] = (MEMBER,)

    async def prepare(self, world: World) -> State:
        """Which member, and every link to and from it."""
        state = await _choose(world, self.role)
        links = [*peer_links(etcd(world), state["member"]), (f"client-{state['member']}", "*")]
        late = await evidence.late(world.cluster, {name for name, _source in links})
        return {**state, "links": [list(link) for link in links], "late": late}

    async def inject(self, world: World, state: State) -> None:
        """Delay the links."""
        for link, source in state["links"]:
            await world.cluster.set_rule(link, source, Rule(delay_s=self.delay_s))

    async def bitten(self, world: World, state: State) -> str:
        """The relay handed bytes on late, and a call to it on the way the API servers take lasts as long as that."""
        member = etcd(world).member(state["member"])
        links = {name for name, _source in state["links"]}

        async def slow(progress: Progress) -> str | None:
            took = await evidence.timed(f"http://127.0.0.1:{member.reached_at}")
            late = await evidence.late(world.cluster, links) - state["late"]
            progress.last = said = f"a call to {member.name} took {took * 1000:.0f} ms, {late} pieces came late"
            return said if late and took >= 2 * self.delay_s else None

        return await until(f"{member.name} to be slow", slow, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Lift the delay."""
        for link, source in state["links"]:
            await world.cluster.set_rule(link, source)

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)


@dataclass(frozen=True, slots=True)
class QuorumLost:
    """Two of three members are killed, the leader among them, and started again `for_s` seconds later."""

    for_s: float = 5.0
    kind: ClassVar[str] = "quorum-lost"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The leader and a follower drawn from the seed."""
        state = await _choose(world, "leader")
        store = etcd(world)
        followers = sorted(m.member for m in store.members if m.member != state["member"])
        gone = [state["member"], world.rng.choice(followers)]
        return {"target": " and ".join(store.member(name).name for name in gone), "members": gone}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL both."""
        for name in state["members"]:
            await etcd(world).member(name).stop()

    async def bitten(self, world: World, state: State) -> str:
        """The one that is left has no leader, and the API server takes no write."""
        store = etcd(world)
        left = next(m.member for m in store.members if m.member not in state["members"])
        return f"{await _led(store, left, led=False)}; {await evidence.write_refused(world.cluster)}"

    async def heal(self, world: World, state: State) -> None:
        """Start both with their data; neither can serve before the other is there."""
        store = etcd(world)
        for name in state["members"]:
            if not store.member(name).child.running:
                store.member(name).launch()
        await store.ready()

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)


@dataclass(frozen=True, slots=True)
class MemberReplaced:
    """A follower is removed for good, and a fresh one without data joins in its place and catches up."""

    for_s: float = 2.0
    kind: ClassVar[str] = "member-replaced"
    affects: ClassVar[tuple[str, ...]] = (MEMBER,)

    async def prepare(self, world: World) -> State:
        """Which follower, and its id."""
        state = await _choose(world, "follower")
        return {**state, "id": (await etcd(world).member(state["member"]).api.status()).member}

    async def inject(self, world: World, state: State) -> None:
        """Remove it from the cluster, end it, and lose its data."""
        store = etcd(world)
        await store.member(state["leader"]).api.remove(state["id"])
        member = store.member(state["member"])
        await member.stop()
        member.wipe()

    async def bitten(self, world: World, state: State) -> str:
        """The cluster no longer lists it."""
        store = etcd(world)

        async def gone(progress: Progress) -> str | None:
            listed = await (await store.leader()).api.members()
            progress.last = f"listed: {', '.join(listed.values())}"
            return f"listed are {', '.join(sorted(listed.values()))}" if state["id"] not in listed else None

        return await until("the member to be gone", gone, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Add a member at its address and start it empty."""
        store = etcd(world)
        member = store.member(state["member"])
        if member.child.running:
            return
        leader = (await store.leader()).api
        listed = await leader.members()
        if len(listed) < len(store.members):
            await leader.add(member.peers[member.member])
        await member.start()

    async def healed(self, world: World, state: State) -> None:
        """All members serve."""
        del state
        await healthy(world)
