"""Harm to the machine under a real node: frozen, shut down, cut off from power, booted again.

The machines of a control plane's only node are left alone: nobody could tell what the node does meanwhile.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import NODE, State, World, pick_node
from harness.fault.discoverypod import LABELS, PODS
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.base import Machine

CONTROL_PLANE = "control-plane"
SEEN_DEADLINE_S = 60.0
"""How long a machine may take to be missed: the grace period of 8 s, on a machine that is busy."""
BOOT_DEADLINE_S = 180.0
"""A node boots, starts its kubelet and its pods in about 20 s where nothing else goes on."""
_GRACE_S = 10
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def machine_of(world: World, node: str) -> Machine:
    """The machine under a node; raises FaultError where it cannot be reached."""
    found = world.cluster.machines.get(node)
    if found is None:
        raise FaultError(f"the machine under node {node!r} cannot be reached", hint="the fault needs --backend kind")
    return found


async def not_ready(world: World, node: str) -> str:
    """Return when the API server tells that the node is not Ready."""

    def missed(found: evidence.Node) -> str | None:
        status = evidence.ready_status(found)
        return f"the node's Ready condition is {status}" if status != "True" else None

    return await evidence.node_is(world.cluster, node, "NotReady", missed, deadline_s=SEEN_DEADLINE_S)


async def ready_again(world: World, node: str) -> None:
    """Return when the machine runs, its kubelet has renewed the Lease since it was booted, and the node is Ready.

    A node that was not missed is Ready all the time: that alone says nothing of its kubelet.
    """
    machine, client = machine_of(world, node), world.cluster.client

    async def renewed(progress: Progress) -> bool | None:
        try:
            state, booted = await machine.state(), moment(await machine.started_at())
            last = str((await client.get(f"{_LEASES}/{node}"))["spec"]["renewTime"])
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = f"the machine is {state} since {booted}, the Lease was renewed at {last}"
        return (state == "running" and moment(last) > booted) or None

    await until(f"the kubelet of {node} to be back", renewed, deadline_s=BOOT_DEADLINE_S, interval_s=0.3)
    await evidence.node_is(world.cluster, node, "Ready", well, deadline_s=BOOT_DEADLINE_S)


def well(node: evidence.Node) -> str | None:
    """Evidence that a Node is Ready."""
    return "Ready" if evidence.ready_status(node) == "True" else None


def moment(text: str) -> dt.datetime:
    """A moment as Kubernetes and Docker write it; Docker's has nine digits of a second. Raises ClusterError."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        raise ClusterError(f"not a moment: {text!r}")
    return dt.datetime.fromisoformat(found[1] + (found[2] or "") + found[3].replace("Z", "+00:00"))


async def operator_nodes(world: World) -> set[str]:
    """The nodes that run a pod of the operator's namespace which is not for discovery."""
    pods = (await world.cluster.client.get(PODS))["items"]
    return {
        str(pod["spec"]["nodeName"]) for pod in pods
        if pod["spec"].get("nodeName") and not LABELS.items() <= (pod["metadata"].get("labels") or {}).items()
    }  # fmt: skip


async def pick_machine(world: World, wanted: str | None, *, alone: bool = False) -> str:
    """The wanted node, or one drawn from the run's seed that does not run the operator: its loss is another fault.

    `alone`: a node that runs it will do where there is no other. Raises FaultError where there is none that will do, or
    its machine cannot be reached.
    """
    name = pick_node(world, wanted)
    machine_of(world, name)
    spared = await operator_nodes(world)
    free = sorted(set(world.profiles) - spared)
    if name not in spared:
        return name
    if wanted is None and free:
        return world.rng.choice(free)
    if not alone:
        raise FaultError(f"node {name} runs the operator, which would be lost with it", hint="machines=2: another one")
    return name


class OfOneMachine:
    """What the faults of one machine have in common: a target that does not carry the control plane alone."""

    __slots__ = ()

    @property
    def node(self) -> str | None:
        """The one that is wanted; None: any."""
        raise NotImplementedError

    async def prepare(self, world: World) -> State:
        """The node."""
        name = await pick_machine(world, self.node)
        if machine_of(world, name).role == CONTROL_PLANE:
            raise FaultError(
                f"the machine of {name} carries the control plane: nobody could tell what became of the node",
                hint="a scenario with machines=2 has workers",
            )
        return {"target": name, "booted": await machine_of(world, name).started_at()}

    async def bitten(self, world: World, state: State) -> str:
        """The machine does not run, and its node is seen NotReady."""
        held = await machine_of(world, state["target"]).state()
        if held == "running":
            raise FaultError(f"the machine of {state['target']} runs")
        return f"the machine is {held}; {await not_ready(world, state['target'])}"

    async def heal(self, world: World, state: State) -> None:
        """Boot it, or let it go on."""
        await machine_of(world, state["target"]).start()

    async def healed(self, world: World, state: State) -> None:
        """It runs, and its node is Ready."""
        await ready_again(world, state["target"])


@dataclass(frozen=True, slots=True)
class MachinePaused(OfOneMachine):
    """Everything on a node's machine is frozen for `for_s` seconds after the cluster has missed it."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "machine-paused"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Freeze it."""
        await machine_of(world, state["target"]).pause()


@dataclass(frozen=True, slots=True)
class MachineKilled(OfOneMachine):
    """A node's machine loses its power; it is booted `for_s` seconds after the cluster has missed it."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "machine-killed"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL to everything on it."""
        await machine_of(world, state["target"]).kill()


@dataclass(frozen=True, slots=True)
class MachineStopped(OfOneMachine):
    """A node's machine is shut down in order; it is booted `for_s` seconds after the cluster has missed it."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "machine-stopped"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Shut it down."""
        await machine_of(world, state["target"]).stop(grace_s=_GRACE_S)


@dataclass(frozen=True, slots=True)
class MachineRestarted(OfOneMachine):
    """A node's machine is killed and booted again at once, as by a watchdog: the cluster may not even miss it."""

    for_s: float = 0.0
    node: str | None = None
    kind: ClassVar[str] = "machine-restarted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def inject(self, world: World, state: State) -> None:
        """Kill it and boot it."""
        await machine_of(world, state["target"]).restart()

    async def bitten(self, world: World, state: State) -> str:
        """It was booted after the fault was prepared."""
        machine = machine_of(world, state["target"])

        async def booted(progress: Progress) -> str | None:
            try:
                since = await machine.started_at()
            except ClusterError as exc:
                progress.last = exc.what
                return None
            progress.last = f"it runs since {since}"
            return (
                f"the machine was booted at {since}, before at {state['booted']}" if since != state["booted"] else None
            )

        return await until(
            f"the machine of {state['target']} to be booted", booted, deadline_s=SEEN_DEADLINE_S, interval_s=0.2
        )
