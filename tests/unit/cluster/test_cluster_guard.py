"""Whether a cluster looks like one that somebody lives on, and which of its nodes may be used."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cluster.allowed import parse
from harness.cluster.guard import MARK, profile_of, refuse, signs, usable
from harness.cluster.leftbehind import BEFORE, labels_before
from harness.errors import UsageError


def node(name: str, *, provider: str = "", ready: str = "True", **labels: str) -> dict[str, Any]:
    """A Node as the API server tells it."""
    sizes = {"cpu": "2", "memory": "4025584Ki", "ephemeral-storage": "60Gi", "pods": "110"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **labels}},
        "spec": {"providerID": provider} if provider else {},
        "status": {
            "capacity": sizes,
            "allocatable": {**sizes, "memory": "3923184Ki"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def named(name: str, **labels: str) -> dict[str, Any]:
    """A namespace, or a role."""
    return {"metadata": {"name": name, "labels": labels}}


KIND = [node("kind-control-plane", provider="kind://docker/x/y")]


def test_a_cluster_for_trying_things_out_has_no_sign() -> None:
    """A private address, few nodes, no cloud, no operator; namespaces of a dead harness are its own."""
    left = [named("default"), named("akash-services", **{MARK: "ab12"})]

    assert (
        signs(["127.0.0.1", "10.0.0.7", "fd00::1"], KIND, left, [named("operator-inventory", **{MARK: "ab12"})]) == ()
    )


@pytest.mark.parametrize(
    ("addresses", "nodes", "namespaces", "word", "said"),
    [
        (["8.8.8.8"], KIND, [], "public-server", "public address 8.8.8.8"),
        (["api.example"], KIND, [], "public-server", "public address api.example"),
        ([], [node(f"n-{index}") for index in range(11)], [], "many-nodes", "11 nodes"),
        ([], [node("n-1", provider="aws:///eu-1/i-0")], [], "cloud-nodes", "machines of aws"),
        ([], KIND, [named("akash-services")], "", "a namespace akash-services"),
    ],
)
def test_signs_of_production_have_to_be_meant(
    addresses: list[str], nodes: list[Any], namespaces: list[Any], word: str, said: str
) -> None:
    """Each is told, and is passed over only where its word is in the list; some have none."""
    found = signs(addresses, nodes, namespaces)

    assert [sign.word for sign in found] == [word]
    with pytest.raises(UsageError, match="somebody lives on") as caught:
        refuse(found, parse("operator"), "prod")
    assert said in caught.value.what
    assert word in caught.value.hint
    if word:
        refuse(found, parse(f"operator,{word}"), "prod")


def test_labels_of_an_operator_that_was_there_are_a_sign() -> None:
    """Those of a run of ours that died are none: they are not among what was there before it."""
    labelled = [node("n-1", **{"akash.network": "true"})]

    assert [sign.word for sign in signs([], labelled, [], labelled=["n-1"])] == ["akash"]
    assert signs([], labelled, []) == ()
    assert labels_before(labelled, [named("default")]) == {"n-1": ["akash.network"]}
    left = named("akash-services", **{MARK: "ab12"})
    left["metadata"]["annotations"] = {BEFORE: "{}"}
    assert labels_before(labelled, [left]) == {}


def test_all_signs_are_told_at_once() -> None:
    """Nobody has to try three times to learn of three."""
    found = signs(["8.8.8.8"], [node(f"n-{i}", provider="gce://p/z/n") for i in range(12)], [named("tenant-a")])

    with pytest.raises(UsageError) as caught:
        refuse(found, parse("operator,many-nodes"), "prod")
    assert "public address" in caught.value.what
    assert "gce" in caught.value.what
    assert "tenant-a" in caught.value.what
    assert "12 nodes" not in caught.value.what
    assert caught.value.hint == "choose another cluster"


def test_only_nodes_that_were_named_are_used() -> None:
    """Their sizes are read off them."""
    found = usable([node("a"), node("b")], parse("operator,node/b"))

    assert list(found) == ["b"]
    assert (found["b"].cpus, found["b"].memory_mib, found["b"].gpu) == (2, 3931, None)


CORDONED = {**node("b"), "spec": {"unschedulable": True}}


@pytest.mark.parametrize(
    ("there", "said"),
    [(node("a"), "there is no such node"), (node("b", ready="Unknown"), "not Ready"), (CORDONED, "or cordoned")],
    ids=["missing", "not-ready", "cordoned"],
)
def test_a_node_that_cannot_be_used_is_an_error(there: dict[str, Any], said: str) -> None:
    """One that is not there, or not well, is named; a run must not begin with it."""
    with pytest.raises(UsageError, match=f"node/b: .*{said}"):
        usable([there], parse("operator,node/b"))


def test_a_size_that_cannot_be_read_is_a_small_one() -> None:
    """Traffic needs little; what a quantity is worth is for the model to say."""
    odd = node("a")
    odd["status"]["capacity"] = {"cpu": "many", "memory": "1Gi"}
    odd["status"]["allocatable"] = {}

    assert profile_of(odd).cpus == 1
