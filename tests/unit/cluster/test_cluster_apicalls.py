"""What a request line says, as the API server itself reads it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.apicalls import VERBS, Call, describe

NODES, PODS, POD = "/api/v1/nodes", "/api/v1/namespaces/ns/pods", "/api/v1/namespaces/ns/pods/p"


@pytest.mark.parametrize(
    ("method", "target", "call"),
    [
        ("GET", NODES, Call("list", "", "nodes")),
        ("GET", f"{NODES}?limit=1", Call("list", "", "nodes")),
        ("HEAD", f"{NODES}/n", Call("get", "", "nodes", name="n")),
        ("GET", f"{NODES}?watch=true&resourceVersion=5", Call("watch", "", "nodes", version="5")),
        ("GET", f"{NODES}?watch=1&resourceVersion=5&sendInitialEvents=true", Call("watch", "", "nodes")),
        ("GET", f"{NODES}?resourceVersion=0&limit=500", Call("list", "", "nodes", version="0")),
        ("GET", f"{NODES}?resourceVersion=7&resourceVersionMatch=Exact", Call("list", "", "nodes")),
        ("GET", f"{NODES}?resourceVersion=7&continue=abc", Call("list", "", "nodes")),
        ("GET", f"{NODES}/n?resourceVersion=7", Call("get", "", "nodes", name="n")),
        ("GET", f"{NODES}?watch=1", Call("watch", "", "nodes")),
        ("GET", f"{NODES}?watch", Call("watch", "", "nodes")),
        ("GET", f"{NODES}?watch=false", Call("list", "", "nodes")),
        ("GET", f"{NODES}?watch=0", Call("list", "", "nodes")),
        ("GET", f"{NODES}/n?watch=true", Call("get", "", "nodes", name="n")),
        (
            "GET", f"{NODES}?fieldSelector=metadata.name%3Dn&watch=1",
            Call("watch", "", "nodes", name="n", selector="fieldSelector=metadata.name=n"),
        ),
        (
            "GET", "/api/v1/pods?labelSelector=a%3Db&fieldSelector=spec.nodeName=n",
            Call("list", "", "pods", selector="fieldSelector=spec.nodeName=n&labelSelector=a=b"),
        ),
        ("GET", "/api/v1/watch/nodes", Call("watch", "", "nodes")),
        ("GET", "/api/v1/watch/namespaces/ns/pods", Call("watch", "", "pods", namespace="ns")),
        ("PATCH", f"{NODES}/n", Call("patch", "", "nodes", name="n")),
        ("PUT", f"{NODES}/n/status", Call("update", "", "nodes", "status", name="n")),
        ("GET", PODS, Call("list", "", "pods", namespace="ns")),
        ("POST", PODS, Call("create", "", "pods", namespace="ns")),
        ("DELETE", PODS, Call("deletecollection", "", "pods", namespace="ns")),
        ("DELETE", POD, Call("delete", "", "pods", namespace="ns", name="p")),
        ("POST", f"{POD}/binding", Call("create", "", "pods", "binding", "ns", "p")),
        ("POST", f"{POD}/exec?command=ceph&stdout=true", Call("connect", "", "pods", "exec", "ns", "p")),
        ("GET", f"{POD}/exec?command=ceph", Call("connect", "", "pods", "exec", "ns", "p")),
        ("GET", f"{POD}:8081/proxy/cpu", Call("connect", "", "pods", "proxy", "ns", "p:8081")),
        ("GET", f"{POD}/log", Call("get", "", "pods", "log", "ns", "p")),
        ("GET", "/api/v1/namespaces", Call("list", "", "namespaces")),
        ("GET", "/api/v1/namespaces/ns", Call("get", "", "namespaces", namespace="ns", name="ns")),
        ("PUT", "/api/v1/namespaces/ns/finalize", Call("update", "", "namespaces", "finalize", "ns", "ns")),
        (
            "GET", "/apis/storage.k8s.io/v1/storageclasses?watch=true",
            Call("watch", "storage.k8s.io", "storageclasses"),
        ),
        (
            "GET", "/apis/ceph.rook.io/v1/namespaces/rook/cephclusters/c",
            Call("get", "ceph.rook.io", "cephclusters", "", "rook", "c"),
        ),
        ("GET", "/version", Call("get")),
        ("GET", "/readyz?verbose", Call("get")),
        ("GET", "/api", Call("get")),
        ("GET", "/apis/storage.k8s.io/v1", Call("get")),
        ("GET", "/", Call("get")),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
         Call("create", "authorization.k8s.io", "subjectaccessreviews")),
    ],
)  # fmt: skip
def test_a_request_line_says_what_is_asked_for(method: str, target: str, call: Call) -> None:
    """Verb, group, resource, subresource, namespace and name are the API server's; a list may say how old it may be."""
    assert describe(method, target) == call


WORD = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30)
PLAIN = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True).filter(lambda word: word not in {"watch", "namespaces"})


@given(group=st.sampled_from(["", "apps", "ceph.rook.io"]), resource=PLAIN, namespace=WORD, name=WORD)
def test_what_is_written_into_a_path_is_read_from_it(group: str, resource: str, namespace: str, name: str) -> None:
    """Any namespace and name come back whole, however they had to be escaped."""
    base = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{base}/namespaces/{quote(namespace, safe='')}/{resource}"

    if resource not in {"status", "finalize"}:
        assert describe("GET", f"{path}/{quote(name, safe='')}") == Call("get", group, resource, "", namespace, name)
        assert describe("GET", f"{path}?watch=true") == Call("watch", group, resource, "", namespace)


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]), st.text())
def test_anything_is_understood_somehow(method: str, target: str) -> None:
    """No target makes it raise, and the verb is always one of the known."""
    assert describe(method, target).verb in VERBS
    assert str(describe(method, target))
