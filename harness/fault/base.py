"""What a fault is, and what it may touch.

A fault is frozen data (it travels in plans and histories) with five verbs. `prepare` chooses targets and collects what
the undo needs; it changes nothing. Its result is written to the journal *before* `inject` acts. `bitten` returns the
evidence that the harm was done, or raises WaitTimeoutError: a fault that cannot show that it bit makes the run UNKNOWN.
`heal` undoes (it may be called more than once, and after a half-done inject); `healed` returns when the cluster, not
the operator, is well again. A fault never looks at what the operator reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.errors import FaultError
from harness.wait import Progress, until

if TYPE_CHECKING:
    import random
    import signal
    from collections.abc import Mapping

    from harness.cluster.base import Cluster
    from harness.cluster.configfile import ConfigFile
    from harness.cluster.hardware import NodeProfile
    from harness.process.cell import Cell
    from harness.process.child import Child

State = dict[str, Any]
"""What `prepare` found: JSON data, enough to heal from."""

# What a fault makes impossible for an operator, as checkers are told (the record's `affects`).
API = "api"  # the operator cannot see the cluster
WATCH = "watch"  # the operator is not told the latest, while its requests are answered
OPERATOR = "operator"  # we keep the operator from running
REST, GRPC = "rest", "grpc"  # that listener cannot be expected to answer
MEMBER = "member"  # one of several is lost, and the others go on: no excuse for anything
NODE = "node"  # the truth itself changes: no excuse for anything
DISCOVERY = "discovery"  # hardware cannot be read
REGISTRY = "registry"  # the registry cannot be read
LABELLING = "labelling"  # node labels cannot be written
POOLS = "pools"  # a Ceph cluster's pools cannot be asked for

BITE_DEADLINE_S = 25.0
"""How long evidence may take: a silent node is seen NotReady only after the node monitor's grace period."""


_STARTED = "started"  # in a state: an injection that ended the operator has started it again


class OperatorControl(Protocol):
    """What a fault may do to the operator."""

    @property
    def supervised(self) -> bool:
        """Whether an exit is followed by a start."""
        ...

    @property
    def running(self) -> bool:
        """Whether the process exists now."""
        ...

    @property
    def pid(self) -> int:
        """The process that runs now; 0 when there is none."""
        ...

    @property
    def rest_port(self) -> int:
        """Its REST port."""
        ...

    @property
    def grpc_port(self) -> int:
        """Its gRPC port."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        ...

    def state(self) -> str:
        """The kernel's word for its process: running, sleeping, stopped, …, or gone."""
        ...

    async def start(self) -> None:
        """Start it."""
        ...

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL it; not `again`: a supervisor leaves it dead, as where a Deployment is scaled to none."""
        ...

    async def interrupt(self, *, again: bool = True) -> int:
        """SIGINT it and wait for its end; `again` as with `kill`."""
        ...

    async def terminate(self) -> int:
        """SIGTERM it and wait for its end."""
        ...

    def start_another(self, rest_port: int, grpc_port: int) -> Child:
        """Start it once more beside itself, on these ports; whoever asks for that has to end it."""
        ...

    def confine(self, cell: Cell | None) -> None:
        """Put every process that is started from now on into the cell; None: into none."""
        ...


class Held(Protocol):
    """What a fault keeps open."""

    def close(self) -> None:
        """Let it go."""
        ...


class World(Protocol):
    """What a fault sees of a run."""

    @property
    def cluster(self) -> Cluster:
        """The cluster."""
        ...

    @property
    def operator(self) -> OperatorControl:
        """The operator's process."""
        ...

    @property
    def rng(self) -> random.Random:
        """The nemesis's random stream of the run's seed."""
        ...

    @property
    def profiles(self) -> dict[str, NodeProfile]:
        """The profile of every simulated node by name; `set_hardware` keeps it true."""
        ...

    @property
    def held(self) -> dict[int | str, Held]:
        """What faults keep open, to be closed at the end of the run at the latest.

        Ports that a fault has taken, by number; clients of ours and the like, by a name that the fault makes up.
        """
        ...

    @property
    def operations(self) -> int:
        """How many operations of our traffic the API server has confirmed."""
        ...

    def drawing(self, rng: random.Random) -> World:
        """The same part of the run, with random choices of its own."""
        ...

    async def set_hardware(self, node: str, profile: NodeProfile | None) -> None:
        """Change what a node is made of: discovery answers, and the ground truth's record of it."""
        ...

    async def set_registry(self, body: Any) -> None:
        """Change the registry's content, and the ground truth's record of it."""
        ...

    async def set_pools(self, namespace: str, body: Any) -> None:
        """Change what the tools of a Ceph cluster tell of its pools, and the ground truth's record of it."""
        ...

    @property
    def config(self) -> ConfigFile | None:
        """The operator's configuration file, to look at; None when it was given none."""
        ...

    async def set_config(self, content: str | None, how: str) -> None:
        """Change the configuration file in one of `configfile.WAYS` (None: no file), and the ground truth's record."""
        ...


class Fault(Protocol):
    """One kind of harm with its parameters."""

    kind: ClassVar[str]

    @property
    def affects(self) -> tuple[str, ...]:
        """What it makes impossible for an operator: words from the list above.

        Where that depends on the cluster, `prepare` says it in the state, as `affects`.
        """
        ...

    @property
    def for_s(self) -> float:
        """How long the harm lasts, from the evidence to the heal."""
        ...

    async def prepare(self, world: World) -> State:
        """Choose targets and collect what the undo needs."""
        ...

    async def inject(self, world: World, state: State) -> None:
        """Do the harm."""
        ...

    async def bitten(self, world: World, state: State) -> str:
        """The evidence that the harm was done."""
        ...

    async def heal(self, world: World, state: State) -> None:
        """Undo it."""
        ...

    async def healed(self, world: World, state: State) -> None:
        """Return when the cluster is well again; raises WaitTimeoutError."""
        ...


def affected(fault: Fault, state: Mapping[str, Any]) -> list[str]:
    """What an injection makes impossible, for its records."""
    return [str(word) for word in state.get("affects", fault.affects)]


def target(state: Mapping[str, Any]) -> str:
    """The name of what is harmed, for records and messages."""
    return str(state.get("target", ""))


def pid_of(world: World) -> int:
    """The operator's process; raises FaultError when there is none."""
    if not world.operator.pid:
        raise FaultError("the operator is not running")
    return world.operator.pid


_START_DEADLINE_S = 20.0
_SUPERVISED_DEADLINE_S = 330.0
"""A kubelet waits for 300 s at most, and its waits may be scaled by 1."""


async def start_unless_supervised(world: World) -> None:
    """Start the operator where nobody else does."""
    if not world.operator.supervised:
        await world.operator.start()


async def started_again(world: World, pid: int = 0) -> None:
    """Return when there is a process of the operator's, and not the one of that number."""

    async def there(progress: Progress) -> bool | None:
        progress.last = "nobody has started it yet"
        return world.operator.pid not in {0, pid} or None

    deadline_s = _SUPERVISED_DEADLINE_S if world.operator.supervised else _START_DEADLINE_S
    await until("the operator to be started", there, deadline_s=deadline_s)


async def start_operator(world: World, state: State) -> None:
    """Start the operator that an injection has ended, and note it."""
    await world.operator.start()
    state[_STARTED] = True


async def start_if_left_dead(world: World, state: State) -> None:
    """Start the operator where the injection was cut off before it did; what ends by itself later stays ended."""
    if not state.get(_STARTED):
        await world.operator.start()


def pick_node(world: World, wanted: str | None) -> str:
    """The wanted node, or one drawn from the run's seed; raises FaultError when that is no node."""
    names = sorted(world.profiles)
    if not names:
        raise FaultError("there is no node to be harmed")
    if wanted is not None and wanted not in world.profiles:
        raise FaultError(f"no node is called {wanted!r}", hint=f"there are {', '.join(names[:5])}")
    return wanted if wanted is not None else world.rng.choice(names)
