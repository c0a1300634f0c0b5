"""A captured cluster becomes a scenario that has its shape."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness import faults
from harness.capture.anonymous import Anonymous
from harness.capture.recreate import Objects, recreated
from harness.cluster.configfile import Configuration
from harness.cluster.nodes import node_object
from harness.evidence.source import scenario_source
from harness.model import figures
from harness.names.limits import DISCOVERY_POD
from harness.scenario import Scenario
from tests.unit.capture import cluster
from tests.unit.evidence.test_source import made as made_from_source

KEPT = Anonymous()
NAME = KEPT.names.name


def objects(**more: Any) -> Objects:
    """What is kept of the cluster."""
    nodes = {body["metadata"]["name"]: body for body in map(KEPT.node, cluster.NODES)}
    given: dict[str, Any] = {
        "pods": tuple(map(KEPT.pod, cluster.PODS)),
        "classes": tuple(map(KEPT.storage_class, cluster.CLASSES)),
        "volumes": tuple(map(KEPT.volume, cluster.VOLUMES)),
        "config": Configuration(storage=(NAME(f"{cluster.SECRET}-fast"),)),
    }
    return Objects(nodes, **{**given, **more})


def made(of: Objects | None = None, **more: Any) -> Scenario:
    """The scenario of it."""
    return recreated(of or objects(), name="captured/x", promises=("TRUTH-1", "TRUTH-3"), **more).scenario


def test_nodes_and_pods_have_the_figures_that_they_had() -> None:
    """The Node of a profile says what the real one said, and a pod's object takes what the real one took."""
    scenario = made()

    for real in cluster.NODES:
        name = NAME(real["metadata"]["name"])
        again = node_object(name, scenario.nodes[name])
        assert figures.of_node(again["status"]) == figures.of_node(real["status"])
        assert [one["effect"] for one in again["spec"]["taints"]] == ["NoSchedule"]
    taken = {(pod.namespace, pod.name): figures.of_pod(pod.body()) for pod in scenario.pods if pod.phase == "Running"}
    for real in cluster.PODS:
        meta = real["metadata"]
        if real["status"]["phase"] == "Running":
            assert taken[NAME(meta["namespace"]), NAME(meta["name"])] == figures.of_pod(real)
    assert [pod.phase for pod in scenario.pods].count("Succeeded") == 1


def test_the_model_of_cards_is_found_wherever_it_is_said() -> None:
    """By labels here; a model that is not known is played by another product under its name."""
    gpu = NAME(cluster.GPU_NODE)

    assert (made().nodes[gpu].gpu, made().nodes[gpu].gpus) == ("a100", 2)
    other = made(objects(told={gpu: (("nvidia", "b200"), ("nvidia", "b200"))}))
    assert other.models == {other.nodes[gpu].gpu: "b200"}


def test_a_node_that_was_wrong_from_the_start_joins() -> None:
    """A gate that cannot be passed says nothing, so it joins after the gate, with its pods."""
    gpu = NAME(cluster.GPU_NODE)
    scenario = made(suspects={gpu})

    assert gpu not in scenario.nodes
    assert [name for name, _profile in scenario.faults[0].nodes] == [gpu]  # type: ignore[union-attr]
    assert isinstance(scenario.faults[0], faults.NodesJoin)
    assert any(pod.node == gpu for pod in scenario.pods)


def test_discovery_pods_and_pods_on_no_node_are_not_made_again() -> None:
    """The operator makes its own; what is not bound takes nothing."""
    own = cluster.pod(f"{DISCOVERY_POD}{cluster.PLAIN_NODE}", cluster.PLAIN_NODE)
    waiting = cluster.pod("waiting", "")
    del waiting["spec"]["nodeName"]
    of = objects(pods=tuple(map(KEPT.pod, (own, waiting))))

    assert made(of).pods == ()


def test_a_node_that_is_not_ready_stays_so_and_a_cordoned_one_is_cordoned() -> None:
    """Neither is waited for, nor reported."""
    silent, cordoned = cluster.node("silent-1", ready="Unknown"), cluster.node("cordoned-1")
    cordoned["spec"]["unschedulable"] = True
    kept = {body["metadata"]["name"]: body for body in map(KEPT.node, (silent, cordoned))}
    scenario = made(dataclasses.replace(objects(), nodes=kept, pods=()))

    assert scenario.nodes[NAME("silent-1")].silent
    assert scenario.nodes[NAME("cordoned-1")].cordoned


def test_storage_is_there_again() -> None:
    """Classes with their labels, volumes with their sizes, a Ceph cluster for a class of one."""
    ceph = {
        "metadata": cluster.meta("block", **{"akash.network": "true"}), "provisioner": "rook-ceph.rbd.csi.ceph.com",
        "parameters": {"pool": "fast", "clusterID": "rook-ceph", "userSecret": cluster.SECRET},
    }  # fmt: skip
    of = objects(
        classes=(KEPT.storage_class(ceph), *map(KEPT.storage_class, cluster.CLASSES)), pools={NAME("block"): 77}
    )
    storage = made(of).storage

    assert storage is not None
    assert [one.labelled for one in storage.classes] == [True, True, False]
    assert [one.size for one in storage.volumes] == ["5Gi"]
    assert [(one.namespace, one.pools[0].max_avail) for one in storage.ceph] == [(NAME("rook-ceph"), 77)]


def test_a_plan_and_a_file_hold_it() -> None:
    """The scenario survives its plan, and its source makes it again: it can be shrunk to one file."""
    scenario = made(suspects={NAME(cluster.GPU_NODE)})

    assert Scenario.from_json(scenario.as_json()) == dataclasses.replace(scenario, proxied=scenario.behind_proxy)
    assert made_from_source(*scenario_source(scenario)) == scenario
