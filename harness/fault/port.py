"""The operator's ports, taken by another program: in one family of addresses or in both, one port or both of them.

The operator listens on 127.0.0.1 unless the scenario says otherwise, and who holds a port of IPv6 alone is not in its
way there. On 0.0.0.0 it depends on the program: Go listens on both families by one socket when it is told so (package
net, `favoriteAddrFamily`), and finds the port taken; others listen on IPv4 alone, and serve. The contract says neither,
so while the port is taken an operator may do either; once it is free RECOVER-3 wants service from all of them.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import FaultError
from harness.fault.base import GRPC, OPERATOR, REST, State, World, start_if_left_dead, start_operator
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IPV4, IPV6, BOTH = "ipv4", "ipv6", "both"
FAMILIES: Mapping[str, str] = {IPV4: "127.0.0.1", IPV6: "[::], IPv6 alone", BOTH: "[::]"}
"""Where a port is taken, by the word for it: of both families by one socket, as many programs do."""

PORTS = (REST, GRPC, BOTH)
_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class PortTaken:
    """The operator starts while another program holds one of its ports; `for_s` seconds later the port is free.

    `port`: rest | grpc | both. `restart` kill: the operator is killed and its supervisor starts it again, the port is
    stolen in between; interrupt: the operator is ended in order, and starts first when the port is taken already.
    `family` is one of `FAMILIES`; ipv6 is for an operator that listens on 0.0.0.0 (`Scenario.rest_address`).
    The scenario must be supervised: upstream exits on a taken port, and its Deployment starts it again.
    """

    port: str = REST
    for_s: float = 5.0
    restart: str = "interrupt"
    family: str = IPV4
    kind: ClassVar[str] = "port-taken"

    @property
    def listeners(self) -> tuple[str, ...]:
        """The listeners whose port is taken."""
        return (REST, GRPC) if self.port == BOTH else (self.port,)

    @property
    def affects(self) -> tuple[str, ...]:
        """The operator may exit over it, and those listeners cannot answer."""
        return (OPERATOR, *self.listeners)

    async def prepare(self, world: World) -> State:
        """The numbers of the ports."""
        if not world.operator.supervised:
            raise FaultError("port-taken needs a supervised operator", hint="give the scenario supervised=True")
        if not possible(self.family):
            raise FaultError(f"this machine has no socket for {FAMILIES[self.family]}", hint="family='ipv4'")
        numbers = {REST: world.operator.rest_port, GRPC: world.operator.grpc_port}
        ports = {name: numbers[name] for name in self.listeners}
        return {"target": " and ".join(f"{name} port {number}" for name, number in ports.items()),
                "ports": list(ports.values())}  # fmt: skip

    async def inject(self, world: World, state: State) -> None:
        """End the operator, take the ports, start the operator."""
        if self.restart == "kill":
            await world.operator.kill()
            await _take(world, state["ports"], self.family)
        else:
            await world.operator.interrupt(again=False)
            await _take(world, state["ports"], self.family)
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The ports are ours while the operator has been started."""
        free = [number for number in state["ports"] if number not in world.held]
        if free:
            raise FaultError(f"port {free[0]} could not be taken")

        async def started(progress: Progress) -> bool | None:
            progress.last = "the supervisor has not started the operator yet"
            return world.operator.running or None

        await until("the operator to be started", started, deadline_s=_DEADLINE_S)
        numbers = " and ".join(str(number) for number in state["ports"])
        address = FAMILIES[self.family]
        return f"another program listens on {address}, port {numbers}, since before the operator was started"

    async def heal(self, world: World, state: State) -> None:
        """Let the ports go; start the operator where it was left dead."""
        for number in state["ports"]:
            held = world.held.pop(number, None)
            if held is not None:
                held.close()
        if self.restart == "interrupt":
            await start_if_left_dead(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: from now on the operator (or its supervisor) has to act."""


def possible(family: str) -> bool:
    """Whether this machine lets a socket listen like that."""
    try:
        listen_on(0, family).close()
    except OSError:
        return False
    return True


def listen_on(port: int, family: str = IPV4) -> socket.socket:
    """Take a port as one of `FAMILIES` says, by a listener that accepts nothing; raises OSError when it is taken."""
    taken = socket.socket(socket.AF_INET if family == IPV4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family != IPV4:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(family == IPV6))
        taken.bind(("127.0.0.1" if family == IPV4 else "::", port))
        taken.listen(1)
    except OSError:
        taken.close()
        raise
    return taken


async def _take(world: World, ports: Sequence[int], family: str) -> None:
    """Take the ports as soon as the operator's end has freed them, into `World.held`."""

    async def taken(progress: Progress) -> bool | None:
        for port in ports:
            if port not in world.held:
                with contextlib.suppress(OSError):
                    world.held[port] = listen_on(port, family)
        left = [port for port in ports if port not in world.held]
        progress.last = f"still in use: {left}"
        return None if left else True

    await until(f"ports {list(ports)} to be taken", taken, deadline_s=_DEADLINE_S, interval_s=0.002)
