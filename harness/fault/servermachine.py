"""The machine of one of three servers loses its power, with its API server and its member of etcd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault.base import MEMBER, NODE, State, World
from harness.fault.machine import CONTROL_PLANE, SEEN_DEADLINE_S, machine_of, not_ready, operator_nodes, ready_again
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.base import Machine

ANY, LEADER = "any", "leader"
ROLES = (ANY, LEADER)
LEAST = 3
"""Of fewer servers the others are no majority."""

_METRICS = ("curl", "--silent", "--show-error", "--max-time", "5", "http://127.0.0.1:2381/metrics")
"""Where kubeadm has etcd tell its metrics, on its own machine alone."""
_LEADS = "etcd_server_is_leader 1"


@dataclass(frozen=True, slots=True)
class ServerMachineKilled:
    """The machine of one of three servers loses its power and is booted `for_s` seconds after it was missed.

    `role`: any server, or the one whose etcd leads. One on which the operator runs is spared: to lose the operator with
    it is another fault.
    """

    role: str = ANY
    for_s: float = 6.0
    kind: ClassVar[str] = "server-machine-killed"
    affects: ClassVar[tuple[str, ...]] = (MEMBER, NODE)

    async def prepare(self, world: World) -> State:
        """The server, and who led."""
        servers = {name: found for name, found in world.cluster.machines.items() if found.role == CONTROL_PLANE}
        if len(servers) < LEAST:
            raise FaultError(f"there are {len(servers)} servers with machines: the others must be a majority", hint="3")
        leader = await leading(list(servers.values()))
        spared = await operator_nodes(world)
        able = [leader] if self.role == LEADER else sorted(set(servers) - spared)
        if not able or able[0] in spared:
            raise FaultError(f"the operator runs on {', '.join(sorted(spared))}: no server can be lost without it")
        name = able[0] if self.role == LEADER else world.rng.choice(able)
        return {"target": name, "leader": leader, "booted": await servers[name].started_at()}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL to everything on it."""
        await machine_of(world, state["target"]).kill()

    async def bitten(self, world: World, state: State) -> str:
        """The machine is off, its node is missed and, where it led, another leads."""
        held = await machine_of(world, state["target"]).state()
        if held == "running":
            raise FaultError(f"the machine of {state['target']} runs")
        others = [
            machine for name, machine in world.cluster.machines.items()
            if machine.role == CONTROL_PLANE and name != state["target"]
        ]  # fmt: skip

        async def led(progress: Progress) -> str | None:
            try:
                return await leading(others)
            except ClusterError as exc:
                progress.last = exc.what
                return None

        leader = await until("one of the others to lead", led, deadline_s=SEEN_DEADLINE_S, interval_s=0.5)
        return f"the machine is {held}; etcd of {leader} leads, before {state['leader']}; " + await not_ready(
            world, state["target"]
        )

    async def heal(self, world: World, state: State) -> None:
        """Boot it."""
        await machine_of(world, state["target"]).start()

    async def healed(self, world: World, state: State) -> None:
        """It runs, its node is Ready, and so is the API server that answers."""
        await ready_again(world, state["target"])
        await world.cluster.ready(SEEN_DEADLINE_S)


async def leading(servers: list[Machine]) -> str:
    """The name of the server whose etcd leads; raises ClusterError when none of them says so."""
    silent = []
    for machine in servers:
        try:
            if _LEADS in (await machine.exec(*_METRICS)).splitlines():
                return machine.name
        except ClusterError as exc:
            silent.append(exc.what)
    raise ClusterError(f"no etcd of {', '.join(machine.name for machine in servers)} leads; {'; '.join(silent)}")
