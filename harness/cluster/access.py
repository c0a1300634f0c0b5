"""The objects every cluster is given before anything else, and the operator's rights (contract.md part A, "RBAC")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.cluster.base import DISCOVERY_ACCOUNT, POD_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

OPERATOR_USER = "operator-inventory"
RBAC_API = "/apis/rbac.authorization.k8s.io/v1"
SERVICE_ACCOUNTS = f"/api/v1/namespaces/{POD_NAMESPACE}/serviceaccounts"


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


OPERATOR_RULES = [
    _rule("", ["nodes"], ["get", "list", "watch", "patch"]),
    _rule("", ["pods"], ["create", "delete", "get", "list", "watch"]),
    _rule("", ["pods/exec"], ["create"]),
    _rule("", ["pods/proxy"], ["get"]),
    _rule("", ["namespaces", "persistentvolumes"], ["get", "list", "watch"]),
    _rule("storage.k8s.io", ["storageclasses"], ["get", "list", "watch"]),
    _rule("ceph.rook.io", ["cephclusters"], ["get", "list", "watch"]),
]


async def apply(client: KubeClient, labels: Mapping[str, str] | None = None) -> None:
    """Create the discovery namespace, its service accounts, and the operator's role and binding, with these labels."""
    await discovery(client)
    role = _meta("rbac.authorization.k8s.io/v1", "ClusterRole", OPERATOR_USER) | {"rules": OPERATOR_RULES}
    role["metadata"]["labels"] = dict(labels or {})
    await client.ensure(f"{RBAC_API}/clusterroles", role)
    binding = _meta("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", OPERATOR_USER)
    binding["metadata"]["labels"] = dict(labels or {})
    binding |= {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": OPERATOR_USER},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR_USER},
            {"kind": "ServiceAccount", "namespace": POD_NAMESPACE, "name": OPERATOR_USER},
        ],
    }
    await client.ensure(f"{RBAC_API}/clusterrolebindings", binding)


async def discovery(client: KubeClient) -> None:
    """Create the discovery namespace and its service accounts, as far as they are not there."""
    await client.ensure("/api/v1/namespaces", _meta("v1", "Namespace", POD_NAMESPACE))
    for account in (DISCOVERY_ACCOUNT, "default"):
        await client.ensure(SERVICE_ACCOUNTS, _meta("v1", "ServiceAccount", account))


async def account(client: KubeClient) -> str:
    """Create the service account that has the operator's rights; its uid."""
    await client.ensure(SERVICE_ACCOUNTS, _meta("v1", "ServiceAccount", OPERATOR_USER))
    made = await client.get(f"{SERVICE_ACCOUNTS}/{OPERATOR_USER}")
    return str(made["metadata"]["uid"])


async def namespace(client: KubeClient, name: str) -> None:
    """Create a namespace with its default service account, so that pods are accepted at once."""
    await client.ensure("/api/v1/namespaces", _meta("v1", "Namespace", name))
    await client.ensure(f"/api/v1/namespaces/{name}/serviceaccounts", _meta("v1", "ServiceAccount", "default"))


def _meta(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
