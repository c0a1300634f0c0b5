"""The part of a run that faults may touch (`harness.fault.base.World`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.cluster.hardware import under_names
from harness.errors import FaultError
from harness.operator.process import OperatorProcess
from harness.run.configured import document
from harness.wait import interval

if TYPE_CHECKING:
    import random
    import signal
    from collections.abc import Mapping

    from harness.cluster.base import Cluster
    from harness.cluster.configfile import ConfigFile
    from harness.cluster.hardware import NodeProfile
    from harness.fault.base import Held
    from harness.operator.base import Operator
    from harness.process.cell import Cell
    from harness.process.child import Child
    from harness.run.observe import LiveTruth
    from harness.traffic.driver import Driver


_STEP_S = 0.05
"""How long a file that is written in pieces stays as each piece leaves it: long enough for whoever watches it."""


@dataclass(slots=True)
class RunWorld:
    """The part of a run that faults may touch."""

    cluster: Cluster
    operator: RunControl
    rng: random.Random
    profiles: dict[str, NodeProfile]
    live: LiveTruth
    held: dict[int | str, Held] = field(default_factory=dict)
    config: ConfigFile | None = None
    driver: Driver | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        """How many operations of our traffic the API server has confirmed; 0 where there is no traffic."""
        return 0 if self.driver is None else self.driver.ok

    def drawing(self, rng: random.Random) -> RunWorld:
        """The same part of the run, with random choices of its own; everything else is shared."""
        return replace(self, rng=rng)

    async def set_hardware(self, node: str, profile: NodeProfile | None) -> None:
        """Change a node's hardware and record it; None: the node is gone. That of real nodes cannot be changed."""
        body = None if profile is None else profile.hardware()
        if self.cluster.ground.simulated:
            await self.cluster.set_hardware({node: body})
        elif profile is not None:
            raise FaultError(f"node {node} is a real one: its hardware cannot be changed", hint="becomes=None")
        if profile is None:
            self.profiles.pop(node, None)
        else:
            self.profiles[node] = profile
        self.live.record("hardware", node=node, hardware=body)

    async def set_registry(self, body: Any) -> None:
        """Change the registry's content, in which models are called as the scenario has it, and record it."""
        body = under_names(body, self.models)
        await self.cluster.set_registry(body)
        self.live.record("registry", body=body)

    async def set_pools(self, namespace: str, body: Any) -> None:
        """Change what the tools of a Ceph cluster tell of its pools, and record it."""
        self.cluster.ceph.write(namespace, body)
        self.live.record("pools", namespace=namespace, body=body)

    async def set_config(self, content: str | None, how: str) -> None:
        """Change the configuration file, and record each thing that it said on the way."""
        if self.config is None:
            raise FaultError("the operator was given no configuration file", hint="give the scenario a configuration")
        for said in self.config.change(content, how):
            self.live.record("config", body=document(said))
            if said != content:
                await interval(_STEP_S)


@dataclass(slots=True)
class RunControl:
    """What faults may do to the operator."""

    process: Operator

    @property
    def supervised(self) -> bool:
        """Whether an exit is followed by a start."""
        return self.process.supervised

    @property
    def running(self) -> bool:
        """Whether the process exists now."""
        return self.process.running

    @property
    def pid(self) -> int:
        """The process that runs now; 0 when there is none."""
        return self.process.pid

    @property
    def rest_port(self) -> int:
        """Its REST port."""
        return self.process.rest_port

    @property
    def grpc_port(self) -> int:
        """Its gRPC port."""
        return self.process.grpc_port

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process, if there is one."""
        if (child := self._own.child) is not None:
            child.send(number)

    def state(self) -> str:
        """The kernel's word for its process, or gone; of a pod it is only known whether it runs."""
        if not isinstance(self.process, OperatorProcess):
            return "running" if self.process.running else "gone"
        child = self.process.child
        return child.state() if child is not None else "gone"

    async def start(self) -> None:
        """Start it."""
        await self.process.start()

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL it."""
        await self.process.kill(again=again)

    async def interrupt(self, *, again: bool = True) -> int:
        """SIGINT it and wait for its end; the exit code."""
        return await self.process.interrupt(again=again)

    async def terminate(self) -> int:
        """SIGTERM it and wait for its end; the exit code."""
        return await self.process.terminate()

    def start_another(self, rest_port: int, grpc_port: int) -> Child:
        """Start it once more beside itself, on these ports."""
        return self._own.start_another(rest_port, grpc_port)

    def confine(self, cell: Cell | None) -> None:
        """Put every process that is started from now on into the cell; None: into none."""
        self._own.cell = cell

    @property
    def _own(self) -> OperatorProcess:
        """The operator as a process of this machine; raises FaultError when it is none."""
        if not isinstance(self.process, OperatorProcess):
            raise FaultError("the operator is no process of this machine", hint="--operator-in process")
        return self.process
