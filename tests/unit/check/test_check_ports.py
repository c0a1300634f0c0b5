"""RECOVER-3 on histories made by hand: what is said about a taken port, and how soon it is served."""

from __future__ import annotations

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, quiet


def taken(
    *, named: int | None = 7070, at: float = 13.0, served: float = 22.0, early: float | None = None,
    begun: float = 12.0, kind: str = "port-taken", followed: bool = True,
) -> Story:  # fmt: skip
    """REST's port 7070 is taken from 11 s to 20 s, the operator is started at `begun` and answers from `served` on.

    `early`: it answered at that moment all the same; `named`: the port that its log names with an error, at `at`.
    """
    story = Story("RECOVER-3", supervised=True)
    story.node("a")
    story.started()
    if followed:
        story.log(1.0, lines=0)
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, "rest", "operator", kind=kind, target="rest port 7070")
    story.add("process", begun, event="started", pid=8, code=None, cause="harness")
    for second in range(13, int(served)):
        story.failure("rest", float(second))
    if early is not None:
        story.observe(early, early + 2.0, sources=("rest",))
    if followed and named is not None:
        story.log(at, ports=[named])
    story.observe(12.0, 60.0, sources=("query", "stream"))
    story.observe(served, 60.0, sources=("rest",))
    story.end(60.0)
    return story


def test_a_port_that_is_named_and_served_in_time_keeps_the_promise() -> None:
    """What was examined is the listener, and the error."""
    verdict = taken().verdict("RECOVER-3")
    assert (verdict.verdict, verdict.examined) == (PASS, 2)
    assert verdict.measured == {"service_s": pytest.approx(2.0), "errors_named": 1.0}


def test_an_error_that_names_no_port_is_a_finding() -> None:
    """The finding tells which port it was and when the harm was over."""
    (finding,) = taken(named=None).verdict("RECOVER-3").findings
    assert "another program held its rest port 7070, and no error in its log names the port" in finding.text
    assert finding.expected == "an error that names port 7070"


def test_another_port_is_not_the_one() -> None:
    """An error about the other listener's port tells nothing of this one."""
    assert taken(named=7071).verdict("RECOVER-3").verdict is FAIL


def test_an_error_of_long_ago_is_not_about_it() -> None:
    """What was said before the port was taken does not count."""
    assert taken(at=10.0).verdict("RECOVER-3").verdict is FAIL


def test_who_serves_all_the_same_owes_no_error() -> None:
    """With the port of the other family taken an operator may serve as if nothing were."""
    verdict = taken(named=None, early=14.0).verdict("RECOVER-3")
    assert (verdict.verdict, verdict.examined) == (PASS, 1)


def test_who_was_started_too_late_to_say_anything_owes_no_error() -> None:
    """A process that came two seconds before the release, and did not end over the port, may not have got so far."""
    assert taken(named=None, begun=18.0).verdict("RECOVER-3").verdict is PASS


def test_who_ended_over_it_owes_an_error_however_late_it_was_started() -> None:
    """An exit without a word about the port is what the promise is against."""
    story = taken(named=None, begun=18.0)
    story.exits(18.5, again=19.5)
    assert story.verdict("RECOVER-3").verdict is FAIL


def test_other_faults_on_a_listener_ask_for_no_error() -> None:
    """A listener may be kept from answering in ways that no line of the log can name."""
    assert taken(named=None, kind="rest-flooded").verdict("RECOVER-3").verdict is PASS


def test_a_log_that_nobody_followed_proves_nothing() -> None:
    """A history of an older format leaves open whether the port was named."""
    verdict = taken(followed=False).verdict("RECOVER-3")
    assert verdict.verdict is UNKNOWN
    assert "log was not followed" in verdict.reasons[0]


def test_late_service_is_a_finding_though_the_port_was_named() -> None:
    """Service only after nine seconds breaks RECOVER-3."""
    (finding,) = taken(served=29.0).verdict("RECOVER-3").findings
    assert "first answer after 9.00 s since the heal of port-taken (rest port 7070), objective 5 s" in finding.text


def test_no_taken_port_is_unknown() -> None:
    """Without a fault on a listener RECOVER-3 is UNKNOWN."""
    assert quiet("RECOVER-3").verdict("RECOVER-3").verdict is UNKNOWN
