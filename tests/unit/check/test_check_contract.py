"""The judgement of a run: assumptions, doubt, the table of promises, and the texts that come out."""

from __future__ import annotations

import json

import pytest

from harness.check.base import CHECKERS, Context
from harness.check.contract import PROMISES, judge_history
from harness.check.verdict import FAIL, PASS, UNKNOWN, PromiseVerdict
from harness.history.reader import History
from tests.unit.check.story import Story, allocated, quiet

ASSUMED = ("WHOLE", "GATE", "FAULT-BIT", "TRIGGER", "RADIUS", "MACHINE", "TRAFFIC", "HEAL", "OBSERVED")


def test_every_judged_promise_has_a_checker_and_no_other() -> None:
    """The table and the register of checkers agree."""
    assert {promise.id for promise in PROMISES.values() if promise.judged} == set(CHECKERS)


def test_a_whole_run_passes() -> None:
    """A right operator in a whole run gets PASS, with every assumption held."""
    judgement = quiet("TRUTH-1", "SHAPE-1", "SURVIVE-1").judge()
    assert judgement.verdict is PASS
    assert [a.promise for a in judgement.assumptions] == list(ASSUMED)
    assert {a.verdict for a in judgement.assumptions} == {PASS}


def no_end(story: Story) -> None:
    """The end mark is missing."""
    story.records = [record for record in story.records if record.get("mark") != "end"]


def no_gate(story: Story) -> None:
    """The gate was never passed."""
    story.records = [record for record in story.records if record.get("mark") != "gate-passed"]


def no_bite(story: Story) -> None:
    """A fault did not bite."""
    story.fault(20.0, 22.0, "node", kind="node-cordoned", bit=False)


def no_injection(story: Story) -> None:
    """A fault of the scenario was never injected."""
    story.scenario["faults"].append({"kind": "node-deleted"})


def failed_fault(story: Story) -> None:
    """A fault failed."""
    story.add("fault", 20.0, fault="x", id="x", phase="failed", target="", affects=[], evidence="no such process")


def no_heal(story: Story) -> None:
    """A fault was never healed."""
    story.fault(20.0, None, "node", kind="node-cordoned")


def no_injection_in_a_schedule(story: Story) -> None:
    """A fault that stands deep in a schedule was never injected."""
    story.fault(20.0, 22.0, "node", kind="node-cordoned")
    after = {"schedule": "after", "trigger": {"trigger": "rest-answers"}, "then": {"kind": "node-deleted"}}
    story.scenario["faults"].append({"schedule": "parallel", "branches": [{"kind": "node-cordoned"}, after]})


def wait(story: Story, phase: str) -> None:
    """A trigger that was armed, and how it ended."""
    fields = {"id": "t0-x", "trigger": "x", "awaited": "call 1 of the operator to patch nodes"}
    story.add("trigger", 20.0, phase="armed", seen="", **fields)
    story.add("trigger", 22.0, phase=phase, seen="gave up; last seen: 0 calls", **fields)


def never_fires(story: Story) -> None:
    """What a schedule waited for never came."""
    wait(story, "expired")


def cut_off(story: Story) -> None:
    """The end of a wait is missing."""
    wait(story, "armed")


def look(story: Story, *strays: str) -> None:
    """A look around, after an injection."""
    story.add("radius", 21.0, id="0-x", fault="x", phase="injected", examined=9, strays=list(strays))


def touched(story: Story) -> None:
    """A fault touched what it must not."""
    look(story)
    look(story, "node b is gone")


def short(story: Story) -> None:
    """The machine ran out of something that an operator needs."""
    story.add("mark", 20.0, mark="shortage", detail="the machine had none of 128 inotify instances left")


def little_traffic(story: Story) -> None:
    """Traffic did less than the scenario wants."""
    story.scenario["min_ops"] = 5


def silent_source(story: Story) -> None:
    """QueryCluster never gave an inventory."""
    story.records = [record for record in story.records if record.get("source") != "query"]


def blind(story: Story) -> None:
    """The truth was not watched at all after the heal."""
    story.fault(20.0, 22.0, "node", kind="node-cordoned")
    story.gap(21.0, 40.0)


BROKEN = {
    "WHOLE": (no_end,),
    "GATE": (no_gate,),
    "FAULT-BIT": (no_bite, no_injection, no_injection_in_a_schedule, failed_fault),
    "TRIGGER": (never_fires, cut_off),
    "RADIUS": (touched,),
    "HEAL": (no_heal,),
    "MACHINE": (short,),
    "TRAFFIC": (little_traffic,),
    "OBSERVED": (silent_source, blind),
}
CASES = [pytest.param(name, breaks, id=breaks.__name__) for name, listed in BROKEN.items() for breaks in listed]


@pytest.mark.parametrize(("assumption", "breaks"), CASES)
def test_a_broken_assumption_turns_pass_into_unknown(assumption: str, breaks: object) -> None:
    """A PASS becomes UNKNOWN with the assumption's reason."""
    story = quiet("TRUTH-1", "SURVIVE-1")
    assert callable(breaks)
    breaks(story)
    judgement = story.judge()
    assert story.verdict(assumption).verdict is UNKNOWN
    assert {verdict.verdict for verdict in judgement.promises} == {UNKNOWN}
    assert all(verdict.reasons for verdict in judgement.promises)
    assert judgement.verdict is UNKNOWN


def test_a_trigger_that_never_fires_says_what_was_waited_for_and_seen() -> None:
    """The reason holds both."""
    story = quiet("TRUTH-1")
    never_fires(story)
    assert story.verdict("TRIGGER").reasons == (
        "call 1 of the operator to patch nodes never came: gave up; last seen: 0 calls",
    )


def test_triggers_that_fired_and_looks_that_found_nothing_are_examined() -> None:
    """Both hold, with what they have examined, and so does a schedule all of whose faults were injected."""
    story = quiet("TRUTH-1")
    wait(story, "fired")
    look(story)
    story.fault(20.0, 22.0, "node", kind="node-cordoned")
    story.scenario["faults"] = [{"schedule": "once", "fault": {"kind": "node-cordoned"}, "after_s": 1.0}]
    found = {a.promise: (a.verdict, a.examined) for a in story.judge().assumptions}
    assert (found["TRIGGER"], found["RADIUS"]) == ((PASS, 1), (PASS, 9))
    assert found["FAULT-BIT"] == (PASS, 1)


def test_nothing_is_held_against_an_operator_on_a_machine_that_ran_out() -> None:
    """An exit where there were no more inotify instances is in doubt, not a finding, and so is all the rest."""
    story = quiet("SURVIVE-1", "TRUTH-3")
    story.answer("rest", 20.1, allocated("a", "9")(story.truth(20.1)))
    story.exits(20.2)
    assert story.judge().verdict is FAIL
    short(story)
    assert {verdict.verdict for verdict in story.judge().promises} == {UNKNOWN}
    assert "inotify" in story.verdict("SURVIVE-1").reasons[0]


def test_a_fail_stands_whatever_the_assumptions() -> None:
    """A finding stays a finding when a fault did not bite."""
    story = quiet("TRUTH-3")
    story.answer("rest", 20.1, allocated("a", "9")(story.truth(20.1)))
    no_bite(story)
    assert story.judge().verdict is FAIL


def test_a_torn_history_is_unknown() -> None:
    """A history cut off while being written never passes."""
    story = quiet("TRUTH-1")
    assert judge_history(story.history(torn=True)).verdict is UNKNOWN


def test_after_a_failed_gate_only_shape_and_survival_are_judged() -> None:
    """A failed gate makes promises UNKNOWN with its differences, while an exit still is a finding."""
    story = Story("TRUTH-1", "AVAIL-2", "SHAPE-1", "SURVIVE-1")
    story.node("a")
    story.add("process", 1.0, event="started", pid=7, code=None, cause="harness")
    story.add("mark", 30.0, mark="gate-failed", detail=["node a: present lost"])
    story.answer("rest", 10.0, {"nodes": [], "storage": []})
    story.exits(20.0)
    story.end(31.0)
    judgement = story.judge()
    assert [v.verdict for v in judgement.promises] == [UNKNOWN, UNKNOWN, UNKNOWN, FAIL]
    assert "the gate failed: node a: present lost" in judgement.promises[0].reasons[0]


def test_a_checker_that_raises_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in one checker makes that promise UNKNOWN with its text, and leaves the others alone."""

    def broken(_context: Context) -> PromiseVerdict:
        raise KeyError("no such thing")

    monkeypatch.setitem(CHECKERS, "TRUTH-1", broken)
    first, second = quiet("TRUTH-1", "TRUTH-2").judge().promises
    assert (first.verdict, second.verdict) == (UNKNOWN, PASS)
    assert "KeyError: 'no such thing'" in first.reasons[0]


def test_a_promise_without_a_checker_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nothing judges is not kept."""
    monkeypatch.delitem(CHECKERS, "SURVIVE-2")
    verdict = quiet("SURVIVE-2").verdict("SURVIVE-2")
    assert verdict.verdict is UNKNOWN
    assert "not judged yet" in verdict.reasons[0]


def test_what_is_no_promise_is_unknown() -> None:
    """What is outside the contract cannot be kept."""
    verdict = quiet("TRUTH-99").verdict("TRUTH-99")
    assert verdict.verdict is UNKNOWN
    assert "not a promise" in verdict.reasons[0]


def test_a_run_that_promises_nothing_is_unknown() -> None:
    """A scenario without promises examined nothing."""
    assert quiet().judge().verdict is UNKNOWN


def test_a_history_that_cannot_be_read_is_unknown() -> None:
    """No header, or a snapshot that is not stored, gives UNKNOWN and no exception."""
    assert judge_history(History(records=())).verdict is UNKNOWN
    story = quiet("TRUTH-1")
    story.records = [record for record in story.records if record["k"] != "snapshot"]
    judgement = story.judge()
    assert judgement.verdict is UNKNOWN
    assert "cannot be judged: KeyError" in judgement.promises[0].reasons[0]


def test_the_judgement_is_json() -> None:
    """What goes into summary.json survives a round trip and has the promised keys."""
    story = quiet("TRUTH-3")
    story.answer("rest", 20.1, allocated("a", "9")(story.truth(20.1)))
    body = story.judge().as_json()
    assert json.loads(json.dumps(body)) == body
    assert body["verdict"] == "FAIL"
    finding = body["promises"][0]["findings"][0]
    assert set(finding) == {"text", "object", "expected", "reported", "t_s"}


def test_the_stale_series_shows_when_fields_were_untrue() -> None:
    """The series counts the untrue fields of REST answers, as steps."""
    story = Story("TRUTH-3")
    story.node("a")
    story.started()
    story.observe(2.0, 10.0)
    story.pod("q", 10.0, node="a", milli=250)
    story.observe(10.0, 14.0, alter=allocated("a", "0"))
    story.observe(14.0, 20.0)
    story.end(20.0)
    assert story.judge().series["stale"] == [[2.0, 0.0], [11.5, 1.0], [14.0, 0.0]]
