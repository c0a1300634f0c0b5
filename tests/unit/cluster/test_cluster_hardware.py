from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.hardware import GPU_MODELS, NodeProfile, gpu_model, registry, under_names
from harness.cluster.nodes import FOREIGN_LABEL, is_ready, node_object
from harness.errors import UsageError
from harness.names.naming import name_of_length

PROFILES = st.builds(
    NodeProfile,
    cpus=st.integers(1, 256),
    memory_mib=st.integers(1025, 10**6),
    gpu=st.sampled_from(sorted(GPU_MODELS)),
    gpus=st.integers(1, 8),
)


@pytest.mark.parametrize("body", ["<html>", None, [], {}])
def test_what_is_no_registry_is_not_renamed(body: Any) -> None:
    """A fault may tell anything in its place."""
    assert under_names(body, {"a100": "x"}) == body


def test_models_are_called_otherwise_by_the_name_they_have() -> None:
    """Whatever content has been made, and no other part of it is touched."""
    content = registry(names={"a100": "a100-80g"})
    other = under_names(content, {"a100-80g": "long", "a100": "unused", "t4": "short"})

    assert other == registry(names={"a100": "long", "t4": "short"})
    assert content == registry(names={"a100": "a100-80g"})


@given(PROFILES)
def test_capacity_and_allocatable_differ_where_they_can(profile: NodeProfile) -> None:
    """An operator that mixes the two up is seen: CPU, memory and ephemeral storage all differ, GPUs do not."""
    capacity, allocatable = profile.capacity(), profile.allocatable()

    assert set(capacity) == set(allocatable)
    for resource in ("cpu", "memory", "ephemeral-storage"):
        assert capacity[resource] != allocatable[resource]
    assert capacity[gpu_model(str(profile.gpu)).resource] == str(profile.gpus)


@given(PROFILES)
def test_every_card_is_in_the_registry(profile: NodeProfile) -> None:
    """Discovery answers as many cards as the node has GPUs, each with ids that the registry knows by the right name."""
    cards = profile.hardware()["gpu"]["cards"]
    known = registry()

    assert len(cards) == profile.gpus
    assert len({card["address"] for card in cards}) == profile.gpus
    for card in cards:
        device = known[card["pci"]["vendor"]["id"]]["devices"][card["pci"]["product"]["id"]]
        assert device["name"] == profile.gpu


def test_a_node_without_gpus_has_no_cards() -> None:
    """Discovery answers null, as the contract says, and the Node offers no such resource."""
    profile = NodeProfile()

    assert profile.hardware()["gpu"] == {"cards": None}
    assert not [key for key in profile.capacity() if key.endswith("/gpu")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cpus": 0}, "0 cpus"),
        ({"memory_mib": 512}, "512 MiB"),
        ({"gpus": -1, "gpu": "a100"}, "-1 GPUs"),
        ({"gpus": 2}, "gpu=None and gpus=2"),
        ({"gpu": "a100"}, "gpu='a100' and gpus=0"),
        ({"gpu": "voodoo", "gpus": 1}, "unknown GPU model 'voodoo'"),
    ],
)
def test_an_impossible_node_is_refused(values: dict[str, Any], said: str) -> None:
    """The error names the value."""
    with pytest.raises(UsageError) as caught:
        NodeProfile(**values)

    assert said in caught.value.what


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    """The hint lists every product."""
    with pytest.raises(UsageError) as caught:
        gpu_model("voodoo")

    assert all(name in caught.value.hint for name in GPU_MODELS)


def test_the_registry_can_rename_one_product() -> None:
    """Only the named product's name changes."""
    before, after = registry(), registry(names={"a100": "a100-80g"})

    assert after["10de"]["devices"]["20b2"]["name"] == "a100-80g"
    after["10de"]["devices"]["20b2"]["name"] = "a100"
    assert after == before


def test_a_node_carries_a_foreign_label_and_is_played_by_kwok() -> None:
    """Every Node has a label that is not the operator's, and the annotation that kwok manages it by."""
    meta = node_object("worker-1", NodeProfile())["metadata"]

    assert meta["labels"][FOREIGN_LABEL] == "keep"
    assert meta["labels"]["kubernetes.io/hostname"] == "worker-1"
    assert meta["annotations"] == {"kwok.x-k8s.io/node": "fake"}


def test_a_name_too_long_for_a_label_value_has_no_hostname_label() -> None:
    """A label value has 63 characters at most; the Node is valid without."""
    assert "kubernetes.io/hostname" not in node_object(name_of_length(64), NodeProfile())["metadata"]["labels"]


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({}, False),
        ({"conditions": None}, False),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, False),
        ({"conditions": [{"type": "DiskPressure", "status": "True"}]}, False),
        ({"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}, True),
    ],
)
def test_ready_is_what_the_condition_says(status: dict[str, Any], ready: bool) -> None:
    """Only a Ready condition that is True makes a node ready."""
    assert is_ready({"status": status}) is ready


def test_a_registry_may_lack_a_vendor() -> None:
    """The others stay as they are."""
    assert set(registry(without=("nvidia",))) == {"1002"}
    assert registry(without=("nvidia",))["1002"] == registry()["1002"]
    assert registry(without=()) == registry()
