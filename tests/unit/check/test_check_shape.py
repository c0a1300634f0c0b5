"""SHAPE-1 and SHAPE-2 on histories made by hand."""

from __future__ import annotations

from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, allocated, figure, quiet


def begun(*promises: str) -> Story:
    """One node, right up to 10 s."""
    story = Story(*promises)
    story.node("a")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.observe(2.0, 10.0)
    return story


def test_documented_answers_that_agree_pass() -> None:
    """A right operator keeps both promises."""
    story = quiet("SHAPE-1", "SHAPE-2")
    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, PASS]


def test_no_answers_are_unknown() -> None:
    """Without answers both are UNKNOWN."""
    story = Story("SHAPE-1", "SHAPE-2")
    story.started()
    story.end(20.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [UNKNOWN, UNKNOWN]


def test_one_source_alone_cannot_agree() -> None:
    """With answers of one source only SHAPE-2 is UNKNOWN and says why."""
    story = Story("SHAPE-2")
    story.node("a")
    story.started()
    story.observe(2.0, 20.0, sources=("rest",))
    story.end(20.0)
    verdict = story.verdict("SHAPE-2")
    assert verdict.verdict is UNKNOWN
    assert "fewer than two sources" in verdict.reasons[0]


def test_a_shape_problem_names_its_path_even_before_the_gate() -> None:
    """A null where an array belongs is a finding with its path, also while the operator starts."""
    story = Story("SHAPE-1")
    story.node("a")
    story.answer("rest", 1.5, {"nodes": None, "storage": []})
    story.started()
    story.observe(2.0, 20.0)
    story.end(20.0)
    (finding,) = story.verdict("SHAPE-1").findings
    assert (finding.object, finding.reported) == ("rest: nodes", "null")


def test_the_same_problem_is_one_finding_for_each_source() -> None:
    """A quantity that is no quantity in every answer of three sources gives three findings."""
    story = begun("SHAPE-1", "TRUTH-3")
    story.observe(10.0, 20.0, alter=allocated("a", "much"))
    story.end(20.0)
    findings = story.verdict("SHAPE-1").findings
    assert len(findings) == 3
    assert all("nodes[0].resources.cpu.quantity.allocated" in finding.text for finding in findings)
    assert story.verdict("TRUTH-3").verdict is PASS


def test_a_body_that_is_no_json_is_a_finding_of_shape_alone() -> None:
    """Text instead of JSON breaks SHAPE-1, and is not read as an empty inventory."""
    story = begun("SHAPE-1", "TRUTH-1")
    story.answer("rest", 10.2, {"raw": "internal error"})
    story.observe(10.5, 20.0)
    story.end(20.0)
    assert [verdict.verdict for verdict in story.judge().promises] == [FAIL, PASS]


def test_a_lasting_disagreement_is_one_finding() -> None:
    """REST saying one sum and the others another for five seconds is one finding with both values."""
    story = begun("SHAPE-2")
    story.observe(10.0, 15.0, sources=("query",))
    story.observe(10.0, 15.0, sources=("rest",), alter=allocated("a", "0.7"))
    story.observe(15.0, 25.0)
    story.end(25.0)
    (finding,) = story.verdict("SHAPE-2").findings
    assert finding.object == "node a: cpu.allocated"
    assert {finding.expected, finding.reported} == {"0.7 (rest)", "0.5 (query)"}


def test_a_disagreement_shorter_than_the_objective_passes() -> None:
    """A source that is one second behind agrees."""
    story = begun("SHAPE-2")
    story.pod("q", 12.0, node="a", milli=250)
    story.observe(10.0, 25.0, sources=("rest",))
    story.observe(10.0, 25.0, sources=("query", "stream"), lag=1.0)
    story.end(25.0)
    assert story.verdict("SHAPE-2").verdict is PASS


def test_a_value_that_one_source_missed_is_no_disagreement() -> None:
    """A sum that stood for an instant, seen by one source only, is no disagreement."""
    story = begun("SHAPE-2")
    story.observe(10.0, 25.0)
    story.answer("rest", 12.2, {"nodes": [], "storage": []})
    story.end(25.0)
    assert story.verdict("SHAPE-2").verdict is PASS


def test_order_and_notation_are_no_disagreement() -> None:
    """Memory in another notation and nodes in another order are the same inventory."""
    story = begun("SHAPE-2")
    story.node("b", 10.0)
    story.observe(10.0, 30.0, sources=("rest", "stream"))
    turned = figure("a", ("memory", "quantity", "capacity"), "65536Mi")
    story.observe(10.0, 30.0, sources=("query",), alter=lambda body: turned({**body, "nodes": body["nodes"][::-1]}))
    story.end(30.0)
    assert story.verdict("SHAPE-2").verdict is PASS


def test_a_stream_that_lost_its_connection_says_nothing() -> None:
    """After an error of the stream its last message does not count any more; without an error it does."""
    for broken, expected in ((True, PASS), (False, FAIL)):
        story = begun("SHAPE-2")
        story.pod("q", 12.0, node="a", milli=250)
        story.observe(10.0, 25.0, sources=("rest", "query"))
        if broken:
            story.failure("stream", 11.9, "error")
        story.end(25.0)
        assert story.verdict("SHAPE-2").verdict is expected


def test_a_paused_operator_cannot_disagree() -> None:
    """While the process is paused, what a stream could not send is no disagreement."""
    story = begun("SHAPE-2")
    story.pod("q", 10.9, node="a", milli=250)
    story.observe(10.0, 11.0, sources=("query", "rest"))
    story.fault(11.2, 18.0, "operator", kind="operator-paused")
    story.answer("rest", 11.1, story.truth(11.1))
    story.observe(18.5, 40.0)
    story.end(40.0)
    assert story.verdict("SHAPE-2").verdict is PASS
