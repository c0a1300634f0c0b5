"""What each kind of fault needs of a backend, as words of `harness.cluster.capability`.

What it needs of a scenario (several servers, a supervisor, a configuration file, storage) stands in the catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cluster.capability import (
    API_PROXY,
    API_SERVER_FAULTS,
    CEPH_TOOLS,
    CLUSTER_OBJECTS,
    CONFIG_FILE,
    CONTAINERS,
    DATASTORE_FAULTS,
    EGRESS,
    KUBELET,
    NAMESPACES,
    NODE_DELETE,
    NODE_DRAIN,
    NODE_MARKING,
    NODE_REJOIN,
    OPERATOR_PROCESS,
    POLICIES,
    REGISTRY,
    RELAY,
    RIGHTS,
    SERVERS,
    SIMULATED_HARDWARE,
    SIMULATED_NODES,
    TOKEN,
)
from harness.fault.nodepods import NO_EXECUTE
from harness.fault.together import parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.fault.base import Fault

NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("api-server-killed", "api-server-hung", "certificate-replaced"), (API_SERVER_FAULTS,)),
    **dict.fromkeys(("server-killed", "server-paused"), (API_SERVER_FAULTS, DATASTORE_FAULTS, SERVERS)),
    **dict.fromkeys(
        (
            "datastore-stopped", "leader-lost", "space-exhausted", "compacted", "connections-exhausted",
            "sql-read-only", "leader-moved", "member-killed", "member-paused", "member-replaced", "quorum-lost",
        ),
        (DATASTORE_FAULTS,),
    ),
    **dict.fromkeys(("datastore-slowed", "member-partitioned", "member-slowed"), (DATASTORE_FAULTS, RELAY)),
    **dict.fromkeys(
        (
            "node-silent", "node-not-ready", "node-flaps", "allocatable-changed", "extended-resource-removed",
            "clock-ahead",
        ),
        (SIMULATED_NODES,),
    ),
    **dict.fromkeys(
        (
            "nodes-join", "node-replaced", "nodes-deleted", "node-never-ready", "node-empty-status", "node-renamed",
            "discovery-pod-ends", "discovery-pod-pending", "discovery-pod-rejected", "foreign-pod", "leftover-pods",
        ),
        (SIMULATED_NODES, SIMULATED_HARDWARE),
    ),
    **dict.fromkeys(("node-cordoned", "node-tainted"), (NODE_MARKING,)),
    "node-drained": (NODE_MARKING, NODE_DRAIN),
    "node-deleted": (NODE_DELETE,),
    "node-rejoins": (NODE_REJOIN,),
    **dict.fromkeys(("discovery-broken", "discovery-unsettled"), (EGRESS,)),
    "discovery-pod-deleted": (),
    "second-operator": (OPERATOR_PROCESS, SIMULATED_NODES, SIMULATED_HARDWARE),
    **dict.fromkeys(("registry-changed", "registry-broken", "registry-flaps", "registry-early"), (REGISTRY,)),
    **dict.fromkeys(("config-changed", "config-broken", "config-deleted"), (CONFIG_FILE,)),
    "config-bad-at-start": (CONFIG_FILE, OPERATOR_PROCESS),
    **dict.fromkeys(("storage-class-deleted", "storage-class-unlabelled", "volume-deleted"), (CLUSTER_OBJECTS,)),
    **dict.fromkeys(("pool-filled", "ceph-tools-broken"), (CLUSTER_OBJECTS, CEPH_TOOLS)),
    "rights-revoked": (RIGHTS,),
    **dict.fromkeys(("admission-denies", "operator-starved"), (API_PROXY, POLICIES)),
    **dict.fromkeys(("quota-exhausted", "service-account-missing"), (API_PROXY, NAMESPACES)),
    "namespace-recreated": (NAMESPACES, SIMULATED_HARDWARE),
    "operator-killed": (),
    **dict.fromkeys(
        (
            "operator-paused", "operator-terminated", "operator-interrupted", "operator-crash-loops", "files-limited",
            "processor-starved", "memory-limited", "port-taken", "slow-clients", "idle-connections",
            "half-open-streams", "huge-headers",
        ),
        (OPERATOR_PROCESS,),
    ),
    "deletion-missed": (OPERATOR_PROCESS, API_SERVER_FAULTS, SIMULATED_NODES),
    **dict.fromkeys(
        (
            "api-refuses", "api-resets", "api-hangs", "api-slow", "api-truncates", "api-garbage", "watches-closed",
            "watch-error", "watch-frozen", "watch-drops-events", "watch-duplicates", "watch-bookmarks-only",
            "watch-delayed", "watch-reorders", "lists-from-the-past", "watches-from-the-past",
        ),
        (API_PROXY,),
    ),
    "version-expired": (API_PROXY, API_SERVER_FAULTS, DATASTORE_FAULTS),
    "token-expired": (API_PROXY, TOKEN),
    **dict.fromkeys(
        (
            "machine-paused", "machine-killed", "machine-stopped", "machine-restarted", "kubelet-stopped",
            "runtime-stopped", "node-pressed", "node-cut-off", "discovery-image-missing",
            "server-certificates-rotated",
        ),
        (KUBELET, CONTAINERS),
    ),
    "server-machine-killed": (KUBELET, CONTAINERS, SERVERS),
}  # fmt: skip
"""By kind; a fault made of faults needs what each of them needs."""


def needs(fault: Fault) -> frozenset[str]:
    """What this fault needs, with these parameters: hardware that changes is simulated, NoExecute drives pods away."""
    words = {word for part in parts(fault) for word in NEEDS[part.kind]}
    if any(getattr(part, "effect", "") == NO_EXECUTE for part in parts(fault)):
        words.add(NODE_DRAIN)
    if any(getattr(part, "becomes", None) is not None for part in parts(fault)):
        words.add(SIMULATED_HARDWARE)
    return frozenset(words)
