"""Admission policies of the harness (ValidatingAdmissionPolicy): written, put in force, and taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

GROUP = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{GROUP}/validatingadmissionpolicies"
BINDINGS = f"/apis/{GROUP}/validatingadmissionpolicybindings"


def policy(
    name: str, constraints: Mapping[str, Any], *, allowed: str, message: str, only_for: str = ""
) -> dict[str, Any]:
    """A policy that refuses what is not `allowed` (a CEL expression) with 422 and the message.

    `only_for`: requests of this user; "": everybody's.
    """
    spec: dict[str, Any] = {
        "failurePolicy": "Ignore",  # what it cannot judge is none of its business
        "matchConstraints": dict(constraints),
        "validations": [{"expression": allowed, "message": message}],
    }
    if only_for:
        spec["matchConditions"] = [{"name": "user", "expression": f"request.userInfo.username == '{only_for}'"}]
    return {"apiVersion": GROUP, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}


def rule(operation: str, resource: str) -> dict[str, Any]:
    """A resource rule about one operation on one resource of the core group."""
    return {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]}


async def apply(client: KubeClient, body: Mapping[str, Any]) -> None:
    """Create a policy and its binding. API servers look for new ones once a second."""
    name = body["metadata"]["name"]
    binding = {
        "apiVersion": GROUP,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    await client.ensure(POLICIES, body)
    await client.ensure(BINDINGS, binding)


async def lift(client: KubeClient, name: str) -> None:
    """Delete the binding and the policy of that name; what is gone is no error."""
    await client.delete(f"{BINDINGS}/{name}")
    await client.delete(f"{POLICIES}/{name}")
