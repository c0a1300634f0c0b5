"""What may be changed in somebody's cluster: nothing that was not named, whoever asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cluster.allowed import Allowed, only_managed_labels_go, parse
from harness.errors import UsageError

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
CORDON = {"spec": {"unschedulable": True}}
OURS = {"metadata": {"name": "akash-services"}}
NODE = {"metadata": {"name": "node-a"}}
SOME = parse("operator,node/node-a")
MORE = parse("operator, node/node-a ,drain,delete,akash")

PERMITTED: tuple[tuple[Allowed, str, str, Any], ...] = (
    (SOME, "POST", "/api/v1/namespaces", OURS),
    (SOME, "DELETE", "/api/v1/namespaces/tenant-a", None),
    (SOME, "POST", "/api/v1/namespaces/tenant-b/pods", {"metadata": {"name": "x"}}),
    (SOME, "POST", "/api/v1/namespaces/akash-services/serviceaccounts/operator-inventory/token", {}),
    (SOME, "PATCH", f"{RBAC}/clusterroles/operator-inventory", {"rules": []}),
    (SOME, "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "operator-inventory"}}),
    (SOME, "POST", LEASES, {}),
    (SOME, "DELETE", f"{LEASES}/inventory-harness", None),
    (SOME, "PATCH", "/api/v1/nodes/node-a", CORDON),
    (SOME, "PATCH", "/api/v1/nodes/node-b", {"metadata": {"labels": {"akash.network": None}}}),
    (MORE, "DELETE", "/api/v1/nodes/node-a", None),
    (MORE, "POST", "/api/v1/nodes", NODE),
    (MORE, "POST", "/api/v1/namespaces/shop/pods/till/eviction", {}),
    (Allowed(), "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}),
)
REFUSED: tuple[tuple[Allowed, str, str, Any, str], ...] = (
    (Allowed(), "POST", "/api/v1/namespaces", OURS, "nothing may be changed"),
    (SOME, "POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}}, "'shop' is not ours"),
    (SOME, "DELETE", "/api/v1/namespaces/kube-system", None, "'kube-system' is not ours"),
    (SOME, "DELETE", "/api/v1/namespaces/shop/pods/till", None, "'shop' is not ours"),
    (SOME, "POST", "/api/v1/namespaces/shop/pods/till/eviction", {}, "'drain' is not in the list"),
    (SOME, "PATCH", "/api/v1/nodes/node-b", CORDON, "'node-b' is not in the list"),
    (SOME, "PATCH", "/api/v1/nodes/node-b", {"metadata": {"labels": {"akash.network": "true"}}}, "not in the list"),
    (SOME, "DELETE", "/api/v1/nodes/node-a", None, "'delete' is not in the list"),
    (MORE, "DELETE", "/api/v1/nodes/node-b", None, "'node-b' is not in the list"),
    (SOME, "PATCH", f"{RBAC}/clusterroles/cluster-admin", {"rules": []}, "'cluster-admin' is not ours"),
    (SOME, "DELETE", f"{LEASES}/theirs", None, "'default' is not ours"),
    (SOME, "POST", "/apis/storage.k8s.io/v1/storageclasses", {}, "neither in a namespace of ours"),
    (SOME, "DELETE", "/api/v1/nodes", None, "is not in the list"),
    (SOME, "DELETE", "/api/v1/namespaces/tenant-a/../kube-system", None, "not a plain one"),
    (SOME, "DELETE", "/api/v1/namespaces/tenant-a/%2e%2e/kube-system", None, "not a plain one"),
    (SOME, "DELETE", "/api/v1/namespaces//kube-system", None, "not a plain one"),
)


@pytest.mark.parametrize(("may", "method", "path", "body"), PERMITTED)
def test_what_was_named_may_be_changed(may: Allowed, method: str, path: str, body: Any) -> None:
    """Namespaces, role and lease of the harness, and the nodes of the list as far as it goes."""
    assert may.refusal(method, path, body) == ""


@pytest.mark.parametrize(("may", "method", "path", "body", "why"), REFUSED)
def test_everything_else_is_refused(may: Allowed, method: str, path: str, body: Any, why: str) -> None:
    """The reason says what is missing from the list, or that no list could have it."""
    assert why in may.refusal(method, path, body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("operator,everything", "'everything' is not known"),
        ("operator,node/", "'node/' is not known"),
        ("node/node-a", "nodes are harmed while an operator runs"),
        ("operator,drain", "no node is named"),
    ],
)
def test_a_list_that_means_nothing_is_refused(text: str, said: str) -> None:
    """A misspelt word, a node without a name, and what has nothing to be done to are errors."""
    with pytest.raises(UsageError, match=said):
        parse(text)


def test_an_empty_list_allows_nothing() -> None:
    """That is what reading needs."""
    assert parse("") == Allowed()


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"labels": {"akash.network": None, "zone": None}}},
        {"metadata": {"labels": {"akash.network": "true"}}},
        {"metadata": {"labels": {"akash.network": None}}, "spec": {"unschedulable": True}},
        {"metadata": {"labels": {"akash.network": None}, "annotations": {"a": None}}},
        {},
        None,
    ],
)
def test_only_labels_of_operators_are_taken_off_any_node(body: Any) -> None:
    """Whatever else a patch does, it is one of a node that has to be named."""
    assert not only_managed_labels_go(body)
