"""RECOVER-2 on histories made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, allocated, figure, nothing, quiet, without

if TYPE_CHECKING:
    from collections.abc import Callable


def lost(*affects: str, promises: tuple[str, ...] = ("RECOVER-2",)) -> Story:
    """Two nodes and a pod, right up to 13 s; a member is lost from 11 s to 20 s."""
    story = Story(*promises)
    story.node("a")
    story.node("b")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.observe(2.0, 13.0)
    story.fault(11.0, 20.0, *(affects or ("member",)), kind="member-killed")
    return story


def then(
    story: Story, begin: float, end: float, alter: Callable[[dict[str, Any]], dict[str, Any]], *, until: float = 50.0
) -> Story:
    """The answers are altered for a while, and right before and after."""
    story.observe(13.0, begin)
    story.observe(begin, end, alter=alter)
    story.observe(end, until)
    story.end(until)
    return story


def test_a_loss_that_nobody_notices_passes() -> None:
    """Answers that go on as if nothing were keep RECOVER-2, and they are what was examined."""
    story = lost()
    story.observe(13.0, 50.0)
    story.end(50.0)
    verdict = story.verdict("RECOVER-2")
    assert verdict.verdict is PASS
    assert verdict.unit == "inventories"
    assert verdict.examined > 100


@pytest.mark.parametrize("t", [14.0, 25.0, 34.0])
def test_an_empty_answer_is_a_finding(t: float) -> None:
    """An empty inventory while the member is away, or within 15 s after its return, is one finding for each source."""
    verdict = then(lost(), t, t + 0.6, nothing).verdict("RECOVER-2")
    assert verdict.verdict is FAIL
    assert len(verdict.findings) == 3
    assert "ok with 0 nodes and without 2 that must be there (a, b)" in verdict.findings[0].text
    assert "member-killed" in verdict.findings[0].text


def test_a_lacking_node_is_a_finding() -> None:
    """One of two nodes that is dropped breaks RECOVER-2."""
    verdict = then(lost(), 14.0, 16.0, without("b")).verdict("RECOVER-2")
    assert [finding.object for finding in verdict.findings] == ["node b"] * 3


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (allocated("a", "7"), "cpu.allocated"),
        (figure("b", ("cpu", "quantity", "capacity"), "3"), "cpu.capacity"),
        (figure("b", ("memory", "quantity", "allocatable"), "1Gi"), "memory.allocatable"),
    ],
)
def test_what_never_was_true_is_a_finding(alter: Callable[[dict[str, Any]], dict[str, Any]], said: str) -> None:
    """A figure that no moment of the run had breaks RECOVER-2, once for each source and stretch of answers."""
    verdict = then(lost(), 14.0, 17.0, alter).verdict("RECOVER-2")
    assert verdict.verdict is FAIL
    assert len(verdict.findings) == 3
    assert all(said in finding.object for finding in verdict.findings)
    assert "which never was true" in verdict.findings[0].text
    assert "3.00 s after inject of member-killed" in verdict.findings[0].text


def test_what_is_only_late_is_no_matter_of_it() -> None:
    """A figure that was true once, however long ago, is for the other promises to judge."""
    story = lost(promises=("RECOVER-2", "TRUTH-3"))
    story.pod("q", 13.5, node="a", milli=250)
    then(story, 14.0, 48.0, allocated("a", "500m"), until=60.0)
    assert story.verdict("RECOVER-2").verdict is PASS
    assert story.verdict("TRUTH-3").verdict is FAIL


def test_a_new_node_that_is_not_reported_yet_is_no_matter_of_it() -> None:
    """Whoever is slow to see a node that came during the loss has dropped nothing."""
    story = lost()
    story.node("c", t=14.0)
    then(story, 14.0, 17.0, without("c"))
    assert story.verdict("RECOVER-2").verdict is PASS


@pytest.mark.parametrize("gap", [True, False])
def test_what_was_wrong_before_the_loss_is_not_its_doing(*, gap: bool) -> None:
    """A false figure that stood already is for the other promises to judge, also when the truth was unseen then."""
    story = Story("RECOVER-2", "TRUTH-3")
    story.node("a")
    story.started()
    story.observe(2.0, 8.0)
    story.observe(8.0, 50.0, alter=allocated("a", "7"))
    if gap:
        story.gap(12.0, 15.0)
    story.fault(11.0, 20.0, "member", kind="member-killed")
    story.end(50.0)
    assert story.verdict("RECOVER-2").verdict is PASS
    assert story.verdict("TRUTH-3").verdict is FAIL


@pytest.mark.parametrize("begin", [8.0, 37.0])
def test_outside_of_the_loss_nothing_is_judged(begin: float) -> None:
    """What is wrong before the inject, or more than 15 s after the heal, is not RECOVER-2's."""
    story = Story("RECOVER-2")
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, begin)
    story.observe(begin, begin + 2.0, alter=nothing)
    story.observe(begin + 2.0, 50.0)
    story.fault(11.0, 20.0, "member", kind="member-killed")
    story.end(50.0)
    assert story.verdict("RECOVER-2").verdict is PASS


def test_a_loss_that_is_never_healed_is_judged_to_the_end() -> None:
    """The window of a fault without a heal lasts as long as the run."""
    story = Story("RECOVER-2")
    story.node("a")
    story.started()
    story.observe(2.0, 40.0)
    story.fault(11.0, None, "member", kind="member-killed")
    story.observe(40.0, 42.0, alter=nothing)
    story.end(42.0)
    assert story.verdict("RECOVER-2").verdict is FAIL


def test_a_loss_that_also_hides_the_cluster_is_judged() -> None:
    """A fault that says both words is a loss of one of several as well."""
    assert then(lost("api", "member"), 14.0, 16.0, nothing).verdict("RECOVER-2").verdict is FAIL


@pytest.mark.parametrize("affects", [(), ("api",), ("operator",), ("node",)])
def test_without_a_loss_it_is_unknown(affects: tuple[str, ...]) -> None:
    """A fault that takes none of several away leaves nothing to judge, and the reason says so."""
    story = quiet("RECOVER-2")
    story.fault(11.0, 20.0, *affects)
    verdict = story.verdict("RECOVER-2")
    assert verdict.verdict is UNKNOWN
    assert verdict.reasons[0] == "no fault took a leader, a member or a server away"


def test_nothing_answered_is_unknown() -> None:
    """A loss during which nobody gave an inventory has shown nothing."""
    story = Story("RECOVER-2")
    story.node("a")
    story.started()
    story.observe(2.0, 10.0, sources=("rest", "query"))
    story.fault(11.0, 20.0, "member", kind="member-killed")
    story.failure("rest", 13.0)
    story.end(45.0)
    assert story.verdict("RECOVER-2").verdict is UNKNOWN
