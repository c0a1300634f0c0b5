"""The seam between the harness and whatever provides a cluster.

Faults, traffic and observation see these Protocols and nothing of a backend's insides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from harness.cluster.apirules import ApiRule
    from harness.cluster.cephtools import CephTools
    from harness.cluster.client import KubeClient
    from harness.cluster.datastore import Datastore
    from harness.cluster.hardware import NodeProfile
    from harness.cluster.relay import Rule
    from harness.cluster.server import Server
    from harness.process.child import Child

POD_NAMESPACE = "akash-services"
DISCOVERY_ACCOUNT = "operator-inventory-hardware-discovery"


@dataclass(frozen=True, slots=True)
class Ground:
    """What our pods stand on: simulated nodes, or the real ones `nodes`, which are all that may be used and harmed.

    `image`: what a pod of ours runs; real nodes have it already. `discovery_image`: what the operator is to give its
    discovery pods; empty: one that only simulated nodes run.
    """

    simulated: bool = True
    nodes: Mapping[str, NodeProfile] = field(default_factory=dict)
    image: str = "traffic.invalid/pause:1"
    discovery_image: str = ""


SIMULATED = Ground()


class Member(Protocol):
    """One process of the control plane that a fault can harm and heal."""

    name: str

    @property
    def child(self) -> Child:
        """The process as it is now (a restart makes a new one)."""
        ...

    async def stop(self) -> None:
        """End it at once, as a crash would."""
        ...

    async def start(self) -> None:
        """Start it again with its data and on its port; returns when it answers."""
        ...


class Machine(Protocol):
    """The machine under a node, where it can be reached from outside. Every call raises ClusterError when refused."""

    @property
    def name(self) -> str:
        """The node's name."""
        ...

    @property
    def role(self) -> str:
        """One of "control-plane" and "worker"."""
        ...

    async def exec(self, *command: str, timeout_s: float = ..., stdin: bytes | None = ...) -> str:
        """What a command on it prints."""
        ...

    async def state(self) -> str:
        """Its state: running, paused, exited, …."""
        ...

    async def pause(self) -> None:
        """Freeze everything on it."""
        ...

    async def unpause(self) -> None:
        """Let it go on; one that does is no error."""
        ...

    async def kill(self) -> None:
        """End it as a power cut would."""
        ...

    async def stop(self, *, grace_s: int) -> None:
        """Shut it down; what has not ended by then is killed."""
        ...

    async def start(self) -> None:
        """Boot it, or let it go on; one that runs is no error."""
        ...

    async def restart(self) -> None:
        """Kill it and boot it again at once."""
        ...

    async def started_at(self) -> str:
        """When it was booted last, as text."""
        ...

    async def address(self) -> str:
        """Its address on the network of the nodes."""
        ...

    async def unit(self, verb: str, unit: str) -> None:
        """`systemctl VERB UNIT` on it."""
        ...

    async def unit_state(self, unit: str) -> str:
        """The word of systemd for a unit: active, inactive, failed, …."""
        ...


class Cluster(Protocol):
    """A running cluster.

    What its backend is not capable of (`harness.cluster.capability`) raises ClusterError.
    """

    @property
    def ground(self) -> Ground:
        """What pods of ours stand on."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of processes that belong to it, an operator's too: it carries the run's mark."""
        ...

    @property
    def client(self) -> KubeClient:
        """The harness's own access (cluster-admin)."""
        ...

    @property
    def operator_kubeconfig(self) -> Path:
        """The operator's identity, with exactly the rights of the contract."""
        ...

    @property
    def registry_url(self) -> str:
        """What the operator is given as --provider-configs-url."""
        ...

    @property
    def directory(self) -> Path:
        """The run's private directory."""
        ...

    @property
    def api_server(self) -> Member:
        """The (first) API server's process."""
        ...

    @property
    def servers(self) -> Sequence[Server]:
        """The servers: one, or three with an etcd member each."""
        ...

    @property
    def datastore(self) -> Datastore:
        """The datastore behind them."""
        ...

    @property
    def load(self) -> Callable[[Path], Awaitable[None]] | None:
        """Puts an image archive into every node; None where there is no node of ours that could take one."""
        ...

    @property
    def machines(self) -> Mapping[str, Machine]:
        """The machine under each real node, the control plane's too; empty where they cannot be reached."""
        ...

    @property
    def watchers(self) -> Sequence[KubeClient]:
        """Where the truth is to be watched: at one server, or at each of several."""
        ...

    async def set_rule(self, link: str, source: str = ..., rule: Rule = ...) -> None:
        """What happens to connections of a link of the relay from now on; the default lets everything pass."""
        ...

    async def relay_stats(self) -> Mapping[str, Any]:
        """Link -> counters of the relay."""
        ...

    @property
    def proxied(self) -> bool:
        """Whether the operator goes through the API proxy."""
        ...

    async def set_api_rule(self, rule: ApiRule) -> None:
        """Put a rule of the API proxy in force; raises ClusterError when there is no proxy."""
        ...

    async def clear_api_rule(self, rule_id: str) -> None:
        """Take a rule out of force; one that is not there is no error."""
        ...

    async def api_stats(self) -> Mapping[str, Any]:
        """{"rules": {id: {"met", "acted"}}, "watches": {resource: open}, "refused", "answered", …}: evidence.

        "refused": by the API server itself; "answered": {"verb resource": calls}.
        """
        ...

    async def api_calls(self, *, also_open: bool = False) -> Mapping[str, Any]:
        """{"calls": what ended since the last time (`harness.cluster.footprint`), "lost": how many were not kept}."""
        ...

    def write_token(self, *, life_s: float) -> None:
        """Give the operator a new token, valid for so long; raises ClusterError when it has a certificate instead."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Component -> version."""
        ...

    async def ready(self, deadline_s: float) -> None:
        """Return when the API server says it is ready; raises WaitTimeoutError."""
        ...

    async def set_hardware(self, bodies: Mapping[str, Any]) -> None:
        """Node -> what its discovery API answers from now on (None: it refuses)."""
        ...

    async def set_discovery(
        self, node: str, mode: str, *, delay_s: float = 0.0, others: Mapping[str, Any] | None = None
    ) -> None:
        """How the discovery API of a node ("*": of all) behaves: answer, UNSETTLED with `others`, or any of FAULTY."""
        ...

    async def set_registry(
        self, body: Any | None = None, *, mode: str = "answer", delay_s: float | None = None
    ) -> None:
        """The registry's content and delay (None: as they were); answer, or one of `sidecar.REGISTRY_FAULTY`."""
        ...

    async def discovery_stats(self) -> Mapping[str, Any]:
        """{"served": {node: answers}, "registry": answers, …}: evidence that the operator asked (`sidecar`)."""
        ...

    @property
    def ceph(self) -> CephTools:
        """The tools of the Ceph clusters, of which there may be none: what they tell, and whether they misbehave."""
        ...

    def take_port(self) -> int:
        """A loopback port reserved for the life of the cluster."""
        ...

    def processes(self) -> Mapping[str, Child]:
        """Every process of the cluster, by name."""
        ...

    async def stop(self, *, keep_logs: Path | None = None) -> None:
        """End it, keep the logs if asked to, and leave nothing."""
        ...
