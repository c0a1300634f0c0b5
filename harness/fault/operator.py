"""Harm to the operator itself: killed, started early, kept from hearing of what is deleted."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.errors import FaultError
from harness.fault import evidence
from harness.fault.base import (
    API,
    BITE_DEADLINE_S,
    OPERATOR,
    State,
    World,
    pick_node,
    start_if_left_dead,
    start_operator,
    start_unless_supervised,
    started_again,
)
from harness.fault.node import remove
from harness.wait import Progress, until


@dataclass(frozen=True, slots=True)
class OperatorKilled:
    """The operator is killed (SIGKILL) and started again `for_s` seconds later, or by its supervisor."""

    for_s: float = 2.0
    kind: ClassVar[str] = "operator-killed"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """Which process it is."""
        return {"target": "operator", "pid": world.operator.pid}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL."""
        del state
        await world.operator.kill()

    async def bitten(self, world: World, state: State) -> str:
        """Its REST port refuses connections, or another process is there already."""
        return await evidence.replaced_or_refused(world.operator, int(state["pid"]))

    async def heal(self, world: World, state: State) -> None:
        """Start it again, where nobody else does."""
        del state
        await start_unless_supervised(world)

    async def healed(self, world: World, state: State) -> None:
        """The process runs; what it does from then on is its own affair."""
        del state
        await started_again(world)


@dataclass(frozen=True, slots=True)
class RegistryEarly:
    """The operator is killed and started again while the GPU registry answers at once, before any node can be known.

    In life the registry is across the internet and answers after the first nodes are known, or not; field reports 240
    and 310 tell of GPU info that is null until the operator is restarted.
    """

    for_s: float = 3.0
    usual_s: float = 1.0
    kind: ClassVar[str] = "registry-early"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """How often the registry had been changed."""
        return {"target": "GPU registry", "changes": await evidence.registry_changes(world.cluster)}

    async def inject(self, world: World, state: State) -> None:
        """End the operator, take the delay away, start the operator."""
        await world.operator.kill(again=False)
        await world.cluster.set_registry(delay_s=0.0)
        await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The new process has asked the registry."""
        return await evidence.registry_asked(world.cluster, int(state["changes"]))

    async def heal(self, world: World, state: State) -> None:
        """Give the registry its usual delay; start the operator where it was left dead."""
        await world.cluster.set_registry(delay_s=self.usual_s)
        await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True, slots=True)
class DeletionMissed:
    """A pod and a node are deleted while the operator cannot be told.

    The operator is paused (SIGSTOP), the API server is killed and started again, so that no watch survives; then a
    node and a pod on another node are deleted, and `for_s` seconds later the operator goes on. What was deleted
    meanwhile it can learn from a new LIST only: client-go hands such an object over as `DeletedFinalStateUnknown`.
    """

    for_s: float = 1.0
    node: str | None = None
    kind: ClassVar[str] = "deletion-missed"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR, API)

    async def prepare(self, world: World) -> State:
        """The node, and another one for a pod that is made for the purpose."""
        node = pick_node(world, self.node)
        others = sorted(set(world.profiles) - {node})
        if not others:
            raise FaultError("deletion-missed needs two nodes at least")
        return {"target": node, "pod": _DOOMED, "on": others[0]}

    async def inject(self, world: World, state: State) -> None:
        """Make the pod, and once it runs: pause, cut every watch, delete."""
        await _run_pod(world, state["pod"], state["on"])
        world.operator.send(signal.SIGSTOP)
        await world.cluster.api_server.stop()
        await world.cluster.api_server.start()
        await world.cluster.client.delete(f"{_PODS}/{state['pod']}", grace_s=0)
        await remove(world, state["target"])

    async def bitten(self, world: World, state: State) -> str:
        """The node is gone while the operator is still paused."""
        said = await evidence.node_gone(world.cluster, state["target"])
        paused = world.operator.state()
        if paused != evidence.STOPPED:
            raise FaultError(f"the operator is {paused}, not stopped")
        return f"{said} while the operator is {paused}; the API server was restarted before"

    async def heal(self, world: World, state: State) -> None:
        """Let the operator go on; what was to be deleted goes, and stays away."""
        if not world.cluster.api_server.child.running:
            await world.cluster.api_server.start()
        world.operator.send(signal.SIGCONT)
        await world.cluster.client.delete(f"{_PODS}/{state['pod']}", grace_s=0)

    async def healed(self, world: World, state: State) -> None:
        """The API server says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


_DOOMED = "doomed"
_PODS = "/api/v1/namespaces/default/pods"
_READY_DEADLINE_S = 60.0


async def _run_pod(world: World, name: str, node: str) -> None:
    """Make the pod, and return when it runs: a pod that the operator never saw cannot be missed."""
    await world.cluster.client.ensure(_PODS, _doomed(name, node))

    async def runs(progress: Progress) -> bool | None:
        phase = (await world.cluster.client.get(f"{_PODS}/{name}"))["status"].get("phase")
        progress.last = f"it is {phase}"
        return phase == "Running" or None

    await until(f"pod {name} to run", runs, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


def _doomed(name: str, node: str) -> dict[str, Any]:
    requests = {"cpu": "700m", "memory": "256Mi"}
    container = {"name": "main", "image": "traffic.invalid/pause:1", "resources": {"requests": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0},
    }
