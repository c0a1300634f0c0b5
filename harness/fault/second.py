"""Two operators at once in one namespace, as during a rolling update, or where a Deployment has two replicas."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import DISCOVERY, State, World, pid_of
from harness.fault.discoverypod import of_node

if TYPE_CHECKING:
    from harness.process.child import Child

_END_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class SecondOperator:
    """The operator is started a second time beside the first, in the same namespace, and ended `for_s` seconds later.

    It has the same identity, configuration and defects, and ports of its own; it is ended by SIGTERM, as a kubelet ends
    a pod. By the contract (part A, "Kubernetes objects") it deletes all discovery pods at its start, those of the first
    among them; one that ends in order may delete them at its end. The first is not touched, and only it is judged.
    """

    for_s: float = 8.0
    kind: ClassVar[str] = "second-operator"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The first one's process, and the discovery pods by uid."""
        pods = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in await of_node(world, "*")}
        return {"target": "a second operator", "first": pid_of(world), "pods": pods}

    async def inject(self, world: World, state: State) -> None:
        """Start it."""
        state["port"], other = world.cluster.take_port(), world.cluster.take_port()
        world.held[self.kind] = _Second(world.operator.start_another(state["port"], other))

    async def bitten(self, world: World, state: State) -> str:
        """Both processes run at once, and the second answers on a REST port of its own."""
        second = world.held.get(self.kind)
        if not isinstance(second, _Second):
            raise FaultError("no second operator was started")
        said = await evidence.answered(state["port"])
        if not second.child.running or world.operator.pid != state["first"]:
            raise FaultError(f"processes {state['first']} and {second.child.pid} do not run at once")
        with contextlib.suppress(ClusterError):  # told for the reader's sake; two operators are two in any case
            left = {pod["metadata"]["uid"] for pod in await of_node(world, "*")} & set(state["pods"])
            said += f"; {len(left)} of {len(state['pods'])} discovery pods are the first one's still"
        return f"processes {state['first']} and {second.child.pid} run at once; the second: {said}"

    async def heal(self, world: World, state: State) -> None:
        """End it: SIGTERM, and SIGKILL when that has not ended it after some seconds."""
        del state
        second = world.held.pop(self.kind, None)
        if isinstance(second, _Second):
            await second.child.interrupted(signal.SIGTERM, _END_DEADLINE_S)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: what the second has left behind, or taken away, is the first one's affair."""


@dataclass(frozen=True, slots=True)
class _Second:
    """The second operator's process; it stands in `World.held`."""

    child: Child

    def close(self) -> None:
        """End it at once."""
        self.child.kill()
