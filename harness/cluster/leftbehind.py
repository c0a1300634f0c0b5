"""What runs have made in somebody's cluster, told from what was there before them, and its removal.

A run ends with it. One that was killed is ended so by the next, or by `harness undo`, which hold the lease then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.cluster import access, guard
from harness.cluster.allowed import OURS
from harness.errors import ApiError, ClusterError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

GONE_DEADLINE_S = 240.0
"""A namespace is empty when its pods have ended on their nodes, which takes as long as their kubelets do: on a machine
with a load of 40 more than a minute and a half."""

BEFORE = "harness.invalid/labelled-before"
"""The annotation of our namespaces that says which labels of operators were there before, by node, as JSON."""

ROLES = ("clusterrolebindings", "clusterroles")
_NODES, _NAMESPACES = "/api/v1/nodes", "/api/v1/namespaces"
_NOT_FOUND = 404


async def role(client: KubeClient, kind: str) -> dict[str, Any] | None:
    """The object of that kind under the name of the operator's role; None when there is none."""
    try:
        found: dict[str, Any] = await client.get(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
    except ApiError as exc:
        if exc.status != _NOT_FOUND:
            raise
        return None
    return found


def labels_before(nodes: list[dict[str, Any]], namespaces: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Node -> the labels of operators that it had before any run of ours; pure.

    A run writes them down in its namespace, so that what one left that died is known from what was there before it.
    """
    for item in namespaces:
        noted = (item["metadata"].get("annotations") or {}).get(BEFORE)
        if guard.left(item) and noted:
            found: dict[str, list[str]] = json.loads(noted)
            return found
    return {node["metadata"]["name"]: list(labels) for node in nodes if (labels := guard.managed_labels(node))}


async def made_by_runs(client: KubeClient, namespaces: list[dict[str, Any]]) -> list[str]:
    """What is there that carries a run's mark, in words."""
    found = [f"namespace {item['metadata']['name']}" for item in namespaces if guard.left(item)]
    roles = [f"{one['kind']} {access.OPERATOR_USER}" for kind in ROLES if (one := await role(client, kind)) is not None
             and guard.left(one)]  # fmt: skip
    return [*found, *roles]


async def remove_ours(client: KubeClient, before: Mapping[str, list[str]]) -> None:
    """Remove what runs of ours made: labels of operators that were not there before, role, and namespaces at last.

    Tried until it is done, since an API server may be slow, or away for a moment; returns when the namespaces are gone.
    Raises WaitTimeoutError when they do not go.
    """

    async def removed(progress: Progress) -> bool | None:
        try:
            left = await _remove(client, before)
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = f"still there: {', '.join(left)}"
        return None if left else True

    await until("what runs made to be gone", removed, deadline_s=GONE_DEADLINE_S, interval_s=0.3)


async def _remove(client: KubeClient, before: Mapping[str, list[str]]) -> list[str]:
    """One attempt; the namespaces that are still there."""
    for node in (await client.get(_NODES))["items"]:
        name = node["metadata"]["name"]
        ours = set(guard.managed_labels(node)) - set(before.get(name, ()))
        if ours:
            await client.patch(f"{_NODES}/{name}", {"metadata": {"labels": dict.fromkeys(sorted(ours))}})
    for kind in ROLES:
        if (found := await role(client, kind)) is not None and guard.left(found):
            await client.delete(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
    listed = [item for item in (await client.get(_NAMESPACES))["items"] if item["metadata"]["name"] in OURS]
    for item in listed:
        if guard.left(item) and "deletionTimestamp" not in item["metadata"]:
            await client.delete(f"{_NAMESPACES}/{item['metadata']['name']}")
    return sorted(item["metadata"]["name"] for item in listed if guard.left(item))
