"""RECOVER-1, RECOVER-3, RECOVER-4, NAMES-1 and SURVIVE-1 on histories made by hand."""

from __future__ import annotations

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, allocated, figure, quiet, without


def harmed(*promises: str, affects: str = "api", kind: str = "api-server-killed", **scenario: object) -> Story:
    """Two nodes, right up to 10 s; one fault from 11 s to 20 s, in which a pod comes."""
    story = Story(*promises, **scenario)
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, affects, kind=kind)
    story.pod("q", 12.0, node="a", milli=250)
    return story


def test_recovery_in_time_passes_and_is_measured() -> None:
    """An inventory that is true again eight seconds after the heal, and stays so, has recovered in eight seconds."""
    story = harmed("RECOVER-1", "TRUTH-3")
    story.observe(11.0, 28.0, alter=allocated("a", "0"))
    story.observe(28.0, 60.0)
    story.end(60.0)
    verdict = story.verdict("RECOVER-1")
    assert verdict.verdict is PASS
    assert verdict.measured["recovery_s"] == pytest.approx(8.0)
    assert story.judge().recovery_s == pytest.approx(8.0)
    assert story.verdict("TRUTH-3").verdict is PASS


def test_late_recovery_is_a_finding() -> None:
    """An inventory that is true again only after twenty seconds breaks RECOVER-1 and tells the time."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 40.0, alter=allocated("a", "0"))
    story.observe(40.0, 60.0)
    story.end(60.0)
    (finding,) = story.verdict("RECOVER-1").findings
    assert "true 20.00 s after the heal of api-server-killed, objective 15 s" in finding.text


@pytest.mark.parametrize("true_s", [40.0, 999.0], ids=["late", "never"])
@pytest.mark.parametrize(
    ("resource", "until_s", "expected"),
    [
        ("harness", 24.0, FAIL),
        ("harness", 27.0, UNKNOWN),
        ("a connection to the operator", 27.0, UNKNOWN),
        ("pods", 27.0, FAIL),
    ],
)
def test_a_recovery_that_could_not_be_heard_is_nobodys(
    true_s: float, resource: str, until_s: float, expected: object
) -> None:
    """Of twenty seconds and more after the heal, the operator has to have been heard for as long as it had."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 21.0, alter=allocated("a", "0"))
    story.add("gap", 21.0, phase="begin", resource=resource, why="")
    story.add("gap", until_s, phase="end", resource=resource, why="")
    end_s = 60.0 if true_s < 60.0 else 40.5
    story.observe(until_s, min(true_s, end_s), alter=allocated("a", "0"))
    story.observe(min(true_s, end_s), end_s)
    story.end(end_s)

    verdict = story.verdict("RECOVER-1")

    assert verdict.verdict is expected
    assert bool(verdict.reasons) is (expected is UNKNOWN)


def test_a_scenario_may_allow_more() -> None:
    """The scenario's own objective counts instead of the contract's."""
    story = harmed("RECOVER-1", objectives={"RECOVER-1": 25})
    story.observe(11.0, 40.0, alter=allocated("a", "0"))
    story.observe(40.0, 60.0)
    story.end(60.0)
    assert story.verdict("RECOVER-1").verdict is PASS


def test_no_recovery_lists_what_is_still_false() -> None:
    """An inventory that never becomes true again is shown by what is false at the end."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 60.0, alter=allocated("a", "0"))
    story.end(60.0)
    verdict = story.verdict("RECOVER-1")
    assert verdict.verdict is FAIL
    assert len(verdict.findings) == 3
    expected = "rest: node a: cpu.allocated under: expected 0.25, reported 0"
    assert any(finding.text.endswith(expected) for finding in verdict.findings)
    assert story.judge().recovery_s is None


def test_a_relapse_is_no_recovery() -> None:
    """An inventory that is true, then false until after the objective, has recovered only at the second time."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 30.0)
    story.observe(30.0, 38.0, alter=without("b"))
    story.observe(38.0, 60.0)
    story.end(60.0)
    (finding,) = story.verdict("RECOVER-1").findings
    assert finding.reported == "18.00 s"


def test_a_source_that_stays_away_has_not_recovered() -> None:
    """When QueryCluster answers errors until the end, the inventory has not recovered."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 60.0, sources=("rest", "stream"))
    for second in range(11, 60):
        story.failure("query", float(second), "error")
    story.end(60.0)
    (finding,) = story.verdict("RECOVER-1").findings
    assert (finding.object, finding.reported) == ("query", "error")


def test_a_source_that_fell_silent_is_not_blamed_for_its_last_figures() -> None:
    """What a source said before the heal is no finding; that it has been silent since is one."""
    story = harmed("RECOVER-1")
    story.pod("late", 10.9, node="a", milli=500)
    story.observe(11.0, 12.0, lag=2.0, sources=("rest",))
    for t in range(12, 60):
        story.failure("rest", float(t))
    story.observe(12.0, 60.0, sources=("query", "stream"))
    story.end(60.0)
    (finding,) = story.verdict("RECOVER-1").findings
    assert (finding.object, finding.reported) == ("rest", "refused")


def test_a_restart_of_its_own_is_no_recovery() -> None:
    """An operator that exits to become right again breaks RECOVER-1, supervised or not, harmed itself or not."""
    for affects, supervised in (("api", True), ("operator", True), ("operator", False)):
        story = harmed("RECOVER-1", affects=affects, supervised=supervised)
        story.observe(11.0, 20.0)
        story.exits(21.0, again=22.0)
        story.observe(23.0, 60.0)
        story.end(60.0)
        assert story.verdict("RECOVER-1").verdict is FAIL


def test_nothing_healed_is_unknown() -> None:
    """Without a healed fault there is no recovery to judge."""
    assert quiet("RECOVER-1").verdict("RECOVER-1").verdict is UNKNOWN


def test_a_run_that_ends_too_soon_is_unknown() -> None:
    """When the run ends before the objective and before the recovery, RECOVER-1 is UNKNOWN and says why."""
    story = harmed("RECOVER-1")
    story.observe(11.0, 30.0, alter=allocated("a", "0"))
    story.end(30.0)
    verdict = story.verdict("RECOVER-1")
    assert verdict.verdict is UNKNOWN
    assert "the end of the run came 10.00 s after the heal" in verdict.reasons[0]


def test_recovery_is_counted_from_the_last_heal_of_overlapping_faults() -> None:
    """Two faults that overlap are one disturbance, healed when the second is."""
    story = harmed("RECOVER-1")
    story.fault(15.0, 30.0, "api", kind="etcd-killed")
    story.observe(11.0, 36.0, alter=allocated("a", "0"))
    story.observe(36.0, 60.0)
    story.end(60.0)
    verdict = story.verdict("RECOVER-1")
    assert (verdict.verdict, verdict.examined) == (PASS, 1)
    assert verdict.measured["recovery_s"] == pytest.approx(6.0)


def port(*promises: str, free_after: float, supervised: bool = True) -> Story:
    """The REST port is taken from 11 s to 20 s while the operator restarts; it serves `free_after` seconds later."""
    story = Story(*promises, supervised=supervised)
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, "rest", "operator", kind="rest-port-taken")
    for second in range(12, int(20 + free_after)):
        story.failure("rest", float(second))
    story.observe(12.0, 60.0, sources=("query", "stream"))
    story.observe(20.0 + free_after, 60.0, sources=("rest",))
    story.exits(13.0, again=14.0)
    story.end(60.0)
    return story


def test_service_soon_after_the_port_is_free_passes() -> None:
    """Service within five seconds keeps RECOVER-3, and the exit that a taken port permits keeps SURVIVE-1."""
    story = port("RECOVER-3", "SURVIVE-1", "AVAIL-2", free_after=3.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, PASS, PASS]
    assert story.verdict("RECOVER-3").measured["service_s"] == pytest.approx(3.0)


def test_late_service_after_the_port_is_free_is_a_finding() -> None:
    """Service only after nine seconds breaks RECOVER-3."""
    (finding,) = port("RECOVER-3", free_after=9.0).verdict("RECOVER-3").findings
    assert "since the heal of rest-port-taken" in finding.text


def test_an_unsupervised_exit_over_a_taken_port_is_a_finding() -> None:
    """Without a supervisor nobody brings the operator back, so its exit breaks SURVIVE-1."""
    assert port("SURVIVE-1", free_after=3.0, supervised=False).verdict("SURVIVE-1").verdict is FAIL


def test_a_panic_is_a_finding_with_its_last_words() -> None:
    """An exit of its own breaks SURVIVE-1 and shows the code, the time and the last lines."""
    story = harmed("SURVIVE-1")
    story.observe(11.0, 13.0)
    story.exits(13.0, code=2)
    story.end(60.0)
    (finding,) = story.verdict("SURVIVE-1").findings
    assert "exited by itself with code 2 at 13.00 s, 2.00 s after inject of api-server-killed" in finding.text
    assert finding.text.endswith("its last words: line | panic: no good")


def test_an_exit_that_the_harness_caused_is_no_finding() -> None:
    """The operator killed by us, and an exit after the end of the run, keep SURVIVE-1."""
    story = quiet("SURVIVE-1")
    story.add("process", 20.0, event="exited", pid=7, code=-9, cause="harness")
    story.add("process", 21.0, event="started", pid=8, code=None, cause="harness")
    story.exits(41.0)
    assert story.verdict("SURVIVE-1").verdict is PASS


def test_an_unwatched_process_is_unknown() -> None:
    """Answers alone do not show that the process never exited."""
    story = Story("SURVIVE-1")
    story.node("a")
    story.add("mark", 5.0, mark="gate-passed", detail="")
    story.observe(2.0, 20.0)
    story.end(20.0)
    assert story.verdict("SURVIVE-1").verdict is UNKNOWN


@pytest.mark.parametrize(("again", "expected"), [(40.0, PASS), (60.0, FAIL)])
def test_discovery_is_asked_again(again: float, expected: object) -> None:
    """Hardware info that is back within thirty seconds of the heal keeps RECOVER-4, later info breaks it."""
    story = harmed("RECOVER-4", affects="discovery", kind="discovery-pod-deleted")
    story.observe(11.0, again, alter=figure("a", ("cpu", "info"), None))
    story.observe(again, 80.0)
    story.end(80.0)
    verdict = story.verdict("RECOVER-4")
    assert verdict.verdict is expected
    assert verdict.examined == 1


def test_no_discovery_fault_is_unknown() -> None:
    """Without a fault on discovery RECOVER-4 is UNKNOWN."""
    assert quiet("RECOVER-4").verdict("RECOVER-4").verdict is UNKNOWN


def test_every_name_is_counted_and_must_be_right() -> None:
    """NAMES-1 examines each node of the scenario's names and finds the one that is not reported."""
    long = "n" * 253
    for missing, expected in ((False, PASS), (True, FAIL)):
        story = Story("NAMES-1", names=["a", long])
        story.node("a")
        story.node(long)
        story.started()
        story.observe(2.0, 30.0, alter=without(long) if missing else None)
        story.end(30.0)
        verdict = story.verdict("NAMES-1")
        assert (verdict.verdict, verdict.examined) == (expected, 2)


def test_a_name_that_is_not_there_is_unknown() -> None:
    """A name of the scenario that has no node to be reported makes NAMES-1 UNKNOWN."""
    verdict = quiet("NAMES-1", names=["a", "zz"]).verdict("NAMES-1")
    assert verdict.verdict is UNKNOWN
    assert "node zz" in verdict.reasons[0]


def test_recovery_is_not_taken_from_answers_that_nobody_could_check() -> None:
    """While the truth was unwatched after the heal, an inventory unlike anything known has not recovered yet."""
    story = harmed("RECOVER-1")
    story.gap(11.5, 24.0)
    story.observe(11.0, 23.0, alter=without("b"))
    story.observe(23.0, 60.0)
    story.end(60.0)
    assert story.verdict("RECOVER-1").measured["recovery_s"] == pytest.approx(3.0)


@pytest.mark.parametrize(("came", "expected"), [(20.0, FAIL), (27.0, UNKNOWN)])
def test_a_name_that_is_missing_at_the_end_never_passes(came: float, expected: object) -> None:
    """A node that is not reported at the end breaks NAMES-1, or leaves it UNKNOWN when its objective still ran."""
    story = Story("NAMES-1")
    story.node("a")
    story.started()
    story.node("late", came)
    story.observe(2.0, 30.0, alter=without("late"))
    story.end(30.0)
    assert story.verdict("NAMES-1").verdict is expected


def test_without_names_the_nodes_of_the_end_are_judged() -> None:
    """A scenario that gives no names is judged on the nodes that are to be reported at the end."""
    story = Story("NAMES-1", names=[])
    story.node("a")
    story.node("b")
    story.started()
    story.remove_node("b", 15.0)
    story.observe(2.0, 30.0)
    story.end(30.0)
    verdict = story.verdict("NAMES-1")
    assert (verdict.verdict, verdict.examined) == (PASS, 1)


def test_a_run_that_ends_before_anything_was_exactly_true_is_unknown() -> None:
    """A node added at the heal and not yet reported when the run ends leaves RECOVER-1 UNKNOWN."""
    story = harmed("RECOVER-1", affects="node", kind="node-deleted")
    story.node("c", 19.9)
    story.observe(11.0, 23.0, alter=without("c"))
    story.end(23.0)
    assert story.verdict("RECOVER-1").verdict is UNKNOWN


def test_a_stream_with_nothing_new_to_say_serves() -> None:
    """A stream that stayed connected while the REST port was taken needs no new message to keep RECOVER-3."""
    story = Story("RECOVER-3")
    story.node("a")
    story.started()
    story.log(1.0, lines=0)
    story.fault(11.0, 20.0, "grpc", kind="port-taken")
    story.observe(2.0, 40.0)
    story.end(40.0)
    verdict = story.verdict("RECOVER-3")
    assert (verdict.verdict, verdict.examined) == (PASS, 2)
