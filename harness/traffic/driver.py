"""Doing the traffic: one operation after another, at its rate, each noted before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.base import Ground
from harness.cluster.client import MERGE_PATCH, STRATEGIC_PATCH, KubeClient
from harness.errors import ApiError, ApiUnavailableError, ClusterError
from harness.traffic import real, whole
from harness.traffic.pods import (
    LABEL,
    OURS,
    Churn,
    Op,
    Pods,
    actuated,
    decide,
    finished,
    phases,
    placed,
    plain_pod,
    removed,
    resized,
)
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    import random

    from harness.cluster.hardware import NodeProfile

_SETTLED = 9
_SETTLE_DEADLINE_S = 30.0

Note = Callable[..., Any]
"""Called with op=, id=, phase=, object=, detail= for each step of an operation."""


@dataclass(slots=True)
class Driver:
    """Carries out operations until it is stopped; `ok` counts those that the API server confirmed."""

    client: KubeClient
    churn: Churn
    profiles: Mapping[str, NodeProfile]
    rng: random.Random
    note: Note
    ground: Ground = field(default_factory=Ground)
    pods: Pods = field(default_factory=Pods)
    ok: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 0

    def stop(self) -> None:
        """End `run` after the operation under way."""
        self._stop.set()

    async def run(self) -> None:
        """Operate until stopped. One operation at a time: their order is the seed's."""
        while not self._stop.is_set():
            await self.step()
            await interval(self.rng.expovariate(self.churn.rate) if self.churn.rate else 0.0)

    async def settle(self, rng: random.Random) -> None:
        """Take away every pod of ours and make some that depend on nothing but `rng` and the nodes.

        What was done while faults acted depends on their timing; what is there at the end then does not. Each step is
        tried until it is done: nothing is harmed any more.
        """
        for namespace in self.churn.namespaces:
            path = f"/api/v1/namespaces/{namespace}/pods"

            async def emptied(_progress: Progress, path: str = path) -> bool | None:
                try:
                    listed = await self.client.get(path, params={"labelSelector": OURS})
                    for item in listed["items"]:
                        await self.client.delete(f"{path}/{item['metadata']['name']}", grace_s=0)
                except ClusterError:
                    return None
                return None if listed["items"] else True

            await until("traffic's pods to be gone", emptied, deadline_s=_SETTLE_DEADLINE_S)
        self.pods = Pods()
        for number in range(_SETTLED):
            op = self._here(plain_pod(rng, self.churn, ("settled", number), rng.choice(sorted(self.profiles))))
            what = f"{op.namespace}/{op.name}"
            self.note(op=op.op, id=self._next, phase="invoke", object=what, detail={})
            await self._carry_out(op)
            self.note(op=op.op, id=self._next, phase="ok", object=what, detail={})
            self._next += 1

    async def step(self) -> None:
        """Decide and carry out one operation."""
        if not self.profiles:
            return
        op = self._here(decide(self.rng, self.churn, self.pods, self.profiles))
        number, self._next = self._next, self._next + 1
        what = f"{op.namespace}/{op.name}" if op.namespace else op.name
        detail: dict[str, Any] = dict(op.body) if op.op == LABEL else {}
        self.note(op=op.op, id=number, phase="invoke", object=what, detail=detail)
        phase = "ok"
        try:
            await self._carry_out(op)
            self.ok += 1
        except ApiUnavailableError as exc:
            phase, detail = "info", {"error": exc.what}
        except ApiError as exc:
            # A refusal without effect: a node that is gone, a pod that a controller has removed, quota; or 5xx, which
            # may have acted.
            phase = "info" if exc.status >= 500 else "fail"
            detail = {"error": exc.what}
        self._count(op, phase)
        self.note(op=op.op, id=number, phase=phase, object=what, detail=detail)

    def _here(self, op: Op) -> Op:
        """The operation as it is done on these nodes."""
        return op if self.ground.simulated else real.fitted(op, self.ground.image, plain=self.churn.plain)

    async def _carry_out(self, op: Op) -> None:
        pods = f"/api/v1/namespaces/{op.namespace}/pods"
        match op.op:
            case "create":
                await self._create(pods, op)
            case "delete":
                await self.client.delete(f"{pods}/{op.name}", grace_s=0)
            case "fail" if not self.ground.simulated:
                await self.client.patch(f"{pods}/{op.name}", real.ENDED)
            case "finish" | "fail":
                status = {"status": {"phase": phases(op.op)}}
                await self.client.patch(f"{pods}/{op.name}/status", status, content_type=STRATEGIC_PATCH)
            case "resize":
                await self._say(pods, op, op.body["before"])
                resize = whole.resize_patch(op.body["after"])
                await self.client.patch(f"{pods}/{op.name}/resize", resize, content_type=STRATEGIC_PATCH)
            case "actuate":
                await self._say(pods, op, op.body["after"])
            case other if other == LABEL:
                body = {"metadata": {"labels": {op.body["key"]: op.body["value"]}}}
                await self.client.patch(f"/api/v1/nodes/{op.name}", body, content_type=MERGE_PATCH)

    async def _say(self, pods: str, op: Op, now: Mapping[str, Mapping[str, str]]) -> None:
        """What the pod's kubelet would say: with which requests its containers run."""
        await self.client.patch(f"{pods}/{op.name}/status", whole.status_patch(now), content_type=STRATEGIC_PATCH)

    async def _create(self, pods: str, op: Op) -> None:
        """Create the pod and bind it, as the scheduler does: the binding is what marks a pod as scheduled."""
        spec = {key: value for key, value in op.body["spec"].items() if key != "nodeName"}
        await self.client.create(pods, {**op.body, "spec": spec})
        target = {"apiVersion": "v1", "kind": "Node", "name": op.body["spec"]["nodeName"]}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": op.name}, "target": target}
        await self.client.create(f"{pods}/{op.name}/binding", binding)

    def _count(self, op: Op, phase: str) -> None:
        key = (op.namespace, op.name)
        match op.op:
            case "create" if phase != "fail":
                placed(self.pods, op)
            case "finish" | "fail" if phase == "ok":
                finished(self.pods, key)
            case "resize" if phase != "fail":
                resized(self.pods, op)
            case "actuate" if phase == "ok":
                actuated(self.pods, op)
            case "resize" | "actuate" if phase == "fail":
                removed(self.pods, key)  # 404: it is gone
            case "delete":
                removed(self.pods, key)
            case "finish" | "fail" if phase == "fail":
                removed(self.pods, key)  # 404: it is gone
