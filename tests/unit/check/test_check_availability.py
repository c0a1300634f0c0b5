"""AVAIL-1 to AVAIL-3 on histories made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, nothing, quiet, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.verdict import Verdict


def away(*promises: str, until: float = 20.0, **scenario: object) -> Story:
    """Two nodes, right up to 10 s; the API server is away from 11 s to 20 s, or as told."""
    story = Story(*promises, **scenario)
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, until, "api")
    return story


def probe(story: Story, path: str, t: float, status: int | None) -> None:
    """One health probe."""
    outcome = "ok" if status == 200 else "error" if status else "refused"
    story.add("health", t, path=path, t0=t - 0.01, outcome=outcome, status=str(status or ""))


def test_the_last_known_inventory_passes() -> None:
    """An operator that serves what it last knew keeps AVAIL-1."""
    story = away("AVAIL-1")
    story.observe(11.0, 40.0)
    story.end(40.0)
    verdict = story.verdict("AVAIL-1")
    assert verdict.verdict is PASS
    assert verdict.examined > 40


def test_errors_pass() -> None:
    """An operator that answers with an error while it cannot see keeps AVAIL-1."""
    story = away("AVAIL-1")
    for step in range(18):
        for source in ("rest", "query"):
            story.failure(source, 11.2 + step / 2, "error")
    story.observe(20.5, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-1").verdict is PASS


def test_an_empty_inventory_is_a_finding() -> None:
    """A healthy empty answer while the API server is away is one finding for each source."""
    story = away("AVAIL-1", "TRUTH-1")
    story.observe(11.0, 13.0)
    story.observe(13.0, 22.0, alter=nothing)
    story.observe(22.0, 40.0)
    story.end(40.0)
    verdict = story.verdict("AVAIL-1")
    assert verdict.verdict is FAIL
    assert len(verdict.findings) == 3
    assert "ok with 0 nodes and without 2 that must be there (a, b)" in verdict.findings[0].text
    assert "2.00 s after inject of api-server-killed" in verdict.findings[0].text
    assert story.verdict("TRUTH-1").verdict is PASS


def test_an_outage_soon_after_the_start_is_no_excuse() -> None:
    """A node that came less than TRUTH-1's objective ago and was reported since may not be dropped."""
    story = Story("AVAIL-1")
    story.node("a", t=9.0)
    story.started(gate=9.8)
    story.observe(9.5, 11.0)
    story.fault(11.0, 20.0, "api")
    story.observe(11.0, 13.0, alter=nothing)
    story.observe(13.0, 40.0)
    story.end(40.0)
    assert len(story.verdict("AVAIL-1").findings) == 3


def test_what_a_node_does_after_the_outage_is_no_excuse() -> None:
    """A node that falls NotReady once the truth is watched again was there before, and may not be dropped then."""
    story = away("AVAIL-1")
    story.gap(11.0, 19.0)
    story.observe(11.0, 13.0)
    story.observe(13.0, 19.0, alter=without("b"))
    story.node("b", t=19.5, ready=False)
    story.observe(19.5, 40.0)
    story.end(40.0)
    assert [finding.object for finding in story.verdict("AVAIL-1").findings] == ["node b"] * 3


def test_one_dropped_node_is_a_finding() -> None:
    """Dropping one of two nodes while the API server is away breaks AVAIL-1, after the heal as well."""
    story = away("AVAIL-1")
    story.observe(11.0, 23.0)
    story.observe(23.0, 24.0, alter=without("b"))
    story.observe(24.0, 40.0)
    story.end(40.0)
    assert [finding.object for finding in story.verdict("AVAIL-1").findings] == ["node b"] * 3


def test_a_node_that_really_went_may_be_dropped() -> None:
    """A node that turned out to be gone when the truth could be watched again may be missing before."""
    story = away("AVAIL-1")
    story.gap(11.0, 24.0)
    story.observe(11.0, 21.0)
    story.observe(21.0, 24.0, alter=without("b"))
    story.remove_node("b", 24.0)
    story.observe(24.0, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-1").verdict is PASS


def test_our_own_blindness_is_no_excuse() -> None:
    """With the truth unwatched as well, a node that is there before and after must not be dropped in between."""
    story = away("AVAIL-1")
    story.gap(11.0, 21.0)
    story.observe(11.0, 13.0)
    story.observe(13.0, 22.0, alter=nothing)
    story.observe(22.0, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-1").verdict is FAIL


@pytest.mark.parametrize("answers", ["none", "refused"])
def test_nothing_answered_is_unknown(answers: str) -> None:
    """When nobody answered in the window, AVAIL-1 is UNKNOWN: refusals and silence are no answers."""
    story = Story("AVAIL-1")
    story.node("a")
    story.started()
    story.observe(2.0, 11.0, sources=("rest", "query"))
    story.fault(11.5, 20.0, "api")
    if answers == "refused":
        story.failure("rest", 13.0)
    story.observe(36.0, 45.0)
    story.end(45.0)
    assert story.verdict("AVAIL-1").verdict is UNKNOWN


def test_no_api_fault_is_unknown() -> None:
    """Without a fault that takes the API server away there is nothing to judge, and the reason says so."""
    verdict = quiet("AVAIL-1").verdict("AVAIL-1")
    assert verdict.verdict is UNKNOWN
    assert verdict.reasons == ("no fault took the API server away",)


@pytest.mark.parametrize(("alter", "expected"), [(nothing, FAIL), (without("b"), FAIL), (None, PASS)])
def test_the_loss_of_a_member_is_judged_as_well(
    alter: Callable[[dict[str, Any]], dict[str, Any]] | None, expected: object
) -> None:
    """While a member behind the API server is lost, what was reported may be dropped as little as without the whole."""
    story = Story("AVAIL-1")
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, 13.0)
    story.fault(11.0, 20.0, "member", kind="member-killed")
    story.observe(13.0, 16.0, alter=alter)
    story.observe(16.0, 40.0)
    story.end(40.0)
    verdict = story.verdict("AVAIL-1")
    assert verdict.verdict is expected
    assert verdict.examined > 40


def test_prompt_answers_pass_with_their_latency() -> None:
    """Errors are answers; the worst latency and the 99th percentile are measured."""
    story = away("AVAIL-2")
    story.observe(11.0, 40.0)
    story.failure("rest", 15.25, "error", took=2.5)
    story.end(40.0)
    verdict = story.verdict("AVAIL-2")
    assert verdict.verdict is PASS
    assert verdict.measured["worst_latency_s"] == pytest.approx(2.5)
    assert verdict.measured["p99_latency_s"] == pytest.approx(0.01)


@pytest.mark.parametrize(("outcome", "took"), [("timeout", 5.0), ("refused", 0.01), ("error", 3.5)])
def test_unanswered_requests_are_one_finding(outcome: str, took: float) -> None:
    """Requests in a row that are refused, time out or come too late are one finding."""
    story = away("AVAIL-2")
    story.observe(11.0, 15.0)
    for t in (21.0, 22.0, 23.0):
        story.failure("query", t, outcome, took=took)
    story.observe(24.0, 40.0)
    story.end(40.0)
    (finding,) = story.verdict("AVAIL-2").findings
    assert "query: 3 requests in a row" in finding.text


@pytest.mark.parametrize("resource", ["harness", "way to the operator", "a connection to the operator", "nodes"])
@pytest.mark.parametrize(
    ("outcome", "shut_s", "excused"), [("error", 4.0, True), ("timeout", 4.0, True), ("error", 2.0, False)]
)
def test_an_answer_that_could_not_reach_us_is_not_late(
    resource: str, outcome: str, shut_s: float, excused: bool
) -> None:
    """Of six seconds those count in which we listened and the way was open; not to see the truth is no excuse."""
    story = away("AVAIL-2")
    story.observe(11.0, 15.0)
    story.add("gap", 25.0, phase="begin", resource=resource, since=25.5 - shut_s, why="shut")
    story.add("gap", 25.5, phase="end", resource=resource, why="open")
    story.failure("query", 26.0, outcome, took=6.0)
    story.observe(27.0, 40.0)
    story.end(40.0)

    assert story.verdict("AVAIL-2").verdict is (PASS if excused and resource != "nodes" else FAIL)


@pytest.mark.parametrize(("gap_s", "expected"), [(0.0, FAIL), (0.7, PASS)])
def test_a_longer_limit_than_our_own_patience(gap_s: float, expected: object) -> None:
    """We give up after six seconds: that is no answer within ten, unless something was in the way meanwhile."""
    story = away("AVAIL-2", objectives={"AVAIL-2": 10.0})
    story.observe(11.0, 15.0)
    if gap_s:
        story.add("gap", 20.0, phase="begin", resource="harness", since=20.0 - gap_s, why="stood still")
        story.add("gap", 20.0, phase="end", resource="harness", why="stood still")
    story.failure("rest", 22.0, "timeout", took=6.0)
    story.observe(27.0, 40.0)
    story.end(40.0)

    assert story.verdict("AVAIL-2").verdict is expected


def test_a_refusal_is_one_however_busy_we_are() -> None:
    """Nobody waited for an answer that was refused at once."""
    story = away("AVAIL-2")
    story.observe(11.0, 15.0)
    story.failure("query", 20.0, "refused", took=0.01)
    story.add("gap", 21.0, phase="begin", resource="harness", since=19.5, why="stood still")
    story.add("gap", 21.0, phase="end", resource="harness", why="stood still")
    story.observe(22.0, 40.0)
    story.end(40.0)

    assert story.verdict("AVAIL-2").verdict is FAIL


@pytest.mark.parametrize(("affects", "expected"), [("operator", PASS), ("rest", PASS), ("grpc", FAIL), ("api", FAIL)])
def test_only_faults_on_the_listener_excuse_silence(affects: str, expected: object) -> None:
    """A refused REST request is excused while the process or the REST listener is harmed, and by nothing else."""
    story = Story("AVAIL-2")
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, affects, kind="it")
    story.failure("rest", 15.0)
    story.observe(36.0, 50.0)
    story.end(50.0)
    assert story.verdict("AVAIL-2").verdict is expected


@pytest.mark.parametrize(
    ("before_s", "expected"),
    [(0.4, PASS), (2.8, PASS), (3.5, FAIL)],
    ids=["as it ends", "within the API timeout", "longer than the API timeout"],
)
def test_silence_around_an_exit_of_its_own(before_s: float, expected: Verdict) -> None:
    """Refusals while the process ends, or is away by its own exit, are SURVIVE-1's; one that lives on must answer."""
    story = Story("AVAIL-2", "SURVIVE-1")
    story.node("a")
    story.started()
    story.observe(2.0, 10.0)
    story.failure("rest", 14.0 - before_s)
    story.exits(14.0, again=17.0)
    story.failure("rest", 15.0)
    story.observe(18.0, 40.0)
    story.end(40.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [expected, FAIL]


def test_no_requests_are_unknown() -> None:
    """Without requests AVAIL-2 is UNKNOWN."""
    story = Story("AVAIL-2")
    story.started()
    story.end(40.0)
    assert story.verdict("AVAIL-2").verdict is UNKNOWN


def healthy(story: Story, *, blind: int | None, after: int | None) -> None:
    """Probes of a run whose API server is away from 11 s to 20 s."""
    for step in range(60):
        t = 5.5 + step / 2
        probe(story, "/metrics/health", t, 200 if t < 14 else blind if t < 21 else after)


def test_health_that_tells_the_truth_passes() -> None:
    """Health that turns bad within five seconds and good after the recovery keeps AVAIL-3."""
    story = away("AVAIL-3")
    story.observe(11.0, 40.0)
    healthy(story, blind=503, after=200)
    probe(story, "/metrics/ready", 3.0, 200)
    story.end(40.0)
    verdict = story.verdict("AVAIL-3")
    assert (verdict.verdict, verdict.findings) == (PASS, ())


def test_health_may_be_good_again_before_the_heal_is_seen_to_be_done() -> None:
    """An API server that answers while its heal is not confirmed yet gives an operator the right to be healthy."""
    story = Story("AVAIL-3")
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 24.0, "api", healing_s=4.0)
    story.observe(11.0, 40.0)
    healthy(story, blind=503, after=200)
    probe(story, "/metrics/ready", 3.0, 200)
    story.end(40.0)
    verdict = story.verdict("AVAIL-3")
    assert (verdict.verdict, verdict.findings) == (PASS, ())


@pytest.mark.parametrize(("blind", "after", "said"), [(200, 200, "answered 200"), (503, 503, "answered 503")])
def test_health_that_does_not_tell_the_truth_is_a_finding(blind: int, after: int, said: str) -> None:
    """Health that stays good while blind, or bad after the recovery, breaks AVAIL-3."""
    story = away("AVAIL-3")
    story.observe(11.0, 40.0)
    healthy(story, blind=blind, after=after)
    story.end(40.0)
    (finding,) = story.verdict("AVAIL-3").findings
    assert said in finding.text


def test_ready_before_the_first_inventory_is_a_finding() -> None:
    """Ready that says 200 while a node is still missing breaks AVAIL-3."""
    story = away("AVAIL-3")
    story.answer("rest", 1.6, {"nodes": [], "storage": []})
    probe(story, "/metrics/ready", 1.5, 200)
    story.observe(11.0, 40.0)
    story.end(40.0)
    (finding,) = story.verdict("AVAIL-3").findings
    assert "2 nodes not reported (a, b)" in finding.text


def test_no_probes_are_unknown() -> None:
    """Without probes AVAIL-3 is UNKNOWN."""
    story = away("AVAIL-3")
    story.observe(11.0, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-3").verdict is UNKNOWN


@pytest.mark.parametrize(("window_end", "expected"), [(11.5, PASS), (20.0, FAIL)])
def test_a_new_process_knows_nothing_yet(window_end: float, expected: object) -> None:
    """A process just started may tell of no nodes before its first ones, but not while the cluster is out of sight."""
    story = away("AVAIL-1", until=window_end)
    story.add("process", 12.0, event="exited", pid=1, code=-9, cause="harness")
    story.add("process", 12.5, event="started", pid=2, code=None, cause="harness")
    story.observe(13.0, 14.0, alter=nothing)
    story.observe(14.0, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-1").verdict is expected


def test_a_new_process_that_has_told_may_not_forget() -> None:
    """Once a process has told of nodes, an empty answer is a drop like any other."""
    story = away("AVAIL-1", until=11.5)
    story.add("process", 12.0, event="exited", pid=1, code=-9, cause="harness")
    story.add("process", 12.5, event="started", pid=2, code=None, cause="harness")
    story.observe(13.0, 15.0)
    story.observe(15.0, 16.0, alter=nothing)
    story.observe(16.0, 40.0)
    story.end(40.0)
    assert story.verdict("AVAIL-1").verdict is FAIL
