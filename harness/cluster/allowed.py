"""What may be changed in somebody's cluster: the list of `--allow-destructive`, and the judge of each request.

Nothing is permitted that is not named. The judge sees every request that would change something, whoever in the harness
makes it, so a fault with a mistake in it cannot do more than was allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster.access import OPERATOR_USER
from harness.cluster.base import POD_NAMESPACE
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAFFIC_NAMESPACES = ("tenant-a", "tenant-b")
OURS = (POD_NAMESPACE, *TRAFFIC_NAMESPACES)
"""The namespaces that the harness makes and removes; none of them may be there before."""

LEASE_NAMESPACE, LEASE = "default", "inventory-harness"
"""Where harnesses tell each other that one is at work: a place that every cluster has."""

OPERATOR, DRAIN, DELETE, NODE = "operator", "drain", "delete", "node/"
PUBLIC, MANY, CLOUD, AKASH = "public-server", "many-nodes", "cloud-nodes", "akash"
MEANING: Mapping[str, str] = {
    OPERATOR: "an operator is run: it labels every node and makes a pod on each; namespaces and a role are made for it",
    f"{NODE}NAME": "pods of ours run on this node, and it is cordoned and tainted",
    DRAIN: "all pods of the nodes that are named may be driven away, whosever they are",
    DELETE: "the nodes that are named may be deleted, and join again",
    PUBLIC: "although the API server has a public address",
    MANY: "although the cluster has many nodes",
    CLOUD: "although the nodes are machines of a cloud provider",
    AKASH: "although another inventory operator has labelled nodes",
}
"""Every word of the list, with what it permits."""

MANAGED = ("akash.network", "nvidia.com/gpu.present")
"""What the keys of the labels begin with that an operator writes on nodes (contract.md part A)."""

_PLAIN = re.compile(r"(/(?!\.{1,2}(/|$))[\w.:-]+)+")
"""Segments that stand for themselves: a client makes another path of `..`, of nothing, and of what is encoded."""

_REVIEWS = re.compile(r"/apis/authorization\.k8s\.io/v1/(self)?subject(access|rules)reviews")
_ROLES = re.compile(r"/apis/rbac\.authorization\.k8s\.io/v1/clusterrole(?:binding)?s(?:/([^/]+))?")
_NODE = re.compile(r"/api/v1/nodes(?:/([^/]+))?")
_NAMESPACED = re.compile(r"/api(?:s/[^/]+)?/v1/namespaces(?:/([^/]+)(/.*)?)?")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the list says. `nodes`: by name; `despite`: signs of production that are known and meant."""

    operator: bool = False
    nodes: tuple[str, ...] = ()
    drain: bool = False
    delete: bool = False
    despite: frozenset[str] = frozenset()

    def refusal(self, method: str, path: str, body: Any) -> str:
        """Why a request that changes something must not be made; empty when it may. Pure."""
        path = path.partition("?")[0]
        if not _PLAIN.fullmatch(path):
            return "the path is not a plain one"
        if _REVIEWS.fullmatch(path):
            return ""
        if not self.operator:
            return f"nothing may be changed without {OPERATOR!r} in the list"
        return self._of_object(method, path, body)

    def _of_object(self, method: str, path: str, body: Any) -> str:
        if (found := _ROLES.fullmatch(path)) is not None:
            name = found.group(1) or _name(body)
            return "" if name == OPERATOR_USER else f"the role {name!r} is not ours"
        if (found := _NODE.fullmatch(path)) is not None:
            return self._of_node(method, found.group(1) or _name(body), body)
        if (found := _NAMESPACED.fullmatch(path)) is not None:
            return self._of_namespace(found.group(1) or _name(body), found.group(2) or "", method)
        return "it is neither in a namespace of ours nor about a node that was named"

    def _of_node(self, method: str, name: str, body: Any) -> str:
        if method == "PATCH" and only_managed_labels_go(body):
            return ""
        if name not in self.nodes:
            return f"node {name!r} is not in the list"
        if method in {"DELETE", "POST"} and not self.delete:
            return f"{DELETE!r} is not in the list"
        return ""

    def _of_namespace(self, name: str, rest: str, method: str) -> str:
        if name in OURS:
            return ""
        if name == LEASE_NAMESPACE and rest in {"/leases", f"/leases/{LEASE}"}:
            return ""
        if method == "POST" and rest.startswith("/pods/") and rest.endswith("/eviction"):
            return "" if self.drain and self.nodes else f"{DRAIN!r} is not in the list"
        return f"namespace {name!r} is not ours"


def parse(text: str) -> Allowed:
    """The list, separated by commas; raises UsageError for a word that is none."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    nodes = tuple(word.removeprefix(NODE) for word in words if word.startswith(NODE))
    plain = {word for word in words if not word.startswith(NODE)}
    if unknown := sorted(plain - MEANING.keys()) or [word for word in words if word == NODE]:
        raise UsageError(
            f"--allow-destructive: {unknown[0]!r} is not known", hint=f"of {', '.join(MEANING)}; docs/backends.md"
        )
    if (nodes or plain & {DRAIN, DELETE}) and OPERATOR not in plain:
        raise UsageError(
            f"--allow-destructive {text}: nodes are harmed while an operator runs, and that is not allowed",
            hint=f"add {OPERATOR!r}",
        )
    if plain & {DRAIN, DELETE} and not nodes:
        raise UsageError(f"--allow-destructive {text}: no node is named", hint=f"add {NODE}NAME")
    despite = frozenset(plain & {PUBLIC, MANY, CLOUD, AKASH})
    return Allowed(OPERATOR in plain, nodes, DRAIN in plain, DELETE in plain, despite)


def only_managed_labels_go(body: Any) -> bool:
    """Whether a patch of a node does nothing but remove labels that operators write."""
    labels = (body.get("metadata") or {}).get("labels") if isinstance(body, dict) else None
    return (
        isinstance(labels, dict)
        and body == {"metadata": {"labels": labels}}
        and all(value is None and key.startswith(MANAGED) for key, value in labels.items())
    )


def _name(body: Any) -> str:
    return str((body.get("metadata") or {}).get("name", "")) if isinstance(body, dict) else ""
