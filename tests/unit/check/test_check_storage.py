"""TRUTH-6: what must be found of storage, and what must not."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, allocated, nothing, quiet
from tests.unit.model.objects import storage_class, volume

if TYPE_CHECKING:
    from collections.abc import Callable

GI = 2**30
NODE_GIB = 100
"""The ephemeral storage of each node of a story."""


class Stored(Story):
    """A story with storage of class `local-path`, which the configuration names."""

    def __init__(self, *promises: str, named: tuple[str, ...] = ("local-path",), listed: bool = True) -> None:
        super().__init__(*promises)
        self.named = named
        self.classes: dict[str, bool] = {}
        self.volumes: dict[str, int] = {}
        self.config_says(0.05, {"cluster_storage": list(named)})
        for resource in ("storageclasses", "persistentvolumes") if listed else ():
            self.add("synced", 0.05, resource=resource, rv="1", objects=[])

    def storage_class(self, t: float, *, labelled: bool = True, event: str = "ADDED") -> None:
        """The class comes, changes, or goes (DELETED)."""
        body = storage_class(label="true" if labelled else None)
        self._object(t, event, "storageclasses", "", "local-path", "u", body)
        self.classes["local-path"] = labelled and event != "DELETED"
        self._note(t)

    def volume(self, name: str, t: float, gib: int, *, event: str = "ADDED") -> None:
        """A volume comes, changes, or goes."""
        self._object(t, event, "persistentvolumes", "", name, "u", volume(f"{gib}Gi"))
        self.volumes[name] = 0 if event == "DELETED" else gib
        self._note(t)

    def _note(self, t: float) -> None:
        super()._note(t)
        offered = [name for name, offered in self.classes.items() if offered and name in self.named]
        t, body = self.inventories[-1]
        body = deepcopy(body)
        size = f"{NODE_GIB * len(body['nodes'])}Gi"
        for node in body["nodes"]:
            node["capabilities"]["storage_classes"] = offered
        for name in offered:
            figures = {"capacity": size, "allocatable": size, "allocated": f"{sum(self.volumes.values())}Gi"}
            body["storage"].append({"quantity": figures, "info": {"class": name, "iops": ""}})
        self.inventories[-1] = (t, body)


def told(*promises: str, until: float = 60.0, lag: float = 0.0, alter: Any = None) -> Stored:
    """A volume that was there, one that comes, grows and goes, the class gone from 30 s to 45 s."""
    story = Stored(*(promises or ("TRUTH-6",)))
    story.node("a")
    story.node("b")
    story.storage_class(0.2)
    story.volume("v", 0.3, 10)
    story.started()
    story.volume("w", 10.0, 5)
    story.volume("w", 15.0, 7, event="MODIFIED")
    story.volume("w", 25.0, 7, event="DELETED")
    story.storage_class(30.0, event="DELETED")
    story.storage_class(45.0)
    story.observe(2.0, until, lag=lag, alter=alter)
    story.end(until)
    return story


def stored(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An alteration: each item of storage is changed like this."""

    def alter(body: dict[str, Any]) -> dict[str, Any]:
        body = deepcopy(body)
        for item in body["storage"]:
            change(item)
        return body

    return alter


def figure(name: str, value: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An alteration: this figure of each class."""
    return stored(lambda item: item["quantity"].update({name: value}))


def without_storage(body: dict[str, Any]) -> dict[str, Any]:
    """An alteration: no cluster storage at all."""
    return {**body, "storage": []}


def no_classes(body: dict[str, Any]) -> dict[str, Any]:
    """An alteration: nodes have no classes."""
    body = deepcopy(body)
    for node in body["nodes"]:
        node["capabilities"]["storage_classes"] = None
    return body


def one_more(body: dict[str, Any]) -> dict[str, Any]:
    """An alteration: a class that nobody named."""
    figures = {"capacity": "1", "allocatable": "1", "allocated": "0"}
    return {**body, "storage": [*body["storage"], {"quantity": figures, "info": {"class": "beta9", "iops": ""}}]}


def test_the_truth_is_no_finding() -> None:
    """An operator that is right throughout keeps the promise, and every comparison is counted."""
    verdict = told().verdict("TRUTH-6")

    assert (verdict.verdict, verdict.findings) == (PASS, ())
    assert verdict.examined > 1000
    assert verdict.measured["classes"] == 1


def test_lateness_within_the_objective_is_no_finding() -> None:
    """Eight seconds late is in time, where ten are given."""
    assert told(lag=8.0).verdict("TRUTH-6").verdict is PASS


def test_what_is_late_beyond_the_objective_is_stale() -> None:
    """Twelve seconds late is a finding that says since when."""
    verdict = told(lag=12.0).verdict("TRUTH-6")

    assert verdict.verdict is FAIL
    assert all("stale since" in finding.text or "expected since" in finding.text for finding in verdict.findings)
    assert any("class local-path: storage.present ghost" in finding.text for finding in verdict.findings)


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (figure("allocated", "11Gi"), "class local-path: storage.allocated over: expected 10737418240"),
        (figure("allocated", "-1Gi"), "reported -1073741824"),
        (figure("capacity", "100Gi"), "storage.capacity under: expected 214748364800, reported 107374182400"),
        (figure("allocatable", "100Gi"), "storage.allocatable under"),
        (without_storage, "class local-path: storage.present lost: expected reported, reported not reported"),
        (one_more, "class beta9: storage.present ghost"),
        (no_classes, "node a: storage.classes info: expected local-path, reported none"),
    ],
)
def test_what_is_not_true_is_found(alter: Any, words: str) -> None:
    """The finding names the class or node, the figure, what was expected and what was reported, by all sources."""
    verdict = told(alter=alter).verdict("TRUTH-6")

    assert verdict.verdict is FAIL
    assert any(words in finding.text and "by query, rest, stream" in finding.text for finding in verdict.findings)


def test_what_never_was_true_is_found_whatever_fault_is_open() -> None:
    """While the API server is away lateness is excused, a sum that never was is not."""
    story = told()
    story.fault(50.0, 55.0, "api")
    assert story.verdict("TRUTH-6").verdict is PASS

    false = told(alter=lambda body: figure("allocated", "3Gi")(body) if body["storage"] else body)
    false.fault(2.0, 59.0, "api")
    assert false.verdict("TRUTH-6").verdict is FAIL


def test_figures_that_are_late_while_the_cluster_is_away_are_excused() -> None:
    """From the inject until RECOVER-1's objective after the heal."""
    story = Stored("TRUTH-6")
    story.node("a")
    story.storage_class(0.2)
    story.started()
    story.observe(2.0, 10.0)
    before = story.truth(5.0)
    story.volume("v", 11.0, 3)
    story.observe(10.0, 35.0, alter=lambda _body: before)
    story.observe(35.0, 45.0)
    story.end(45.0)
    assert story.verdict("TRUTH-6").verdict is FAIL

    story.fault(10.5, 30.0, "watch")
    assert story.verdict("TRUTH-6").verdict is PASS


def test_while_pools_cannot_be_asked_for_figures_may_be_late_and_classes_stay() -> None:
    """An operator may wait with its figures, and may not drop a class."""

    def story(alter: Any) -> Stored:
        told = Stored("TRUTH-6")
        told.node("a")
        told.storage_class(0.2)
        told.started()
        told.observe(2.0, 10.0)
        told.volume("v", 11.0, 3)
        told.observe(10.0, 35.0, alter=alter(told.truth(5.0)))
        told.observe(35.0, 45.0)
        told.end(45.0)
        told.fault(10.5, 30.0, "pools", kind="ceph-tools-broken")
        return told

    assert story(lambda before: lambda _body: before).verdict("TRUTH-6").verdict is PASS
    assert story(lambda _before: without_storage).verdict("TRUTH-6").verdict is FAIL


def test_without_any_class_nothing_was_shown() -> None:
    """A run in which no class exists or is named gives no verdict."""
    verdict = quiet("TRUTH-6").verdict("TRUTH-6")

    assert (verdict.verdict, verdict.examined) == (UNKNOWN, 0)


def test_a_class_that_is_rightly_not_reported_was_examined() -> None:
    """That an unlabelled class is absent is something that was looked at."""
    story = Stored("TRUTH-6")
    story.node("a")
    story.storage_class(0.2, labelled=False)
    story.started()
    story.observe(2.0, 20.0)
    story.end(20.0)
    verdict = story.verdict("TRUTH-6")

    assert verdict.verdict is PASS
    assert verdict.examined > 50


def test_storage_belongs_to_recovery_and_to_the_agreement_of_sources() -> None:
    """RECOVER-1 waits for storage to be true again, and SHAPE-2 compares it."""
    story = Stored("RECOVER-1", "SHAPE-2")
    story.node("a")
    story.storage_class(0.2)
    story.started()
    story.observe(2.0, 10.0)
    story.fault(10.0, 12.0, "api")
    story.observe(10.0, 45.0, sources=("rest",), alter=figure("allocated", "1Gi"))
    story.observe(10.0, 45.0, sources=("query", "stream"))
    story.end(45.0)
    recover, shape = story.judge().promises

    assert recover.verdict is FAIL
    assert "class local-path: storage.allocated over" in recover.findings[0].text
    assert shape.verdict is FAIL
    assert shape.findings[0].object == "class local-path: storage.allocated"


def test_what_the_gate_let_pass_is_a_finding_and_nothing_else() -> None:
    """A figure that was wrong from the start is found once, with the class, and the others are judged."""
    story = told(alter=figure("capacity", "1Gi"))
    for record in story.records:
        if record.get("mark") == "gate-passed":
            record["excepted"] = [
                {
                    "field": "storage.capacity of local-path", "node": "local-path", "nodes": 1, "expected": "2",
                    "reported": "1", "after_s": 14.0,
                }
            ]  # fmt: skip
    verdict = story.verdict("TRUTH-6")

    assert [finding.object for finding in verdict.findings] == ["class local-path: storage.capacity"]
    assert "class local-path: storage.capacity: expected 2, reported 1; never true" in verdict.findings[0].text
    assert verdict.examined > 500


@pytest.mark.parametrize("alter", [nothing, allocated("a", "1")])
def test_what_others_judge_is_no_finding_of_storage(alter: Any) -> None:
    """A node that is missing, or a sum of pods, is no matter of storage."""
    story = Stored("TRUTH-6")
    story.node("a")
    story.storage_class(0.2, labelled=False)
    story.started()
    story.observe(2.0, 30.0, alter=alter)
    story.end(30.0)

    assert story.verdict("TRUTH-6").findings == ()


def test_a_class_that_is_dropped_while_the_cluster_is_away_is_a_matter_of_availability() -> None:
    """TRUTH-6 excuses what cannot be known; AVAIL-1 does not excuse forgetting what was."""
    story = Stored("TRUTH-6", "AVAIL-1")
    story.node("a")
    story.storage_class(0.2)
    story.started()
    story.observe(2.0, 12.0)
    story.fault(10.0, 20.0, "api")
    story.observe(12.0, 20.0, alter=without_storage)
    story.observe(20.0, 45.0)
    story.end(45.0)
    truth, available = story.judge().promises

    assert truth.verdict is PASS
    assert available.verdict is FAIL
    assert "with 0 classes of storage and without 1 that must be there (local-path)" in available.findings[0].text
    assert available.findings[0].object == "class local-path"


def test_a_class_may_not_be_dropped_because_nobody_knew_of_it_once() -> None:
    """Soon after the start, what was known since the lists were read counts, not what was before them."""
    story = Stored("AVAIL-1", listed=False)
    story.node("a")
    story.storage_class(0.2)
    for resource, objects in (("storageclasses", [["", "local-path", "u"]]), ("persistentvolumes", [])):
        story.add("synced", 0.3, resource=resource, rv="1", objects=objects)
    story.started()
    story.observe(2.0, 4.0)
    story.fault(4.0, 8.0, "api")
    story.observe(4.0, 8.0, alter=without_storage)
    story.observe(8.0, 45.0)
    story.end(45.0)

    assert story.verdict("AVAIL-1").verdict is FAIL


def test_a_class_that_goes_while_the_cluster_is_away_may_be_dropped() -> None:
    """What is gone need not be reported, whenever an operator learns of it."""
    story = Stored("AVAIL-1")
    story.node("a")
    story.storage_class(0.2)
    story.started()
    story.fault(10.0, 20.0, "api")
    story.storage_class(12.0, event="DELETED")
    story.observe(2.0, 45.0)
    story.end(45.0)

    assert story.verdict("AVAIL-1").verdict is PASS
