"""Harm to the pods of hardware discovery: deleted, ended by their node, or never started.

Which pods they are is told by the labels of the contract (part A, "Kubernetes objects"). Pods that only look like them
are `harness.fault.strangers`'.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.base import POD_NAMESPACE
from harness.cluster.client import MERGE_PATCH
from harness.cluster.hardware import NodeProfile
from harness.errors import ApiError, FaultError
from harness.fault import admission, evidence
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
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = {
    "app.kubernetes.io/name": "inventory",
    "app.kubernetes.io/instance": "inventory-hardware-discovery",
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/part-of": "provider",
}
PODS = f"/api/v1/namespaces/{POD_NAMESPACE}/pods"
OTHER_GPUS = NodeProfile(gpu="l40s", gpus=4)

POLICY = "harness-discovery-pending"
_UNPULLABLE = "harness: the image cannot be pulled"
_ALL = "*"

Pod = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DiscoveryPodDeleted:
    """A node's discovery pod is deleted, as a drain does, while the machine gets other GPUs (field report 652).

    Only an operator that discovers again, with a new pod or by asking again, can report the new hardware. `becomes`
    None: the machine stays as it is, as a real one does.
    """

    becomes: NodeProfile | None = OTHER_GPUS
    for_s: float = 0.5
    node: str | None = None
    kind: ClassVar[str] = "discovery-pod-deleted"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node and its discovery pods by uid."""
        name = pick_node(world, self.node)
        pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await of_node(world, name)}
        if not pods:
            raise FaultError(f"node {name} has no discovery pod to delete")
        return {"target": name, "pods": pods}

    async def inject(self, world: World, state: State) -> None:
        """Delete the pods at once and exchange the hardware."""
        if self.becomes is not None:
            await world.set_hardware(state["target"], self.becomes)
        for pod in state["pods"]:
            await world.cluster.client.delete(f"{PODS}/{pod}", grace_s=0)

    async def bitten(self, world: World, state: State) -> str:
        """The pods that were there are gone, whatever is there under their names."""
        return await evidence.pods_gone(world.cluster, state["target"], state["pods"].values())

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone: the machine keeps its new hardware."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class DiscoveryPodEnds:
    """A node's discovery pod ends with phase Failed, while the machine gets other GPUs. It answers no more, and stays.

    `how` is what its status says: evicted (the node was short of memory), failed (the node was shut down in order, and
    came back), or oom-killed. A kubelet writes the first two whatever the pod's restart policy is, and the last for a
    pod that is not restarted in place.
    """

    how: str = "evicted"
    becomes: NodeProfile = OTHER_GPUS
    for_s: float = 0.5
    node: str | None = None
    kind: ClassVar[str] = "discovery-pod-ends"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node and its discovery pods by uid."""
        name = pick_node(world, self.node)
        pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await of_node(world, name)}
        if not pods:
            raise FaultError(f"node {name} has no discovery pod that could end")
        return {"target": name, "pods": pods}

    async def inject(self, world: World, state: State) -> None:
        """Exchange the hardware and write the status."""
        await world.set_hardware(state["target"], self.becomes)
        state["ended"] = []
        for name, uid in state["pods"].items():
            pod = await find(world, name)
            if pod is not None and pod["metadata"]["uid"] == uid:
                await world.cluster.client.patch(f"{PODS}/{name}/status", {"status": ended(pod, self.how)})
                state["ended"].append(name)

    async def bitten(self, world: World, state: State) -> str:
        """The API server took the status of a pod that was there; it may be gone by now."""
        names = state.get("ended", [])
        if not names:
            raise FaultError(f"the discovery pods of node {state['target']} were gone before they could end")
        phases = []
        for name in names:
            pod = await find(world, name)
            there = pod is not None and pod["metadata"]["uid"] == state["pods"][name]
            phases.append(pod["status"].get("phase") if pod is not None and there else "gone or replaced")
        return f"ended as {self.how}: {', '.join(names)[:200]}; now {', '.join(phases)}"

    async def heal(self, world: World, state: State) -> None:
        """Nothing is undone: the machine keeps its new hardware, and what has ended is the operator's to replace."""

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class DiscoveryPodPending:
    """The discovery pods of a node ("*": of every node) are made anew and never start: their image cannot be pulled.

    An admission policy of the API server refuses whoever would write that such a pod runs (kwok, in a kubelet's place),
    and the pods' status says ImagePullBackOff. When it is over they start by themselves, as a kubelet goes on pulling.
    `restart_operator`: it is killed and started again meanwhile, so that it knows nothing of the hardware.
    """

    for_s: float = 8.0
    node: str = _ALL
    restart_operator: bool = True
    kind: ClassVar[str] = "discovery-pod-pending"

    @property
    def affects(self) -> tuple[str, ...]:
        """Hardware cannot be read; a restarted operator has nothing to report at first."""
        return (DISCOVERY, OPERATOR) if self.restart_operator else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, and whether the operator has to run in the end."""
        del world
        return {"target": self.node, "restart": self.restart_operator}

    async def inject(self, world: World, state: State) -> None:
        """Apply the policy, end the pods there are, and restart the operator."""
        client = world.cluster.client
        if state["restart"]:
            await world.operator.kill(again=False)
        await admission.apply(client, policy(state["target"]))
        await end_all(world, state["target"])
        if state["restart"]:
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """Every discovery pod waits for its image, and the API server refuses to let it run."""

        async def stuck(progress: Progress) -> str | None:
            pods = await of_node(world, state["target"])
            waiting = [pod for pod in pods if pod["status"].get("phase") == "Pending"]
            kept = [pod for pod in waiting if await kept_from_running(world, pod)]
            progress.last = f"{len(pods)} discovery pods, {len(waiting)} Pending, {len(kept)} kept from running"
            if not pods or len(kept) < len(pods):
                return None
            try:
                for pod in kept:
                    path = f"{PODS}/{pod['metadata']['name']}/status"
                    await world.cluster.client.patch(path, {"status": unpulled(pod)})
            except ApiError as exc:  # the operator gave it up in this very moment
                progress.last = exc.what
                return None
            return f"{len(kept)} discovery pods are Pending with ImagePullBackOff and are kept from running"

        return await until("discovery pods to wait for their image", stuck, deadline_s=BITE_DEADLINE_S, interval_s=0.2)

    async def heal(self, world: World, state: State) -> None:
        """Take the policy away; start the operator where it was left dead."""
        await admission.lift(world.cluster.client, POLICY)
        if state["restart"]:
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """No discovery pod is Pending any more: they are tried again every few seconds (`harness.cluster.reaper`)."""
        await none_pending(world, state["target"])


def policy(node: str) -> dict[str, Any]:
    """The admission policy under which nobody can write that a discovery pod of the node ("*": of any) runs."""
    elsewhere = "" if node == _ALL else f" || object.spec.nodeName != '{node}'"
    constraints = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": POD_NAMESPACE}},
        "objectSelector": {"matchLabels": LABELS},
        "resourceRules": [admission.rule("UPDATE", "pods/status")],
    }
    allowed = f"object.status.phase != 'Running'{elsewhere}"
    return admission.policy(POLICY, constraints, allowed=allowed, message=_UNPULLABLE)


async def end_all(world: World, node: str) -> None:
    """Delete the discovery pods of the node ("*": of any) once the policy keeps those that come from running."""

    async def in_force(progress: Progress) -> list[Pod] | None:
        pods = await of_node(world, node)  # anew each time: an operator that lives may replace them
        progress.last = "the API server would let a discovery pod run"
        return pods if all([await kept_from_running(world, pod) for pod in pods]) else None

    # The API server looks for new policies once a second; a pod that ran meanwhile would tell what it must not.
    for pod in await until("the policy to be in force", in_force, deadline_s=BITE_DEADLINE_S, interval_s=0.1):
        await remove(world, pod)


async def none_pending(world: World, node: str) -> None:
    """Return when no discovery pod of the node ("*": of any) is Pending."""

    async def started(progress: Progress) -> bool | None:
        pods = await of_node(world, node)
        left = [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") == "Pending"]
        progress.last = f"Pending: {', '.join(left)[:200]}"
        return None if left else True

    await until("discovery pods to start", started, deadline_s=BITE_DEADLINE_S, interval_s=0.2)


async def kept_from_running(world: World, pod: Pod) -> bool:
    """Whether the policy is in force for this pod: asked by writing that it runs, without writing it."""
    path, body = f"{PODS}/{pod['metadata']['name']}/status", {"status": {"phase": "Running"}}
    try:
        await world.cluster.client.request("PATCH", path, body=body, params={"dryRun": "All"}, content_type=MERGE_PATCH)
    except ApiError as exc:
        return _UNPULLABLE in exc.what  # otherwise it is gone
    return False


def ended(pod: Mapping[str, Any], how: str) -> dict[str, Any]:
    """The status (as a merge patch) that a kubelet writes for a pod that has ended: evicted, failed or oom-killed."""
    now = _now()
    said, container = {
        "evicted": (
            {"reason": "Evicted", "message": "The node was low on resource: memory. "},
            {"exitCode": 137, "reason": "Error"},
        ),
        "failed": (
            {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
            {"exitCode": 143, "reason": "Error"},
        ),
        "oom-killed": ({}, {"exitCode": 137, "reason": "OOMKilled"}),
    }[how]
    over = ("Ready", "ContainersReady")
    kept = [item for item in pod["status"].get("conditions") or () if item["type"] not in over]
    conditions = [*kept, *({**_condition(name, "False", now), "reason": "PodFailed"} for name in over)]
    if said:
        conditions.append({**_condition("DisruptionTarget", "True", now), "reason": "TerminationByKubelet"})
    state = {"terminated": {**container, "startedAt": now, "finishedAt": now}}
    return {
        "phase": "Failed",
        **said,
        "conditions": conditions,
        "containerStatuses": _containers(pod, state),
    }


def unpulled(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The status (as a merge patch) that a kubelet writes while it backs off from pulling an image.

    Without a reason beside the conditions: kwok would leave it there when the pod runs.
    """
    now = _now()
    stands = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": "False", "Ready": "False"}
    image = pod["spec"]["containers"][0].get("image", "")
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}": ErrImagePull: not found'}
    return {
        "phase": "Pending",
        "conditions": [_condition(name, status, now) for name, status in stands.items()],
        "containerStatuses": _containers(pod, {"waiting": waiting}),
    }


def _containers(pod: Mapping[str, Any], state: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = {item["name"]: item for item in pod["status"].get("containerStatuses") or ()}
    return [
        {
            "name": item["name"],
            "image": item.get("image", ""),
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": known.get(item["name"], {}).get("restartCount", 0),
            "state": dict(state),
        }
        for item in pod["spec"]["containers"]
    ]


def _condition(name: str, status: str, now: str) -> dict[str, Any]:
    return {"type": name, "status": status, "lastTransitionTime": now}


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def of_node(world: World, node: str) -> list[Pod]:
    """The discovery pods of a node ("*": of every node) that are not being deleted."""
    params = {"labelSelector": ",".join(f"{key}={value}" for key, value in LABELS.items())}
    if node != _ALL:
        params["fieldSelector"] = f"spec.nodeName={node}"
    body = await world.cluster.client.get(PODS, params=params)
    return [pod for pod in body["items"] if "deletionTimestamp" not in pod["metadata"]]


async def find(world: World, name: str) -> Pod | None:
    """The pod of that name; None when there is none."""
    try:
        pod: Pod = await world.cluster.client.get(f"{PODS}/{name}")
    except ApiError as exc:
        if exc.status != 404:
            raise
        return None
    return pod


async def remove(world: World, pod: Pod) -> None:
    """Delete this very pod at once; one that is gone, or whose name is another's by now, is left at that."""
    meta = pod["metadata"]
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
    try:
        await world.cluster.client.request("DELETE", f"{PODS}/{meta['name']}", body=body)
    except ApiError as exc:
        if exc.status not in {404, 409}:
            raise
