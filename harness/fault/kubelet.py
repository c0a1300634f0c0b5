"""Harm to what runs pods on a real node: the kubelet, the container runtime, and the room that a kubelet sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import FaultError
from harness.fault import evidence
from harness.fault.base import DISCOVERY, NODE, State, World
from harness.fault.machine import BOOT_DEADLINE_S, SEEN_DEADLINE_S, machine_of, not_ready, pick_machine, well

KUBELET, RUNTIME = "kubelet", "containerd"

PRESSED = {
    "disk": ("nodefs.available", "DiskPressure"),
    "memory": ("memory.available", "MemoryPressure"),
    "processes": ("pid.available", "PIDPressure"),
}
"""What can be short -> the kubelet's signal for it, and the node's condition (Kubernetes, "Node-pressure Eviction")."""
_NEARLY_ALL = "99.99%"
"""What has to be free, so that no node has it; the kubelet takes 100% for a threshold that was switched off."""

FOLDER = "/var/lib/kubelet"
PRESS = """\
set -e
cd "$3"
[ -e config.yaml.before ] || cp config.yaml config.yaml.before
sed -e '/^evictionHard: {}$/d' -e '/^  '"$1"':/d' config.yaml.before > config.yaml.pressed
grep -q '^evictionHard:$' config.yaml.pressed || echo 'evictionHard:' >> config.yaml.pressed
sed -i '/^evictionHard:$/a\\  '"$1"': "'"$2"'"' config.yaml.pressed
mv config.yaml.pressed config.yaml
systemctl restart kubelet
"""
RELIEVE = """\
set -e
cd "$1"
[ ! -e config.yaml.before ] || { mv config.yaml.before config.yaml; systemctl restart kubelet; }
"""


class _UnitStopped:
    """What the faults that stop a unit of systemd have in common."""

    __slots__ = ()

    unit: ClassVar[str]

    @property
    def node(self) -> str | None:
        """The one that is wanted; None: any."""
        raise NotImplementedError

    async def prepare(self, world: World) -> State:
        """The node."""
        return {"target": await pick_machine(world, self.node, alone=True)}

    async def inject(self, world: World, state: State) -> None:
        """Stop it."""
        await machine_of(world, state["target"]).unit("stop", self.unit)

    async def bitten(self, world: World, state: State) -> str:
        """The unit does not run, and the node is seen NotReady."""
        held = await machine_of(world, state["target"]).unit_state(self.unit)
        if held == "active":
            raise FaultError(f"{self.unit} runs on {state['target']}")
        return f"{self.unit} is {held}; {await not_ready(world, state['target'])}"

    async def heal(self, world: World, state: State) -> None:
        """Start it."""
        await machine_of(world, state["target"]).unit("start", self.unit)

    async def healed(self, world: World, state: State) -> None:
        """The node is Ready."""
        await evidence.node_is(world.cluster, state["target"], "Ready", well, deadline_s=BOOT_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class KubeletStopped(_UnitStopped):
    """A node's kubelet is stopped for `for_s` seconds after the cluster has missed it; its pods run on."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "kubelet-stopped"
    affects: ClassVar[tuple[str, ...]] = (NODE,)
    unit: ClassVar[str] = KUBELET


@dataclass(frozen=True, slots=True)
class RuntimeStopped(_UnitStopped):
    """A node's container runtime is stopped for `for_s` seconds after its kubelet has said so; its pods run on."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "runtime-stopped"
    affects: ClassVar[tuple[str, ...]] = (NODE,)
    unit: ClassVar[str] = RUNTIME


@dataclass(frozen=True, slots=True)
class NodePressed:
    """A node's kubelet takes a resource for short, for `for_s` seconds: it says so, and evicts pods.

    `what`: disk, memory or processes. The kubelet is told that any amount is too little, and started again: filling the
    disk of a container would fill that of the machine.
    """

    what: str = "memory"
    for_s: float = 6.0
    node: str | None = None
    kind: ClassVar[str] = "node-pressed"
    affects: ClassVar[tuple[str, ...]] = (NODE, DISCOVERY)

    async def prepare(self, world: World) -> State:
        """The node."""
        return {"target": await pick_machine(world, self.node)}

    async def inject(self, world: World, state: State) -> None:
        """Change the kubelet's threshold, with the file as it was kept beside it, and start the kubelet again."""
        signal, _condition = PRESSED[self.what]
        machine = machine_of(world, state["target"])
        await machine.exec("sh", "-c", PRESS, "press", signal, _NEARLY_ALL, FOLDER)

    async def bitten(self, world: World, state: State) -> str:
        """The node says that it is under pressure."""
        return await self._condition(world, state, "True")

    async def heal(self, world: World, state: State) -> None:
        """Put the file back, where it was changed, and start the kubelet again."""
        await machine_of(world, state["target"]).exec("sh", "-c", RELIEVE, "relieve", FOLDER)

    async def healed(self, world: World, state: State) -> None:
        """The node says that it is under none, and is Ready."""
        await self._condition(world, state, "False")

    async def _condition(self, world: World, state: State, wanted: str) -> str:
        name = PRESSED[self.what][1]

        def says(node: evidence.Node) -> str | None:
            told = {item["type"]: item["status"] for item in node["status"].get("conditions", ())}
            well = wanted == "True" or told.get("Ready") == "True"
            return f"the node says {name}={wanted}" if told.get(name) == wanted and well else None

        deadline_s = SEEN_DEADLINE_S if wanted == "True" else BOOT_DEADLINE_S
        return await evidence.node_is(world.cluster, state["target"], f"{name}={wanted}", says, deadline_s=deadline_s)
