"""Comparing one inventory with what is expected now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from harness.check.agreement import differences, disagreement, expected_at, label_differences
from harness.model.reported import parse
from harness.model.timeline import Timeline
from tests.unit.check.story import MANAGED, Story, allocated, figure, reported_node, without


def cluster() -> tuple[Story, Any]:
    """Two nodes, one with a pod, and what is expected of them."""
    story = Story()
    story.node("a")
    story.node("b")
    story.pod("p", 0.2, node="a", milli=500)
    return story, expected_at(Timeline.build(story.history()), 1.0)


def kinds(story: Story, expected: Any, alter: Any) -> list[tuple[str, str, str]]:
    """The differences of an altered inventory as (node, field, class)."""
    body = alter(story.truth(1.0))
    return [(d.node, d.field, d.kind) for d in differences(expected, parse(body)[0])]


def test_the_expected_inventory_has_no_differences() -> None:
    """The true inventory differs in nothing, whatever its notation."""
    story, expected = cluster()
    assert expected["a"].values["cpu.allocated"] == Decimal("0.5")
    assert kinds(story, expected, allocated("a", "500m")) == []


def test_differences_have_a_class() -> None:
    """Lost, ghost, over, under and info are told apart."""
    story, expected = cluster()
    assert kinds(story, expected, without("a")) == [("a", "present", "lost")]
    assert kinds(story, expected, allocated("a", "2")) == [("a", "cpu.allocated", "over")]
    assert kinds(story, expected, allocated("a", "0")) == [("a", "cpu.allocated", "under")]
    assert kinds(story, expected, figure("b", ("cpu", "info"), None)) == [("b", "cpu.info", "info")]
    extra = {"nodes": [*story.truth(1.0)["nodes"], reported_node("c")], "storage": []}
    assert kinds(story, expected, lambda _: extra)[-1:] == [("c", "present", "ghost")]


def test_a_missing_figure_is_a_difference() -> None:
    """A figure that cannot be read differs from whatever is expected."""
    story, expected = cluster()
    (difference,) = differences(expected, parse(allocated("b", "??")(story.truth(1.0)))[0])
    assert (difference.field, difference.reported) == ("cpu.allocated", "not reported")


def test_labels_belong_to_the_steady_state() -> None:
    """A managed label that is missing, or that a node should not carry, is a difference; a foreign label is none."""
    _story, expected = cluster()
    labels = {"a": {"mine": "1"}, "b": MANAGED | {"mine": "1"}, "c": MANAGED}
    assert [d.node for d in label_differences(expected, labels)] == ["a", "c"]


def test_two_answers_that_tell_different_things_disagree() -> None:
    """Disagreement names the field and what each said; order and notation are no disagreement."""
    story, _expected = cluster()
    left = parse(story.truth(1.0))[0]
    right = parse({**story.truth(1.0), "nodes": story.truth(1.0)["nodes"][::-1]})[0]
    assert disagreement(left, right) == []
    (difference,) = disagreement(left, parse(without("b")(story.truth(1.0)))[0])
    assert (difference.node, difference.field) == ("b", "present")
