"""What a kubelet reports of its node goes wrong: not Ready, flapping, a resource no longer named, a wrong clock.

kwok stands in the way of that (`harness.cluster.stages`): a node that is not Ready it makes Ready again at once, and
the conditions of one that is it writes again every two seconds. `NodeSilent` takes the node's Lease away for that, but
then nobody renews it, and after the grace period of 8 s the node lifecycle controller puts Unknown in the place of
whatever was reported. Here the kubelet is alive. So the node gets the annotation STILL: kwok writes nothing more into
it and goes on renewing its Lease, and what is reported lasts as long as the fault does. A heartbeat that kwok had
planned before it saw the annotation is still written, with the conditions as they were when it was planned; there is
at most one, and it is waited for. Without the annotation kwok goes on: it makes a node that is not Ready Ready, and
writes the heartbeats of the others. Two of these faults at once need two nodes: the first heal takes the annotation.
Capacity and allocatable kwok never writes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.nodes import LARGE_CLUSTER, STILL
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import evidence
from harness.fault.base import NODE, State, World, pick_node
from harness.fault.node import OfOneNode, cordon, patch_status
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NODES = "/api/v1/nodes"

_LAST_HEARTBEAT_S, _LAST_HEARTBEAT_LARGE_S = 10.0, 80.0
"""How long the heartbeat that is planned may take: kwok's periods of 2 s and 60 s, their jitter, and a busy machine."""

READY = "ready"
FLAPPING = (READY, "cordon")
"""What can flap."""


@dataclass(frozen=True, slots=True)
class NodeNotReady(OfOneNode):
    """A kubelet that is alive says that its node is not Ready (Ready=False), for `for_s` seconds, and then that it is.

    As kubelets do when the container runtime or the network plugin fails. Not the Ready=Unknown of `NodeSilent`.
    """

    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "node-not-ready"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Keep kwok away, and say so in its place."""
        await _keep_still(world, state["target"])
        await _say_ready(world, state["target"], ready=False)

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells Ready=False."""

        def not_ready(node: evidence.Node) -> str | None:
            return "the node's Ready condition is False" if evidence.ready_status(node) == "False" else None

        return await evidence.node_is(world.cluster, state["target"], "not Ready", not_ready)

    async def heal(self, world: World, state: State) -> None:
        """Let kwok have the node: it makes one Ready that is not."""
        await _let_go(world, state["target"])

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready, and kwok's again."""
        await evidence.node_is(world.cluster, state["target"], "Ready", _is_well)


@dataclass(frozen=True, slots=True)
class NodeFlaps:
    """A node goes and comes back `times` times, `every_s` seconds apart: faster than an operator looks again.

    `what`: "ready" (its kubelet says Ready=False, then True) or "cordon" (it is cordoned and uncordoned). It ends as it
    began, and `for_s` is how long that lasts before the heal: an operator that saw only half of the changes is seen.
    """

    what: str = READY
    times: int = 8
    every_s: float = 0.25
    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "node-flaps"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, how it is, and the version since which it is watched."""
        name = pick_node(world, self.node)
        node = await world.cluster.client.get(f"{_NODES}/{name}")
        version = str(node["metadata"]["resourceVersion"])
        return {"target": name, "before": self._word(node), "version": version, "cordoned": evidence.is_cordoned(node)}

    async def inject(self, world: World, state: State) -> None:
        """There and back, again and again."""
        if self.what == READY:
            await _keep_still(world, state["target"])
        for _ in range(self.times):
            await self._put(world, state, there=True)
            await interval(self.every_s)
            await self._put(world, state, there=False)
            await interval(self.every_s)
        if self.what == READY:
            await _let_go(world, state["target"])  # a kubelet goes on writing, and operators may wait for it to

    async def bitten(self, world: World, state: State) -> str:
        """A watch from before the fault brings every change."""
        return await evidence.node_turned(
            world.cluster, state["target"], since=state["version"], word=self._word, before=state["before"],
            times=2 * self.times,
        )  # fmt: skip

    async def heal(self, world: World, state: State) -> None:
        """As it began, also after the half of a flap."""
        if self.what == READY:
            await _let_go(world, state["target"])
        else:
            await cordon(world, state["target"], cordoned=state["cordoned"])

    async def healed(self, world: World, state: State) -> None:
        """The API server tells it so."""

        def as_before(node: evidence.Node) -> str | None:
            well = self.what != READY or _is_well(node)
            return "as before" if well and evidence.is_cordoned(node) == state["cordoned"] else None

        await evidence.node_is(world.cluster, state["target"], "as before", as_before)

    async def _put(self, world: World, state: State, *, there: bool) -> None:
        if self.what == READY:
            await _say_ready(world, state["target"], ready=not there)
        else:
            await cordon(world, state["target"], cordoned=there != state["cordoned"])

    def _word(self, node: Mapping[str, Any]) -> str:
        if self.what == READY:
            return f"Ready={evidence.ready_status(node)}"
        return "cordoned" if evidence.is_cordoned(node) else "schedulable"


@dataclass(frozen=True, slots=True)
class ClockAhead:
    """A node's clock is ahead: all its conditions have heartbeats and transitions `ahead_s` seconds in the future.

    Its Lease is not ahead, or the cluster would take a while to see that it is no longer renewed. The node is Ready all
    the time, so nothing may change in what is reported of it.
    """

    ahead_s: float = 3600.0
    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "clock-ahead"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, its transitions by condition, and the time that they will have."""
        name = pick_node(world, self.node)
        node = await world.cluster.client.get(f"{_NODES}/{name}")
        before = {c["type"]: c.get("lastTransitionTime") for c in node["status"].get("conditions") or ()}
        return {"target": name, "before": before, "ahead": _stamp(self.ahead_s)}

    async def inject(self, world: World, state: State) -> None:
        """Keep kwok away, and write times of the future."""
        await _keep_still(world, state["target"])
        await _put_times(world, state, lambda _before: state["ahead"], heartbeat=state["ahead"])

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells those times for every condition, and that the node is Ready."""

        def ahead(node: evidence.Node) -> str | None:
            times = _times(node)
            wrong = len(times) < 2 * len(state["before"]) or set(times) != {state["ahead"]}
            return (
                None
                if wrong or not evidence.is_ready(node)
                else f"all times of the node are {state['ahead']}, it is Ready"
            )

        return await evidence.node_is(world.cluster, state["target"], "ahead of its time", ahead)

    async def heal(self, world: World, state: State) -> None:
        """Give back the transitions it had, and let kwok have the node."""
        await _put_times(world, state, lambda before: before, heartbeat=_stamp())
        await _let_go(world, state["target"])

    async def healed(self, world: World, state: State) -> None:
        """No condition has that time any more, and the node is kwok's again."""

        def of_now(node: evidence.Node) -> str | None:
            return _is_well(node) if state["ahead"] not in _times(node) else None

        await evidence.node_is(world.cluster, state["target"], "in time", of_now)


@dataclass(frozen=True, slots=True)
class ExtendedResourceRemoved:
    """A resource vanishes from a node's capacity and allocatable for `for_s` seconds: it is not 0, it is not named.

    As a kubelet started anew has it until the device plugin has registered, or after the plugin was taken away.
    """

    resource: str = "nvidia.com/gpu"
    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "extended-resource-removed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """A node that has some, and how much."""
        listed = (await world.cluster.client.get(_NODES))["items"]
        having = {item["metadata"]["name"]: item["status"] for item in listed if self._left(item)}
        names = sorted(having.keys() & world.profiles.keys())
        name = self.node if self.node is not None else world.rng.choice(names) if names else None
        if name not in having:
            what = "no node" if name is None else f"node {name}"
            raise FaultError(f"{self.kind}: {what} has {self.resource}", hint="a scenario with a node that does")
        had = {where: (having[name].get(where) or {}).get(self.resource) for where in ("capacity", "allocatable")}
        return {"target": name, **had}

    async def inject(self, world: World, state: State) -> None:
        """Remove the keys."""
        nothing = {self.resource: None}
        await patch_status(world, state["target"], {"capacity": nothing, "allocatable": nothing})

    async def bitten(self, world: World, state: State) -> str:
        """The API server names the resource in neither."""

        def absent(node: evidence.Node) -> str | None:
            return None if self._left(node) else f"{self.resource} is neither in capacity nor in allocatable"

        return await evidence.node_is(world.cluster, state["target"], f"without {self.resource}", absent)

    async def heal(self, world: World, state: State) -> None:
        """Put back what was there."""
        had = {where: {self.resource: state[where]} for where in ("capacity", "allocatable")}
        await patch_status(world, state["target"], had)

    async def healed(self, world: World, state: State) -> None:
        """It is there again."""

        def restored(node: evidence.Node) -> str | None:
            had = {where: state[where] for where in ("capacity", "allocatable") if state[where] is not None}
            return "restored" if self._left(node) == had else None

        await evidence.node_is(world.cluster, state["target"], f"with {self.resource}", restored)

    def _left(self, node: Mapping[str, Any]) -> dict[str, str]:
        """How much the node names, by where."""
        status = node["status"]
        listed = {where: status.get(where) or {} for where in ("capacity", "allocatable")}
        return {where: table[self.resource] for where, table in listed.items() if self.resource in table}


async def _keep_still(world: World, node: str) -> None:
    """Make kwok write nothing more into the Node, and wait for the heartbeat it had planned, if there is one."""
    client = world.cluster.client
    before = _times(await client.patch(f"{_NODES}/{node}", {"metadata": {"annotations": {STILL: "true"}}}))

    async def written(progress: Progress) -> bool | None:
        now = _times(await client.get(f"{_NODES}/{node}"))
        progress.last = f"times {now[:2]}"
        return True if now != before else None

    large = len(world.profiles) >= LARGE_CLUSTER
    patience_s = _LAST_HEARTBEAT_LARGE_S if large else _LAST_HEARTBEAT_S
    with contextlib.suppress(WaitTimeoutError):  # kwok was away before, so there was none
        await until(f"the last heartbeat of node {node[:40]}", written, deadline_s=patience_s, interval_s=0.1)


async def _let_go(world: World, node: str) -> None:
    await world.cluster.client.patch(f"{_NODES}/{node}", {"metadata": {"annotations": {STILL: None}}})


async def _say_ready(world: World, node: str, *, ready: bool) -> None:
    now = _stamp()
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "KubeletReady" if ready else "KubeletNotReady",
        "message": "" if ready else "container runtime network not ready",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    await patch_status(world, node, {"conditions": [condition]})


async def _put_times(
    world: World, state: State, transition: Callable[[str | None], str | None], *, heartbeat: str
) -> None:
    conditions = [
        {"type": kind, "lastHeartbeatTime": heartbeat, "lastTransitionTime": transition(before)}
        for kind, before in state["before"].items()
    ]
    await patch_status(world, state["target"], {"conditions": conditions})


def _stamp(ahead_s: float = 0.0) -> str:
    """Now, or so much later, as Kubernetes writes times."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_s)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _times(node: Mapping[str, Any]) -> list[str]:
    """The heartbeats and transitions of all conditions."""
    names = ("lastHeartbeatTime", "lastTransitionTime")
    return [str(c[name]) for c in node["status"].get("conditions") or () for name in names if c.get(name)]


def _is_well(node: Mapping[str, Any]) -> str | None:
    still = STILL in (node["metadata"].get("annotations") or {})
    return "Ready" if evidence.is_ready(node) and not still else None
