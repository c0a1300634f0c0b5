"""Hardware discovery: one pod on each offered node, asked through the API server's pod proxy.

For each node one task keeps its discovery pod alive and reads its hardware: when the pod is new (or its container was
started again), when the Node object is another one, when its GPU figures change, when it has become offered again, in
any case every `period_s`, and after an error with growing pauses of at most 5 s. What was read last stays known while
reading fails (RECOVER-4, TRUTH-5).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import ApiError, ApiUnavailableError, ClusterError
from harness.reference.hardware import parse_cards, parse_cpus
from harness.reference.log import LOG
from harness.reference.naming import discovery_pod_name
from harness.reference.pause import pause
from harness.reference.records import DISCOVERY_LABELS, DiscoveryRecord, NodeRecord, PodRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractAsyncContextManager

    from harness.reference.behaviour import Behaviour
    from harness.reference.kubeclient import KubeClient
    from harness.reference.state import State

READ_S = 5.0
SERVICE_ACCOUNT = "operator-inventory-hardware-discovery"
# A hundred nodes that join at once are read in a few rounds, and two cores are not buried under TLS.
_AT_ONCE = 20
# Nodes that failed last time wait among themselves, so that hanging ones cannot hold up the others.
_SUSPECTS_AT_ONCE = 10
_RETRY_MOST_S = 5.0
# After so many failures in a row (about 25 s, RECOVER-4 gives 30) the pod itself is suspected, and replaced.
_FAILURES_MOST = 8
_TERMINATION_S = 3.0
_SWEEP_S = 5.0
_QUIET_S = 3600.0


@dataclass(slots=True)
class _Memory:
    """What a node's task remembers between two steps; times are the state's monotonic seconds."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    token: Hashable = None
    next_read: float = 0.0
    failures: int = 0
    refusals: int = 0
    created_at: float = float("-inf")
    ending_since: float | None = None
    began: float | None = None
    had_pod: bool = False
    given_up: bool = False


@dataclass(slots=True)
class Discovery:
    """Tends all nodes. `ready` says whether nodes and pods have been seen, `away` whether the API server is lost."""

    state: State
    client: KubeClient
    behaviour: Behaviour
    image: str
    period_s: float
    ready: Callable[[], bool]
    away: Callable[[], bool]
    _memories: dict[str, _Memory] = field(default_factory=dict)
    _group: asyncio.TaskGroup | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _suspects: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_SUSPECTS_AT_ONCE))
    _writes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def wake(self, name: str) -> None:
        """Look at this node soon."""
        memory = self._memories.get(name)
        if memory is not None:
            memory.wake.set()
        elif self._group is not None and name in self.state.nodes:
            self._memories[name] = memory = _Memory()
            self._group.create_task(self._tend(name, memory))

    async def run(self) -> None:
        """Tend until cancelled; also removes discovery pods whose node is gone."""
        async with asyncio.TaskGroup() as self._group:
            for name in list(self.state.nodes):
                self.wake(name)
            while True:
                await pause(_SWEEP_S)
                if self.ready() and not self.away() and self.behaviour.sweeps_pods:
                    await asyncio.gather(*(self._remove(pod) for pod in list(self.state.orphans())))

    async def remove_all(self) -> None:
        """Delete every discovery pod: the last thing done before the process ends."""
        await asyncio.gather(*(self._remove(pod) for pod in list(self.state.discovery_pods.values())))

    async def _tend(self, name: str, memory: _Memory) -> None:
        while (node := self.state.nodes.get(name)) is not None:
            wait_s = await self._step(node, memory) if self.ready() else 0.2
            await pause(wait_s, memory.wake)
            if name not in self.state.nodes:
                await self.behaviour.when_node_is_gone(self, node)
        del self._memories[name]

    async def _step(self, node: NodeRecord, memory: _Memory) -> float:
        """Do what is next for the node; returns the seconds after which to look again unless something happens."""
        blind_s = self.behaviour.discovers_blindly_s
        if not (self.state.offered(node.name) or blind_s) or self._gave_up(node, memory, blind_s):
            memory.token = None
            return _QUIET_S
        pod = self.state.discovery_pods.get(discovery_pod_name(node.name, self.state.pod_namespace))
        if pod is None or pod.discovery is None:
            memory.ending_since = None
            return await self._make_pod(node, memory)
        memory.had_pod = True
        if not self._fits(node, pod, pod.discovery) or pod.discovery.deleting:
            return await self._end_pod(node, pod, memory)
        if not pod.discovery.running:
            return _QUIET_S
        return await self._read(node, pod, memory)

    def _gave_up(self, node: NodeRecord, memory: _Memory, after_s: float) -> bool:
        """Whether the node's hardware was asked for in vain for so long, and is no more; 0: never."""
        now = self.state.monotonic()
        memory.began = now if memory.began is None else memory.began
        return 0 < after_s < now - memory.began and not self.state.known_hardware(node).complete

    def _fits(self, node: NodeRecord, pod: PodRecord, record: DiscoveryRecord) -> bool:
        """Whether a pod, perhaps one left by an operator that was killed, can be used for this Node object."""
        ended = pod.terminal and self.behaviour.replaces_ended
        return pod.node == node.name and record.owner_uid == node.uid and record.image == self.image and not ended

    async def _make_pod(self, node: NodeRecord, memory: _Memory) -> float:
        once = not (self.behaviour.recreate_pod and self.behaviour.outlives_pod)
        if memory.given_up or (memory.had_pod and once):
            return _QUIET_S
        if self.state.monotonic() - memory.created_at < 2.0:
            return 0.5  # made a moment ago; the watch will bring it
        try:
            async with self._writes:
                await self.client.create(f"/api/v1/namespaces/{self.state.pod_namespace}/pods", self.manifest(node))
        except ClusterError as exc:
            if isinstance(exc, ApiError) and exc.reason == "AlreadyExists":
                return 0.5
            LOG.warning("couldn't start hardware discovery pod on node %s: %s", node.name, exc.what)
            memory.failures += 1
            memory.given_up = isinstance(exc, ApiError) and not self.behaviour.retries_pods
            return _retry_s(memory.failures)
        memory.created_at = self.state.monotonic()
        LOG.info("started hardware discovery pod on node %s", node.name)
        return 2.0

    async def _end_pod(self, node: NodeRecord, pod: PodRecord, memory: _Memory) -> float:
        """Get rid of a pod that is of no use; one that is ending by itself is given a moment first."""
        now = self.state.monotonic()
        memory.token = None
        memory.created_at = float("-inf")
        if memory.ending_since is None:
            memory.ending_since = now
        deleting = pod.discovery is not None and pod.discovery.deleting
        if deleting and now - memory.ending_since < _TERMINATION_S:
            return _TERMINATION_S
        LOG.info("removing hardware discovery pod %s, which does not serve node %s", pod.name, node.name)
        await self._remove(pod)
        memory.ending_since = now
        return 1.0

    async def _remove(self, pod: PodRecord) -> None:
        try:
            async with self._writes:
                await self.client.delete(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", uid=pod.uid)
        except ClusterError as exc:
            if not (isinstance(exc, ApiError) and exc.status in {404, 409}):
                LOG.warning("couldn't remove hardware discovery pod %s: %s", pod.name, exc.what)

    async def _read(self, node: NodeRecord, pod: PodRecord, memory: _Memory) -> float:
        now = self.state.monotonic()
        memory.ending_since = None
        restarts = pod.discovery.restarts if pod.discovery else 0
        token = (node.uid, pod.uid, restarts, node.capacity.gpu, node.allocatable.gpu)
        if token == memory.token and now < memory.next_read:
            return memory.next_read - now
        if token != memory.token:
            memory.token, memory.failures, memory.refusals = token, 0, 0
        if not await self._ask(node, pod, suspect=memory.failures > 0):
            memory.failures += 1
            memory.refusals += not self.away()
            if memory.refusals >= _FAILURES_MOST and self.behaviour.recreate_pod:
                memory.refusals = 0
                await self._end_pod(node, pod, memory)
                return 1.0
            wait_s = _retry_s(memory.failures) if self.behaviour.reads_again else _QUIET_S
        else:
            memory.failures = memory.refusals = 0
            wait_s = self.period_s
        memory.next_read = self.state.monotonic() + wait_s
        return wait_s

    async def _ask(self, node: NodeRecord, pod: PodRecord, *, suspect: bool) -> bool:
        """Read both parts; each that could be read is put into the state. True when both could."""
        base = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:8081/proxy"
        cpus, cards = await asyncio.gather(
            self._part(self._suspects if suspect else self._slots, f"{base}/cpu", parse_cpus),
            self._part(self._suspects if suspect else self._slots, f"{base}/gpu", parse_cards),
        )
        current = self.state.nodes.get(node.name)
        if current is None or current.uid != node.uid:
            return False
        known = self.state.known_hardware(node)
        if cpus is not None:
            known = replace(known, cpus=cpus)
        if cards is not None:
            known = replace(known, cards=cards)
        self.state.put_hardware(node.name, known)
        return cpus is not None and cards is not None

    async def _part(
        self, slots: AbstractAsyncContextManager[None], path: str, parse: Callable[[Any], tuple[Any, ...]]
    ) -> tuple[Any, ...] | None:
        try:
            async with slots:
                return parse(await self.client.proxy_get(path, deadline_s=READ_S))
        except (ApiError, ApiUnavailableError) as exc:
            LOG.warning("couldn't read hardware: %s", exc.what)
        except ValueError as exc:
            LOG.warning("couldn't read hardware: %s answered nonsense: %s", path, exc)
        return None

    def manifest(self, node: NodeRecord) -> dict[str, Any]:
        """The discovery pod of a node."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": discovery_pod_name(node.name, self.state.pod_namespace),
                "namespace": self.state.pod_namespace,
                "labels": DISCOVERY_LABELS,
                # The garbage collector removes the pod with its Node, even when the operator is dead by then.
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}],
            },
            "spec": {
                "nodeName": node.name,
                "serviceAccountName": SERVICE_ACCOUNT,
                "terminationGracePeriodSeconds": 1,
                # Hardware can be asked on tainted nodes too; it is for others to say whether they are offered.
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {
                        "name": "psutil",
                        "image": self.image,
                        "args": ["provider-services", "tools", "psutil", "serve", "--api-port=8081"],
                        "ports": [{"name": "api", "containerPort": 8081}],
                        "env": [{"name": "PCIDB_ENABLE_NETWORK_FETCH", "value": "1"}],
                    }
                ],
            },
        }


def _retry_s(failures: int) -> float:
    return float(min(0.25 * 2 ** min(failures, 8), _RETRY_MOST_S))
