"""Does this look like a cluster that somebody lives on? What is told by looking, before anything is changed.

Pure decisions over what was read. Every sign has a word of `--allow-destructive` by which a user says that it is known
and meant; what is there already under names of ours is refused whatever is said.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster.allowed import AKASH, CLOUD, MANAGED, MANY, OURS, PUBLIC
from harness.cluster.hardware import NodeProfile
from harness.cluster.nodes import is_ready
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from harness.cluster.allowed import Allowed

MOST_NODES = 10
"""A cluster for trying things out has fewer."""

MARK = "harness.invalid/run"
"""The label of the namespaces that a harness has made, with the run's mark."""

_TRIED_OUT = ("kind://", "k3s://", "kwok://")
_MIB = 1 << 20

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that makes a cluster look like production. `word`: what says that it is meant; empty: nothing does."""

    text: str
    word: str = ""


def signs(
    addresses: Iterable[str],
    nodes: Sequence[Node],
    namespaces: Sequence[Node],
    roles: Sequence[Node] = (),
    *,
    labelled: Collection[str] = (),
) -> tuple[Sign, ...]:
    """All that speaks for a cluster that somebody lives on.

    `addresses`: what the API server's name stands for; nodes, namespaces and whatever has the name of the operator's
    role, as the API server tells them; `labelled`: the nodes that had labels of operators before any run of ours.
    """
    found: list[Sign] = []
    outside = [text for text in addresses if _outside(text)]
    if outside:
        found.append(Sign(f"its API server has the public address {outside[0]}", PUBLIC))
    if len(nodes) > MOST_NODES:
        found.append(Sign(f"it has {len(nodes)} nodes", MANY))
    clouds = {text.partition("://")[0] for text in _providers(nodes) if not text.startswith(_TRIED_OUT)}
    if clouds:
        found.append(Sign(f"its nodes are machines of {', '.join(sorted(clouds))}", CLOUD))
    if labelled:
        some = ", ".join(sorted(labelled)[:3])
        found.append(Sign(f"an inventory operator has labelled its nodes ({some})", AKASH))
    theirs = [item["metadata"]["name"] for item in namespaces if item["metadata"]["name"] in OURS and not left(item)]
    found += [Sign(f"it has a namespace {name}, which is not the harness's") for name in sorted(theirs)]
    if any(not left(item) for item in roles):
        found.append(Sign("it has a role or a binding operator-inventory, which is not the harness's"))
    return tuple(found)


def refuse(found: Iterable[Sign], allowed: Allowed, context: str) -> None:
    """Raise UsageError, with everything in one, for signs that were not said to be meant."""
    unmeant = [sign for sign in found if sign.word not in allowed.despite]
    if not unmeant:
        return
    words = ",".join(sign.word for sign in unmeant if sign.word)
    final = any(not sign.word for sign in unmeant)
    raise UsageError(
        f"context {context!r} looks like a cluster that somebody lives on: {'; '.join(sign.text for sign in unmeant)}",
        hint="choose another cluster" if final else f"if it is meant: --allow-destructive …,{words}",
    )


def usable(nodes: Sequence[Node], allowed: Allowed) -> dict[str, NodeProfile]:
    """The nodes that were named, with their sizes; raises UsageError for one that is not there, or not well."""
    there = {node["metadata"]["name"]: node for node in nodes}
    for name in allowed.nodes:
        if name not in there:
            raise UsageError(
                f"--allow-destructive node/{name}: there is no such node",
                hint=f"there are {', '.join(sorted(there)[:10])}",
            )
        if not is_ready(there[name]) or there[name]["spec"].get("unschedulable"):
            raise UsageError(
                f"--allow-destructive node/{name}: the node is not Ready, or cordoned",
                hint="a run has to begin with a node that is well; what a killed harness left: harness undo",
            )
    return {name: profile_of(there[name]) for name in allowed.nodes}


def profile_of(node: Mapping[str, Any]) -> NodeProfile:
    """A real node's size in the words of simulated ones, for traffic; what does not matter there is left out."""
    capacity, allocatable = node["status"]["capacity"], node["status"]["allocatable"]
    memory, left_over = _amount(capacity, "memory") // _MIB, _amount(allocatable, "memory") // _MIB
    return NodeProfile(
        cpus=max(1, _amount(capacity, "cpu")),
        memory_mib=max(2, memory),
        ephemeral_storage_mib=max(1, _amount(capacity, "ephemeral-storage") // _MIB),
        pods=_amount(capacity, "pods"),
        reserved_memory_mib=max(0, min(memory - left_over, memory - 1)),
    )


def managed_labels(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a node that operators write."""
    return tuple(key for key in node["metadata"].get("labels") or {} if key.startswith(MANAGED))


def left(namespace: Mapping[str, Any]) -> bool:
    """Whether a harness has made the namespace: one that is dead, where we hold the lease."""
    return MARK in (namespace["metadata"].get("labels") or {})


def _outside(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return True


def _providers(nodes: Iterable[Node]) -> list[str]:
    return [provider for node in nodes if (provider := str(node["spec"].get("providerID") or ""))]


def _amount(quantities: Mapping[str, str], name: str) -> int:
    from kubernetes.utils import parse_quantity  # noqa: PLC0415 - takes a second to load, and few runs need it

    try:
        return int(parse_quantity(quantities.get(name, "0")))  # type: ignore[no-untyped-call]
    except ValueError:
        return 0
