"""A scenario: frozen data that says what is there, what harm is done, and which promises are judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import seed as seeds
from harness import typed
from harness.cluster import capability
from harness.cluster.configfile import SWAP, Configuration
from harness.cluster.datastore import ETCD3, KINDS
from harness.cluster.hardware import NodeProfile
from harness.cluster.nodes import check_name
from harness.cluster.storage import Storage  # noqa: TC001 - the types of a stored plan are looked up
from harness.errors import UsageError
from harness.fault import catalog, composition, naming
from harness.fault import needs as faults_need
from harness.fault.port import IPV6
from harness.fault.schedule import Step, injected, simple
from harness.operator.base import ADDRESSES, EVERYWHERE, LOOPBACK
from harness.operator.streams import Streams  # noqa: TC001 - the types of a stored plan are looked up
from harness.operator.supervisor import DEFAULT_SCALE, Supervision, check_scale
from harness.traffic import standing
from harness.traffic.pods import Churn
from harness.traffic.standing import Pod  # noqa: TC001 - the types of a stored plan are looked up
from harness.traffic.volumes import Volumes  # noqa: TC001 - the types of a stored plan are looked up

_DERIVED = frozenset({"min_ops", "behind_proxy"})
"""What a plan has beside the scenario's fields, for checkers."""

DEFAULT_PROFILE = NodeProfile(gpu="a100", gpus=4)


def simulated(count: int, profile: NodeProfile = DEFAULT_PROFILE, *, prefix: str = "worker") -> dict[str, NodeProfile]:
    """`count` nodes named PREFIX-1, PREFIX-2, …; raises UsageError for a count out of range."""
    if not 0 <= count <= 5000:
        raise UsageError(f"{count} nodes are out of range", hint="0 to 5000")
    return {f"{prefix}-{index}": profile for index in range(1, count + 1)}


def named(*names: str, profile: NodeProfile = DEFAULT_PROFILE) -> dict[str, NodeProfile]:
    """Nodes with the given names."""
    return {check_name(name): profile for name in names}


def two_sizes() -> dict[str, NodeProfile]:
    """The usual small cluster: a GPU node, another kind of GPU node, and one without GPUs."""
    return {
        "worker-1": NodeProfile(gpu="a100", gpus=4),
        "worker-2": NodeProfile(cpus=32, memory_mib=131072, gpu="rtx4090", gpus=2),
        "worker-3": NodeProfile(cpus=8, memory_mib=16384),
    }


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one run does.

    `id`: "conformance/…" or "chaos/…", unique; `promises`: ids of contract.md part B that the run judges; `faults`
    (each a fault, or a schedule of faults) are injected one after another, `pause_s` apart; `traffic` None: the cluster
    is left alone; `objectives`: seconds by promise, where they differ from the contract's (the scenario's docstring
    says why); `quiet_s`: how long report and truth must agree before the operator counts as recovered; `names`: node
    names that NAMES-1 is about; `observe_s`: how long to look when there are no faults.

    `supervised`: the operator is started again when it exits, as in a Deployment; `liveness`: and when the chart's
    liveness script fails; `backoff_scale`: how long the waits of both are, as a share of a kubelet's.

    `datastores`: the kinds on which the scenario makes sense, the one it runs on unless told otherwise first (those on
    which one of its faults is not possible are left out); `servers`: 1, or 3, each with an etcd member; `pinned`: the
    operator is given the first server's address, not the balanced one; `quota_mib`: etcd's size limit, 0 for its own.
    `proxied`: the operator goes through the API proxy, as it does anyway where a fault needs it. `models`: what the GPU
    registry calls a model, by the name it has in profiles and faults.
    `config`: the configuration file that the operator starts with; None: it is given none. `rest_address`: where both
    of its listeners are, one of `operator.base.ADDRESSES`. `storage`: what the cluster has of it; None: nothing, and
    nothing of it is watched. `volumes`: traffic on PersistentVolumes. `by_environment`: what the operator is told by
    flags it is told by environment variables, where it can be. `streams`: clients of StreamCluster beside the one that
    is always there. `seed`: the run's, whatever the campaign's is, for a reproducer that has to stand alone; None: the
    campaign's. `pods`: what is put on the nodes after the gate, and stays.

    `machines`: it can be run on real nodes, whatever they are, and needs so many of them; 0: on simulated ones only,
    because it is about their number, size or hardware. On real nodes the first ones stand for those of `nodes`, so that
    a fault may name them; where there are `names`, they are called so too. `needs`: words of `cluster.capability`
    beside those that follow from the rest.
    """

    id: str
    promises: tuple[str, ...]
    nodes: Mapping[str, NodeProfile] = field(default_factory=two_sizes)
    faults: tuple[Step, ...] = ()
    traffic: Churn | None = field(default_factory=Churn)
    objectives: Mapping[str, float] = field(default_factory=dict)
    supervised: bool = False
    liveness: bool = False
    backoff_scale: float = DEFAULT_SCALE
    quiet_s: float = 2.0
    pause_s: float = 1.0
    observe_s: float = 4.0
    names: tuple[str, ...] = ()
    gate_deadline_s: float = 30.0
    datastores: tuple[str, ...] = KINDS
    servers: int = 1
    pinned: bool = False
    quota_mib: int = 0
    proxied: bool = False
    config: Configuration | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    rest_address: str = LOOPBACK
    storage: Storage | None = None
    volumes: Volumes | None = None
    by_environment: bool = False
    streams: Streams | None = None
    seed: int | None = None
    machines: int = 0
    needs: tuple[str, ...] = ()
    pods: tuple[Pod, ...] = ()

    def __post_init__(self) -> None:
        if not self.id or any(part in {"", ".", ".."} for part in self.id.split("/")):
            raise UsageError(f"scenario id {self.id!r} is not usable", hint="like 'chaos/api-server-killed'")
        if not self.promises:
            raise UsageError(f"scenario {self.id} judges no promise", hint="name at least one in promises=(…)")
        for name in self.nodes:
            check_name(name)
        composition.check_all(self.faults, pause_s=self.pause_s, nodes=self.nodes, traffic=self.traffic is not None)
        joining = (name for fault in injected(*self.faults) for name in naming.nodes_named(fault))
        standing.check(self.pods, (*self.nodes, *joining), f"scenario {self.id}")
        self._check_cluster()
        self._check_config()
        self._check_ports()
        self._check_needs()
        if self.seed is not None:
            seeds.check(self.seed)
        check_scale(self.backoff_scale, f"scenario {self.id}: backoff_scale")
        for name, value in (
            ("quiet_s", self.quiet_s), ("pause_s", self.pause_s), ("observe_s", self.observe_s),
            ("gate_deadline_s", self.gate_deadline_s),
            *((f"objectives[{key}]", value) for key, value in self.objectives.items()),
        ):  # fmt: skip
            if not 0 <= value <= 600:
                raise UsageError(f"scenario {self.id}: {name}={value:g} is out of range", hint="0 to 600 seconds")

    def _check_cluster(self) -> None:
        if unknown := [kind for kind in self.datastores if kind not in KINDS]:
            raise UsageError(
                f"scenario {self.id}: datastore {unknown[0]!r} is not known", hint=f"one of {', '.join(KINDS)}"
            )
        if self.servers not in {1, 3}:
            raise UsageError(f"scenario {self.id}: servers={self.servers} is out of range", hint="1 or 3")
        if not 0 <= self.quota_mib <= 8192:
            raise UsageError(f"scenario {self.id}: quota_mib={self.quota_mib} is out of range", hint="0 to 8192 MiB")
        kinds = {fault.kind for fault in simple(*self.faults)}
        if self.servers == 1 and (alone := sorted(kinds & catalog.OF_SERVERS)):
            raise UsageError(f"scenario {self.id}: {alone[0]} needs several servers", hint="servers=3")
        if not self.supervised and (alone := sorted(kinds & catalog.OF_SUPERVISED)):
            raise UsageError(f"scenario {self.id}: {alone[0]} needs a supervised operator", hint="supervised=True")
        if self.liveness and not self.supervised:
            raise UsageError(f"scenario {self.id}: liveness needs a supervised operator", hint="supervised=True")
        if not self.quota_mib and "space-exhausted" in kinds:
            raise UsageError(f"scenario {self.id}: space-exhausted needs a size limit", hint="quota_mib=32")
        if not self.possible_on:
            raise UsageError(
                f"scenario {self.id}: no datastore is left on which its faults and servers are possible",
                hint=f"datastores={', '.join(self.datastores)}, servers={self.servers}",
            )

    def _check_config(self) -> None:
        named = self.config is not None and self.config.storage
        if self.storage is None and (named or self.volumes is not None):
            what = "its configuration names storage classes" if named else "it has traffic on volumes"
            raise UsageError(
                f"scenario {self.id}: {what}, and there is no storage", hint="storage=Storage(classes=(…,))"
            )
        if self.storage is None and (alone := sorted({f.kind for f in simple(*self.faults)} & catalog.OF_STORAGE)):
            raise UsageError(f"scenario {self.id}: {alone[0]} needs storage", hint="storage=Storage(classes=(…,))")
        for part in (part for part in simple(*self.faults) if part.kind in catalog.OF_CONFIGURED):
            if self.config is None or self.config.inline:
                raise UsageError(
                    f"scenario {self.id}: {part.kind} needs a configuration file", hint="config=Configuration()"
                )
            how = getattr(part, "how", "")
            if (how == SWAP) is not self.config.volume:
                raise UsageError(
                    f"scenario {self.id}: {part.kind} with how={how!r} does not go with volume={self.config.volume}",
                    hint=f"how={SWAP!r} for a file in a ConfigMap volume, any other for a plain file",
                )

    def _check_ports(self) -> None:
        if self.rest_address not in ADDRESSES:
            hint = f"one of {', '.join(ADDRESSES)}"
            raise UsageError(f"scenario {self.id}: rest_address={self.rest_address!r} is not possible", hint=hint)
        unharmed = self.rest_address == LOOPBACK
        if unharmed and any(getattr(part, "family", "") == IPV6 for part in simple(*self.faults)):
            raise UsageError(
                f"scenario {self.id}: port-taken with family={IPV6!r} is in nobody's way on {LOOPBACK}",
                hint=f"rest_address={EVERYWHERE!r}",
            )

    def _check_needs(self) -> None:
        if unknown := [word for word in self.needs if word not in capability.MEANING]:
            raise UsageError(
                f"scenario {self.id}: needs {unknown[0]!r} is not known", hint=f"of {', '.join(capability.MEANING)}"
            )
        if not 0 <= self.machines <= len(self.nodes):
            raise UsageError(
                f"scenario {self.id}: machines={self.machines} is out of range",
                hint=f"0 to {len(self.nodes)}, the number of its nodes",
            )
        standing = set(sorted(self.nodes)[: self.machines])
        far = sorted({name for fault in injected(*self.faults) for name in naming.nodes_named(fault)} - standing)
        if self.machines and far:
            raise UsageError(
                f"scenario {self.id}: a fault names {far[0]!r}, for which no real node stands",
                hint=f"machines={self.machines} stands for {', '.join(sorted(standing))}",
            )
        unheld = sorted(set(self.names) - standing)
        if self.machines and unheld:
            raise UsageError(
                f"scenario {self.id}: no real node is called {unheld[0][:80]!r}",
                hint="names are of the first `machines` of its nodes, in the order of their names",
            )
        acts = self.traffic is not None or self.volumes is not None or self.config is not None or bool(self.faults)
        if capability.RUNNING_OPERATOR in self.needs and (acts or not self.machines):
            raise UsageError(
                f"scenario {self.id}: an operator that runs already is only looked at, on real nodes",
                hint="machines=1, traffic=None, no faults and no configuration",
            )

    @property
    def needed(self) -> tuple[str, ...]:
        """All that it needs of a backend: words of `cluster.capability`, sorted."""
        words = {*self.needs, *(word for fault in injected(*self.faults) for word in faults_need.needs(fault))}
        wanted = {
            capability.OPERATOR: capability.RUNNING_OPERATOR not in self.needs,
            capability.SIMULATED_NODES: not self.machines or (self.traffic is not None and self.traffic.whole),
            capability.SERVERS: self.servers > 1,
            capability.NODE_NAMES: bool(self.machines) and bool(self.names),
            capability.DATASTORE_FAULTS: bool(self.quota_mib),
            capability.API_PROXY: self.proxied,
            capability.CONFIG_FILE: self.config is not None and not self.config.inline,
            capability.CLUSTER_OBJECTS: self.storage is not None,
            capability.CEPH_TOOLS: self.storage is not None and bool(self.storage.ceph),
            capability.REGISTRY: bool(self.models),
            capability.OPERATOR_PROCESS: self.rest_address != LOOPBACK,
        }
        return tuple(sorted(words | {word for word, needed in wanted.items() if needed}))

    @property
    def possible_on(self) -> tuple[str, ...]:
        """The kinds of datastore on which it can be run, the usual one first."""
        kinds = self.datastores if self.servers == 1 else tuple(kind for kind in self.datastores if kind == ETCD3)
        for fault in injected(*self.faults):
            kinds = catalog.possible_on(fault, kinds)
        return kinds

    @property
    def behind_proxy(self) -> bool:
        """Whether the operator goes through the API proxy: because it was asked for, or because its faults need it."""
        return self.proxied or composition.needs_proxy(self.faults)

    def with_nodes(self, nodes: Mapping[str, NodeProfile]) -> Scenario:
        """The same scenario on other nodes."""
        return dataclasses.replace(self, nodes=dict(nodes))

    def deployed(self, asked: Supervision) -> Scenario:
        """The same scenario with the supervisor that was asked for beyond its own."""
        return dataclasses.replace(
            self,
            supervised=self.supervised or asked.supervised or asked.liveness,
            liveness=self.liveness or asked.liveness,
            backoff_scale=self.backoff_scale if asked.scale is None else asked.scale,
        )

    @property
    def supervision(self) -> dict[str, Any]:
        """How the operator is supervised, as JSON."""
        return {"supervised": self.supervised, "liveness": self.liveness, "backoff_scale": self.backoff_scale}

    @classmethod
    def from_json(cls, body: Any) -> Scenario:
        """The scenario of a stored plan, which is as `as_json` made it; raises UsageError for what is no such thing."""
        if isinstance(body, Mapping):
            body = {key: value for key, value in body.items() if key not in _DERIVED}
        try:
            return typed.make(cls, body, named="the plan's scenario", known={Step: composition.from_json})
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as exc:
            # A parameter of a fault may be anything in a plan that was made by hand.
            raise UsageError(
                f"the plan's scenario cannot be made: {exc}", hint="compare it with docs/faults.md"
            ) from exc

    def as_json(self) -> dict[str, Any]:
        """The plan: everything that, with the seed, repeats the run."""
        return {
            "id": self.id,
            "promises": list(self.promises),
            "nodes": {name: dataclasses.asdict(profile) for name, profile in self.nodes.items()},
            "faults": [composition.to_json(step) for step in self.faults],
            "traffic": None if self.traffic is None else dataclasses.asdict(self.traffic),
            "min_ops": sum(part.least for part in (self.traffic, self.volumes) if part is not None),
            "objectives": dict(self.objectives),
            **self.supervision,
            "quiet_s": self.quiet_s,
            "pause_s": self.pause_s,
            "observe_s": self.observe_s,
            "names": list(self.names),
            "gate_deadline_s": self.gate_deadline_s,
            "datastores": list(self.datastores),
            "servers": self.servers,
            "pinned": self.pinned,
            "quota_mib": self.quota_mib,
            "proxied": self.proxied,
            "behind_proxy": self.behind_proxy,
            "config": None if self.config is None else dataclasses.asdict(self.config),
            "models": dict(self.models),
            "rest_address": self.rest_address,
            "storage": None if self.storage is None else dataclasses.asdict(self.storage),
            "volumes": None if self.volumes is None else dataclasses.asdict(self.volumes),
            "by_environment": self.by_environment,
            "streams": None if self.streams is None else dataclasses.asdict(self.streams),
            "seed": self.seed,
            "machines": self.machines,
            "needs": list(self.needs),
            "pods": [dataclasses.asdict(pod) for pod in self.pods],
        }
