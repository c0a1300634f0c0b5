"""From the cause to the truth, on histories made by hand, and what holds of quantiles."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.base import JUDGED_FIELDS, build_context
from harness.check.contract import PROMISES
from harness.check.freshness import (
    KEPT_MOST,
    NODES,
    NODES_KEPT,
    ORDER,
    Measured,
    kept,
    measure,
    quantile,
    resource_of,
    shares,
    weighted_quantile,
)
from reports.fresh import WORDS
from tests.unit.check.story import Story, allocated, quiet, without

if TYPE_CHECKING:
    from harness.check.freshness import Freshness

OBJECTIVES = {promise.id: promise.objective_s for promise in PROMISES.values()}


def measured(story: Story) -> Measured:
    """The freshness of a story."""
    return measure(build_context(story.history(), OBJECTIVES))


def of(story: Story, resource: str) -> Freshness:
    """That of one resource."""
    return next(one for one in measured(story).resources if one.resource == resource)


def begun() -> Story:
    """Two nodes and a pod, the operator started, the gate passed."""
    story = Story("TRUTH-3")
    story.node("a")
    story.node("b")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    return story


@pytest.mark.parametrize("lag", [0.0, 0.5, 3.0])
def test_a_delay_is_from_the_cause_to_the_last_source(lag: float) -> None:
    """An operator that is late by so much is measured so late, to the next answer."""
    story = begun()
    for number in range(5):
        story.pod(f"q{number}", 10.0 + 5 * number, node="a", milli=100)
    story.observe(2.0, 40.0, lag=lag, every=0.5)
    story.end(40.0)
    found = of(story, "cpu")

    assert (found.causes, found.never, found.away) == (5, 0, [])
    assert found.delays == pytest.approx([lag] * 5, abs=0.5)


def test_the_slowest_source_counts() -> None:
    """An inventory is fresh when all three interfaces tell it."""
    story = begun()
    story.pod("q", 10.0, node="a", milli=100)
    story.observe(2.0, 40.0, sources=("rest", "query"))
    story.observe(2.0, 40.0, sources=("stream",), lag=4.0)
    story.end(40.0)

    assert of(story, "cpu").delays == pytest.approx([4.0], abs=0.5)


def test_a_value_that_was_skipped_is_as_late_as_the_next() -> None:
    """Sums that change faster than they are told: each cause is over when a later truth is told."""
    story = begun()
    for number in range(4):
        story.pod(f"q{number}", 10.0 + 0.1 * number, node="a", milli=100)
    story.observe(2.0, 10.0)
    story.observe(11.0, 30.0)
    story.end(30.0)

    assert of(story, "cpu").delays == pytest.approx([1.0, 0.9, 0.8, 0.7], abs=1e-6)


def test_what_was_said_before_is_not_the_truth_of_later() -> None:
    """A sum that goes and comes back was never told in between: the operator is as late as when it is true again."""
    story = begun()
    story.pod("q", 10.0, node="a", milli=100)
    story.remove_pod("q", 14.0)
    story.observe(2.0, 30.0, alter=allocated("a", "500m"))
    story.end(30.0)

    assert of(story, "cpu").delays == pytest.approx([4.0, 0.0], abs=0.5)


def test_what_never_becomes_true_is_counted() -> None:
    """To the end of the run, and longer than the objective; what came too late to tell is no cause."""
    story = begun()
    story.pod("q", 10.0, node="a", milli=100)
    story.pod("r", 27.0, node="b", milli=100)
    story.observe(2.0, 30.0, alter=lambda body: allocated("a", "500m")(allocated("b", "0m")(body)))
    story.end(30.0)
    found = of(story, "cpu")

    assert (found.causes, found.never, found.delays) == (1, 1, [])
    # From a second after each cause, the slack of our own watch, to the last answer.
    assert found.untrue_s["under"] == pytest.approx(18.5 + 1.5, abs=1.1)


def test_nodes_come_and_go() -> None:
    """A node that joins or leaves is a cause of its own, and its figures are fresh when it is there."""
    story = begun()
    story.node("c", 10.0)
    story.remove_node("b", 20.0)
    story.observe(2.0, 40.0, lag=2.0)
    story.end(40.0)

    assert of(story, NODES).delays == pytest.approx([2.0, 2.0], abs=0.5)
    assert of(story, NODES).untrue_s.keys() == {"lost", "ghost", "stale"}


def test_while_the_cluster_cannot_be_seen_it_is_told_apart() -> None:
    """What an operator could not know at the time says nothing of how quick it is."""
    story = begun()
    story.fault(10.0, 15.0, "api")
    story.pod("q", 12.0, node="a", milli=100)
    story.pod("r", 35.0, node="a", milli=100)
    story.observe(2.0, 12.0)
    story.observe(12.0, 17.0, alter=allocated("a", "500m"))
    story.observe(17.0, 50.0)
    story.end(50.0)
    found = of(story, "cpu")

    assert found.away == pytest.approx([5.0], abs=0.5)
    assert found.delays == pytest.approx([0.0], abs=0.5)


def test_each_node_is_told_by_itself() -> None:
    """How late each resource of each node was, and what of it never became true."""
    story = begun()
    story.pod("q", 10.0, node="b", milli=100)
    story.pod("r", 20.0, node="a", milli=100)
    story.observe(2.0, 40.0, alter=allocated("b", "0m"))
    story.end(40.0)
    told = {(one.node, one.resource): one.summary() for one in measured(story).nodes}

    assert (told["b", "cpu"]["never"], told["b", "cpu"]["p50_s"], told["b", "cpu"]["causes"]) == (1, None, 1)
    assert (told["a", "cpu"]["never"], told["a", "cpu"]["max_s"]) == (0, 0.0)
    assert told["b", "cpu"]["untrue_s"]["under"] > 20


def test_of_many_nodes_the_slowest_are_told() -> None:
    """A run of thousands of nodes keeps those that matter, the ones with what never became true first."""
    story = begun()
    for number in range(NODES_KEPT + 10):
        story.node(f"n{number:02}", 0.15)
        story.pod(f"q{number}", 10.0, node=f"n{number:02}", milli=100)
    story.observe(2.0, 20.0, alter=allocated("n33", "0m"))
    story.end(20.0)
    names = {one.node for one in measured(story).nodes}

    assert len(names) == NODES_KEPT
    assert "n33" in names


def test_a_lost_node_is_lost_for_so_long() -> None:
    """Seconds for which REST told too little are told by kind."""
    story = begun()
    story.observe(5.0, 10.0)
    story.observe(10.0, 20.0, alter=without("b"))
    story.observe(20.0, 30.0)
    story.end(30.0)

    assert of(story, NODES).untrue_s["lost"] == pytest.approx(10.0)


def test_the_series_tells_the_longest_delay_of_each_moment() -> None:
    """For a plot over time: when the causes were, and how long each took at most."""
    story = begun()
    story.pod("q", 10.0, node="a", milli=100)
    story.pod("r", 20.0, node="a", milli=100)
    story.observe(2.0, 40.0, lag=1.0)
    story.end(40.0)

    series = measured(story).series
    assert [t for t, _delay in series] == [10.0, 20.0]
    assert [delay for _t, delay in series] == pytest.approx([1.0, 1.0], abs=0.5)


def test_a_judgement_carries_it() -> None:
    """In the form in which verdicts.json keeps it."""
    body = quiet("TRUTH-3").judge().as_json()
    cpu = next(entry for entry in body["freshness"]["resources"] if entry["resource"] == "cpu")

    assert (cpu["causes"], cpu["seen"], cpu["never"], cpu["node"]) == (2, 2, 0, "")
    assert len(body["series"]["delay"]) == 2


def test_every_judged_field_is_of_a_resource_that_is_shown() -> None:
    """Storage as well: what a report has no place for would be measured for nobody."""
    assert {resource_of(name) for name in JUDGED_FIELDS} == set(ORDER) == set(WORDS)


def test_without_a_gate_nothing_is_measured() -> None:
    """Until the first true inventory there is nothing that could be fresh."""
    story = quiet("TRUTH-3")
    story.records = [record for record in story.records if record.get("mark") != "gate-passed"]

    assert measured(story) == Measured()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=1000), st.sampled_from((0.5, 0.9, 0.99, 1.0)))
def test_what_is_kept_has_the_quantiles_of_all(delays: list[float], share: float) -> None:
    """However many there were, the kept ones tell the same to within a share of one in KEPT_MOST."""
    found = kept(delays)
    ordered = sorted(delays)

    assert len(found) <= KEPT_MOST
    assert found[-1] == round(ordered[-1], 3)
    known = quantile(found, share)
    low, high = quantile(ordered, max(0.0, share - 1 / KEPT_MOST)), quantile(ordered, min(1.0, share + 1 / KEPT_MOST))
    assert known is not None
    assert low is not None
    assert high is not None
    assert low - 1e-3 <= known <= high + 1e-3


def test_quantiles_are_of_the_nearest_rank() -> None:
    """They are delays that were measured, and none of none."""
    delays = [float(n) for n in range(1, 101)]

    assert [quantile(delays, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50.0, 90.0, 99.0, 100.0]
    assert quantile(delays, 0.5) == pytest.approx(statistics.median_low(delays))
    assert quantile([], 0.5) is None
    assert weighted_quantile([], 0.5) is None


@given(st.integers(0, 10_000))
def test_entries_add_up_by_what_they_stand_for(seed: int) -> None:
    """A run of many causes weighs more than one of few."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    few, many = [rng.uniform(0, 1) for _ in range(20)], [rng.uniform(5, 6) for _ in range(2000)]
    entries = [{"seen": len(every), "delays": kept(every)} for every in (few, many)]
    found = weighted_quantile(shares(entries), 0.5)

    assert found is not None
    assert found > 5
    assert weighted_quantile(shares(entries), 1.0) == round(max(many), 3)
