"""What holds for every history: a truthful operator is never blamed, doubt never passes, order does not matter."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.check.contract import judge_history
from harness.check.verdict import FAIL, PASS
from harness.history.reader import History
from tests.unit.check.story import Story, allocated, without

PROMISES = (
    "SHAPE-1", "TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-4", "TRUTH-5", "LABEL-1", "AVAIL-1", "AVAIL-2", "RECOVER-1",
    "SURVIVE-1",
)  # fmt: skip
END_S = 60.0
OBJECTIVE_S = 5.0

# Building and judging one history takes some hundredths of a second; a slow machine is no failure of a property.
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def act(story: Story, choice: random.Random, t: float) -> None:
    """One thing happens to the cluster."""
    match choice.choice(("come", "come", "go", "resize", "ready", "node")):
        case "come":
            name, space = choice.choice("pqr"), choice.choice(("red", "blue"))
            if (space, name) not in story.pods and story.nodes:
                node = choice.choice(sorted(story.nodes))
                story.pod(name, t, namespace=space, node=node, milli=choice.choice((100, 250, 1000)))
        case "go":
            if story.pods:
                space, name = choice.choice(sorted(story.pods))
                story.remove_pod(name, t, namespace=space)
        case "resize":
            story.node("a", t, cores=choice.choice((8, 16, 32)))
        case "ready":
            ready = choice.random() < 0.6
            story.node("b", t, ready=ready, labels={"akash.network": "true"} if ready else {})
        case "node":
            if "c" in story.nodes:
                story.remove_node("c", t)
            else:
                story.node("c", t, uid=f"uid-{t}")


def truthful(seed: int, *, fault: bool, gap: bool, lag: float) -> Story:
    """A run of an operator whose every source says what was true, at most `lag` seconds ago, and never goes back.

    While the API server is away (30 s to 38 s), it says what was true at the inject until up to ten seconds after.
    """
    choice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    story = Story(*PROMISES)
    story.node("a")
    story.node("b")
    story.started()
    moments = sorted(round(choice.uniform(6.0, END_S - 1), 2) for _ in range(choice.randrange(25)))
    for t in moments:
        act(story, choice, t)
    frozen_until = 30.0 + choice.uniform(8.0, 18.0) if fault else 0.0
    if fault:
        story.fault(30.0, 38.0, "api")
    if gap:
        begin = choice.uniform(10.0, 40.0)
        story.gap(begin, begin + choice.uniform(0.1, 10.0))
    for source in ("rest", "query", "stream"):
        shown, last = 0.0, None
        t = 5.5
        while t < END_S:
            seen = t - choice.uniform(0.0, lag)
            if 30.0 <= t < frozen_until:
                seen = min(seen, 30.0)
            shown = max(shown, seen)
            body = story.truth(shown)
            if source != "stream" or body != last:
                story.answer(source, t, body)
            last = body
            t += choice.uniform(0.05, 1.0) if source != "stream" else 0.25
    story.end(END_S)
    return story


stories = st.builds(
    truthful, st.integers(0, 10**6), fault=st.booleans(), gap=st.booleans(), lag=st.sampled_from((0.0, 1.0, 4.0))
)


@thorough
@given(stories)
def test_a_truthful_operator_is_never_blamed(story: Story) -> None:
    """Whatever happens to the cluster, an operator that is late by less than the objective gets no finding."""
    judgement = story.judge()
    assert [f.text for verdict in judgement.promises for f in verdict.findings] == []
    assert not any("raised" in reason for verdict in judgement.promises for reason in verdict.reasons)


@thorough
@given(stories, st.sampled_from(("end", "gate-passed")), st.sampled_from((None, "lost", "wrong")))
def test_a_broken_assumption_never_passes(story: Story, mark: str, lie: str | None) -> None:
    """Without the end mark or the gate, no promise of any history is PASS."""
    if lie is not None:
        alter = without("a") if lie == "lost" else allocated("a", "77")
        story.answer("rest", END_S - 2, alter(story.truth(END_S - 2)))
    story.records = [record for record in story.records if record.get("mark") != mark]
    assert PASS not in {verdict.verdict for verdict in story.judge().promises}


@thorough
@given(stories)
def test_a_lie_is_always_found(story: Story) -> None:
    """One answer with a sum that never was true is found in any history, unless the truth was not to be had then."""
    t = 57.3
    if not any(node["name"] == "a" for node in story.truth(t)["nodes"]) or story_in_gap(story, t):
        return
    story.answer("rest", t, allocated("a", "77")(story.truth(t)))
    verdict = story.verdict("TRUTH-3")
    assert verdict.verdict is FAIL
    assert [(f.object, f.reported) for f in verdict.findings] == [("node a: cpu.allocated", "77")]


def story_in_gap(story: Story, t: float) -> bool:
    """Whether the truth was unwatched within the objective before `t`."""
    return any(r["k"] == "gap" and r["phase"] == "end" and r["t"] > t - OBJECTIVE_S - 1 for r in story.records)


@thorough
@given(stories, st.randoms(use_true_random=False))
def test_the_order_of_records_of_one_instant_does_not_matter(story: Story, shuffler: random.Random) -> None:
    """Judging twice gives the same, also when answers, marks and faults of the same time are written in another order.

    Ground truth keeps its order: events of one watch are ordered by the API server.
    """
    truth = {"object", "synced", "hardware", "gap", "snapshot", "run"}
    fixed = [r for r in story.records if r["k"] in truth]
    rest = [rounded(r) for r in story.records if r["k"] not in truth]
    shuffled = list(rest)
    shuffler.shuffle(shuffled)
    assert judge_history(ordered(fixed, rest)) == judge_history(ordered(fixed, shuffled))


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    """The record at a time that it shares with others; phases of one fault stay apart."""
    return record if record["k"] == "fault" else {**record, "t": round(record["t"] * 2) / 2}


def ordered(truth: list[dict[str, Any]], rest: list[dict[str, Any]]) -> History:
    """A history whose records are sorted by time only."""
    records = sorted([*truth, *rest], key=lambda record: record["t"])
    records.sort(key=lambda record: record["k"] != "run")
    return History(tuple(records), {r["id"]: r["body"] for r in truth if r["k"] == "snapshot"})
