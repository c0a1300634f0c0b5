"""Discovery pods on nodes that are gone, told from the records of the API server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.orphans import LABELS, absences, due_s, is_discovery, orphans, presences
from harness.model.timeline import Timeline
from tests.unit.check.story import Story


def discovery(story: Story, t: float, node: str, event: str = "ADDED", *, uid: str = "", **meta: Any) -> None:
    """Something happens to the discovery pod of a node."""
    name = f"discovery-{node}"
    body = {
        "metadata": {"labels": dict(LABELS), **meta},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running"},
    }
    story.add(
        "object", t, event=event, resource="pods", namespace="ns", name=name, uid=uid or name, rv="9", object=body
    )


def found(story: Story) -> list[tuple[str, float, float, float]]:
    """(node, gone since, there from, there until) of each orphan."""
    history = story.history()
    return [(one.node, one.gone_s, one.begin_s, one.end_s) for one in orphans(history, Timeline.build(history))]


def test_a_pod_that_goes_with_its_node_is_an_orphan_for_that_long() -> None:
    """From the moment the node is gone until the pod is."""
    story = Story("SURVIVE-2")
    story.node("a")
    discovery(story, 1.0, "a")
    story.remove_node("a", 10.0)
    discovery(story, 12.0, "a", "DELETED")

    assert found(story) == [("a", 10.0, 10.0, 12.0)]


def test_a_pod_that_is_being_deleted_is_none() -> None:
    """Nobody confirms the end of a pod on a node without a kubelet, so asking for it is the end of it."""
    story = Story("SURVIVE-2")
    story.node("a")
    discovery(story, 1.0, "a")
    story.remove_node("a", 10.0)
    discovery(story, 11.0, "a", "MODIFIED", deletionTimestamp="2026-01-01T00:00:00Z")

    assert found(story) == [("a", 10.0, 10.0, 11.0)]


def test_a_pod_that_is_made_for_a_node_that_is_gone_is_one() -> None:
    """From when it is made; when the node comes back under its name it is none any more."""
    story = Story("SURVIVE-2")
    story.node("a")
    story.remove_node("a", 10.0)
    discovery(story, 30.0, "a")
    story.node("a", 40.0, uid="another")

    assert found(story) == [("a", 10.0, 30.0, 40.0)]


def test_a_list_tells_of_pods_that_are_gone() -> None:
    """What a complete list does not hold ended at the latest then."""
    story = Story("SURVIVE-2")
    story.node("a")
    discovery(story, 1.0, "a")
    story.remove_node("a", 10.0)
    story.add("synced", 15.0, resource="pods", rv="20", objects=[])

    assert found(story) == [("a", 10.0, 10.0, 15.0)]


def test_other_pods_and_other_nodes_do_not_count() -> None:
    """A tenant's pod on a node that is gone, and a discovery pod on a node that is there, are no orphans."""
    story = Story("SURVIVE-2")
    story.node("a")
    story.node("b")
    story.pod("tenant", 1.0, node="a", milli=100)
    discovery(story, 1.0, "b")
    story.remove_node("a", 10.0)

    assert found(story) == []


@pytest.mark.parametrize("missing", sorted(LABELS))
def test_all_labels_make_a_discovery_pod(missing: str) -> None:
    """Any one of them may be somebody else's."""
    labels = {key: value for key, value in LABELS.items() if key != missing}

    assert is_discovery({"metadata": {"labels": dict(LABELS)}})
    assert not is_discovery({"metadata": {"labels": labels}})
    assert not is_discovery({})


def test_a_node_that_comes_and_goes_is_absent_in_between() -> None:
    """Before it first came it was not gone."""
    story = Story("SURVIVE-2")
    story.node("a", 5.0)
    story.remove_node("a", 10.0)
    story.node("a", 20.0, uid="second")
    story.remove_node("a", 30.0)

    assert absences(Timeline.build(story.history())) == {"a": [(10.0, 20.0), (30.0, math.inf)]}


def test_pods_of_one_name_made_again_are_two() -> None:
    """Each uid is a pod of its own."""
    story = Story("SURVIVE-2")
    discovery(story, 1.0, "a", uid="first")
    discovery(story, 2.0, "a", "DELETED", uid="first")
    discovery(story, 3.0, "a", uid="second")

    assert [span for *_names, span in presences(story.history())] == [(1.0, 2.0), (3.0, math.inf)]


def test_time_in_which_nothing_could_be_seen_does_not_count() -> None:
    """An operator that is blind for a while has that much longer."""
    assert due_s(10.0, 60.0, []) == 70.0
    assert due_s(10.0, 60.0, [(0.0, 5.0)]) == 70.0
    assert due_s(10.0, 60.0, [(20.0, 30.0), (25.0, 40.0)]) == 90.0
    assert due_s(10.0, 60.0, [(20.0, math.inf)]) == math.inf


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100))))
def test_it_is_never_due_before_its_time(away: list[tuple[float, float]]) -> None:
    """Excuses only ever lengthen it, by what they last at most."""
    spans = [(min(pair), max(pair)) for pair in away]

    assert 70.0 - 1e-6 <= due_s(10.0, 60.0, spans) <= 70.0 + sum(end - begin for begin, end in spans) + 1e-6
