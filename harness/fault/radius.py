"""What each kind of fault may touch, as words, as names at validation, and as names once targets are chosen.

Words that are exclusive stand for something that two faults cannot harm at the same time without one undoing, or
hiding, what the other did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster.etcd import EtcdStore
from harness.fault.together import Together, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.fault.base import Fault, State, World

API_SERVER = "the API server"
API_SERVERS = "the API servers, one after the other"
SERVER = "one server"
MEMBER, TWO_MEMBERS = "one etcd member", "two etcd members"
DATASTORE, CONTENT, WAY = "the datastore", "the datastore's content", "the way to the datastore"
ONE_NODE, NODES, NEW_NODES = "one node", "several nodes", "new nodes"
DISCOVERY_PODS, DISCOVERY_API = "discovery pods", "discovery APIs"
REGISTRY = "the GPU registry"
CONFIGURATION = "the operator's configuration"
RIGHTS, NAMESPACE = "what the operator may do", "the discovery namespace"
OPERATOR = "the operator's process"
PORTS, CONNECTIONS = "the operator's ports", "connections to the operator"
STORAGE, POOLS, TOOLS = "storage classes and volumes", "what a Ceph cluster tells of its pools", "the Ceph tools"
REQUESTS, WATCHES = "the operator's requests", "the operator's watches"

RADII: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("api-server-killed", "api-server-hung", "certificate-replaced"), (API_SERVER,)),
    "server-certificates-rotated": (API_SERVERS,),
    **dict.fromkeys(("server-killed", "server-paused"), (SERVER,)),
    **dict.fromkeys(
        ("leader-moved", "member-killed", "member-paused", "member-partitioned", "member-slowed", "member-replaced"),
        (MEMBER,),
    ),
    "quorum-lost": (TWO_MEMBERS,),
    **dict.fromkeys(("datastore-stopped", "leader-lost", "connections-exhausted", "sql-read-only"), (DATASTORE,)),
    **dict.fromkeys(("space-exhausted", "compacted"), (CONTENT,)),
    "datastore-slowed": (WAY,),
    **dict.fromkeys(
        (
            "node-silent", "node-cordoned", "node-deleted", "node-replaced", "node-not-ready", "node-flaps",
            "node-tainted", "node-drained", "allocatable-changed", "extended-resource-removed", "clock-ahead",
            "machine-paused", "machine-killed", "machine-stopped", "machine-restarted", "kubelet-stopped",
            "runtime-stopped", "node-pressed", "node-cut-off", "server-machine-killed",
            "node-rejoins",
        ),
        (ONE_NODE,),
    ),
    "nodes-deleted": (NODES,),
    "node-renamed": (ONE_NODE, NEW_NODES),
    **dict.fromkeys(("nodes-join", "node-never-ready", "node-empty-status"), (NEW_NODES,)),
    **dict.fromkeys(("discovery-pod-deleted", "discovery-pod-ends", "discovery-image-missing"), (DISCOVERY_PODS,)),
    **dict.fromkeys(("discovery-pod-pending", "discovery-pod-rejected", "second-operator"), (DISCOVERY_PODS,)),
    "discovery-unsettled": (DISCOVERY_API, DISCOVERY_PODS),
    **dict.fromkeys(("foreign-pod", "leftover-pods"), (DISCOVERY_PODS, OPERATOR)),
    "discovery-broken": (DISCOVERY_API,),
    **dict.fromkeys(("registry-changed", "registry-broken", "registry-flaps"), (REGISTRY,)),
    "registry-early": (REGISTRY, OPERATOR),
    **dict.fromkeys(("config-changed", "config-broken", "config-deleted"), (CONFIGURATION,)),
    "config-bad-at-start": (CONFIGURATION, OPERATOR),
    **dict.fromkeys(("storage-class-deleted", "storage-class-unlabelled", "volume-deleted"), (STORAGE,)),
    "pool-filled": (POOLS,),
    "ceph-tools-broken": (TOOLS,),
    **dict.fromkeys(("rights-revoked", "admission-denies", "operator-starved"), (RIGHTS,)),
    **dict.fromkeys(("namespace-recreated", "quota-exhausted", "service-account-missing"), (NAMESPACE,)),
    **dict.fromkeys(
        (
            "operator-killed", "operator-paused", "operator-terminated", "operator-interrupted",
            "operator-crash-loops", "files-limited", "processor-starved", "memory-limited",
        ),
        (OPERATOR,),
    ),
    "deletion-missed": (OPERATOR, API_SERVER, ONE_NODE),
    "port-taken": (OPERATOR, PORTS),
    **dict.fromkeys(("slow-clients", "idle-connections", "half-open-streams", "huge-headers"), (CONNECTIONS,)),
    **dict.fromkeys(
        ("api-refuses", "api-hangs", "api-slow", "api-truncates", "api-garbage", "api-resets"), (REQUESTS, WATCHES)
    ),
    **dict.fromkeys(
        (
            "watches-closed", "watch-error", "watch-frozen", "watch-drops-events", "watch-duplicates",
            "watch-bookmarks-only", "watch-delayed", "watch-reorders", "watches-from-the-past",
        ),
        (WATCHES,),
    ),
    "lists-from-the-past": (REQUESTS, OPERATOR),
    "version-expired": (WATCHES, API_SERVER, CONTENT),
    "token-expired": (OPERATOR, RIGHTS),
}  # fmt: skip
"""What a fault may touch, by kind. A fault made of faults may touch what each of them may."""

_CONTROL_PLANE = frozenset({API_SERVER, SERVER, MEMBER, TWO_MEMBERS, DATASTORE, CONTENT, WAY})
_OF_NODES = frozenset({ONE_NODE, NODES, NEW_NODES})
_EXCLUSIVE: Mapping[str, str] = {
    **dict.fromkeys((API_SERVER, API_SERVERS, SERVER), API_SERVER),
    **dict.fromkeys((MEMBER, TWO_MEMBERS, DATASTORE, WAY), DATASTORE),
    CONTENT: CONTENT,
    **dict.fromkeys((ONE_NODE, NODES, NEW_NODES), "node"),
    DISCOVERY_PODS: "the discovery pods of node",
    DISCOVERY_API: "the discovery API of node",
    **{word: word for word in (REGISTRY, CONFIGURATION, RIGHTS, NAMESPACE, OPERATOR, STORAGE)},
    # Both are told by the one command.
    **dict.fromkeys((POOLS, TOOLS), "what the Ceph tools tell"),
}
_NAMED = frozenset({*_OF_NODES, DISCOVERY_PODS, DISCOVERY_API})
"""The words that stand for something of nodes, so that two faults may harm that of two nodes."""

_ALL = "*"

Claim = tuple[str, str]
"""(what, node): what no other fault may harm at the same time; node "*": of any node, one that is not chosen yet."""


def radius(fault: Fault) -> tuple[str, ...]:
    """What the fault may touch, as words, each once."""
    words = [word for part in parts(fault) for word in RADII.get(part.kind, ())]
    restarts = any(getattr(part, "restart_operator", False) for part in parts(fault))
    return tuple(dict.fromkeys([*words, *([OPERATOR] if restarts else [])]))


def claims(fault: Fault) -> frozenset[Claim]:
    """What the fault harms exclusively, as far as that is known before targets are chosen."""
    return frozenset(claim for part in parts(fault) for claim in _claims(part))


def _claims(part: Any) -> Iterator[Claim]:
    for word in radius(part):
        if word not in _EXCLUSIVE:
            continue
        for node in _named(part) if word in _NAMED else ("",):
            yield _EXCLUSIVE[word], node
        if word == SERVER:  # an etcd member goes with it
            yield DATASTORE, ""


def _named(part: Any) -> tuple[str, ...]:
    if (nodes := getattr(part, "nodes", None)) is not None:
        return tuple(name for name, _profile in nodes)
    becomes = getattr(part, "becomes", None)  # another name, or a profile
    return (getattr(part, "node", None) or _ALL, *([becomes] if isinstance(becomes, str) else []))


def clash(some: Iterable[Claim], others: Iterable[Claim]) -> Claim | None:
    """A claim of some that is also one of the others; None when they go together."""
    others = tuple(others)
    for what, node in sorted(some):
        for other, that in others:
            if what == other and (node == that or _ALL in {node, that}):
                return what, node if that == _ALL else that
    return None


@dataclass(frozen=True, slots=True)
class Touched:
    """What an injection may touch: nodes and processes by name, the operator, and whether nodes may fall silent."""

    nodes: frozenset[str] = frozenset()
    processes: frozenset[str] = frozenset()
    operator: bool = False
    control_plane: bool = False
    datastore: bool = False

    def __or__(self, other: Touched) -> Touched:
        return Touched(
            self.nodes | other.nodes, self.processes | other.processes, self.operator or other.operator,
            self.control_plane or other.control_plane, self.datastore or other.datastore,
        )  # fmt: skip


def touched(fault: Fault, state: State, world: World) -> Touched:
    """What an injection with this state may touch."""
    if isinstance(fault, Together):
        return touched(fault.first, state["first"], world) | touched(fault.second, state["second"], world)
    words = frozenset(radius(fault))
    return Touched(
        nodes=frozenset(_nodes(state)) if words & _OF_NODES else frozenset(),
        processes=frozenset(_processes(words, state, world)),
        operator=OPERATOR in words,
        control_plane=bool(words & (_CONTROL_PLANE | {API_SERVERS})),
        datastore=bool(words & (_CONTROL_PLANE - {API_SERVER})),
    )


def _nodes(state: State) -> Iterable[str]:
    return state.get("profiles") or state.get("names") or (str(state["target"]),)


def _processes(words: frozenset[str], state: State, world: World) -> Iterator[str]:
    store = world.cluster.datastore if words & _CONTROL_PLANE else None
    if API_SERVER in words:
        yield world.cluster.api_server.name
    if SERVER in words:
        server = next(server for server in world.cluster.servers if server.name == state["server"])
        yield from (child.name for child in server.children)
    if isinstance(store, EtcdStore) and ("member" in state or "members" in state):
        yield from (store.member(name).name for name in state.get("members") or [state["member"]])
    elif store is not None and DATASTORE in words:
        yield from store.processes()
