"""LABEL-1 on histories made by hand."""

from __future__ import annotations

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import MANAGED, Story, quiet

MINE = {"team.example/owner": "me"}


def begun() -> Story:
    """One labelled node."""
    story = Story("LABEL-1")
    story.node("a")
    story.started()
    story.observe(2.0, 60.0)
    story.end(60.0)
    return story


def foreign(story: Story, t: float, value: str | None, phase: str = "ok", **detail: str) -> None:
    """Traffic sets a foreign label of node a."""
    what = {"key": "team.example/owner", "value": value, **detail}
    for step, at in (("invoke", t - 0.1), (phase, t)):
        story.add("op", at, op="set-foreign-label", id=f"l{t:g}", phase=step, object="a", detail=what)


def test_the_wanted_labels_pass() -> None:
    """Nodes that carry exactly the wanted labels keep LABEL-1."""
    verdict = quiet("LABEL-1").verdict("LABEL-1")
    assert (verdict.verdict, verdict.findings) == (PASS, ())
    assert verdict.examined > 0


def test_no_nodes_are_unknown() -> None:
    """Without a node LABEL-1 is UNKNOWN."""
    story = Story("LABEL-1")
    story.started()
    story.observe(2.0, 20.0)
    story.end(20.0)
    assert story.verdict("LABEL-1").verdict is UNKNOWN


@pytest.mark.parametrize(("until", "expected"), [(29.0, PASS), (32.0, FAIL)])
def test_labels_may_be_late_by_the_objective(until: float, expected: object) -> None:
    """A managed label that is missing for nine seconds is late, for twelve it is a finding."""
    story = begun()
    story.node("a", 20.0, labels={})
    story.node("a", until, labels=MANAGED)
    assert story.verdict("LABEL-1").verdict is expected


def test_a_finding_tells_what_is_missing_and_what_is_too_much() -> None:
    """The finding names the wanted label that is missing and the managed one that is not wanted."""
    story = begun()
    story.node("a", 20.0, labels={"akash.network/old": "1"} | MINE)
    (finding,) = story.verdict("LABEL-1").findings
    assert "wanted and not there: akash.network=true; there and not wanted: akash.network/old=1" in finding.text


def test_a_node_that_is_not_ready_must_lose_its_labels() -> None:
    """A node that is not to be reported and keeps its managed labels breaks LABEL-1."""
    for stripped, expected in ((True, PASS), (False, FAIL)):
        story = begun()
        story.node("a", 20.0, ready=False)
        if stripped:
            story.node("a", 25.0, labels={})
        assert story.verdict("LABEL-1").verdict is expected


@pytest.mark.parametrize(("affects", "expected"), [("api", PASS), ("operator", PASS), ("node", FAIL)])
def test_only_blindness_excuses_late_labels(affects: str, expected: object) -> None:
    """Late labels are excused while the operator cannot see the cluster and 15 s more."""
    story = begun()
    story.fault(19.0, 30.0, affects)
    story.node("a", 20.0, labels={})
    story.node("a", 42.0, labels=MANAGED)
    assert story.verdict("LABEL-1").verdict is expected


@pytest.mark.parametrize("after", [{}, {"team.example/owner": "you"}])
def test_a_touched_foreign_label_is_a_finding_at_once(after: dict[str, str]) -> None:
    """A foreign label that is removed or altered breaks LABEL-1 with what it became."""
    story = begun()
    foreign(story, 20.0, "me")
    story.node("a", 20.05, labels=MANAGED | MINE)
    story.node("a", 20.6, labels=MANAGED | after)
    story.node("a", 20.7, labels=MANAGED | MINE)
    (finding,) = story.verdict("LABEL-1").findings
    assert finding.t_s == pytest.approx(20.6)
    assert finding.expected == "me"


def test_a_late_event_from_before_the_operation_is_no_finding() -> None:
    """A state of the node that our watch delivers late, from before the operation, is not held against the operator."""
    story = begun()
    foreign(story, 20.0, "me")
    story.node("a", 20.1, cores=8)
    story.node("a", 20.2, labels=MANAGED | MINE)
    assert story.verdict("LABEL-1").verdict is PASS


def test_a_foreign_label_that_never_shows_is_a_finding() -> None:
    """A foreign label that was set and is never seen on the node breaks LABEL-1."""
    story = begun()
    foreign(story, 20.0, "me")
    story.node("a", 22.0, cores=8)
    assert story.verdict("LABEL-1").verdict is FAIL


def test_traffic_may_change_its_own_label() -> None:
    """A label that traffic set anew, removed, or whose node was deleted, is no finding."""
    story = begun()
    foreign(story, 20.0, "me")
    story.node("a", 20.05, labels=MANAGED | MINE)
    foreign(story, 25.0, "you")
    story.node("a", 24.95, labels=MANAGED | {"team.example/owner": "you"})
    foreign(story, 30.0, None)
    story.node("a", 29.95, labels=MANAGED)
    foreign(story, 35.0, "me")
    story.node("a", 35.05, labels=MANAGED | MINE)
    story.remove_node("a", 40.0)
    story.node("a", 41.0, uid="another")
    assert story.verdict("LABEL-1").verdict is PASS


def test_an_operation_without_a_known_outcome_promises_nothing() -> None:
    """A label whose operation timed out need not stand."""
    story = begun()
    foreign(story, 20.0, "me", phase="info")
    story.node("a", 22.0, cores=8)
    assert story.verdict("LABEL-1").verdict is PASS


@pytest.mark.parametrize(("until", "expected"), [(39.0, PASS), (42.0, FAIL)])
def test_labels_that_may_not_be_written_are_late_by_as_much_as_recovery(until: float, expected: object) -> None:
    """While they cannot be written, and RECOVER-1's fifteen seconds after it, nothing is held against the operator."""
    story = begun()
    story.fault(18.0, 25.0, "labelling", kind="rights-revoked")
    story.node("a", 20.0, labels={})
    story.node("a", until, labels=MANAGED)
    assert story.verdict("LABEL-1").verdict is expected
