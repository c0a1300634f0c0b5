"""A real node's network, cut by the packet filter of its machine: from the control plane, its peers, or everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import NODE, State, World
from harness.fault.machine import (
    BOOT_DEADLINE_S,
    CONTROL_PLANE,
    SEEN_DEADLINE_S,
    machine_of,
    not_ready,
    pick_machine,
    well,
)
from harness.wait import Progress, until

SERVERS, PEERS, ALL = "servers", "peers", "all"
FROM = (SERVERS, PEERS, ALL)
CHAIN = "INVENTORY-HARNESS"
"""A chain of our own: what is undone is known without looking at anybody else's rules."""

_CUT = f"""\
set -e
iptables -w -N {CHAIN} 2>/dev/null || iptables -w -F {CHAIN}
for peer in "$@"; do
  iptables -w -A {CHAIN} -s "$peer" -j DROP
  iptables -w -A {CHAIN} -d "$peer" -j DROP
done
for hook in INPUT OUTPUT FORWARD; do
  iptables -w -C "$hook" -j {CHAIN} 2>/dev/null || iptables -w -I "$hook" 1 -j {CHAIN}
done
"""
_JOIN = f"""\
iptables -w -L {CHAIN} -n >/dev/null 2>&1 || exit 0
set -e
for hook in INPUT OUTPUT FORWARD; do
  while iptables -w -D "$hook" -j {CHAIN} 2>/dev/null; do :; done
done
iptables -w -F {CHAIN}
iptables -w -X {CHAIN}
"""
_COUNT = ("iptables", "-w", "-L", CHAIN, "-n", "-v", "-x")


@dataclass(frozen=True, slots=True)
class NodeCutOff:
    """What a node and the others send each other is dropped for `for_s` seconds after that was seen.

    `away_from`: the control plane's nodes, the other nodes, or both; pods of the node are cut off with it.
    """

    away_from: str = SERVERS
    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "node-cut-off"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The node, and the addresses of those from which it is cut off."""
        name = await pick_machine(world, self.node)
        if machine_of(world, name).role == CONTROL_PLANE:
            raise FaultError(f"{name} carries the control plane", hint="a scenario with machines=2 has workers")
        others = {
            SERVERS: [m for m in world.cluster.machines.values() if m.role == CONTROL_PLANE],
            PEERS: [m for m in world.cluster.machines.values() if m.role != CONTROL_PLANE],
            ALL: list(world.cluster.machines.values()),
        }[self.away_from]
        addresses = [await machine.address() for machine in others if machine.name != name]
        if not any(addresses):
            raise FaultError(f"{name} has nobody to be cut off from: away_from={self.away_from!r}", hint="more nodes")
        return {"target": name, "addresses": sorted(filter(None, addresses))}

    async def inject(self, world: World, state: State) -> None:
        """Drop whatever comes from, or goes to, one of the addresses."""
        await machine_of(world, state["target"]).exec("sh", "-c", _CUT, "cut", *state["addresses"])

    async def bitten(self, world: World, state: State) -> str:
        """Packets were dropped and, where its kubelet cannot reach the API server, the node is seen NotReady.

        Peers have nothing to say to each other until somebody asks: one packet is sent.
        """
        machine = machine_of(world, state["target"])

        async def dropped(progress: Progress) -> str | None:
            if self.away_from == PEERS:
                await machine.exec("sh", "-c", f"timeout 1 bash -c '</dev/tcp/{state['addresses'][0]}/10250' || true")
            try:
                count = packets(await machine.exec(*_COUNT))
            except ClusterError as exc:  # there are no rules of ours
                progress.last = exc.what
                return None
            progress.last = f"{count} packets were dropped"
            return progress.last if count else None

        said = await until("packets to be dropped", dropped, deadline_s=SEEN_DEADLINE_S, interval_s=0.5)
        return said if self.away_from == PEERS else f"{said}; {await not_ready(world, state['target'])}"

    async def heal(self, world: World, state: State) -> None:
        """Take the rules away."""
        await machine_of(world, state["target"]).exec("sh", "-c", _JOIN)

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready."""
        await evidence.node_is(world.cluster, state["target"], "Ready", well, deadline_s=BOOT_DEADLINE_S)


def packets(listing: str) -> int:
    """How many packets the rules of a chain have dropped, from iptables' listing of it. Pure."""
    rows = [line.split() for line in listing.splitlines()]
    return sum(int(row[0]) for row in rows if len(row) > 2 and row[2] == "DROP" and row[0].isdigit())
