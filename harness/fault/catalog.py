"""Every kind of fault by its name, and the way from a fault to JSON and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from harness.cluster.datastore import ETCD, ETCD3, SERVED
from harness.cluster.hardware import NodeProfile
from harness.errors import UsageError
from harness.fault.apiserver import ApiServerHung, ApiServerKilled
from harness.fault.datastore import (
    Compacted,
    DatastoreSlowed,
    DatastoreStopped,
    LeaderLost,
    SpaceExhausted,
)
from harness.fault.discovery import DiscoveryBroken, DiscoveryPodDeleted, RegistryBroken, RegistryChanged
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
from harness.fault.node import AllocatableChanged, NodeCordoned, NodeDeleted, NodeReplaced, NodeSilent, NodesJoin
from harness.fault.nodepods import EFFECTS, NodeDrained, NodeTainted
from harness.fault.nodeset import NodeEmptyStatus, NodeNeverReady, NodesDeleted
from harness.fault.nodestate import FLAPPING, ClockAhead, ExtendedResourceRemoved, NodeFlaps, NodeNotReady
from harness.fault.operator import DeletionMissed, OperatorKilled, PortTaken, RegistryEarly
from harness.fault.server import ServerKilled, ServerPaused
from harness.fault.sql import ConnectionsExhausted, SqlReadOnly
from harness.fault.together import Together, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.fault.base import Fault

KINDS: Mapping[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        ApiServerKilled, ApiServerHung, NodeSilent, NodeCordoned, NodeDeleted, NodeReplaced,
        NodeNotReady, NodeFlaps, NodeTainted, NodeDrained, NodesDeleted, NodeNeverReady, NodeEmptyStatus,
        AllocatableChanged, ExtendedResourceRemoved, ClockAhead,
        NodesJoin, OperatorKilled, DeletionMissed, PortTaken, RegistryEarly, DiscoveryPodDeleted, DiscoveryBroken,
        RegistryChanged, RegistryBroken,
        DatastoreStopped, DatastoreSlowed, LeaderLost, SpaceExhausted, Compacted, ConnectionsExhausted, SqlReadOnly,
        LeaderMoved, MemberKilled, MemberPaused, MemberPartitioned, MemberSlowed, MemberReplaced, QuorumLost,
        ServerKilled, ServerPaused, Together,
    )
}  # fmt: skip

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "discovery-broken": {"mode": ("refuse", "hang", "error", "garbage")},
    "registry-broken": {"mode": ("error", "hang")},
    "member-killed": {"role": ROLES},
    "member-paused": {"role": ROLES},
    "member-partitioned": {"role": ROLES},
    "member-slowed": {"role": ROLES},
    "server-killed": {"which": ("leader", "server-1", "server-2", "server-3")},
    "server-paused": {"which": ("leader", "server-1", "server-2", "server-3")},
    "node-flaps": {"what": FLAPPING},
    "node-tainted": {"effect": EFFECTS},
    "port-taken": {"port": ("rest", "grpc"), "restart": ("kill", "interrupt")},
}
"""The parameters that are one of a few words, by kind of fault."""

DATASTORES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("space-exhausted", "compacted"), (ETCD, ETCD3)),
    **dict.fromkeys(("connections-exhausted", "sql-read-only"), SERVED),
    **dict.fromkeys(
        (
            "leader-moved", "member-killed", "member-paused", "member-partitioned", "member-slowed", "member-replaced",
            "quorum-lost", "server-killed", "server-paused",
        ),
        (ETCD3,),
    ),
}  # fmt: skip
"""The kinds of datastore on which a fault is possible, by kind of fault; all others are possible on any."""

RELAYED = frozenset({"datastore-slowed", "member-partitioned", "member-slowed"})
"""The faults that need a relay before the datastore or within it, by kind."""

OF_SERVERS = frozenset({"server-killed", "server-paused"})
"""The faults that need several servers, by kind."""

LONGEST_S = 600.0
"""No fault lasts longer: a run must end."""

LONGEST_DELAY_S = 30.0
"""Beyond that, what is slow is away."""


def possible_on(fault: Fault, kinds: Iterable[str]) -> tuple[str, ...]:
    """Those of the kinds of datastore on which the fault, and all that it is made of, can be done."""
    return tuple(kind for kind in kinds if all(kind in DATASTORES.get(part.kind, (kind,)) for part in parts(fault)))


def needs_relay(fault: Fault) -> bool:
    """Whether the fault needs a relay before the datastore."""
    return any(part.kind in RELAYED for part in parts(fault))


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
    for name in ("delay_s", "after_s"):
        delay: Any = getattr(fault, name, 0.0)
        if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY_S:
            raise UsageError(
                f"{fault.kind}: {name}={delay!r} is out of range", hint=f"0 to {LONGEST_DELAY_S:g} seconds"
            )
    length: Any = fault.for_s  # a plan may hold anything
    if isinstance(length, bool) or not isinstance(length, int | float) or not 0 <= length <= LONGEST_S:
        raise UsageError(f"{fault.kind}: for_s={length!r} is out of range", hint=f"0 to {LONGEST_S:g} seconds")
    for name, words in WORDS.get(fault.kind, {}).items():
        value = getattr(fault, name)
        if value not in words:
            raise UsageError(f"{fault.kind}: {name}={value!r} is unknown", hint=f"one of {', '.join(words)}")
    return fault


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
        return NodeProfile(**value["profile"])
    if isinstance(value, dict) and set(value) == {"fault"} and isinstance(value["fault"], dict):
        return from_json(value["fault"])
    if isinstance(value, list):
        return tuple(_typed(item) for item in value)
    return value
