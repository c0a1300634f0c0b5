from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.model.inventory import FIELDS, CpuInfo, ExpectedNode, GpuInfo, Truth
from tests.unit.model import events, objects
from tests.unit.model.objects import container, of_node, of_pod

if TYPE_CHECKING:
    from collections.abc import Iterable

A100 = GpuInfo("nvidia", "10de", "a100", "20b5", "PCIe", "80Gi")

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def truth(*records: dict[str, Any]) -> Truth:
    """The truth after the records; asked in between, so that what it remembers has to be right."""
    result = Truth()
    for record in records:
        result.apply(record)
        result.expected()
    return result


def only(found: Truth, name: str = "a") -> ExpectedNode:
    """What is expected of the node, which must be reported."""
    node = found.expected_node(name)
    assert node is not None
    return node


@given(events.sequences)
def test_incremental_equals_from_scratch(records: list[dict[str, Any]]) -> None:
    """After any events the reported nodes and all their figures equal those computed from the remaining objects."""
    found = truth(*records).expected()
    assert {name: dict(node.values) for name, node in found.items()} == events.figures(records)


@given(events.sequences)
def test_allocated_is_the_sum_over_the_pods_that_remain(records: list[dict[str, Any]]) -> None:
    """A fresh truth that is given only the objects that remain, in a LIST, expects the same."""
    nodes, pods = events.state(records)
    kept = [record for record in records if record["k"] in {"hardware", "registry", "config"}]
    listed = [of_node("SYNC", name, body, uid=uid) for name, (uid, body) in nodes.items()]
    listed += [of_pod("SYNC", name, body, namespace=ns, uid=uid) for (ns, name), (uid, body) in pods.items()]
    assert truth(*records).expected() == truth(*kept, *listed).expected()


@given(events.sequences)
def test_untouched_nodes_are_unchanged(records: list[dict[str, Any]]) -> None:
    """Applying a record changes the expectation of the nodes it returns and of no other."""
    found = Truth()
    for record in records:
        before = found.expected()
        touched = found.apply(record)
        after = found.expected()
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert changed <= touched


@given(events.sequences, events.pod_bodies, events.uids)
def test_adding_and_deleting_a_pod_returns_to_the_start(
    records: list[dict[str, Any]], body: dict[str, Any], uid: str
) -> None:
    """A pod that comes and goes leaves the truth as it was."""
    found = truth(*records)
    before = found.expected()
    found.apply(of_pod("ADDED", "passing", body, uid=uid))
    found.apply(of_pod("DELETED", "passing", body, uid=uid))
    assert found.expected() == before


@given(st.data())
def test_the_order_of_independent_events_never_matters(data: st.DataObject) -> None:
    """Events of different objects, hardware, registry and configuration lead to the same truth in every order."""
    drawn = data.draw(st.lists(st.one_of(events.pod_events, events.node_events, events.settings), max_size=12))
    records = list({_subject(record): record for record in drawn}.values())
    shuffled = data.draw(st.permutations(records))
    assert truth(*records).expected() == truth(*shuffled).expected()


def _subject(record: dict[str, Any]) -> tuple[Any, ...]:
    return (record["k"], *(record.get(key) for key in ("resource", "namespace", "name", "node")))


@given(events.sequences)
def test_nothing_allocated_is_negative(records: list[dict[str, Any]]) -> None:
    """No sequence of events, however incomplete, makes an expected figure negative (TRUTH-4)."""
    assert all(value >= 0 for node in truth(*records).expected().values() for value in node.values.values())


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        (objects.node(), True),
        (objects.node(ready="False"), False),
        (objects.node(ready="Unknown"), False),
        (objects.node(cordoned=True), False),
        ({"metadata": {}, "spec": {}, "status": {}}, False),
        ({"metadata": {}, "spec": {}, "status": {"capacity": {}, "allocatable": {}, "conditions": []}}, False),
        *(({**objects.node(), "spec": {"taints": [{"key": "k", "effect": effect}]}}, True) for effect in EFFECTS),
    ],
    ids=["ready", "not ready", "unknown", "cordoned", "no conditions yet", "empty status", *EFFECTS],
)
def test_ready_schedulable_nodes_are_reported(body: dict[str, Any], reported: bool) -> None:
    """A node is reported exactly when its Ready condition is True and it is not cordoned (TRUTH-1)."""
    found = truth(of_node("ADDED", "a", body))
    assert (found.expected_node("a") is not None) is reported
    assert list(found.expected()) == (["a"] if reported else [])
    assert list(found.nodes()) == ["a"]


@pytest.mark.parametrize("out", [objects.node(cordoned=True), objects.node(ready="Unknown")], ids=["cordon", "silence"])
def test_a_node_leaves_and_comes_back(out: dict[str, Any]) -> None:
    """A node is no longer expected as soon as it is cordoned or not Ready, and expected again as soon as it is well."""
    found = truth(of_node("ADDED", "a", objects.node()))
    assert found.apply(of_node("MODIFIED", "a", out)) == {"a"}
    assert found.expected() == {}
    assert found.apply(of_node("MODIFIED", "a", objects.node())) == {"a"}
    assert list(found.expected()) == ["a"]


def test_every_field_has_a_value() -> None:
    """A node has a value for each field, and a resource that it lacks counts zero (TRUTH-2)."""
    node = only(truth(of_node("ADDED", "a", objects.node(capacity={"cpu": "3900m", "nvidia.com/gpu": 4}))))
    assert tuple(sorted(node.values)) == tuple(sorted(FIELDS))
    assert {field: value for field, value in node.values.items() if value} == {
        "cpu.capacity": Decimal("3.9"),
        "gpu.capacity": 4,
    }


def test_a_resource_that_vanishes_counts_zero_until_it_is_back() -> None:
    """A node whose GPUs are no longer named, not even with 0, is reported with none, and its pods still count."""
    full = objects.node(capacity={"nvidia.com/gpu": "4"}, allocatable={"nvidia.com/gpu": "4"})
    found = truth(of_node("ADDED", "a", full), of_pod("ADDED", "p", objects.pod(container(nvidia_gpu=1), node="a")))
    assert found.apply(of_node("MODIFIED", "a", objects.node())) == {"a"}
    assert [only(found).values[f"gpu.{figure}"] for figure in ("capacity", "allocatable", "allocated")] == [0, 0, 1]
    assert found.apply(of_node("MODIFIED", "a", full)) == {"a"}
    assert [only(found).values[f"gpu.{figure}"] for figure in ("capacity", "allocatable", "allocated")] == [4, 4, 1]


def test_gpus_of_both_vendors_add_up() -> None:
    """Capacity, allocatable and allocated of gpu are the sums over nvidia.com/gpu and amd.com/gpu."""
    offered: dict[str, str | int] = {"nvidia.com/gpu": "4", "amd.com/gpu": "2"}
    found = truth(
        of_node("ADDED", "a", objects.node(capacity=offered, allocatable={**offered, "amd.com/gpu": "1"})),
        of_pod("ADDED", "p", objects.pod(container(nvidia_gpu=2, amd_gpu=1), node="a")),
    )
    assert [only(found).values[f"gpu.{figure}"] for figure in ("capacity", "allocatable", "allocated")] == [6, 5, 3]


def test_pods_wait_for_their_node() -> None:
    """A pod that is known before its node counts as soon as the node appears."""
    found = truth(of_pod("ADDED", "p", objects.pod(container(cpu=1), node="a")))
    assert found.expected() == {}
    found.apply(of_node("ADDED", "a", objects.node()))
    assert only(found).values["cpu.allocated"] == 1


def test_same_name_in_two_namespaces_is_two_pods() -> None:
    """Pods are told apart by namespace: deleting one leaves the other counted."""
    body = objects.pod(container(cpu=1), node="a")
    found = truth(
        of_node("ADDED", "a", objects.node()),
        of_pod("ADDED", "p", body, namespace="red"),
        of_pod("ADDED", "p", body, namespace="blue", uid="u2"),
    )
    assert only(found).values["cpu.allocated"] == 2
    assert found.pods("a") == [("blue", "p", "u2"), ("red", "p", "u1")]
    found.apply(of_pod("DELETED", "p", body, namespace="red"))
    assert only(found).values["cpu.allocated"] == 1


def test_a_late_delete_of_an_earlier_pod_is_ignored() -> None:
    """DELETED for an older uid does not take away the pod that came back under the name."""
    body = objects.pod(container(cpu=1), node="a")
    found = truth(
        of_node("ADDED", "a", objects.node()),
        of_pod("ADDED", "p", body),
        of_pod("MODIFIED", "p", objects.pod(container(cpu=3), node="a"), uid="u2"),
        of_pod("DELETED", "p", body),
    )
    assert only(found).values["cpu.allocated"] == 3


def test_a_late_delete_of_an_earlier_node_is_ignored() -> None:
    """DELETED for an older uid does not take away the node that was added again under its name."""
    found = truth(of_node("ADDED", "a", objects.node()), of_node("ADDED", "a", objects.node(), uid="u2"))
    assert found.apply(of_node("DELETED", "a", objects.node())) == set()
    assert found.node_uid("a") == "u2"
    assert found.apply(of_node("DELETED", "a", objects.node(), uid="u2")) == {"a"}
    assert found.node_uid("a") is None
    assert found.node_labels("a") == {}


def test_a_finished_pod_takes_nothing() -> None:
    """A pod stops counting when its phase becomes Succeeded, without being deleted (TRUTH-3)."""
    found = truth(
        of_node("ADDED", "a", objects.node()),
        of_pod("ADDED", "p", objects.pod(container(cpu=1), node="a")),
        of_pod("MODIFIED", "p", objects.pod(container(cpu=1), node="a", phase="Succeeded")),
    )
    assert only(found).values["cpu.allocated"] == 0


def test_what_is_not_listed_is_gone() -> None:
    """A complete LIST removes the nodes and pods that it does not name by identity."""
    body = objects.pod(container(cpu=1), node="a")
    found = truth(
        of_node("SYNC", "a", objects.node()),
        of_node("SYNC", "b", objects.node()),
        of_pod("SYNC", "p", body),
        of_pod("SYNC", "q", body),
        objects.synced("pods", [("default", "p", "u1"), ("default", "q", "another")]),
    )
    assert only(found).values["cpu.allocated"] == 1
    assert found.apply(objects.synced("nodes", [("", "b", "u1")])) == {"a"}
    assert list(found.nodes()) == ["b"]


def test_heartbeats_touch_nothing() -> None:
    """A change of a node that no expectation depends on returns no names, but the labels are kept up to date."""
    found = truth(of_node("ADDED", "a", objects.node()))
    assert found.apply(of_node("MODIFIED", "a", objects.node(labels={"mine": "1"}))) == set()
    assert found.node_labels("a") == {"mine": "1"}


def test_info_follows_hardware_and_registry() -> None:
    """CPU and GPU info follow what discovery answers, joined with the registry, and its later changes (TRUTH-5)."""
    found = truth(of_node("ADDED", "a", objects.node()))
    assert (only(found).cpu_info, only(found).gpu_info, only(found).labels_known) == (None, None, False)
    assert found.apply(objects.hardware("a", objects.machine(("10de", "20b5")))) == {"a"}
    assert only(found).cpu_info == (CpuInfo("0", "GenuineIntel", "Xeon", 8),)
    assert only(found).gpu_info is None
    assert found.apply(objects.registry(objects.REGISTRY)) == {"a"}
    assert only(found).gpu_info == (A100,)
    assert only(found).labels_known
    assert found.apply(objects.registry({"raw": "<html>"})) == set()
    assert only(found).gpu_info == (A100,)
    found.apply(objects.registry({}))
    assert only(found).gpu_info == ()
    assert found.apply(objects.hardware("a", None)) == {"a"}
    assert only(found).gpu_info is None


def test_excluded_nodes_are_not_reported_while_excluded() -> None:
    """The configuration's expressions exclude nodes live, and a bad new configuration changes nothing (CONFIG-1)."""
    found = truth(of_node("ADDED", "gpu-1", objects.node()), of_node("ADDED", "cpu-1", objects.node()))
    assert found.apply(objects.config({"exclude": {"nodes": ["^gpu-"]}})) == {"gpu-1", "cpu-1"}
    assert list(found.expected()) == ["cpu-1"]
    assert found.apply(objects.config({"exclude": {"nodes": ["("]}})) == set()
    assert list(found.expected()) == ["cpu-1"]
    found.apply(objects.config(None))
    assert sorted(found.expected()) == ["cpu-1", "gpu-1"]


def test_an_emptied_file_leaves_open_what_is_in_force() -> None:
    """Of a node that the last good configuration excludes nothing is sure until the file is good again, bad or not."""
    found = truth(
        objects.config({"exclude": {"nodes": ["^gpu-"]}}),
        of_node("ADDED", "gpu-1", objects.node()),
        of_node("ADDED", "cpu-1", objects.node()),
    )
    found.apply(objects.config(None))
    assert {name: node.sure for name, node in found.expected().items()} == {"gpu-1": False, "cpu-1": True}
    found.apply(objects.config({"raw": "["}))
    assert not found.expected()["gpu-1"].sure
    found.apply(objects.config({"exclude": {"nodes": ["^gpu-"]}}))
    assert {name: node.sure for name, node in found.expected().items()} == {"cpu-1": True}
    found.apply(objects.config({"raw": None}))
    assert list(found.expected()) == ["cpu-1"]
    found.apply(objects.config({}))
    assert all(node.sure for node in found.expected().values())
    assert len(found.expected()) == 2


def test_storage_classes_leave_the_labels_open() -> None:
    """With storage classes configured the wanted labels are not claimed to be complete."""
    found = truth(
        of_node("ADDED", "a", objects.node()),
        objects.hardware("a", objects.machine()),
        objects.config({"cluster_storage": ["beta3"]}),
    )
    assert only(found).labels == {"akash.network": "true"}
    assert not only(found).labels_known


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (of_node("ADDED", "a", objects.node(capacity={"cpu": "lots"})), "nodes /a: 'lots' is not"),
        (of_pod("ADDED", "p", objects.pod(container(cpu="lots"), node="a")), "pods default/p: 'lots' is not"),
        (of_node("BOOKMARK", "a", objects.node()), "unknown event 'BOOKMARK'"),
        (objects.config("version: v1"), "stored as text"),
    ],
)
def test_what_cannot_be_understood_is_refused(record: dict[str, Any], message: str) -> None:
    """Ground truth that cannot be read raises HistoryError that says where."""
    with pytest.raises(HistoryError, match=message):
        truth(record)


@pytest.mark.parametrize("kind", ["report", "gap", "mark", "fault"])
def test_other_kinds_are_passed_over(kind: str) -> None:
    """Records that are not ground truth change nothing."""
    assert Truth().apply({"k": kind, "t": 1.0}) == set()


def test_many_pods_on_one_node() -> None:
    """Ten thousand pods with a millicore each add up to exactly ten cores, and to nothing once they are gone."""
    found = truth(of_node("ADDED", "a", objects.node()))
    bodies = [objects.pod(container(cpu="1m"), node="a")] * 10_000
    _apply_all(found, (of_pod("ADDED", f"p{i}", body) for i, body in enumerate(bodies)))
    assert only(found).values["cpu.allocated"] == 10
    _apply_all(found, (of_pod("DELETED", f"p{i}", body) for i, body in enumerate(bodies)))
    assert only(found).values["cpu.allocated"] == 0


def _apply_all(found: Truth, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        found.apply(record)
