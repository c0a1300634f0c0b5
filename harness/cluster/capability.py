"""What a backend may have, in words: scenarios and faults say which of them they need.

A backend that lacks a word lists the scenarios that need it as not applicable, with the word and its meaning as the
reason. Words are about what can be done there, never about which backend it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIMULATED_NODES = "simulated-nodes"
SIMULATED_HARDWARE = "simulated-hardware"
EGRESS = "egress"
REGISTRY = "registry"
API_PROXY = "api-proxy"
RELAY = "relay"
TOKEN = "token"  # noqa: S105 - a word, no secret
API_SERVER_FAULTS = "api-server-faults"
DATASTORE_FAULTS = "datastore-faults"
DATASTORES = "datastores"
SERVERS = "servers"
AUDIT = "audit"
RIGHTS = "rights"
POLICIES = "policies"
NAMESPACES = "namespaces"
CLUSTER_OBJECTS = "cluster-objects"
CEPH_TOOLS = "ceph-tools"
OPERATOR = "operator"
NODE_MARKING = "node-marking"
NODE_DRAIN = "node-drain"
NODE_REJOIN = "node-rejoin"
NODE_DELETE = "node-delete"
NODE_NAMES = "node-names"
KUBELET = "kubelet"
CONTAINERS = "containers"
OPERATOR_PROCESS = "operator-process"
OPERATOR_POD = "operator-pod"
CONFIG_FILE = "config-file"
RUNNING_OPERATOR = "running-operator"

MEANING: Mapping[str, str] = {
    SIMULATED_NODES: "nodes of any number, size and name, whose kubelets are played",
    SIMULATED_HARDWARE: "what a node's hardware is can be chosen and changed",
    EGRESS: "what the API server sends to pods passes through the harness",
    REGISTRY: "the GPU registry is the harness's own, where the operator reaches it",
    API_PROXY: "the operator goes through a proxy of the harness to the API server",
    RELAY: "connections to the datastore, and within it, pass through the harness",
    TOKEN: "the operator shows a token whose life the harness chooses",
    API_SERVER_FAULTS: "the API server's process can be harmed",
    DATASTORE_FAULTS: "the datastore's processes and its content can be harmed",
    DATASTORES: "clusters can be had on datastores of several kinds",
    SERVERS: "clusters can be had with three servers",
    AUDIT: "API servers can write an audit log",
    RIGHTS: "the operator's rights can be taken away and given back",
    POLICIES: "admission policies and priorities of the whole cluster can be set",
    NAMESPACES: "the discovery namespace and what is in it can be taken away",
    CLUSTER_OBJECTS: "storage classes, volumes and definitions of the whole cluster can be made",
    CEPH_TOOLS: "the tools of a Ceph cluster are played",
    OPERATOR: "an operator can be run, and pods beside it",
    NODE_MARKING: "nodes can be cordoned and tainted",
    NODE_DRAIN: "all pods of a node can be driven away",
    NODE_REJOIN: "nodes can be deleted and join again",
    NODE_DELETE: "nodes can be deleted for good",
    NODE_NAMES: "nodes can be given names of any length",
    KUBELET: "real kubelets and a container runtime run the pods",
    CONTAINERS: "nodes are containers that can be stopped, paused, killed and cut off",
    OPERATOR_PROCESS: "the operator is a process of this machine",
    OPERATOR_POD: "the operator is a pod of the cluster",
    RUNNING_OPERATOR: "somebody's operator runs already, and is asked",
    CONFIG_FILE: "the operator's configuration file can be changed while it runs",
}
"""Every word with what it stands for."""


def missing(needed: Iterable[str], there: frozenset[str]) -> tuple[str, ...]:
    """Those of the needed words that are not there, in the order of `MEANING`."""
    wanted = frozenset(needed)
    return tuple(word for word in MEANING if word in wanted - there)


def because(words: Iterable[str]) -> str:
    """Why something is not applicable: "needs kubelet: real kubelets and a container runtime run the pods; …"."""
    return "needs " + "; ".join(f"{word}: {MEANING[word]}" for word in words)
