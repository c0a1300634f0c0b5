"""What credentials may do in somebody's cluster, asked of the API server before anything is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cluster.access import OPERATOR_RULES
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.cluster.client import KubeClient

NEEDED: tuple[tuple[str, str, str], ...] = (
    ("get", "", "nodes"), ("list", "", "nodes"), ("watch", "", "nodes"), ("list", "", "pods"), ("watch", "", "pods"),
    ("list", "", "namespaces"), ("get", "", "pods/proxy"),
)  # fmt: skip
"""(verb, group, resource): what looking at a cluster needs."""

NEEDED_TO_ACT: tuple[tuple[str, str, str], ...] = (
    ("create", "", "namespaces"), ("delete", "", "namespaces"), ("create", "", "serviceaccounts"),
    ("create", "", "serviceaccounts/token"), ("create", "", "pods"), ("delete", "", "pods"),
    ("create", "", "pods/binding"), ("patch", "", "nodes"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"), ("get", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("create", "coordination.k8s.io", "leases"), ("get", "coordination.k8s.io", "leases"),
    ("patch", "coordination.k8s.io", "leases"), ("delete", "coordination.k8s.io", "leases"),
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
)  # fmt: skip
"""The same for acting on it."""

GIVEN: tuple[tuple[str, str, str], ...] = tuple(
    (verb, group, resource)
    for rule in OPERATOR_RULES
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
)
"""What the operator's role gives: an API server lets nobody give what he has not."""

NEEDED_FOR_A_POD: tuple[tuple[str, str, str], ...] = (
    ("create", "apps", "deployments"), ("patch", "apps", "deployments"), ("delete", "apps", "deployments"),
    ("create", "", "services"), ("delete", "", "services"), ("create", "", "configmaps"), ("delete", "", "configmaps"),
    ("get", "", "pods/log"), ("get", "", "pods/portforward"), ("get", "", "pods/exec"), ("watch", "", "events"),
)  # fmt: skip
"""And for an operator in a pod."""


async def missing_rights(client: KubeClient, wanted: tuple[tuple[str, str, str], ...]) -> list[str]:
    """What of this the credentials may not do, as the API server says: "create pods/binding" and the like."""
    lacking = []
    for verb, group, named in dict.fromkeys(wanted):
        resource, _, subresource = named.partition("/")
        asked = {"verb": verb, "group": group, "resource": resource, "subresource": subresource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = await client.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
        if not answer["status"].get("allowed"):
            lacking.append(f"{verb} {named}{f'.{group}' if group else ''}")
    return lacking


async def require_rights(client: KubeClient, wanted: tuple[tuple[str, str, str], ...]) -> None:
    """Raise UsageError that names everything that the credentials may not do."""
    lacking = await missing_rights(client, wanted)
    if lacking:
        raise UsageError(
            f"the credentials may not: {', '.join(lacking)}",
            hint="give them these rights, or only look (docs/backends.md)",
        )
