"""What is kept of a cluster: all that the inventory follows from, and nothing that identifies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from harness.capture import anonymous
from harness.capture.anonymous import Anonymous
from harness.model import figures
from harness.model.reported import parse
from harness.names.limits import DISCOVERY_POD
from tests.unit.capture import cluster
from tests.unit.capture.cluster import SECRET
from tests.unit.model.pods import Whole, wholes

IDENTIFYING = ("uid-", "registry", "PASSWORD", "10.1.2.3", "10.4.5.6", "10.9.9.9", "example.com")


def everything(kept: Anonymous) -> list[Any]:
    """All that is made of the whole cluster."""
    made: list[Any] = [kept.node(one) for one in cluster.NODES]
    made += [kept.pod(one) for one in cluster.PODS]
    made += [kept.storage_class(one) for one in cluster.CLASSES]
    made += [kept.volume(one) for one in cluster.VOLUMES]
    return [*made, kept.answer(cluster.inventory())]


def test_nothing_that_identifies_is_left() -> None:
    """No name, label, annotation, address, uid, image, command, secret or variable comes through."""
    text = json.dumps(everything(Anonymous()))

    assert SECRET not in text
    assert [word for word in IDENTIFYING if word in text] == []


@given(wholes())
def test_a_pod_takes_what_it_took(whole: Whole) -> None:
    """Whatever changes what a pod takes of its node is kept: the model says the same of both."""
    body = whole.on("node-1")
    body["metadata"] = cluster.meta("pod-1", "team")

    assert figures.of_pod(Anonymous().pod(body)) == figures.of_pod(body)


def test_a_node_is_what_it_was() -> None:
    """Figures, readiness, cordon and taints' effects are kept; foreign resources are not."""
    item = cluster.node(cluster.GPU_NODE, gpus=2)
    item["spec"]["unschedulable"] = True
    made = Anonymous().node(item)

    assert figures.of_node(made["status"]) == figures.of_node(item["status"])
    assert not figures.is_offered(made)
    assert [one["effect"] for one in made["spec"]["taints"]] == ["NoSchedule"]
    assert set(made["status"]["capacity"]) <= set(anonymous.OF_NODES)


def test_managed_labels_stay_under_the_names_of_their_classes() -> None:
    """LABEL-1 can still be judged: GPU labels as they were, a class by its pseudonym, unknown ones still there."""
    kept = Anonymous()
    labels = kept.labels(
        {
            "akash.network": "true",
            "akash.network/capabilities.gpu.vendor.nvidia.model.a100.ram.80Gi": "2",
            f"akash.network/capabilities.storage.class.{SECRET}-fast": "1",
            f"akash.network/{SECRET}": SECRET,
            f"{SECRET}/team": "x",
        }
    )

    assert labels == {
        "akash.network": "true",
        "akash.network/capabilities.gpu.vendor.nvidia.model.a100.ram.80Gi": "2",
        f"akash.network/capabilities.storage.class.{kept.names.name(f'{SECRET}-fast')}": "1",
        f"akash.network/{kept.names.name(SECRET)}": "other",
    }


def test_a_discovery_pod_is_still_one() -> None:
    """Its name is made from its node's, whatever that is called now."""
    kept = Anonymous()
    made = kept.pod(cluster.pod(f"{DISCOVERY_POD}{cluster.GPU_NODE}", cluster.GPU_NODE))

    assert made["metadata"]["name"] == DISCOVERY_POD + kept.names.name(cluster.GPU_NODE)


def test_an_answer_says_the_same_of_the_same_nodes() -> None:
    """Figures are kept to the letter, names are those of the nodes."""
    kept, body = Anonymous(), cluster.inventory()
    before, problems = parse(body)
    after, left = parse(kept.answer(body))

    assert (list(problems), list(left)) == ([], [])
    assert {kept.names.name(name): node.values for name, node in before.nodes.items()} == {
        name: node.values for name, node in after.nodes.items()
    }
    assert {kept.names.name(name) for name in before.storage} == set(after.storage)


@pytest.mark.parametrize(
    "body",
    [
        None, [], "text", {"raw": SECRET}, {}, {"nodes": SECRET}, {"nodes": [SECRET, 1]}, {"nodes": [{"name": 7}]},
        {"nodes": [{"name": "a", "resources": SECRET, "capabilities": {"storage_classes": SECRET}}], "storage": None},
        {"nodes": [{"name": "a", "resources": {"cpu": {"quantity": {"capacity": SECRET}, "info": SECRET}}}]},
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_has_it_still(body: Any) -> None:
    """What was wrong with the shape is wrong after, and no text of it comes through."""
    made = Anonymous().answer(body)
    _reported, before = parse(body)
    _same, after = parse(made)

    assert SECRET not in json.dumps(made)
    assert {one.path for one in after} == {one.path for one in before}


def test_hardware_and_registry_are_kept_as_far_as_they_are_documented() -> None:
    """Ids and products stay, addresses and whatever else go; another shape is not known."""
    card = {"address": "0000:17:00.0", "pci": {"vendor": {"id": "10de", "name": SECRET}, "product": {"id": "20b2"}}}
    body = {
        "cpu": {"processors": [{"id": 0, "total_threads": 8, "vendor": "AMD", "model": "EPYC"}]},
        "gpu": {"cards": [card]},
    }

    assert anonymous.hardware(body) == {
        "cpu": {"processors": [{"id": 0, "total_threads": 8, "vendor": "AMD", "model": "EPYC"}]},
        "gpu": {"cards": [{"pci": {"vendor": {"id": "10de"}, "product": {"id": "20b2"}}}]},
    }
    assert anonymous.hardware({"cpu": None, "gpu": 3}) is None
    assert anonymous.registry({"10de": {"name": "nvidia", "devices": {"1": {"name": "t4", "x": SECRET}}}}) == {
        "10de": {"name": "nvidia", "devices": {"1": {"name": "t4"}}}
    }
    assert anonymous.registry(["x"]) is None
