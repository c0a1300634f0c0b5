"""What must be reported of storage: golden cases, and properties over sequences of events."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history.reader import from_records
from harness.model.inventory import ABSENT, Truth
from harness.model.quantity import parse, total
from harness.model.readings import OneOf, fits, one_of
from harness.model.storage import FIGURES, ExpectedStorage, unknown
from harness.model.timeline import Timeline
from tests.unit.model import objects
from tests.unit.model.objects import config, node, of_node, of_storage, pools, storage_class, synced, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GI = 2**30
RBD = "rook-ceph.rbd.csi.ceph.com"
NAMED = config({"cluster_storage": ["local-path", "beta3"]})
LISTED = (synced("storageclasses", []), synced("persistentvolumes", []), synced("cephclusters", []))
LOCAL = of_storage("ADDED", "storageclasses", "local-path", storage_class())
BETA3 = of_storage("ADDED", "storageclasses", "beta3", storage_class(RBD, pool="ssd", cluster="rook-ceph"))
CREATED = of_storage("ADDED", "cephclusters", "any", {"status": {"state": "Created"}}, namespace="rook-ceph")


def worker(name: str = "a", *, ready: str = "True", gib: int = 100) -> dict[str, Any]:
    """A node's record: nine tenths of its storage can be allocated."""
    figures = {"ephemeral-storage": f"{gib}Gi"}, {"ephemeral-storage": str(gib * GI * 9 // 10)}
    return of_node("ADDED", name, node(capacity=figures[0], allocatable=figures[1], ready=ready))


def a_volume(name: str, size: str | int, of: str = "local-path", *, event: str = "ADDED", uid: str = "u1") -> Any:
    """A volume's record."""
    return of_storage(event, "persistentvolumes", name, volume(size, of), uid=uid)


def after(*records: dict[str, Any]) -> Truth:
    """The truth after the records; all lists were complete and empty before."""
    truth = Truth()
    for record in (*LISTED, *records):
        truth.apply(record)
    return truth


def of(truth: Truth, name: str = "local-path") -> tuple[Any, ...]:
    """Capacity, allocatable and allocated of a class."""
    return tuple(truth.expected_storage()[name].values[field] for field in FIGURES)


def test_local_storage_is_that_of_the_nodes_together() -> None:
    """Allocatable and allocated are sums; capacity may be that of the nodes or what of it is allocatable."""
    truth = after(NAMED, LOCAL, worker("a"), worker("b", gib=50), a_volume("v", "10Gi"), a_volume("w", "2500M"))

    capacity, allocatable, allocated = of(truth)
    assert allocatable == 135 * GI
    assert capacity == OneOf(frozenset({Decimal(150 * GI), Decimal(135 * GI)}))
    assert allocated == 10 * GI + 2_500_000_000


@pytest.mark.parametrize(
    ("label", "provisioner"), [(None, "rancher.io/local-path"), ("false", "rancher.io/local-path"), ("", RBD)]
)
def test_a_class_without_the_label_is_not_reported(label: str | None, provisioner: str) -> None:
    """It takes the label with the value true."""
    item = of_storage("ADDED", "storageclasses", "local-path", storage_class(provisioner, label=label))

    assert after(NAMED, item, worker(), a_volume("v", "1Gi")).expected_storage() == {}


def test_a_class_that_is_not_named_or_not_there_is_not_reported() -> None:
    """What the configuration names must exist, and what exists must be named."""
    assert after(LOCAL, worker()).expected_storage() == {}
    assert after(NAMED, worker()).expected_storage() == {}
    assert after(NAMED, LOCAL, {**LOCAL, "event": "DELETED"}, worker()).expected_storage() == {}


def test_a_late_deletion_of_an_earlier_class_changes_nothing() -> None:
    """A class that came back under its name is not the one that was deleted."""
    again = {**LOCAL, "uid": "u2"}

    assert set(after(NAMED, LOCAL, again, {**LOCAL, "event": "DELETED"}).expected_storage()) == {"local-path"}


@pytest.mark.parametrize("phase", ["Available", "Bound", "Released", "Failed", "Pending"])
def test_a_volume_counts_in_every_phase(phase: str) -> None:
    """It takes its place as long as it exists, and the place that it takes now."""
    truth = after(NAMED, LOCAL, worker(), of_storage("ADDED", "persistentvolumes", "v", volume("3Gi", phase=phase)))
    assert of(truth)[2] == 3 * GI

    truth.apply(of_storage("MODIFIED", "persistentvolumes", "v", volume("5Gi", phase=phase)))
    assert of(truth)[2] == 5 * GI

    truth.apply(a_volume("v", "5Gi", event="DELETED"))
    assert of(truth)[2] == 0


def test_volumes_of_a_class_that_comes_back_count_again() -> None:
    """Volumes outlive their class; while it is gone they count nowhere."""
    truth = after(NAMED, worker(), a_volume("v", "3Gi"))
    assert truth.expected_storage() == {}

    truth.apply(LOCAL)
    assert of(truth)[2] == 3 * GI


def test_while_a_node_is_not_offered_it_is_left_open_whether_it_counts() -> None:
    """The contract speaks of nodes; of a node that is not Ready either sum may be meant."""
    truth = after(NAMED, LOCAL, worker("a"), worker("b", ready="False"))

    assert of(truth)[1] == OneOf(frozenset({Decimal(90 * GI), Decimal(180 * GI)}))


def test_a_pool_is_what_can_be_written_to_it() -> None:
    """Allocatable is max_avail; capacity that, or that and what is stored; allocated what the volumes take."""
    truth = after(NAMED, BETA3, CREATED, pools(ssd=(700, 300), other=(1, 1)), a_volume("v", 300, "beta3"))

    assert of(truth, "beta3") == (OneOf(frozenset({Decimal(700), Decimal(1000)})), Decimal(700), Decimal(300))


def test_what_a_pool_was_since_the_last_event_may_still_be_reported() -> None:
    """Pools are looked at when something of storage happens, not when data is written."""
    truth = after(NAMED, BETA3, CREATED, pools(ssd=(700, 0)), pools(ssd=(600, 100)))
    assert of(truth, "beta3")[1] == OneOf(frozenset({Decimal(700), Decimal(600)}))

    truth.apply(a_volume("v", 1, "local-path"))
    assert of(truth, "beta3")[1] == OneOf(frozenset({Decimal(700), Decimal(600)}))

    truth.apply(a_volume("w", 1, "beta3"))
    assert of(truth, "beta3")[1] == 600


@pytest.mark.parametrize(
    "records",
    [
        [BETA3, pools(ssd=(1, 0))],
        [BETA3, {**CREATED, "object": {"status": {"state": "Creating"}}}, pools(ssd=(1, 0))],
        [BETA3, {**CREATED, "namespace": "elsewhere"}, pools(ssd=(1, 0))],
        [BETA3, CREATED, pools(other=(1, 0))],
        [BETA3, CREATED, {**pools(), "body": None}],
        [BETA3, CREATED, pools("elsewhere", ssd=(1, 0))],
        [of_storage("ADDED", "storageclasses", "beta3", storage_class("driver.example.com"))],
    ],
)
def test_what_cannot_be_known_is_not_expected(records: list[dict[str, Any]]) -> None:
    """Without a working cluster that tells of the pool, or with another provisioner, nothing is held against it."""
    assert after(NAMED, *records).expected_storage() == {"beta3": unknown("beta3")}


def test_before_classes_were_listed_nothing_is_known() -> None:
    """Neither which classes are reported nor which a node has."""
    truth = Truth()
    for record in (NAMED, worker()):
        truth.apply(record)

    assert truth.expected_storage() == {"local-path": unknown("local-path"), "beta3": unknown("beta3")}
    assert truth.expected()["a"].storage_classes is None


def test_a_node_has_the_named_classes_that_exist() -> None:
    """Less those that it is excluded from; labels say the same."""
    body = {
        "cluster_storage": ["local-path", "beta3", "missing"],
        "exclude": {"node_storage": [{"node_filter": "^b$", "classes": ["beta3"]}]},
    }
    found = after(config(body), LOCAL, BETA3, worker("a"), worker("b"), objects.hardware("a", objects.machine()))
    expected = found.expected()

    assert expected["a"].storage_classes == ("beta3", "local-path")
    assert expected["b"].storage_classes == ("local-path",)
    assert set(expected["a"].labels) == {
        "akash.network",
        "akash.network/capabilities.storage.class.beta3",
        "akash.network/capabilities.storage.class.local-path",
    }
    assert expected["a"].labels_known


def test_whether_a_node_has_a_class_without_the_label_is_left_open() -> None:
    """The contract asks for the label where it speaks of figures."""
    plain = of_storage("ADDED", "storageclasses", "beta3", storage_class(label=None))
    (item,) = after(NAMED, LOCAL, plain, worker(), objects.hardware("a", objects.machine())).expected().values()

    assert item.storage_classes == OneOf(frozenset({("local-path",), ("beta3", "local-path")}))
    assert not item.labels_known


def test_an_emptied_file_leaves_open_which_classes_are_named() -> None:
    """It may be bad, so that the last good one stays, or the default, which names none."""
    truth = after(NAMED, LOCAL, worker(), config(None))

    assert truth.expected_storage() == {"local-path": unknown("local-path")}
    assert truth.expected()["a"].storage_classes is None


def test_an_exception_is_of_one_figure_of_one_class() -> None:
    """What was let pass is expected no more; all else is."""
    other = of_storage("ADDED", "storageclasses", "beta3", storage_class())
    truth = after(NAMED, LOCAL, other, worker(), a_volume("v", "1Gi"))
    truth.except_fields(frozenset({"storage.capacity of local-path", "storage.present of beta3", "storage.classes"}))

    assert of(truth)[0] is None
    assert of(truth)[2] == GI
    assert truth.expected_storage()["beta3"] == unknown("beta3")
    assert truth.expected()["a"].storage_classes is None


def test_a_class_that_was_let_pass_need_not_be_there() -> None:
    """One that must not be reported, and was from the start, is expected neither way."""
    truth = after(LOCAL, worker())
    truth.except_fields(frozenset({"storage.present of local-path"}))

    assert truth.expected_storage() == {"local-path": unknown("local-path")}


def test_a_relist_takes_away_what_is_not_in_it() -> None:
    """Classes, volumes and Ceph clusters that a complete list does not hold are gone."""
    before = (NAMED, LOCAL, BETA3, CREATED, pools(ssd=(7, 0)), worker(), a_volume("v", "1Gi"), a_volume("w", "2Gi"))
    truth = after(*before)
    truth.apply(synced("persistentvolumes", [("", "w", "u1")]))
    assert of(truth)[2] == 2 * GI

    truth.apply(synced("cephclusters", []))
    assert truth.expected_storage()["beta3"] == unknown("beta3")

    truth.apply(synced("storageclasses", [("", "local-path", "u1")]))
    assert set(truth.expected_storage()) == {"local-path"}


def test_a_volume_that_cannot_be_read_is_an_error() -> None:
    """A truth with a hole in it is no truth."""
    with pytest.raises(HistoryError, match="much"):
        after(a_volume("v", "much"))


def test_the_timeline_tells_when_a_class_came_and_went() -> None:
    """Presence and figures are steps; a class that is named but never there is known to the timeline."""
    records = [
        *LISTED, {**NAMED, "t": 1.0}, {**worker(), "t": 1.0}, {**LOCAL, "t": 2.0}, {**a_volume("v", "1Gi"), "t": 3.0},
        {**LOCAL, "event": "DELETED", "t": 4.0},
    ]  # fmt: skip
    built = Timeline.build(from_records(records))
    key, allocated = ("local-path", "storage.present"), ("local-path", "storage.allocated")

    assert built.classes() == ("beta3", "local-path")
    assert [built.at(key, t) for t in (1.5, 2.5, 4.5)] == [ABSENT, True, ABSENT]
    assert [built.at(allocated, t) for t in (1.5, 2.5, 3.5, 4.5)] == [ABSENT, Decimal(0), Decimal(GI), ABSENT]
    assert built.last_true(allocated, Decimal(0), 9.0) == 3.0
    assert built.at(("beta3", "storage.present"), 9.0) is ABSENT


names = st.sampled_from(("v1", "v2", "v3"))
sizes = st.sampled_from(("1Gi", "0.5", "7e9", "123456789", "2500M"))
volume_events = st.builds(
    lambda event, name, uid, size, of: a_volume(name, size, of, event=event, uid=uid),
    st.sampled_from(("ADDED", "MODIFIED", "DELETED", "SYNC")), names, st.sampled_from(("u1", "u2")), sizes,
    st.sampled_from(("local-path", "beta3")),
)  # fmt: skip
relists = st.builds(
    lambda listed: synced("persistentvolumes", [("", name, uid) for name, uid in listed.items()]),
    st.dictionaries(names, st.sampled_from(("u1", "u2"))),
)


def _there(records: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, Any]]:
    """The volumes after the records, computed plainly: name -> (uid, spec)."""
    found: dict[str, tuple[str, Any]] = {}
    for record in records:
        if record["k"] == "synced":
            found = {name: held for name, held in found.items() if ["", name, held[0]] in record["objects"]}
        elif record["event"] != "DELETED":
            found[record["name"]] = (record["uid"], record["object"]["spec"])
        elif found.get(record["name"], ("",))[0] == record["uid"]:
            del found[record["name"]]
    return found


@given(st.lists(volume_events | relists, max_size=30))
def test_allocated_is_the_sum_over_what_is_there(drawn: list[dict[str, Any]]) -> None:
    """Whatever happened before, in whatever order, the sum is that of the volumes that exist now."""
    truth = after(NAMED, LOCAL, worker(), *drawn)

    there = [spec for _uid, spec in _there(drawn).values() if spec["storageClassName"] == "local-path"]
    assert of(truth)[2] == total(parse(spec["capacity"]["storage"]) for spec in there)


@given(st.lists(volume_events, max_size=15), sizes)
def test_a_volume_that_comes_and_goes_leaves_nothing_behind(drawn: list[dict[str, Any]], size: str) -> None:
    """After it is deleted everything is as it was."""
    truth = after(NAMED, LOCAL, worker(), *drawn)
    before = truth.expected_storage()
    for event in ("ADDED", "DELETED"):
        truth.apply(a_volume("passing", size, event=event))

    assert truth.expected_storage() == before


@given(st.permutations([LOCAL, BETA3, CREATED, pools(ssd=(7, 3)), worker(), a_volume("v", 2, "beta3"), NAMED]))
def test_the_order_of_different_things_never_matters(drawn: list[dict[str, Any]]) -> None:
    """Class, cluster, pool, node, volume and configuration may be seen in any order."""
    assert after(*drawn).expected_storage() == after(NAMED, LOCAL, BETA3, CREATED, pools(ssd=(7, 3)), worker(),
                                                     a_volume("v", 2, "beta3")).expected_storage()  # fmt: skip


def test_readings_are_one_value_or_several() -> None:
    """Equal readings are one, and what is not knowable makes all of it so."""
    assert one_of([1, 1]) == 1
    assert one_of([]) is None
    assert one_of([1, None]) is None
    assert [fits(one_of([1, 2]), value) for value in (1, 2, 3)] == [True, True, False]
    assert not fits(1, ABSENT)
    assert ExpectedStorage("a", {}) == ExpectedStorage("a", {}, sure=True)
