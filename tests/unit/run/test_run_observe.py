"""What the ground truth's record keeps, and when it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.history import reader
from harness.model.inventory import Truth
from harness.run.observe import LiveTruth, trim
from tests.unit.model.objects import (
    amounts,
    config,
    container,
    node,
    of_storage,
    pod,
    pools,
    storage_class,
    synced,
    volume,
)

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


def named(body: dict[str, Any], name: str, *, namespace: str = "", version: int = 1) -> dict[str, Any]:
    """The object with a name, a uid and a resourceVersion."""
    meta = {**body["metadata"], "name": name, "uid": f"uid-of-{name}", "resourceVersion": str(version)}
    return {**body, "metadata": {**meta, **({"namespace": namespace} if namespace else {})}}


NODE = named(node(capacity=amounts(cpu="4"), allocatable=amounts(cpu="3")), "worker-1")
POD = named(
    pod(
        container(cpu="250m", memory="1Gi"),
        node="worker-1",
        initContainers=[container("init", restart="Always", cpu="1")],
        overhead=amounts(cpu="10m"),
        volumes=[{"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, {"name": "b", "secret": {}}],
    ),
    "web",
    namespace="default",
)


def test_what_is_left_out_changes_no_expectation() -> None:
    """The model expects the same of trimmed objects as of whole ones."""
    whole, trimmed = Truth(), Truth()
    for truth, kept in ((whole, lambda _resource, item: item), (trimmed, trim)):
        for resource, item in (("nodes", NODE), ("pods", POD)):
            meta = item["metadata"]
            truth.apply(
                {
                    "k": "object", "t": 0.0, "event": "ADDED", "resource": resource, "name": meta["name"],
                    "namespace": meta.get("namespace", ""), "uid": meta["uid"], "object": kept(resource, item),
                }
            )  # fmt: skip

    expected = whole.expected()["worker-1"]
    assert expected == trimmed.expected()["worker-1"]
    assert expected.values["cpu.allocated"] > 0


@pytest.mark.parametrize(
    ("change", "recorded"),
    [
        ({"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "later"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, True),
        ({"allocatable": amounts(cpu="2")}, True),
    ],
    ids=["heartbeat", "not-ready", "allocatable"],
)
def test_a_heartbeat_is_not_recorded_again(history: HistoryWriter, change: dict[str, Any], *, recorded: bool) -> None:
    """Only an update that a model would read differently is written."""
    first = {**NODE, "status": {**NODE["status"], "conditions": [{"type": "Ready", "status": "True"}]}}
    second = named({**first, "status": {**first["status"], **change}}, "worker-1", version=2)
    history.add("run", scenario={}, seed=1, operator={}, versions={})
    live = LiveTruth(history)

    live.record_object("ADDED", "nodes", first)
    live.record_object("MODIFIED", "nodes", second)
    history.close()

    written = list(reader.read(history.path).of("object"))
    assert len(written) == (2 if recorded else 1)


def test_every_record_of_truth_wakes_who_waits_for_agreement(history: HistoryWriter) -> None:
    """A wait for agreement looks again at once when the truth changes."""
    live = LiveTruth(history)

    live.record_object("ADDED", "pods", POD)

    assert live.changed.is_set()


def test_storage_is_kept_as_far_as_the_model_reads_it() -> None:
    """The same is expected of trimmed classes, volumes and clusters as of whole ones; what is left out is not kept."""
    storage = {
        "storageclasses": named(
            {**storage_class("a.csi.ceph.com", pool="ssd", cluster="ns"), "reclaimPolicy": "Retain"}, "beta3"
        ),
        "persistentvolumes": named(
            {"metadata": {}, "spec": {**volume("1Gi", "beta3")["spec"], "csi": {}}, "status": {"phase": "Bound"}}, "v"
        ),
        "cephclusters": named(
            {"metadata": {}, "spec": {"mon": {}}, "status": {"state": "Created", "ceph": {}}}, "rook", namespace="ns"
        ),
    }  # fmt: skip
    whole, trimmed = Truth(), Truth()
    for truth, kept in ((whole, lambda _resource, item: item), (trimmed, trim)):
        for record in (config({"cluster_storage": ["beta3"]}), pools("ns", ssd=(7, 3))):
            truth.apply(record)
        for resource, item in storage.items():
            meta = item["metadata"]
            found = of_storage(
                "ADDED", resource, meta["name"], kept(resource, item), namespace=meta.get("namespace", "")
            )
            truth.apply(found)
            listed = [(meta.get("namespace", ""), meta["name"], "u1")]
            truth.apply(synced(resource, listed))

    assert whole.expected_storage() == trimmed.expected_storage()
    assert whole.expected_storage()["beta3"].values["storage.allocated"] == 2**30
    assert trim("storageclasses", storage["storageclasses"]).keys() == {"metadata", "provisioner", "parameters"}
    assert trim("persistentvolumes", storage["persistentvolumes"])["spec"].keys() == {"capacity", "storageClassName"}
    assert trim("cephclusters", storage["cephclusters"])["status"] == {"state": "Created"}
