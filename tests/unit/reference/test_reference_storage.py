"""What the reference operator reports of storage, how it learns of it, and how its saboteurs differ."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from harness.operator.proto import inventory_pb2 as pb
from harness.reference.behaviour import CORRECT, Crash
from harness.reference.config import parse
from harness.reference.defects import DEFECTS
from harness.reference.encode import to_json, to_proto
from harness.reference.inventory import Inventory
from harness.reference.labels import label_changes
from harness.reference.records import decode_node
from harness.reference.state import State
from harness.reference.storage import decode_class, decode_pools, decode_volume
from harness.reference.stores import ClassMirror, VolumeMirror

if TYPE_CHECKING:
    from harness.reference.behaviour import Behaviour

GI = 2**30
CONFIG = parse(
    json.dumps(
        {
            "version": "v1",
            "cluster_storage": ["local-path", "beta3", "missing", "plain"],
            "exclude": {"node_storage": [{"node_filter": "^b$", "classes": ["local-path"]}]},
        }
    )
)
DF = {"pools": [{"name": "ssd", "stats": {"max_avail": 700, "stored": 300}}, {"name": "x", "stats": {"max_avail": 1}}]}


def a_node(name: str) -> Any:
    """A Ready node with 100 GiB, of which 90 can be allocated."""
    status = {
        "capacity": {"ephemeral-storage": "100Gi"},
        "allocatable": {"ephemeral-storage": "90Gi"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return decode_node({"metadata": {"name": name, "uid": name}, "status": status})


def a_class(name: str, provisioner: str = "rancher.io/local-path", *, label: str | None = "true", **more: Any) -> Any:
    """A StorageClass."""
    labels = {} if label is None else {"akash.network": label}
    return decode_class({"metadata": {"name": name, "labels": labels}, "provisioner": provisioner, **more})


def a_volume(name: str, size: str, of: str = "local-path", *, phase: str = "Bound", uid: str = "u") -> Any:
    """A PersistentVolume."""
    spec = {"capacity": {"storage": size}, "storageClassName": of}
    return decode_volume({"metadata": {"name": name, "uid": uid}, "spec": spec, "status": {"phase": phase}})


BETA3 = a_class("beta3", "rook.rbd.csi.ceph.com", parameters={"pool": "ssd", "clusterID": "rook-ceph"})
CLASSES = (a_class("local-path"), a_class("plain", label=None), a_class("unnamed"), BETA3)
VOLUMES = (
    a_volume("v", "10Gi"),
    a_volume("free", "2500M", phase="Available"),
    a_volume("left", "1Gi", phase="Released"),
    a_volume("ceph", "300", "beta3"),
    a_volume("orphan", "5Gi", "gone"),
)


def a_state(behaviour: Behaviour = CORRECT, *, volumes: tuple[Any, ...] = VOLUMES) -> State:
    """Two nodes, four classes, some volumes and a pool."""
    state = State(behaviour, "akash-services", CONFIG)
    for name in ("a", "b"):
        state.nodes[name] = a_node(name)
    ClassMirror(state.stores).replace(CLASSES)
    VolumeMirror(state.stores).replace(volumes)
    state.stores.put_pools("rook-ceph", decode_pools(DF))
    return state


def figures(state: State) -> dict[str, tuple[str, str, str]]:
    """Capacity, allocatable and allocated by class."""
    found = {item.class_name: item.quantity for item in state.storage()}
    return {name: (pair.capacity, pair.allocatable, pair.allocated) for name, pair in found.items()}


def test_each_offered_class_is_reported() -> None:
    """Local storage is that of the nodes that have the class, Ceph's that of the pool; every volume counts once."""
    local = (str(100 * GI), str(90 * GI), str(11 * GI + 2_500_000_000))

    assert figures(a_state()) == {"local-path": local, "beta3": ("700", "700", "300")}


def test_nothing_is_reported_before_all_volumes_are_known() -> None:
    """A sum over half of the volumes was never true."""
    state = State(CORRECT, "akash-services", CONFIG)
    ClassMirror(state.stores).replace(CLASSES)
    state.stores.put_pools("rook-ceph", decode_pools(DF))

    assert state.storage() == ()
    assert not state.stores.complete(CONFIG)
    VolumeMirror(state.stores).replace(())
    assert state.stores.complete(CONFIG)
    assert State(CORRECT, "akash-services", parse("")).stores.complete(parse(""))


def test_changes_are_followed() -> None:
    """Volumes grow and go, classes lose their label and go."""
    state = a_state()
    volumes, classes = VolumeMirror(state.stores), ClassMirror(state.stores)
    volumes.upsert(a_volume("v", "20Gi"))
    volumes.remove(a_volume("free", "2500M"))
    assert figures(state)["local-path"][2] == str(21 * GI)

    classes.remove(BETA3)
    classes.upsert(a_class("local-path", label=None))
    assert figures(state) == {}


def test_what_was_known_of_a_pool_stays_while_its_tools_fail() -> None:
    """An answer that never came says nothing."""
    state = a_state()
    state.stores.put_pools("rook-ceph", None)

    assert figures(state)["beta3"][1] == "700"


@pytest.mark.parametrize("document", [None, [], {}, {"pools": None}, {"pools": [{"name": "a"}]}, {"pools": [7]}])
def test_what_is_no_answer_of_ceph_is_refused(document: Any) -> None:
    """The error shows what came."""
    with pytest.raises(ValueError, match="no answer of ceph df"):
        decode_pools(document)


def test_a_node_has_the_offered_classes_that_it_is_not_excluded_from() -> None:
    """Its labels say the same; while classes are unknown, what is there stays."""
    state = a_state()

    assert state.stores.of_node(CONFIG, "a") == ("beta3", "local-path")
    assert state.stores.of_node(CONFIG, "b") == ("beta3",)
    key = "akash.network/capabilities.storage.class."
    present = {"akash.network": "true", f"{key}old": "1"}
    changes = label_changes(present, offered=True, gpus=(), classes=("beta3", "x" * 60))
    assert changes == {f"{key}beta3": "1", f"{key}old": None}
    assert label_changes(present, offered=True, gpus=(), classes=None) == {}
    assert State(CORRECT, "akash-services", CONFIG).stores.labelled_on(CONFIG, "a") is None


def test_storage_is_encoded_alike() -> None:
    """REST and gRPC carry the same figures; iops is empty."""
    inventory = Inventory((), a_state().storage())
    document = to_json(inventory)["storage"]

    assert [item["info"] for item in document] == [{"class": "beta3", "iops": ""}, {"class": "local-path", "iops": ""}]
    assert document[0]["quantity"] == {"allocatable": "700", "allocated": "300", "capacity": "700"}
    message = pb.Cluster.FromString(to_proto(inventory).SerializeToString())
    assert [getattr(item.info, "class") for item in message.storage] == ["beta3", "local-path"]
    assert message.storage[0].quantity.allocated.string == "300"


@pytest.mark.parametrize(
    ("defect", "name", "expected"),
    [
        ("storage-counts-released-twice", "local-path", (100 * GI, 90 * GI, 12 * GI + 2_500_000_000)),
        ("storage-counts-bound-only", "local-path", (100 * GI, 90 * GI, 10 * GI)),
        ("class-label-ignored", "plain", (200 * GI, 180 * GI, 0)),
        ("ignores-excluded-storage", "local-path", (200 * GI, 180 * GI, 11 * GI + 2_500_000_000)),
        ("ceph-counts-stored-twice", "beta3", (700, 700, 600)),
    ],
)
def test_a_saboteur_of_storage_is_wrong_in_its_own_way(defect: str, name: str, expected: tuple[int, ...]) -> None:
    """The one figure that its name speaks of differs."""
    assert figures(a_state(DEFECTS[defect].behaviour))[name] == tuple(str(value) for value in expected)


def test_one_node_stands_for_all() -> None:
    """The saboteur takes the last of the nodes that have the class."""
    state = a_state(DEFECTS["local-storage-of-one-node"].behaviour)
    state.config = parse("cluster_storage: [local-path]")

    assert figures(state)["local-path"][:2] == (str(100 * GI), str(90 * GI))


def test_a_deleted_class_is_kept() -> None:
    """By a saboteur, whether it was told by an event or by a list."""
    state = a_state(DEFECTS["keeps-deleted-class"].behaviour)
    ClassMirror(state.stores).remove(BETA3)
    ClassMirror(state.stores).replace(())

    assert set(figures(state)) == {"beta3", "local-path"}


def test_a_volume_keeps_the_size_that_it_was_first_seen_with() -> None:
    """In a saboteur, until another volume has its name."""
    state = a_state(DEFECTS["volume-size-read-once"].behaviour, volumes=(a_volume("v", "10Gi"),))
    VolumeMirror(state.stores).upsert(a_volume("v", "20Gi"))
    assert figures(state)["local-path"][2] == str(10 * GI)

    VolumeMirror(state.stores).replace((a_volume("v", "20Gi", uid="other"),))
    assert figures(state)["local-path"][2] == str(20 * GI)


def test_a_volume_without_its_class_is_survived_or_not() -> None:
    """The correct operator counts it nowhere; the saboteur dies of it, in whichever order lists come."""
    deadly = DEFECTS["dies-on-orphan-volume"].behaviour

    assert a_state().stores.volumes["orphan"].capacity == Decimal(5 * GI)
    with pytest.raises(Crash, match="orphan"):
        a_state(deadly)
    state = State(deadly, "akash-services", CONFIG)
    VolumeMirror(state.stores).replace(VOLUMES)
    with pytest.raises(Crash, match="no class gone"):
        ClassMirror(state.stores).replace(CLASSES)
    state = a_state(deadly, volumes=())
    with pytest.raises(Crash, match="orphan"):
        VolumeMirror(state.stores).remove(VOLUMES[-1])
