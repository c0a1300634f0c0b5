from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seed as seeds
from harness.cluster.hardware import NodeProfile
from harness.errors import UsageError
from harness.names.naming import WORDS, parse
from harness.traffic.pods import (
    LABEL,
    NAMESPACES,
    Churn,
    Op,
    Pods,
    decide,
    gpus_of,
    phases,
    placed,
    removed,
)

PROFILES = {
    "big": NodeProfile(gpu="a100", gpus=2),
    "amd": NodeProfile(gpu="mi210", gpus=1),
    "plain": NodeProfile(),
}
CHURNS = st.builds(
    Churn, live=st.integers(1, 30), names=st.integers(1, 12), least=st.just(1), labels=st.booleans()
)  # fmt: skip


def story(seed: int, churn: Churn, steps: int = 150) -> list[Op]:
    """The operations of a run in which the API server accepts everything."""
    rng, pods, told = seeds.stream(seed, "traffic"), Pods(), []
    for _ in range(steps):
        op = decide(rng, churn, pods, PROFILES)
        told.append(op)
        key = (op.namespace, op.name)
        match op.op:
            case "create":
                placed(pods, op)
            case "delete":
                removed(pods, key)
            case "finish" | "fail":
                pods.done.add(key)
    return told


@given(st.integers(0, 10**9), CHURNS)
def test_a_seed_repeats_its_traffic(seed: int, churn: Churn) -> None:
    """The same seed makes the same operations with the same bodies."""
    assert story(seed, churn, 60) == story(seed, churn, 60)


def test_seeds_differ() -> None:
    """Two seeds make different traffic."""
    assert story(1, Churn()) != story(2, Churn())


@given(st.integers(0, 10**9), CHURNS)
def test_only_what_is_there_is_touched(seed: int, churn: Churn) -> None:
    """A pod is deleted, finished or failed only while it exists, made only while it does not, and finished once."""
    live: set[tuple[str, str]] = set()
    done: set[tuple[str, str]] = set()
    for op in story(seed, churn):
        key = (op.namespace, op.name)
        match op.op:
            case "create":
                assert key not in live
                live.add(key)
            case "delete":
                assert key in live
                live.discard(key)
                done.discard(key)
            case "finish" | "fail":
                assert key in live
                assert key not in done
                done.add(key)
        assert len(live) <= churn.live


@given(st.integers(0, 10**9), CHURNS)
def test_a_node_never_has_more_gpu_pods_than_gpus(seed: int, churn: Churn) -> None:
    """The GPUs asked for on a node never exceed its profile, with requests equal to limits, of its own vendor."""
    used: dict[str, int] = {}
    for op in story(seed, churn):
        if op.op != "create":
            continue
        node = op.body["spec"]["nodeName"]
        used[node] = used.get(node, 0) + gpus_of(op.body)
        assert used[node] <= PROFILES[node].gpus
        for container in op.body["spec"]["containers"]:
            requested = {k: v for k, v in container["resources"]["requests"].items() if k.endswith("/gpu")}
            assert container["resources"].get("limits", {}) == requested
            assert set(requested) <= set(PROFILES[node].capacity())


def test_traffic_has_all_that_it_promises() -> None:
    """Pods of both namespaces, the same names in both, fractions, init containers, GPUs, ends of all kinds, labels."""
    told = story(7, Churn(), 400)
    made = [op for op in told if op.op == "create"]
    containers = [c for op in made for c in op.body["spec"]["containers"]]

    assert {op.op for op in told} == {"create", "delete", "finish", "fail", LABEL}
    assert {op.namespace for op in made} == set(NAMESPACES)
    names = [{op.name for op in made if op.namespace == namespace} for namespace in NAMESPACES]
    assert names[0] & names[1]
    assert {"333m", "0.1", "1m"} <= {c["resources"]["requests"]["cpu"] for c in containers}
    assert any("initContainers" in op.body["spec"] for op in made)
    assert {gpus_of(op.body) for op in made} == {0, 1}
    assert {op.body["spec"]["nodeName"] for op in made} == set(PROFILES)


def test_without_labels_no_node_is_touched() -> None:
    """`labels=False` leaves the nodes alone."""
    assert all(op.op != LABEL for op in story(3, Churn(labels=False), 400))


def test_labels_are_foreign_and_always_new() -> None:
    """Each label operation writes a value that was not there before, on a node that exists."""
    values = [op.body["value"] for op in story(3, Churn(), 400) if op.op == LABEL]

    assert len(values) == len(set(values)) > 5


@pytest.mark.parametrize(("op", "phase"), [("finish", "Succeeded"), ("fail", "Failed")])
def test_a_pods_end_has_its_phase(op: str, phase: str) -> None:
    """Finished pods succeed, failed ones fail, in Kubernetes' words."""
    assert phases(op) == phase


@pytest.mark.parametrize(
    ("field", "value"), [("rate", 0.0), ("rate", 201.0), ("live", 0), ("live", 5001), ("least", 0), ("names", 0)]
)
def test_traffic_out_of_range_is_refused_with_the_value(field: str, value: float) -> None:
    """The error names the field's value, and the hint the range."""
    with pytest.raises(UsageError, match=f"{field}={value:g}") as caught:
        Churn(**{field: value})  # type: ignore[arg-type]

    assert field in caught.value.hint


@pytest.mark.parametrize("word", [*WORDS, "64"])
def test_the_same_traffic_has_other_names(word: str) -> None:
    """Both namespaces and all pods are named by the word, each pod of a namespace by a name of its own."""
    churn = Churn(named=word, plain=True)
    made = [op for op in story(5, churn) if op.op == "create"]
    naming = parse(word)

    assert len(set(churn.namespaces)) == 2
    assert {op.namespace for op in made} == set(churn.namespaces)
    assert [op.name for op in made] == [naming.pod("plain", number) for number in range(1, len(made) + 1)]
    assert all(op.body["metadata"]["name"] == op.name for op in made)


def test_a_naming_that_is_unknown_is_refused() -> None:
    """The error shows the word."""
    with pytest.raises(UsageError, match="'meteor'"):
        Churn(named="meteor")


def test_every_name_taken_means_no_creation() -> None:
    """When all names stand, a pod ends before another one is made."""
    pods = Pods(live={(namespace, "web-0"): "big" for namespace in NAMESPACES})

    ops = {decide(seeds.stream(index), Churn(names=1, labels=False), pods, PROFILES).op for index in range(200)}

    assert ops == {"delete", "finish", "fail"}
