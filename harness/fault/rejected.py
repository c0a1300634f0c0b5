"""Discovery pods that a kubelet rejects: they end with phase Failed before anything of them has run.

A kubelet looks at each pod that is bound to its node, whoever bound it, and rejects what does not fit (kubelet's
`rejectPod`): phase, reason and a message, no conditions, no container statuses. Such a pod never runs again; only a new
one can. Operators that bind their discovery pods themselves never ask a scheduler, which would have known.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import ApiError, ClusterError
from harness.fault import admission
from harness.fault.base import (
    BITE_DEADLINE_S,
    DISCOVERY,
    OPERATOR,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.fault.discoverypod import PODS, POLICY, Pod, end_all, find, none_pending, of_node, policy
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALL = "*"
_EVERY_S = 0.1

REASONS: Mapping[str, str] = {
    "OutOfpods": "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110",
    "OutOfcpu": "Node didn't have enough resource: cpu, requested: 100, used: 15750, capacity: 15750",
    "NodeAffinity": "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    "UnexpectedAdmissionError": "Allocate failed due to no healthy devices present, which is unexpected",
}
"""What a kubelet says of a pod that it rejects, by its reason."""


@dataclass(frozen=True, slots=True)
class DiscoveryPodRejected:
    """The discovery pods of a node ("*": of every node) are made anew, and rejected by its kubelet for `for_s` seconds.

    `reason` is one of `REASONS`. An admission policy of the API server keeps kwok from starting them, and each of them
    gets the status that a kubelet writes. When it is over the next one starts; those that were rejected stay Failed.
    `restart_operator`: it is killed and started again meanwhile, so that it knows nothing of the hardware.
    """

    reason: str = "OutOfpods"
    for_s: float = 6.0
    node: str = _ALL
    restart_operator: bool = True
    kind: ClassVar[str] = "discovery-pod-rejected"

    @property
    def affects(self) -> tuple[str, ...]:
        """Hardware cannot be read; a restarted operator has nothing to report at first."""
        return (DISCOVERY, OPERATOR) if self.restart_operator else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, and whether the operator has to run in the end."""
        del world
        return {"target": self.node, "restart": self.restart_operator}

    async def inject(self, world: World, state: State) -> None:
        """Apply the policy, end the pods there are, begin to reject, and restart the operator."""
        if state["restart"]:
            await world.operator.kill(again=False)
        await admission.apply(world.cluster.client, policy(state["target"]))
        await end_all(world, state["target"])
        world.held[self.kind] = _Kubelet(asyncio.create_task(self._reject(world, state)))
        if state["restart"]:
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The API server took the status of pods that had not run; they may be gone by now."""

        async def taken(progress: Progress) -> dict[str, str] | None:
            rejected: dict[str, str] = state.get("rejected", {})
            progress.last = "no discovery pod was there to be rejected"
            return rejected or None

        rejected = await until("a discovery pod to be rejected", taken, deadline_s=BITE_DEADLINE_S)
        name, uid = next(iter(rejected.items()))
        pod = await find(world, name)
        there = pod is not None and pod["metadata"]["uid"] == uid
        now = f"is {pod['status'].get('phase')}" if pod is not None and there else "is gone or replaced"
        return f"{len(rejected)} discovery pods were rejected with {self.reason} before they ran; {name[:80]} {now}"

    async def heal(self, world: World, state: State) -> None:
        """Reject no more, take the policy away; start the operator where it was left dead."""
        held = world.held.pop(self.kind, None)
        if isinstance(held, _Kubelet):
            await held.gone()
        await admission.lift(world.cluster.client, POLICY)
        if state["restart"]:
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """No discovery pod is Pending any more; to replace those that were rejected is the operator's affair."""
        await none_pending(world, state["target"])

    async def _reject(self, world: World, state: State) -> None:
        """Give each discovery pod that has not run the status of one that is rejected, for ever."""
        rejected: dict[str, str] = state.setdefault("rejected", {})
        while True:
            with contextlib.suppress(ClusterError):  # the API server is away by another fault: later
                for pod in await of_node(world, state["target"]):
                    if pod["status"].get("phase") == "Pending" and await _written(world, pod, self.reason):
                        rejected[pod["metadata"]["name"]] = pod["metadata"]["uid"]
            await interval(_EVERY_S)


@dataclass(slots=True)
class _Kubelet:
    """The task that rejects; it stands in `World.held`."""

    task: asyncio.Task[None]

    def close(self) -> None:
        """End it."""
        self.task.cancel()

    async def gone(self) -> None:
        """Return when it has ended."""
        self.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def _written(world: World, pod: Pod, reason: str) -> bool:
    """Whether this very pod took the status; it may be gone, or another, by now."""
    meta = pod["metadata"]
    body = {"metadata": {"uid": meta["uid"]}, "status": rejection(reason)}
    try:
        await world.cluster.client.patch(f"{PODS}/{meta['name']}/status", body)
    except ApiError as exc:
        if exc.status not in {404, 409}:
            raise
        return False
    return True


def rejection(reason: str) -> dict[str, Any]:
    """The status (as a merge patch) that a kubelet writes for a pod that it rejects."""
    return {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {REASONS[reason]}"}
