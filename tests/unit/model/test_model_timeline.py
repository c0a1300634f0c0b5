from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history.reader import from_records
from harness.model.inventory import ABSENT, FIELDS, Truth
from harness.model.timeline import KEY_FIELDS, Timeline
from tests.unit.model import events, objects
from tests.unit.model.objects import container, of_node, of_pod

steps_of_time = st.lists(st.sampled_from((0.0, 0.5, 1.0)), min_size=43, max_size=43)
CPU = ("a", "cpu.allocated")


def timeline(*records: dict[str, Any]) -> Timeline:
    """The timeline of the records."""
    return Timeline.build(from_records(list(records)))


def gap(phase: str, t: float, resource: str = "pods") -> dict[str, Any]:
    """A truth-gap record."""
    return {"k": "gap", "t": t, "phase": phase, "resource": resource, "why": "test"}


def expected_at(found: Truth, key: tuple[str, str]) -> Any:
    """The value of a key as `Truth` has it now."""
    name, field = key
    node = found.expected_node(name)
    if node is None:
        return ABSENT
    if field in FIELDS:
        return node.values[field]
    labels = dict(node.labels) if node.labels_known and node.sure else None
    return {
        "present": True if node.sure else None,
        "cpu.info": node.cpu_info,
        "gpu.info": node.gpu_info,
        "labels": labels,
        "storage.classes": node.storage_classes,
    }[field]


ALL_KEYS = [(name, field) for name in events.NODES for field in KEY_FIELDS]


@given(events.sequences, steps_of_time)
def test_at_agrees_with_replaying_the_truth(drawn: list[dict[str, Any]], times: list[float]) -> None:
    """At and between all record times, every key has the value that replaying the records up to then gives."""
    records = events.timed(drawn, times)
    built = timeline(*records)
    for moment in sorted({-1.0, 0.25, *(r["t"] for r in records), *(r["t"] + 0.25 for r in records)}):
        found = Truth()
        for record in records:
            if record["t"] <= moment:
                found.apply(record)
        for key in ALL_KEYS:
            assert built.at(key, moment) == expected_at(found, key)


@given(events.sequences, steps_of_time, st.sampled_from(ALL_KEYS), st.sampled_from((0.0, 0.5, 3.0, 99.0)))
def test_since_and_last_true_agree_with_the_intervals(
    drawn: list[dict[str, Any]], times: list[float], key: tuple[str, str], moment: float
) -> None:
    """`since` and `last_true` equal what walking the list of intervals from the start gives."""
    records = events.timed(drawn, times)
    built = timeline(*records)
    intervals: list[tuple[float, Any]] = [(0.0, ABSENT)]
    found = Truth()
    for record in records:
        found.apply(record)
        value = expected_at(found, key)
        if record["t"] <= moment and value != intervals[-1][1]:
            intervals.append((record["t"], value))
    assert built.since(key, moment) == intervals[-1][0]
    ends = [*(start for start, _ in intervals[1:]), moment]
    for _, value in intervals:
        wanted = max(end for (_, held), end in zip(intervals, ends, strict=True) if held in (value, None))
        assert built.last_true(key, value, moment) == wanted
    knowable = all(held is not None for _, held in intervals)
    assert built.last_true(key, "never", moment) is None or not knowable


@given(events.sequences, steps_of_time)
def test_only_changes_are_stored(drawn: list[dict[str, Any]], times: list[float]) -> None:
    """The steps of a key go forward in time, and no step has the value of the one before it."""
    built = timeline(*events.timed(drawn, times))
    assert set(built.keys()) <= set(ALL_KEYS)
    for key in built.keys():  # noqa: SIM118 - a method of Timeline, which is no mapping
        changes = built.changes(key)
        assert changes[0][1] is not ABSENT
        for (t0, before), (t1, after) in pairwise(changes):
            assert t0 <= t1
            assert before != after


def test_the_life_of_a_figure() -> None:
    """A figure is absent, zero, up, down and absent again, and each question about it is answered from those steps."""
    body = objects.pod(container(cpu="1500m"), node="a")
    built = timeline(
        of_node("ADDED", "a", objects.node(), t=1.0),
        of_pod("ADDED", "p", body, t=2.0),
        of_pod("DELETED", "p", body, t=3.0),
        of_node("DELETED", "a", objects.node(), t=4.0),
    )
    up = Decimal("1.5")
    assert built.changes(CPU) == [(1.0, 0), (2.0, up), (3.0, 0), (4.0, ABSENT)]
    assert [built.at(CPU, t) for t in (0.5, 1.0, 2.5, 3.0, 9.0)] == [ABSENT, 0, up, 0, ABSENT]
    assert [built.since(CPU, t) for t in (0.5, 1.5, 2.0, 9.0)] == [0.0, 1.0, 2.0, 4.0]
    assert [built.last_true(CPU, up, t) for t in (1.5, 2.5, 3.5, 9.0)] == [None, 2.5, 3.0, 3.0]
    assert [built.last_true(CPU, Decimal(0), t) for t in (0.5, 2.5, 9.0)] == [None, 2.0, 4.0]
    assert [built.last_true(CPU, ABSENT, t) for t in (0.5, 2.5, 9.0)] == [0.5, 1.0, 9.0]
    assert built.nodes() == ["a"]


def test_unknown_keys_are_absent() -> None:
    """A node that never was is absent at every time, and any other value of it was never true."""
    built = timeline(of_node("ADDED", "a", objects.node(), t=1.0))
    key = ("ghost", "present")
    assert built.at(key, 5.0) is ABSENT
    assert built.since(key, 5.0) == 0.0
    assert built.last_true(key, True, 5.0) is None
    assert built.changes(key) == []
    assert built.removed_between("ghost", 1.0, 2.0)
    assert built.actual_labels("ghost") == []


def test_what_is_not_knowable_is_never_called_wrong() -> None:
    """While hardware is unknown any info may have been true, so `last_true` finds the time at which it became known."""
    built = timeline(of_node("ADDED", "a", objects.node(), t=1.0), objects.hardware("a", objects.machine(), t=2.0))
    assert built.last_true(("a", "cpu.info"), (), 1.5) == 1.5
    assert built.last_true(("a", "cpu.info"), (), 5.0) == 2.0


def test_several_changes_at_one_instant() -> None:
    """Of several values at one instant the last is in force, and the others were true once."""
    body = objects.pod(container(cpu=1), node="a")
    built = timeline(
        of_node("ADDED", "a", objects.node(), t=1.0),
        of_pod("ADDED", "p", body, t=2.0),
        of_pod("DELETED", "p", body, t=2.0),
    )
    assert built.at(CPU, 2.0) == 0
    assert built.last_true(CPU, Decimal(1), 9.0) == 2.0


def test_gaps_are_merged() -> None:
    """Truth gaps of several resources are merged, and one that is never closed lasts to the last record."""
    built = timeline(
        gap("begin", 1.0), gap("begin", 2.0, "nodes"), gap("end", 3.0), gap("end", 4.0, "nodes"),
        gap("begin", 6.0), {"k": "mark", "t": 8.0, "mark": "end"},
    )  # fmt: skip
    assert built.gaps == ((1.0, 4.0), (6.0, 8.0))
    windows = [(0.0, 0.9), (0.0, 1.0), (2.0, 2.0), (4.0, 5.0), (4.1, 5.9), (0.0, 9.0), (7.0, 9.0), (8.5, 9.0)]
    assert [built.in_gap(*window) for window in windows] == [False, True, True, True, False, True, True, False]


def test_a_gap_that_was_known_late_begins_when_it_began() -> None:
    """`since` counts, not the time at which a stall of the harness could be written down."""
    built = timeline({**gap("begin", 4.0, "harness"), "since": 2.5}, gap("end", 4.0, "harness"))
    assert built.gaps == ((2.5, 4.0),)


def test_what_was_not_heard_is_told_from_what_was_not_known() -> None:
    """One connection that hangs hides an answer, and nothing of the truth; a shut way may hide both."""
    built = timeline(
        gap("begin", 10.0, "nodes"), gap("end", 15.0, "nodes"),
        gap("begin", 20.0, "a connection to the operator"), gap("end", 25.0, "a connection to the operator"),
        gap("begin", 30.0, "harness"), gap("end", 35.0, "harness"),
    )  # fmt: skip

    assert built.gaps == ((10.0, 15.0), (30.0, 35.0))
    assert built.unheard == ((20.0, 25.0), (30.0, 35.0))


def test_a_gap_has_two_phases() -> None:
    """A gap record of an unknown phase raises HistoryError."""
    with pytest.raises(HistoryError, match="unknown phase 'middle'"):
        timeline(gap("middle", 1.0))


def test_removed_between() -> None:
    """A node counts as removed in a window that holds a moment at which it had not to be reported."""
    built = timeline(
        of_node("ADDED", "a", objects.node(), t=1.0),
        of_node("MODIFIED", "a", objects.node(cordoned=True), t=3.0),
        of_node("MODIFIED", "a", objects.node(), t=4.0),
    )
    windows = [(0.0, 0.5), (0.0, 2.0), (1.0, 2.9), (2.0, 3.0), (2.0, 9.0), (3.5, 3.6), (3.9, 5.0), (4.0, 9.0)]
    assert [built.removed_between("a", *window) for window in windows] == [
        True, True, False, True, True, True, True, False,
    ]  # fmt: skip


def test_label_history() -> None:
    """Actual labels are kept with the version that brought them, through deletion, relists and a new node."""
    first, second = {"mine": "1"}, {"mine": "1", "akash.network": "true"}
    built = timeline(
        of_node("ADDED", "a", objects.node(labels=first), t=1.0),
        of_node("MODIFIED", "a", objects.node(labels=first, ready="False"), t=1.5),
        {**of_node("MODIFIED", "a", objects.node(labels=second), t=2.0), "rv": "7"},
        of_node("DELETED", "a", objects.node(labels=second), t=3.0),
        of_node("ADDED", "a", objects.node(labels=second), t=4.0, uid="u2"),
        objects.synced("nodes", [], t=5.0),
    )
    assert built.actual_labels("a") == [(1.0, first), (2.0, second), (3.0, {}), (4.0, second), (5.0, {})]
    history = built.label_history["a"]
    assert [(step.rv, step.uid, step.exists) for step in history] == [
        ("1", "u1", True), ("7", "u1", True), ("1", "u1", False), ("1", "u2", True), ("1", "u2", False),
    ]  # fmt: skip


def test_a_node_that_was_never_ready_is_known_but_has_no_keys() -> None:
    """`nodes` lists every node there was, `keys` only those that had to be reported at some time."""
    built = timeline(of_node("ADDED", "a", objects.node(ready="False"), t=1.0))
    assert built.nodes() == ["a"]
    assert built.keys() == []
