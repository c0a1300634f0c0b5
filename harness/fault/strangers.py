"""Pods that an operator finds when it starts and that are not of its making (RECOVER-4, TRUTH-3).

One carries the name that it would give a discovery pod, and is somebody else's; others carry its labels, and are of a
run before. They are made while the operator is stopped, so that it meets them in its first look at the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.cluster.base import DISCOVERY_ACCOUNT, POD_NAMESPACE
from harness.cluster.sidecar import SERVES_NOTHING
from harness.errors import FaultError
from harness.fault.base import (
    BITE_DEADLINE_S,
    DISCOVERY,
    OPERATOR,
    State,
    World,
    pick_node,
    start_if_left_dead,
    start_operator,
)
from harness.fault.discoverypod import LABELS, PODS, Pod, find, remove
from harness.wait import Progress, until

_OURS = "harness.invalid/stranger"
"""An annotation on each pod that is made here, so that the undo takes away nothing else."""

_PREFIX = "operator-inventory-hardware-discovery-"
_MAX_NAME = 253


@dataclass(frozen=True, slots=True)
class ForeignPod:
    """The operator starts while a pod of somebody else carries the name of a node's discovery pod, for `for_s` seconds.

    The node has to be reported all the same, with the stranger's requests, and without hardware info at worst.
    """

    for_s: float = 6.0
    node: str | None = None
    kind: ClassVar[str] = "foreign-pod"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY, OPERATOR)

    async def prepare(self, world: World) -> State:
        """The node, and the name."""
        node = pick_node(world, self.node)
        return {"target": node, "pods": [_named(node)]}

    async def inject(self, world: World, state: State) -> None:
        """Stop the operator, put the stranger in its pod's place, start it."""
        name = state["pods"][0]
        body = _pod(name, state["target"], labels={"app": "somebody-else"}, image="traffic.invalid/pause:1")
        body["metadata"]["annotations"][SERVES_NOTHING] = "somebody else's"
        await _meets(world, state, [body])

    async def bitten(self, world: World, state: State) -> str:
        """The stranger was there before the operator was started, and the operator runs."""
        return await _met(world, state)

    async def heal(self, world: World, state: State) -> None:
        """Remove the stranger, and start the operator where it was left dead."""
        await _undo(world, state)

    async def healed(self, world: World, state: State) -> None:
        """The name is free, or the operator's."""
        await _gone(world, state)


@dataclass(frozen=True, slots=True)
class LeftoverPods:
    """The operator starts among discovery pods of a run before it: on a node that is there, and on one that is gone.

    Both carry its labels, and another image; the one on the node that is there carries the name that it would give
    itself. The gone node must not be reported, and the other one with its true hardware.
    """

    for_s: float = 6.0
    node: str | None = None
    gone: str = "gone-worker"
    kind: ClassVar[str] = "leftover-pods"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY, OPERATOR)

    async def prepare(self, world: World) -> State:
        """The node, and the names."""
        node = pick_node(world, self.node)
        if self.gone in world.profiles:
            raise FaultError(f"leftover-pods: node {self.gone!r} is there", hint="gone= names a node that is not")
        return {"target": node, "pods": [_named(node), _named(self.gone)]}

    async def inject(self, world: World, state: State) -> None:
        """Stop the operator, make the pods, start it."""
        image = "discovery.invalid/provider:before"
        there, gone = (
            _pod(name, node, labels=LABELS, image=image, serviceAccountName=DISCOVERY_ACCOUNT)
            for name, node in zip(state["pods"], (state["target"], self.gone), strict=True)
        )
        await _meets(world, state, [there, gone], played_by_nobody=state["pods"][1])

    async def bitten(self, world: World, state: State) -> str:
        """The pods were there before the operator was started, and the operator runs."""
        return await _met(world, state)

    async def heal(self, world: World, state: State) -> None:
        """Remove those that are left, and start the operator where it was left dead."""
        await _undo(world, state)

    async def healed(self, world: World, state: State) -> None:
        """None of them is left."""
        await _gone(world, state)


def _named(node: str) -> str:
    """The name that the contract gives a node's discovery pod; raises FaultError where no stranger can carry it."""
    if len(_PREFIX) + len(node) > _MAX_NAME:
        raise FaultError(f"the contract gives the discovery pod of node {node[:40]}… no name", hint="a shorter name")
    return _PREFIX + node


def _pod(name: str, node: str, *, labels: dict[str, str], image: str, **spec: Any) -> Pod:
    container = {"name": "psutil", "image": image, "resources": {"requests": {"cpu": "300m", "memory": "96Mi"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": POD_NAMESPACE, "labels": dict(labels), "annotations": {_OURS: "yes"},
        },
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }  # fmt: skip


async def _meets(world: World, state: State, bodies: list[Pod], *, played_by_nobody: str = "") -> None:
    """Make the pods between the operator's end and its start; the uids go into the state as evidence."""
    client = world.cluster.client
    await world.operator.kill(again=False)
    state["made"] = {}
    for body in bodies:
        name = body["metadata"]["name"]
        await client.delete(f"{PODS}/{name}", grace_s=0)
        pod = await client.create(PODS, body)
        state["made"][name] = pod["metadata"]["uid"]
    if played_by_nobody:  # its node was there when its kubelet last wrote
        await client.patch(f"{PODS}/{played_by_nobody}/status", {"status": _RAN})
    await start_operator(world, state)


_RAN = {
    "phase": "Running",
    "podIP": "10.244.254.254",
    "podIPs": [{"ip": "10.244.254.254"}],
    "conditions": [{"type": name, "status": "True"} for name in ("PodScheduled", "ContainersReady", "Ready")],
}


async def _met(world: World, state: State) -> str:
    made: dict[str, str] = state.get("made", {})
    if set(made) != set(state["pods"]):
        raise FaultError(f"only {len(made)} of {len(state['pods'])} pods could be made")

    async def started(progress: Progress) -> bool | None:
        progress.last = "the operator does not run"
        return world.operator.running or None

    await until("the operator to be started", started, deadline_s=BITE_DEADLINE_S)
    now = []
    for name, uid in made.items():
        pod = await find(world, name)
        same = pod is not None and pod["metadata"]["uid"] == uid
        now.append(f"{name[:80]} {'is there' if same else 'is another' if pod is not None else 'is gone'}")
    return f"made before the operator was started: {len(made)} pods; now: {', '.join(now)}"


async def _undo(world: World, state: State) -> None:
    for pod in await _left(world, state):
        await remove(world, pod)
    await start_if_left_dead(world, state)


async def _gone(world: World, state: State) -> None:
    async def none_left(progress: Progress) -> bool | None:
        left = await _left(world, state)
        progress.last = f"still there: {[pod['metadata']['name'][:80] for pod in left]}"
        return None if left else True

    await until("the pods that we made to be gone", none_left, deadline_s=BITE_DEADLINE_S)


async def _left(world: World, state: State) -> list[Pod]:
    """Those of our pods that are still there."""
    found = [await find(world, name) for name in state["pods"]]
    return [pod for pod in found if pod is not None and _OURS in (pod["metadata"].get("annotations") or ())]
