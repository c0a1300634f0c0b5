"""Which nodes there are changes: several or all go at once, one gets another name, nodes join that are of no use.

A node that must never become Ready, or never have a status, joins without the annotation by which kwok knows its nodes:
nobody plays its kubelet. After the grace period of 8 s the node lifecycle controller sets Ready=Unknown where it was
False. A node that never had a Ready condition it leaves alone for a minute (its start-up grace period), and then tells
Unknown as well.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.concurrent import all_of
from harness.cluster.hardware import NodeProfile
from harness.cluster.nodes import PLAYED, check_name, node_object, wait_ready
from harness.errors import ApiError, FaultError
from harness.fault import evidence
from harness.fault.base import BITE_DEADLINE_S, NODE, State, World, pick_node
from harness.fault.node import EACH_S, join, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

_NODES = "/api/v1/nodes"
_AT_ONCE = 32
_USUAL = NodeProfile()


@dataclass(frozen=True, slots=True)
class NodesDeleted:
    """`count` nodes are deleted at once, for good. None: all of them, and `for_s` s later they join again as they were.

    All: because an operator must not take a cluster without nodes for one that it cannot see, nor the other way round.
    """

    count: int | None = None
    for_s: float = 7.0
    kind: ClassVar[str] = "nodes-deleted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """Their names, and what they are made of."""
        names = sorted(world.profiles)
        if not names or (self.count is not None and self.count > len(names)):
            raise FaultError(
                f"{self.kind}: {len(names)} nodes are there, too few to delete {self.count or 'any'}",
                hint="a smaller count, or a scenario with more nodes",
            )
        chosen = names if self.count is None else sorted(world.rng.sample(names, self.count))
        profiles = {name: dataclasses.asdict(world.profiles[name]) for name in chosen}
        return {"target": chosen[0] if len(chosen) == 1 else f"{len(chosen)} nodes", "profiles": profiles}

    async def inject(self, world: World, state: State) -> None:
        """Delete the Nodes and their hardware."""
        await _each(state["profiles"], lambda name: remove(world, name))

    async def bitten(self, world: World, state: State) -> str:
        """The API server knows none of them."""
        for name in state["profiles"]:
            await evidence.node_gone(world.cluster, name)
        return f"the API server answers 404 for {len(state['profiles'])} nodes"

    async def heal(self, world: World, state: State) -> None:
        """Register all nodes again, each as it was; one that is there already is left as it is."""
        if self.count is None:
            profiles = {name: NodeProfile.from_json(profile) for name, profile in state["profiles"].items()}
            await _each(profiles, lambda name: join(world, name, profiles[name]))

    async def healed(self, world: World, state: State) -> None:
        """All nodes are Ready; of those that are gone for good nothing is awaited."""
        if self.count is None:
            names = state["profiles"]
            await wait_ready(world.cluster.client, names, deadline_s=BITE_DEADLINE_S + EACH_S * len(names))


@dataclass(frozen=True, slots=True)
class NodeRenamed:
    """A node leaves, and `for_s` seconds later the same machine joins under another name, which it keeps.

    Its size and hardware are what they were; its pods are gone with the old Node, and none of them comes back.
    """

    node: str | None = None
    becomes: str = "renamed-1"
    for_s: float = 3.0
    kind: ClassVar[str] = "node-renamed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    def __post_init__(self) -> None:
        check_name(self.becomes)

    async def prepare(self, world: World) -> State:
        """The node, what it is made of, and the other name, which nobody has."""
        name = pick_node(world, self.node)
        other = await _unused(world, self.kind, self.becomes, hint="another name in becomes=")
        return {"target": name, "names": [name, other], "profile": dataclasses.asdict(world.profiles[name])}

    async def inject(self, world: World, state: State) -> None:
        """Delete the Node; under this name the machine has no hardware any more."""
        await remove(world, state["target"])

    async def bitten(self, world: World, state: State) -> str:
        """The API server no longer knows the old name."""
        return await evidence.node_gone(world.cluster, state["target"])

    async def heal(self, world: World, state: State) -> None:
        """Register the machine under its other name; it never stands under both."""
        old, new = state["names"]
        if old in world.profiles:
            await remove(world, old)
        await join(world, new, NodeProfile.from_json(state["profile"]))

    async def healed(self, world: World, state: State) -> None:
        """The node of the other name is Ready."""
        await evidence.node_ready(world.cluster, state["names"][1])


class _Newcomer:
    """What the faults have in common by which a node joins that is of no use, and is removed again."""

    __slots__ = ()

    kind: ClassVar[str]

    @property
    def node(self) -> str:
        """Its name."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        check_name(self.node)

    async def prepare(self, world: World) -> State:
        """Its name, which nobody has."""
        return {"target": await _unused(world, self.kind, self.node)}

    async def heal(self, world: World, state: State) -> None:
        """Remove it."""
        await world.cluster.client.delete(f"{_NODES}/{state['target']}")

    async def healed(self, world: World, state: State) -> None:
        """The API server no longer knows it."""
        await evidence.node_gone(world.cluster, state["target"])


@dataclass(frozen=True, slots=True)
class NodeNeverReady(_Newcomer):
    """A node joins whose kubelet says Ready=False and nothing more; it is removed `for_s` seconds later.

    It has figures, and no hardware that could be asked: it must never be reported, nor labelled.
    """

    for_s: float = 7.0
    node: str = "never-ready-1"
    profile: NodeProfile = _USUAL
    kind: ClassVar[str] = "node-never-ready"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Register it."""
        body = _unplayed(state["target"], self.profile)
        reason = {"reason": "KubeletNotReady", "message": "container runtime network not ready"}
        body["status"]["conditions"] = [{"type": "Ready", "status": "False", **reason}]
        await world.cluster.client.ensure(_NODES, body)

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells the node with its capacity, and that it is not Ready."""

        def joined(node: evidence.Node) -> str | None:
            status = evidence.ready_status(node)
            return f"the new node's Ready condition is {status}" if status not in {"", "True"} else None

        return await evidence.node_is(world.cluster, state["target"], "there, not Ready", joined)


@dataclass(frozen=True, slots=True)
class NodeEmptyStatus(_Newcomer):
    """A Node object joins without any status, no capacity, no conditions; it is removed `for_s` seconds later.

    So does every node for a moment when its kubelet registers, and whatever anybody creates by hand for good.
    """

    for_s: float = 7.0
    node: str = "empty-status-1"
    kind: ClassVar[str] = "node-empty-status"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Register it."""
        body = _unplayed(state["target"], _USUAL)
        del body["status"]
        await world.cluster.client.ensure(_NODES, body)

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells the node, and neither capacity nor conditions."""

        def empty(node: evidence.Node) -> str | None:
            told = [key for key in ("capacity", "allocatable", "conditions") if node["status"].get(key)]
            return None if told else "the new node has neither capacity nor conditions"

        return await evidence.node_is(world.cluster, state["target"], "there, without a status", empty)


async def _each(names: Iterable[str], work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Do it to all nodes at once, as far as the connections to the API server reach."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await work(name)

    await all_of(*(one(name) for name in names))


async def _unused(world: World, kind: str, name: str, *, hint: str = "another name in node=") -> str:
    """The name of a node that is to join; raises FaultError when there is one, which the undo would remove."""
    try:
        await world.cluster.client.get(f"{_NODES}/{name}")
    except ApiError as exc:
        if exc.status != 404:
            raise
        return name
    raise FaultError(f"{kind}: node {name} is there already", hint=hint)


def _unplayed(name: str, profile: NodeProfile) -> dict[str, Any]:
    """A Node that kwok does not know for its own."""
    body = node_object(name, profile)
    del body["metadata"]["annotations"][PLAYED]
    return body
