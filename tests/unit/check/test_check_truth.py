"""TRUTH-1 to TRUTH-5 on histories made by hand."""

from __future__ import annotations

import pytest

from harness.check.base import MAX_FINDINGS
from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, allocated, figure, quiet, reported_node, without

TRUTHS = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-4", "TRUTH-5")


def begun(*promises: str, **scenario: object) -> Story:
    """A run with node a and one pod, right up to 10 s."""
    story = Story(*promises, **scenario)
    story.node("a")
    story.node("b")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.observe(2.0, 10.0)
    return story


@pytest.mark.parametrize("promise", TRUTHS)
def test_a_right_operator_passes(promise: str) -> None:
    """An operator that is right all the time keeps every TRUTH promise, and many values were examined."""
    verdict = quiet(promise).verdict(promise)
    assert (verdict.verdict, verdict.findings) == (PASS, ())
    assert verdict.examined > 200


@pytest.mark.parametrize("promise", TRUTHS)
def test_no_answers_are_unknown(promise: str) -> None:
    """Without a single answer a TRUTH promise is UNKNOWN."""
    story = Story(promise)
    story.node("a")
    story.started()
    story.end(30.0)
    verdict = story.verdict(promise)
    assert (verdict.verdict, verdict.examined) == (UNKNOWN, 0)


@pytest.mark.parametrize("promise", TRUTHS)
def test_lag_within_the_objective_passes(promise: str) -> None:
    """Answers that are four seconds late are within the objective of five."""
    story = begun(promise)
    story.pod("q", 12.0, node="a", milli=250)
    story.remove_pod("p", 15.0)
    story.node("a", 18.0, cores=8)
    story.node("c", 20.0)
    story.remove_node("b", 22.0)
    story.observe(10.0, 40.0, lag=4.0)
    story.end(40.0)
    assert story.verdict(promise).verdict is PASS


def test_a_stale_sum_is_a_finding_with_its_time() -> None:
    """A sum that stays what it was breaks TRUTH-3 after the objective, and the finding says since when it is stale."""
    story = begun("TRUTH-3", "TRUTH-2")
    story.pod("q", 12.0, node="a", milli=250)
    story.observe(10.0, 12.0)
    story.observe(12.0, 20.0, alter=allocated("a", "0.5"))
    story.observe(20.0, 30.0)
    story.end(30.0)
    verdict = story.verdict("TRUTH-3")
    assert verdict.verdict is FAIL
    (finding,) = verdict.findings
    assert (finding.object, finding.expected, finding.reported) == ("node a: cpu.allocated", "0.75", "0.5")
    assert finding.t_s == pytest.approx(17.5)
    assert "stale since 12.00 s" in finding.text
    assert "query, rest, stream" in finding.text
    assert story.verdict("TRUTH-2").verdict is PASS


def test_a_wrong_sum_is_a_finding_at_once() -> None:
    """A sum that never was true breaks TRUTH-3 by a single answer."""
    story = begun("TRUTH-3")
    story.observe(10.0, 12.0)
    story.observe(12.0, 12.5, alter=allocated("a", "0.6"), sources=("rest",))
    story.observe(12.5, 20.0)
    story.end(20.0)
    (finding,) = story.verdict("TRUTH-3").findings
    assert "over: expected 0.5, reported 0.6 by rest" in finding.text
    assert "this was never true" in finding.text


@pytest.mark.parametrize("stalled", [True, False])
def test_what_is_told_before_a_harness_that_stood_still_heard_of_it_is_not_wrong(*, stalled: bool) -> None:
    """An operator is ahead of us by more than the slack: our fault when we stood still, its own when we did not."""
    story = begun("TRUTH-3", "TRUTH-4")
    story.observe(10.0, 12.0)
    story.observe(12.0, 12.5, alter=allocated("a", "0.75"))
    if stalled:
        story.add("gap", 13.4, phase="begin", resource="harness", since=12.1, why="the harness stood still for 1.30 s")
        story.add("gap", 13.4, phase="end", resource="harness", why="")
    story.pod("q", 13.5, node="a", milli=250)
    story.observe(13.5, 20.0)
    story.end(20.0)
    assert story.verdict("TRUTH-3").verdict is (PASS if stalled else FAIL)


def test_notation_does_not_matter() -> None:
    """The same amount in another notation is the same amount."""
    story = begun("TRUTH-2", "TRUTH-3")
    story.observe(10.0, 15.0, alter=allocated("a", "500000u"))
    story.observe(15.0, 20.0, alter=figure("a", ("memory", "quantity", "capacity"), "67108864Ki"))
    story.end(20.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, PASS]


def test_a_lost_node_is_a_finding() -> None:
    """A node that must be reported and is not, for longer than the objective, breaks TRUTH-1."""
    story = begun("TRUTH-1", "TRUTH-3")
    story.observe(10.0, 20.0, alter=without("b"))
    story.end(20.0)
    verdict = story.verdict("TRUTH-1")
    assert "node b: present lost: expected reported, reported not reported" in verdict.findings[0].text
    assert len(verdict.findings) == 1
    assert story.verdict("TRUTH-3").verdict is PASS


def test_a_deleted_node_left_in_is_a_ghost() -> None:
    """A node that is reported ten seconds after its deletion breaks TRUTH-1 and nothing else."""
    story = begun(*TRUTHS)
    story.remove_node("b", 12.0)
    story.observe(10.0, 12.0)
    story.observe(12.0, 22.0, lag=100.0, alter=lambda _: {"nodes": [reported_node("a", milli=500), reported_node("b")],
                                                          "storage": []})  # fmt: skip
    story.end(22.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [FAIL, PASS, PASS, PASS, PASS]
    assert "ghost" in story.verdict("TRUTH-1").findings[0].text


def test_a_node_that_never_was_is_wrong_at_once() -> None:
    """A reported node that never existed breaks TRUTH-1 by a single answer."""
    story = begun("TRUTH-1")
    story.answer("rest", 10.1, {"nodes": [reported_node("a", milli=500), reported_node("b"), reported_node("x")],
                                "storage": []})  # fmt: skip
    story.observe(10.5, 20.0)
    story.end(20.0)
    (finding,) = story.verdict("TRUTH-1").findings
    assert finding.object == "node x: present"


@pytest.mark.parametrize(("affects", "verdict"), [("api", PASS), ("operator", PASS), ("node", FAIL), ("rest", FAIL)])
def test_only_blindness_excuses_staleness(affects: str, verdict: object) -> None:
    """A stale sum is excused while the API server or the operator is away and 15 s more, and by no other fault."""
    story = begun("TRUTH-3")
    story.fault(11.0, 20.0, affects)
    story.pod("q", 12.0, node="a", milli=250)
    story.observe(10.0, 12.0)
    story.observe(12.0, 33.0, alter=allocated("a", "0.5"))
    story.observe(33.0, 50.0)
    story.end(50.0)
    assert story.verdict("TRUTH-3").verdict is verdict


def test_the_excuse_ends() -> None:
    """A sum that is still stale 15 s after the heal is a finding that tells the time since the heal."""
    story = begun("TRUTH-3")
    story.fault(11.0, 20.0, "api")
    story.pod("q", 12.0, node="a", milli=250)
    story.observe(10.0, 12.0)
    story.observe(12.0, 40.0, alter=allocated("a", "0.5"))
    story.end(40.0)
    (finding,) = story.verdict("TRUTH-3").findings
    assert finding.t_s == pytest.approx(35.5)
    assert "15.50 s after heal of api-server-killed" in finding.text


def test_no_window_excuses_what_never_was_true() -> None:
    """A sum that never was true is a finding in the middle of a fault on the API server."""
    story = begun("TRUTH-3")
    story.fault(11.0, 20.0, "api")
    story.observe(10.0, 13.0)
    story.observe(13.0, 14.0, alter=allocated("a", "0.1"))
    story.observe(14.0, 40.0)
    story.end(40.0)
    (finding,) = story.verdict("TRUTH-3").findings
    assert "2.00 s after inject of api-server-killed" in finding.text


def test_a_gap_in_the_truth_makes_values_indeterminate() -> None:
    """What is reported while the truth is not watched is neither held against the operator nor counted as examined."""
    story = begun("TRUTH-3")
    story.gap(12.0, 16.0)
    story.observe(10.0, 12.0)
    story.observe(12.0, 18.0, alter=allocated("a", "0.1"))
    story.observe(18.0, 30.0)
    story.end(30.0)
    verdict = story.verdict("TRUTH-3")
    assert verdict.verdict is PASS
    assert verdict.measured["indeterminate"] > 0


def test_a_false_value_that_outlives_the_gap_is_a_finding() -> None:
    """A false sum that stays beyond the objective after a gap is a finding."""
    story = begun("TRUTH-3")
    story.gap(12.0, 16.0)
    story.observe(10.0, 12.0)
    story.observe(12.0, 30.0, alter=allocated("a", "0.1"))
    story.end(30.0)
    (finding,) = story.verdict("TRUTH-3").findings
    assert finding.t_s == pytest.approx(21.5)


def test_what_came_to_light_after_a_gap_was_true_in_it() -> None:
    """A value that the operator knew before our own watch came back is true."""
    story = begun("TRUTH-3")
    story.gap(12.0, 30.0)
    story.observe(10.0, 13.0)
    story.observe(13.0, 30.0, alter=allocated("a", "0.75"))
    story.pod("q", 30.0, node="a", milli=250)
    story.observe(30.0, 40.0)
    story.end(40.0)
    assert story.verdict("TRUTH-3").verdict is PASS


def test_answers_before_the_gate_are_not_judged() -> None:
    """An operator may report nonsense while it starts."""
    story = Story(*TRUTHS)
    story.node("a")
    story.started(gate=12.0)
    story.observe(2.0, 12.0, alter=allocated("a", "7"))
    story.observe(12.0, 40.0)
    story.end(40.0)
    assert {verdict.verdict for verdict in story.judge().promises} == {PASS}


def test_an_exit_of_its_own_excuses_what_follows_the_start() -> None:
    """After an exit of its own the operator is starting again: the exit is SURVIVE-1's, not TRUTH-1's."""
    story = begun("TRUTH-1", "SURVIVE-1", supervised=True)
    story.observe(10.0, 15.0)
    story.exits(15.0, again=16.0)
    story.observe(16.0, 28.0, alter=without("a", "b"))
    story.observe(28.0, 50.0)
    story.end(50.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, FAIL]


def test_a_negative_sum_breaks_truth_4() -> None:
    """A negative sum is a finding of TRUTH-4 by a single answer."""
    story = begun("TRUTH-4")
    story.observe(10.0, 11.0, alter=allocated("a", "-100m"))
    story.observe(11.0, 20.0)
    story.end(20.0)
    verdict = story.verdict("TRUTH-4")
    assert verdict.verdict is FAIL
    assert "negative, -0.1" in verdict.findings[0].text


def test_a_deletion_that_raises_the_sum_breaks_truth_4() -> None:
    """A sum that rises to a value that never was true although pods only left is a finding of TRUTH-4."""
    story = begun("TRUTH-4")
    story.remove_pod("p", 12.0)
    story.observe(10.0, 12.0)
    story.observe(12.0, 13.0, alter=allocated("a", "1"))
    story.observe(13.0, 20.0)
    story.end(20.0)
    verdict = story.verdict("TRUTH-4")
    assert verdict.verdict is FAIL
    assert "rose from 0.5 to 1" in verdict.findings[0].text


def test_a_rise_to_what_was_true_is_no_finding_of_truth_4() -> None:
    """A sum that goes down and up again between values that were true keeps TRUTH-4."""
    story = begun("TRUTH-4")
    story.pod("q", 11.0, node="a", milli=250)
    story.remove_pod("q", 12.0)
    story.observe(10.0, 20.0, lag=1.0)
    story.end(20.0)
    assert story.verdict("TRUTH-4").verdict is PASS


def test_missing_hardware_info_is_given_its_objective() -> None:
    """No CPU info is a finding of TRUTH-5 after ten seconds, and not while discovery is harmed."""
    for affects, expected in (("node", FAIL), ("discovery", PASS)):
        story = begun("TRUTH-5")
        story.fault(10.0, 12.0, affects, kind="discovery-pod-deleted")
        story.observe(10.0, 25.0, alter=figure("a", ("cpu", "info"), None))
        story.observe(25.0, 50.0)
        story.end(50.0)
        assert story.verdict("TRUTH-5").verdict is expected


def test_false_hardware_info_is_wrong_at_once() -> None:
    """A processor that the node never had is a finding of TRUTH-5 by a single answer."""
    story = begun("TRUTH-5")
    other = [{"id": "0", "vendor": "V", "model": "Z", "vcores": 16}]
    story.observe(10.0, 20.0)
    story.observe(20.0, 20.5, alter=figure("a", ("cpu", "info"), other))
    story.observe(20.5, 30.0)
    story.end(30.0)
    (finding,) = story.verdict("TRUTH-5").findings
    assert (finding.expected, finding.reported) == ("0/V/M/16", "0/V/Z/16")


def test_findings_are_capped_and_the_rest_is_counted() -> None:
    """With thirty lost nodes the first twenty findings are shown and one line counts the other ten."""
    story = Story("TRUTH-1")
    names = [f"n{number:02}" for number in range(30)]
    for name in names:
        story.node(name)
    story.started()
    story.observe(2.0, 10.0)
    story.observe(10.0, 20.0, alter=without(*names))
    story.end(20.0)
    findings = story.verdict("TRUTH-1").findings
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1].text.startswith("and 10 more findings of TRUTH-1")


def test_two_episodes_are_two_findings() -> None:
    """A value that is false, true and false again gives a finding for each time."""
    story = begun("TRUTH-3")
    for begin in (10.0, 20.0):
        story.observe(begin, begin + 1, alter=allocated("a", "0.1"))
        story.observe(begin + 1, begin + 10)
    story.end(30.0)
    assert len(story.verdict("TRUTH-3").findings) == 2


def test_a_silent_stream_grows_stale() -> None:
    """A stream that sends nothing after a change still says its last message, and that becomes stale."""
    story = begun("TRUTH-3")
    story.pod("q", 12.0, node="a", milli=250)
    story.observe(10.0, 30.0, sources=("rest", "query"))
    story.end(30.0)
    (finding,) = story.verdict("TRUTH-3").findings
    assert "by stream" in finding.text


def test_a_deleted_nodes_figures_are_not_judged() -> None:
    """While a node goes, its pods going first is no false sum."""
    story = begun("TRUTH-3")
    story.remove_node("a", 12.0)
    story.observe(10.0, 12.0)
    story.answer("rest", 12.5, {"nodes": [reported_node("a", milli=123), reported_node("b")], "storage": []})
    story.observe(13.0, 20.0)
    story.end(20.0)
    assert story.verdict("TRUTH-3").verdict is PASS


def test_a_short_run_examines_what_is_true() -> None:
    """In a run shorter than the objectives true values count as examined, and a false sum is found."""
    for alter, expected in ((None, PASS), (allocated("a", "9"), FAIL)):
        story = Story(*TRUTHS[:3], "TRUTH-5")
        story.node("a")
        story.node("b")
        story.started(gate=2.0)
        story.observe(2.0, 4.0)
        story.observe(4.0, 5.0, alter=alter)
        story.end(5.0)
        assert story.verdict("TRUTH-3").verdict is expected
        assert story.verdict("TRUTH-5").verdict is PASS


def test_a_gap_does_not_hide_what_is_true() -> None:
    """Answers during a gap that say what was known before or after it are examined."""
    story = begun("TRUTH-3")
    story.gap(10.0, 29.0)
    story.observe(10.0, 30.0)
    story.end(30.0)
    assert "indeterminate" not in story.verdict("TRUTH-3").measured


def test_a_node_that_was_never_seen_is_told_so() -> None:
    """A new node that is never reported is a finding that says since when it was expected."""
    story = begun("TRUTH-1")
    story.node("new", 12.0)
    story.observe(10.0, 25.0, alter=without("new"))
    story.end(25.0)
    (finding,) = story.verdict("TRUTH-1").findings
    assert "never seen, expected since 12.00 s, objective 5 s" in finding.text
