"""CONFIG-1 on histories made by hand, and what holds of it for every history."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.check.phases import phases_of
from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.model.config import DEFAULT
from tests.unit.check.story import Story, nothing, reported_node, without

if TYPE_CHECKING:
    from collections.abc import Callable

BAD: Any = {"exclude": {"nodes": ["("]}}
NO_YAML: Any = {"raw": "exclude: ["}
NO_FILE: Any = {"raw": None}
PROMISES = ("CONFIG-1", "TRUTH-1", "LABEL-1", "SURVIVE-1")

thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def begun(*excluded: str, promises: tuple[str, ...] = PROMISES) -> Story:
    """Three nodes, of which the configuration excludes some from the start, and a log with a first line."""
    story = Story(*promises)
    story.excluded = frozenset(excluded)
    story.config_says(0.05, {"exclude": {"nodes": [f"^{name}$" for name in excluded]}})
    for name in ("a", "b", "c"):
        story.node(name, labels={} if name in excluded else {"akash.network": "true"})
    story.started()
    story.log(4.0)
    return story


def ended(story: Story, t: float = 40.0, **observed: Any) -> Story:
    """The operator answers up to the end, and the run ends."""
    story.observe(5.5, t, **observed)
    story.end(t)
    return story


def within(begin: float, end: float, alter: Callable[[Any], Any], story: Story) -> None:
    """The operator says the truth, but for a while, and up to 40 s."""
    story.observe(5.5, begin)
    story.observe(begin, end, alter=alter)
    story.observe(end, 40.0)
    story.end(40.0)


def test_changes_that_apply_in_time_pass() -> None:
    """Nodes that go and come within the objective keep CONFIG-1, and the times are measured."""
    story = begun("c")
    story.config(10.0, "a", "b")
    story.config(20.0, "c")
    verdict = ended(story, lag=2.0).verdict("CONFIG-1")
    assert (verdict.verdict, verdict.findings) == (PASS, ())
    assert verdict.examined == 24  # two changes of three nodes, three sources and the labels each
    assert verdict.measured["applied_s"] == pytest.approx(2.0, abs=0.51)
    assert verdict.measured["labels_s"] == pytest.approx(1.0)


def test_a_configuration_that_never_changes_shows_nothing() -> None:
    """Without a change after the gate CONFIG-1 is UNKNOWN."""
    verdict = ended(begun("c")).verdict("CONFIG-1")
    assert (verdict.verdict, verdict.reasons) == (UNKNOWN, ("the configuration did not change after the gate",))


def test_without_a_configuration_nothing_is_shown() -> None:
    """An operator that was given no file is not judged on it."""
    story = begun()
    story.records = [record for record in story.records if record["k"] != "config"]
    assert ended(story).verdict("CONFIG-1").verdict is UNKNOWN


@pytest.mark.parametrize(("lag", "expected"), [(4.0, PASS), (8.0, FAIL)])
def test_a_change_may_be_late_by_the_objective(lag: float, expected: object) -> None:
    """A configuration that shows after four seconds is in time, after eight it is not."""
    story = begun("c")
    story.config(10.0, "a")
    assert ended(story, lag=lag).verdict("CONFIG-1").verdict is expected


def test_what_is_excluded_and_reported_is_a_finding() -> None:
    """The finding names the node, and that the configuration excludes it."""
    story = begun()
    story.config(10.0, "a")
    story.observe(5.5, 40.0, alter=lambda _: {"nodes": [reported_node(name) for name in "abc"], "storage": []})
    story.end(40.0)
    (finding,) = story.verdict("CONFIG-1").findings
    assert "node a: present ghost: expected not reported, reported reported by query, rest, stream" in finding.text
    assert finding.text.endswith("; the configuration excludes it")


def test_what_is_included_again_and_not_reported_is_a_finding() -> None:
    """The finding says since when the configuration excludes it no longer."""
    story = begun("c")
    story.config(10.0)
    (finding,) = ended(story, alter=without("c")).verdict("CONFIG-1").findings
    assert "node c: present lost" in finding.text
    assert finding.text.endswith("; the configuration excludes it no longer, since 10.00 s")


@pytest.mark.parametrize("body", [BAD, NO_YAML, NO_FILE], ids=["bad", "no-yaml", "no-file"])
@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda body: body, ""),
        (nothing, "no configuration excludes it; the configuration file is"),
        (without("b"), "no configuration excludes it; the configuration file is"),
        (
            lambda _: {"nodes": [reported_node(name) for name in "abc"], "storage": []},
            "the configuration excludes it, and the configuration file is",
        ),
    ],
    ids=["kept", "all-gone", "one-gone", "default"],
)
def test_a_bad_file_changes_nothing(body: Any, alter: Callable[[Any], Any], said: str) -> None:
    """Nodes that come or go while the file is bad, or gone, are findings; the last good configuration is none."""
    story = begun("c")
    story.config_says(10.0, body)
    story.log(11.0, "config: bad")
    story.config(20.0, "c")
    within(12.0, 20.0, alter, story)
    verdict = story.verdict("CONFIG-1")
    assert verdict.verdict is (FAIL if said else PASS)
    assert all(said in finding.text for finding in verdict.findings)
    assert verdict.measured["bad"] == 1.0


def test_a_node_that_is_new_but_was_reported_vanishes_because_of_a_bad_file() -> None:
    """At the gate all was true: it does not matter that the nodes had been there for less than the objective."""
    story = begun("c")
    story.node("d", 4.5)
    story.config_says(6.0, BAD)
    story.log(6.5, "config: bad")
    story.config(16.0, "c")
    within(6.5, 16.0, nothing, story)
    found = story.verdict("CONFIG-1").findings
    assert {"node a", "node b", "node d"} <= {finding.object.partition(":")[0] for finding in found}


@pytest.mark.parametrize("alter", [lambda body: body, lambda _: {"nodes": [reported_node(n) for n in "abc"]}])
def test_of_an_empty_file_either_is_right(alter: Callable[[Any], Any]) -> None:
    """Neither the last good configuration nor the default is a finding while the file is empty."""
    story = begun("c")
    story.config_says(10.0, None)
    story.config(20.0, "c")
    within(12.0, 20.0, lambda body: {"storage": [], **alter(body)}, story)
    judgement = story.judge()
    assert [finding.text for verdict in judgement.promises for finding in verdict.findings] == []


def test_an_empty_file_excludes_nothing_more() -> None:
    """A node that neither of the two configurations excludes has to stay while the file is empty."""
    story = begun("c")
    story.config_says(10.0, None)
    story.config(20.0, "c")
    within(12.0, 20.0, without("b"), story)
    (finding,) = story.verdict("CONFIG-1").findings
    assert "node b: present lost" in finding.text
    assert finding.text.endswith("; no configuration excludes it; the configuration file is empty since 10.00 s")


def test_a_node_that_goes_for_another_reason_is_not_the_configurations() -> None:
    """A node that was lost before the file changed, or is lost long after it, is TRUTH-1's matter alone."""
    story = begun("c")
    story.config(10.0, "a", "c")
    story.config(20.0, "c")
    within(28.0, 36.0, without("b"), story)
    assert story.verdict("CONFIG-1").verdict is PASS
    assert story.verdict("TRUTH-1").verdict is FAIL


def test_labels_have_to_follow_as_well() -> None:
    """An excluded node that keeps its labels and an included one without any are findings of CONFIG-1."""
    story = begun("c")
    story.config(10.0, "a")
    story.records = [r for r in story.records if r["k"] != "object" or r["t"] != 11.0]
    first, second = ended(story).verdict("CONFIG-1").findings
    assert first.text.startswith("node a: expected no managed label, found some 6.00 s after the change by which the ")
    assert second.text.startswith("node c: expected managed labels, found none 6.00 s after the change by which the ")


def test_labels_that_were_let_pass_are_not_judged() -> None:
    """What was never true of labels from the start is a finding of LABEL-1, and none of CONFIG-1."""
    story = begun("c")
    story.config(10.0, "a")
    story.records = [r for r in story.records if r["k"] != "object" or r["t"] != 11.0]
    gate = next(record for record in story.records if record.get("mark") == "gate-passed")
    gate["excepted"] = [{"field": "labels", "node": "a", "expected": "x", "reported": "none", "after_s": 14.0}]
    assert ended(story).verdict("CONFIG-1").verdict is PASS


@pytest.mark.parametrize(("t", "expected"), [(13.0, FAIL), (35.0, PASS)])
def test_an_exit_over_a_bad_file_is_a_finding(t: float, expected: object) -> None:
    """An exit while the file is bad breaks CONFIG-1 and says so; one long after is SURVIVE-1's alone."""
    story = begun("c")
    story.config_says(10.0, NO_YAML)
    story.log(11.0)
    story.config_says(20.0, {"exclude": {"nodes": ["^c$"]}})
    story.exits(t)
    story.observe(5.5, t)
    story.end(40.0)
    verdict = story.verdict("CONFIG-1")
    assert verdict.verdict is expected
    assert all("the configuration file is bad (no YAML) since 10.00 s; its last" in f.text for f in verdict.findings)
    assert story.verdict("SURVIVE-1").verdict is FAIL


def starts_badly(*, body: Any = BAD, code: int = 1, lived_s: float = 0.5, said: bool = True, **scenario: Any) -> Story:
    """A supervised operator is ended by us, starts with a bad file, and ends over it; the next start is a good one."""
    story = begun("c")
    story.scenario.update({"supervised": True, **scenario})
    story.fault(9.0, 15.0, "operator", kind="config-bad-at-start")
    story.config_says(9.2, body)
    story.add("process", 9.1, event="exited", pid=7, code=-9, cause="harness", detail="")
    story.add("process", 9.5, event="started", pid=8, code=None, cause="harness")
    if said:
        story.log(9.8, "Error: configuration: not a regular expression")
    story.exits(9.5 + lived_s, again=16.0, code=code)
    story.config_says(15.0, {"exclude": {"nodes": ["^c$"]}})
    story.observe(5.5, 9.0)
    story.observe(17.0, 40.0)
    story.end(40.0)
    story.records.sort(key=lambda record: record["t"])
    return story


@pytest.mark.parametrize("body", [BAD, NO_YAML, NO_FILE], ids=["bad", "no-yaml", "no-file"])
def test_an_operator_may_end_over_a_file_that_is_bad_at_its_start(body: Any) -> None:
    """The contract says so: neither CONFIG-1 nor SURVIVE-1 nor RECOVER-1 has anything against it; the start counts."""
    story = starts_badly(body=body)
    story.scenario["promises"] = [*PROMISES, "RECOVER-1"]
    judgement = story.judge()
    assert [finding.text for verdict in judgement.promises for finding in verdict.findings] == []
    verdict = story.verdict("CONFIG-1")
    assert (verdict.verdict, verdict.measured["bad_starts"]) == (PASS, 1.0)


@pytest.mark.parametrize(
    "changed",
    [{"code": 0}, {"code": -6}, {"lived_s": 12.0}, {"supervised": False}, {"body": {"exclude": {"nodes": ["^c$"]}}}],
    ids=["as-if-well", "by-a-signal", "much-later", "nobody-restarts-it", "the-file-is-good"],
)
def test_other_exits_are_findings_as_ever(changed: dict[str, Any]) -> None:
    """The permission is for a non-zero exit at the start, over a file that is bad, where somebody starts it again."""
    assert starts_badly(**changed).verdict("SURVIVE-1").verdict is FAIL


def test_who_ends_over_a_bad_file_without_a_word_has_not_said_so() -> None:
    """Silence is a finding of CONFIG-1, as it is while the operator runs."""
    (finding,) = starts_badly(said=False).verdict("CONFIG-1").findings
    assert "was started while its configuration file was bad, and logged nothing at all" in finding.text


def test_who_stays_in_spite_of_a_bad_file_must_not_tell_what_it_excludes() -> None:
    """A node that the last good configuration excludes was never to be reported, whoever was started meanwhile."""
    story = begun("c")
    story.scenario["supervised"] = True
    story.fault(9.0, 20.0, "operator", kind="config-bad-at-start")
    story.add("process", 9.1, event="exited", pid=7, code=-9, cause="harness", detail="")
    story.config_says(9.2, BAD)
    story.add("process", 9.5, event="started", pid=8, code=None, cause="harness")
    story.log(10.0, "config: bad")
    story.config_says(20.0, {"exclude": {"nodes": ["^c$"]}})
    within(11.0, 20.0, lambda _: {"nodes": [reported_node(name) for name in "abc"], "storage": []}, story)
    story.records.sort(key=lambda record: record["t"])
    (finding,) = story.verdict("CONFIG-1").findings
    assert "the configuration excludes it, and the configuration file is bad" in finding.text


@pytest.mark.parametrize(
    ("said", "expected", "unsaid"), [((), FAIL, 1.0), (("",), PASS, 1.0), (("config: bad",), PASS, 0.0)]
)
def test_only_silence_on_a_bad_file_is_a_finding(said: tuple[str, ...], expected: object, unsaid: float) -> None:
    """A log without a line is a finding; whether a line is about the configuration is counted and not judged."""
    story = begun("c")
    story.config_says(10.0, BAD)
    for text in said:
        story.log(12.0, *(part for part in (text,) if part))
    story.config_says(20.0, {"exclude": {"nodes": ["^c$"]}})
    verdict = ended(story).verdict("CONFIG-1")
    assert verdict.verdict is expected
    assert verdict.measured["unsaid"] == unsaid


def test_a_log_that_nobody_followed_is_not_silent() -> None:
    """Without a record of the log before the file turned bad nothing is said about it."""
    story = begun("c")
    story.config_says(10.0, BAD)
    story.config_says(20.0, {"exclude": {"nodes": ["^c$"]}})
    story.records = [record for record in story.records if record["k"] != "log"]
    assert ended(story).verdict("CONFIG-1").verdict is PASS


def test_an_operator_that_cannot_be_told_is_excused() -> None:
    """While the operator is away, and until it has to have recovered, nothing is late; afterwards it is."""
    story = begun("c")
    story.fault(9.0, 12.0, "operator", kind="operator-killed")
    story.config(10.0, "a")
    story.observe(5.5, 9.0)
    story.observe(12.5, 26.0, lag=20.0)
    story.observe(26.0, 40.0)
    story.end(40.0)
    assert story.verdict("CONFIG-1").verdict is PASS


def test_phases_say_what_is_wrong() -> None:
    """Each record is one phase up to the next, good or with its trouble."""
    story = begun("c")
    for t, body in ((10.0, None), (11.0, NO_FILE), (12.0, NO_YAML), (13.0, {"nodes": []})):
        story.config_says(t, body)
    phases = phases_of(story.history(), 20.0)
    assert [(phase.begin_s, phase.end_s, phase.trouble.split("(")[0]) for phase in phases] == [
        (0.05, 10.0, ""), (10.0, 11.0, "empty"), (11.0, 12.0, "not there"), (12.0, 13.0, "bad "), (13.0, 20.0, "bad "),
    ]  # fmt: skip
    assert [phase.good is None for phase in phases] == [False, False, True, True, True]
    assert phases[1].good == DEFAULT
    assert "unknown keys ['nodes']" in phases[-1].trouble


def followed(seed: int, lag: float) -> Story:
    """A run in which the file changes at random moments, and an operator that follows by at most `lag` seconds."""
    choice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    story = begun("c")
    t = 8.0
    while t < 50.0:
        match choice.choice(("good", "good", "bad", "none", "node")):
            case "good":
                story.config(t, *(name for name in "abc" if choice.random() < 0.4))
            case "bad":
                story.config_says(t, choice.choice((BAD, NO_YAML)))
            case "none":
                story.config_says(t, NO_FILE)
            case "node":
                story.node("b", t, ready=choice.random() < 0.5, labels={})
        story.log(t + 0.5, "config: changed")
        t = round(t + choice.uniform(1.5, 9.0), 2)
    return ended(story, 60.0, lag=choice.uniform(0.0, lag), every=choice.choice((0.25, 0.5)))


@thorough
@given(st.builds(followed, st.integers(0, 10**6), st.sampled_from((0.0, 2.0, 4.0))))
def test_an_operator_that_follows_is_never_blamed(story: Story) -> None:
    """Whatever the file said and when, whoever follows it within the objective gets no finding of the answers."""
    verdict = story.verdict("CONFIG-1")
    assert [finding.text for finding in verdict.findings if "labels" not in finding.object] == []
    assert not any("raised" in reason for reason in verdict.reasons)


@thorough
@given(st.integers(0, 10**6), st.sampled_from("ab"))
def test_a_change_that_is_never_applied_is_always_found(seed: int, name: str) -> None:
    """A node that is excluded for longer than the objective and reported all the time is found in any history."""
    story = begun("c")
    t = 8.0 + random.Random(seed).uniform(0.0, 10.0)  # noqa: S311 - repeatable, not secret
    story.config(t, name, "c")
    ended(story, alter=lambda _: {"nodes": [reported_node(n) for n in "ab"], "storage": []})
    verdict = story.verdict("CONFIG-1")
    assert verdict.verdict is FAIL
    assert {finding.object for finding in verdict.findings} == {f"node {name}: present"}
