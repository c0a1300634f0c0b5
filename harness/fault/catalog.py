"""Every kind of fault by its name, and the way from a fault to JSON and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from harness.cluster.apicalls import VERBS
from harness.cluster.cephtools import TOOLS_FAULTY
from harness.cluster.configfile import WAYS
from harness.cluster.datastore import ETCD, ETCD3, SERVED
from harness.cluster.egress import FAULTY
from harness.cluster.hardware import NodeProfile
from harness.cluster.sidecar import REGISTRY_FAULTY
from harness.errors import UsageError
from harness.fault.access import ApiGarbage, ApiHangs, ApiRefuses, ApiResets, ApiSlow, ApiTruncates
from harness.fault.apiserver import ApiServerHung, ApiServerKilled, CertificateReplaced
from harness.fault.clients import DEAF, DRIP, HalfOpenStreams, HugeHeaders, IdleConnections, SlowClients
from harness.fault.config import BROKEN, ConfigBadAtStart, ConfigBroken, ConfigChanged, ConfigDeleted
from harness.fault.cutoff import FROM, NodeCutOff
from harness.fault.datastore import (
    Compacted,
    DatastoreSlowed,
    DatastoreStopped,
    LeaderLost,
    SpaceExhausted,
)
from harness.fault.discovery import DiscoveryBroken, DiscoveryUnsettled
from harness.fault.discoveryimage import DiscoveryImageMissing
from harness.fault.discoverypod import DiscoveryPodDeleted, DiscoveryPodEnds, DiscoveryPodPending
from harness.fault.ending import OperatorCrashLoops, OperatorInterrupted, OperatorTerminated
from harness.fault.host import FilesLimited, OperatorPaused, ProcessorStarved
from harness.fault.kubelet import PRESSED, KubeletStopped, NodePressed, RuntimeStopped
from harness.fault.machine import MachineKilled, MachinePaused, MachineRestarted, MachineStopped
from harness.fault.member import (
    ROLES,
    LeaderMoved,
    MemberKilled,
    MemberPartitioned,
    MemberPaused,
    MemberReplaced,
    MemberSlowed,
    QuorumLost,
)
from harness.fault.memory import MemoryLimited
from harness.fault.node import AllocatableChanged, NodeCordoned, NodeDeleted, NodeReplaced, NodeSilent, NodesJoin
from harness.fault.nodepods import EFFECTS, NodeDrained, NodeTainted
from harness.fault.noderejoin import NodeRejoins
from harness.fault.nodeset import NodeEmptyStatus, NodeNeverReady, NodeRenamed, NodesDeleted
from harness.fault.nodestate import FLAPPING, ClockAhead, ExtendedResourceRemoved, NodeFlaps, NodeNotReady
from harness.fault.operator import DeletionMissed, OperatorKilled, RegistryEarly
from harness.fault.policy import DENIED, AdmissionDenies, NamespaceRecreated, QuotaExhausted, ServiceAccountMissing
from harness.fault.port import FAMILIES, PORTS, PortTaken
from harness.fault.registry import RegistryBroken, RegistryChanged, RegistryFlaps
from harness.fault.rejected import REASONS, DiscoveryPodRejected
from harness.fault.rights import RESOURCES, RightsRevoked
from harness.fault.rights import VERBS as RIGHTS
from harness.fault.second import SecondOperator
from harness.fault.server import ServerKilled, ServerPaused
from harness.fault.servercertificates import ServerCertificatesRotated
from harness.fault.servermachine import ROLES as OF_SERVER
from harness.fault.servermachine import ServerMachineKilled
from harness.fault.sql import ConnectionsExhausted, SqlReadOnly
from harness.fault.starved import OperatorStarved
from harness.fault.storage import (
    CephToolsBroken,
    PoolFilled,
    StorageClassDeleted,
    StorageClassUnlabelled,
    VolumeDeleted,
)
from harness.fault.strangers import ForeignPod, LeftoverPods
from harness.fault.timetravel import ListsFromThePast, VersionExpired, WatchesFromThePast
from harness.fault.together import Together, parts
from harness.fault.token import TokenExpired
from harness.fault.watch import (
    WatchBookmarksOnly,
    WatchDelayed,
    WatchDropsEvents,
    WatchDuplicates,
    WatchError,
    WatchesClosed,
    WatchFrozen,
    WatchReorders,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.fault.base import Fault

KINDS: Mapping[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        ApiServerKilled, ApiServerHung, CertificateReplaced, NodeSilent, NodeCordoned, NodeDeleted, NodeReplaced,
        NodeNotReady, NodeFlaps, NodeTainted, NodeDrained, NodesDeleted, NodeNeverReady, NodeEmptyStatus, NodeRenamed,
        AllocatableChanged, ExtendedResourceRemoved, ClockAhead, NodeRejoins,
        NodesJoin, OperatorKilled, DeletionMissed, PortTaken, RegistryEarly, DiscoveryPodDeleted, DiscoveryBroken,
        DiscoveryPodEnds, DiscoveryPodPending, DiscoveryPodRejected, DiscoveryUnsettled, SecondOperator, ForeignPod,
        LeftoverPods, RegistryChanged, RegistryBroken, RegistryFlaps,
        DatastoreStopped, DatastoreSlowed, LeaderLost, SpaceExhausted, Compacted, ConnectionsExhausted, SqlReadOnly,
        LeaderMoved, MemberKilled, MemberPaused, MemberPartitioned, MemberSlowed, MemberReplaced, QuorumLost,
        ServerKilled, ServerPaused, Together,
        ApiRefuses, ApiResets, ApiHangs, ApiSlow, ApiTruncates, ApiGarbage,
        WatchesClosed, WatchError, WatchFrozen, WatchDropsEvents, WatchDuplicates,
        WatchBookmarksOnly, WatchDelayed, WatchReorders, ListsFromThePast, WatchesFromThePast, VersionExpired,
        TokenExpired,
        OperatorPaused, OperatorTerminated, OperatorInterrupted, OperatorCrashLoops, FilesLimited, ProcessorStarved,
        MemoryLimited,
        SlowClients, IdleConnections, HalfOpenStreams, HugeHeaders,
        RightsRevoked, AdmissionDenies, QuotaExhausted, ServiceAccountMissing, NamespaceRecreated, OperatorStarved,
        ConfigChanged, ConfigBroken, ConfigDeleted, ConfigBadAtStart,
        ConfigChanged, ConfigBroken, ConfigDeleted,
        StorageClassDeleted, StorageClassUnlabelled, VolumeDeleted, PoolFilled, CephToolsBroken,
        MachinePaused, MachineKilled, MachineStopped, MachineRestarted, KubeletStopped, RuntimeStopped, NodePressed,
        NodeCutOff, ServerMachineKilled, ServerCertificatesRotated, DiscoveryImageMissing,
    )
}  # fmt: skip

_ANY_VERB = {"verb": ("", *VERBS)}

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "discovery-broken": {"mode": FAULTY},
    "discovery-pod-rejected": {"reason": tuple(REASONS)},
    "discovery-pod-ends": {"how": ("evicted", "failed", "oom-killed")},
    "registry-broken": {"mode": REGISTRY_FAULTY},
    "member-killed": {"role": ROLES},
    "member-paused": {"role": ROLES},
    "member-partitioned": {"role": ROLES},
    "member-slowed": {"role": ROLES},
    "server-killed": {"which": ("leader", "server-1", "server-2", "server-3")},
    "server-paused": {"which": ("leader", "server-1", "server-2", "server-3")},
    "node-flaps": {"what": FLAPPING},
    "node-tainted": {"effect": EFFECTS},
    **dict.fromkeys(("api-refuses", "api-resets", "api-hangs", "api-slow", "api-truncates", "api-garbage"), _ANY_VERB),
    "port-taken": {"port": PORTS, "restart": ("kill", "interrupt"), "family": tuple(FAMILIES)},
    "slow-clients": {"how": (DRIP, DEAF)},
    "rights-revoked": {"verb": ("", *RIGHTS), "resource": ("", *RESOURCES)},
    "admission-denies": {"what": DENIED},
    "config-changed": {"how": WAYS},
    "config-broken": {"what": tuple(BROKEN), "how": WAYS},
    "config-deleted": {"how": WAYS},
    "config-bad-at-start": {"what": tuple(what for what in BROKEN if what != "empty"), "how": WAYS},
    "ceph-tools-broken": {"mode": TOOLS_FAULTY},
    "node-pressed": {"what": tuple(PRESSED)},
    "node-cut-off": {"away_from": FROM},
    "server-machine-killed": {"role": OF_SERVER},
}
"""The parameters that are one of a few words, by kind of fault."""

DATASTORES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("space-exhausted", "compacted"), (ETCD, ETCD3)),
    **dict.fromkeys(("connections-exhausted", "sql-read-only"), SERVED),
    **dict.fromkeys(
        (
            "leader-moved", "member-killed", "member-paused", "member-partitioned", "member-slowed", "member-replaced",
            "quorum-lost", "server-killed", "server-paused", "server-machine-killed",
        ),
        (ETCD3,),
    ),
}  # fmt: skip
"""The kinds of datastore on which a fault is possible, by kind of fault; all others are possible on any."""

RELAYED = frozenset({"datastore-slowed", "member-partitioned", "member-slowed"})
"""The faults that need a relay before the datastore or within it, by kind."""

PROXIED = frozenset({
    "api-refuses", "api-resets", "api-hangs", "api-slow", "api-truncates", "api-garbage",
    "watches-closed", "watch-error", "watch-frozen", "watch-drops-events", "watch-duplicates",
    "rights-revoked", "admission-denies", "quota-exhausted", "service-account-missing", "operator-starved",
    "watch-bookmarks-only", "watch-delayed", "watch-reorders",
    "lists-from-the-past", "watches-from-the-past", "version-expired", "token-expired",
})  # fmt: skip
"""The faults that need the API proxy between operator and API server, by kind."""

BY_TOKEN = frozenset({"token-expired"})
"""The faults that need an operator that shows a token instead of a certificate, by kind."""

OF_SERVERS = frozenset({"server-killed", "server-paused", "server-machine-killed"})
"""The faults that need several servers, by kind."""

OF_SUPERVISED = frozenset({"port-taken", "operator-crash-loops", "memory-limited", "config-bad-at-start"})
"""The faults that need an operator that is started again when it ends, by kind."""

OF_CONFIGURED = frozenset({"config-changed", "config-broken", "config-deleted", "config-bad-at-start"})
"""The faults that need an operator with a configuration file, by kind."""

OF_MEMORY_GROUPS = frozenset({"memory-limited"})
"""The faults that need a machine on which we can make a control group for memory, by kind."""
OF_STORAGE = frozenset(
    {"storage-class-deleted", "storage-class-unlabelled", "volume-deleted", "pool-filled", "ceph-tools-broken"}
)
"""The faults that need a cluster with storage, by kind."""

LONGEST_S = 600.0
"""No fault lasts longer: a run must end."""

LONGEST_DELAY_S = 30.0
"""Beyond that, what is slow is away."""

FURTHEST_S = 366 * 86_400.0
"""A clock that is a year ahead is as wrong as any."""

RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("delay_s", "after_s", "every_s", "age_s"), (0.0, LONGEST_DELAY_S)),
    "for_s": (0.0, LONGEST_S),
    "life_s": (1.0, 60.0),
    "ahead_s": (0.0, FURTHEST_S),
    "count": (1, 5000),
    "size_kib": (1, 65536),
    "kills": (2, 6),
    "gib": (1, 1 << 20),
    "alive_s": (0.0, 10.0),
    "share": (0.05, 0.9),
    "status": (400, 599),
    "code": (400, 599),
    "retry_after_s": (0, 60),
    **dict.fromkeys(("skip", "calls"), (0, 1000)),
    "after_bytes": (0, 1 << 30),
}
"""The least and the most of parameters that are numbers, by name; where the least is whole, all are."""

OWN_RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "node-flaps": {"times": (1, 100)},
    "registry-flaps": {"times": (2, 60)},
}
"""The same for parameters whose range is another for each kind of fault, by kind."""


def possible_on(fault: Fault, kinds: Iterable[str]) -> tuple[str, ...]:
    """Those of the kinds of datastore on which the fault, and all that it is made of, can be done."""
    return tuple(kind for kind in kinds if all(kind in DATASTORES.get(part.kind, (kind,)) for part in parts(fault)))


def needs_relay(fault: Fault) -> bool:
    """Whether the fault needs a relay before the datastore."""
    return any(part.kind in RELAYED for part in parts(fault))


def needs_proxy(fault: Fault) -> bool:
    """Whether the fault needs the API proxy."""
    return any(part.kind in PROXIED for part in parts(fault))


def needs_token(fault: Fault) -> bool:
    """Whether the fault needs an operator that shows a token."""
    return any(part.kind in BY_TOKEN for part in parts(fault))


def to_json(fault: Fault) -> dict[str, Any]:
    """{"kind": …, parameters…}."""
    fields = {f.name: getattr(fault, f.name) for f in dataclasses.fields(fault) if not f.name.startswith("_")}  # type: ignore[arg-type]
    return {"kind": fault.kind, **{key: _plain(value) for key, value in fields.items()}}


def from_json(body: Mapping[str, Any]) -> Fault:
    """The fault of a plan; raises UsageError naming what is unknown."""
    kind = KINDS.get(str(body.get("kind")))
    if kind is None:
        raise UsageError(f"unknown fault {body.get('kind')!r}", hint=f"one of {', '.join(sorted(KINDS))}")
    known = {f.name for f in dataclasses.fields(kind) if not f.name.startswith("_")}
    given = {key: value for key, value in body.items() if key != "kind"}
    if unknown := sorted(set(given) - known):
        raise UsageError(
            f"fault {kind.kind} has no parameter {unknown[0]!r}", hint=f"it has {', '.join(sorted(known))}"
        )
    try:
        fault: Fault = kind(**{key: _typed(value) for key, value in given.items()})
    except TypeError as exc:  # a parameter that is needed and missing, or a profile with unknown parts
        raise UsageError(f"fault {kind.kind}: {exc}", hint=f"given were {given}") from exc
    return check(fault)


def check(fault: Fault) -> Fault:
    """Return a fault whose values are in range; raises UsageError naming the value otherwise."""
    if isinstance(fault, Together):
        for name in ("first", "second"):
            part: Any = getattr(fault, name)
            if type(part) not in KINDS.values():
                raise UsageError(f"{fault.kind}: {name}={part!r} is no fault", hint='{"fault": {"kind": …}} in a plan')
            check(part)
    for name, (least, most) in {**RANGES, **OWN_RANGES.get(fault.kind, {})}.items():
        check_number(fault, name, least, most)
    if getattr(fault, "mode", "") == "late" and not getattr(fault, "delay_s", 0.0):
        raise UsageError(f"{fault.kind}: mode='late' without a delay is no fault", hint="delay_s=6.0")
    for name, words in WORDS.get(fault.kind, {}).items():
        value = getattr(fault, name)
        if value not in words:
            raise UsageError(f"{fault.kind}: {name}={value!r} is unknown", hint=f"one of {', '.join(words)}")
    return fault


def check_number(part: Any, name: str, least: float, most: float) -> None:
    """Raise UsageError where a number of a fault or a schedule is out of range; a plan may hold anything.

    A parameter that it does not have is in range; where the least is whole, all are.
    """
    number: Any = getattr(part, name, least)
    if number is None and any(f.name == name and f.default is None for f in dataclasses.fields(part)):
        return
    kinds = int if isinstance(least, int) else int | float
    if isinstance(number, bool) or not isinstance(number, kinds) or not least <= number <= most:
        unit = " seconds" if name.endswith("_s") else ""
        raise UsageError(f"{part.kind}: {name}={number!r} is out of range", hint=f"{least:g} to {most:g}{unit}")


def _plain(value: Any) -> Any:
    """JSON data; a node's profile becomes {"profile": {…}}, a fault {"fault": {…}}."""
    if type(value) in KINDS.values():
        return {"fault": to_json(value)}
    if isinstance(value, NodeProfile):
        return {"profile": dataclasses.asdict(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _typed(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"profile"}:
        return NodeProfile.from_json(value["profile"])
    if isinstance(value, dict) and set(value) == {"fault"} and isinstance(value["fault"], dict):
        return from_json(value["fault"])
    if isinstance(value, list):
        return tuple(_typed(item) for item in value)
    return value
