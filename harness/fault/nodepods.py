"""Who may run on a node changes: it is tainted, or drained.

Both are the API server's and the controllers' own doing, and kwok writes neither spec nor taints, so they last until
they are undone. A tainted node can still take the pods that tolerate it: it is neither cordoned nor NotReady, so it is
reported (contract.md, "Node labels it manages", names excluded, cordoned and NotReady nodes and no others).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import ApiError, FaultError
from harness.fault import evidence
from harness.fault.base import NODE, State, World, pick_node
from harness.fault.node import Uncordoned, cordon
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NODES = "/api/v1/nodes"
_KEY = "harness.invalid/tainted"
_TAINT_DEADLINE_S = 10.0

NO_EXECUTE = "NoExecute"
EFFECTS = ("NoSchedule", "PreferNoSchedule", NO_EXECUTE)

_Taints = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NodeTainted:
    """A node has a taint for `for_s` seconds; `effect`: NoSchedule, PreferNoSchedule or NoExecute.

    With NoExecute the taint eviction controller deletes the pods that do not tolerate it, those that come later too.
    """

    effect: str = "NoSchedule"
    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "node-tainted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, and the pods that will have to leave it."""
        name = pick_node(world, self.node)
        pods = await evidence.pods_on(world.cluster, name) if self.effect == NO_EXECUTE else []
        leaving = [pod["metadata"]["uid"] for pod in pods if not self._tolerated(pod)]
        return {"target": name, "leaving": leaving}

    async def inject(self, world: World, state: State) -> None:
        """Add the taint to those that the node has."""
        taint = {"key": _KEY, "value": "true", "effect": self.effect}
        await _change_taints(world, state["target"], lambda taints: [*self._others(taints), taint])

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells the taint, and the pods that do not tolerate it are gone."""

        def tainted(node: evidence.Node) -> str | None:
            return f"the node has the taint {_KEY}:{self.effect}" if self._is_on(node) else None

        seen = await evidence.node_is(world.cluster, state["target"], "tainted", tainted)
        if state["leaving"]:
            seen += f", {await evidence.pods_gone(world.cluster, state['target'], state['leaving'])}"
        return seen

    async def heal(self, world: World, state: State) -> None:
        """Take the taint away, and no other."""
        await _change_taints(world, state["target"], self._others)

    async def healed(self, world: World, state: State) -> None:
        """The node no longer has it."""

        def clean(node: evidence.Node) -> str | None:
            return None if self._is_on(node) else "without the taint"

        await evidence.node_is(world.cluster, state["target"], "without the taint", clean)

    def _others(self, taints: _Taints) -> _Taints:
        return [taint for taint in taints if (taint["key"], taint["effect"]) != (_KEY, self.effect)]

    def _is_on(self, node: Mapping[str, Any]) -> bool:
        taints = node["spec"].get("taints") or []
        return self._others(taints) != taints

    def _tolerated(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod may stay for ever: nobody but an operator tolerates our taint, and then it tolerates all."""
        tolerations = pod["spec"].get("tolerations") or ()
        return any(not t.get("key") and t.get("effect") in {None, "", self.effect} for t in tolerations)


@dataclass(frozen=True, slots=True)
class NodeDrained(Uncordoned):
    """A node is cordoned and its pods are evicted, as `kubectl drain --force` does; it is uncordoned `for_s` s later.

    The pods do not come back. An operator's discovery pod goes with them: no controller stands behind it.
    """

    for_s: float = 7.0
    node: str | None = None
    kind: ClassVar[str] = "node-drained"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node and its pods."""
        name = pick_node(world, self.node)
        found = await evidence.pods_on(world.cluster, name)
        pods = [pod["metadata"] for pod in found]
        if not pods:
            raise FaultError(f"{self.kind}: no pod is on node {name}", hint="traffic, or an operator that has settled")
        graces = [float(pod["spec"].get("terminationGracePeriodSeconds") or 0) for pod in found]
        listed = [[pod["namespace"], pod["name"], pod["uid"]] for pod in pods]
        return {"target": name, "pods": listed, "grace_s": max(graces)}

    async def inject(self, world: World, state: State) -> None:
        """Cordon, then evict each pod."""
        await cordon(world, state["target"], cordoned=True)
        for namespace, name, uid in state["pods"]:
            await _evict(world, namespace, name, uid)

    async def bitten(self, world: World, state: State) -> str:
        """The API server tells that the node is cordoned, and none of the pods any more."""
        cordoned = await evidence.node_cordoned(world.cluster, state["target"])
        uids = [uid for _, _, uid in state["pods"]]
        gone = await evidence.pods_gone(world.cluster, state["target"], uids, grace_s=state["grace_s"])
        return f"{cordoned}, {gone}"


async def _change_taints(world: World, node: str, change: Callable[[_Taints], _Taints]) -> None:
    """Write the node's taints anew.

    They are one value to the API server, and the node lifecycle controller writes them too. So the version that was
    read goes along, and what was overtaken is done again.
    """
    client, path = world.cluster.client, f"{_NODES}/{node}"

    async def written(progress: Progress) -> bool | None:
        found = await client.get(path)
        body = {
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "spec": {"taints": change(found["spec"].get("taints") or [])},
        }
        try:
            await client.patch(path, body)
        except ApiError as exc:
            if exc.status != 409:
                raise
            progress.last = exc.what
            return None
        return True

    await until(f"the taints of node {node[:40]} to be written", written, deadline_s=_TAINT_DEADLINE_S)


async def _evict(world: World, namespace: str, name: str, uid: str) -> None:
    """Evict one pod; one that is gone, or whose name is another's by now, needs no eviction."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": namespace, "name": name},
        "deleteOptions": {"preconditions": {"uid": uid}},
    }
    try:
        await world.cluster.client.create(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)
    except ApiError as exc:
        if exc.status not in {404, 409}:
            raise
