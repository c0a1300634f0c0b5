"""Schedules as data: JSON and back, what is refused, how long they last, and what they become for a seed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import faults
from harness.cluster.hardware import NodeProfile
from harness.errors import UsageError
from harness.fault import composition
from harness.fault.schedule import (
    After,
    Alternate,
    AtOnce,
    Awaited,
    Injection,
    InOrder,
    Once,
    Parallel,
    Pause,
    Sequence,
    Stagger,
    Until,
    injected,
    longest_s,
    simple,
    triggers,
    unfold,
)
from harness.fault.trigger import DiscoveryPodRunning, OperatorCalls, RestAnswers, TrafficDone
from harness.seed import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.fault.schedule import Act, Step

NODES = ("worker-1", "worker-2", "worker-3")
PATCH = OperatorCalls("patch", "nodes")

SECONDS = st.floats(0.0, 5.0)
FAULTS = st.one_of(
    st.builds(faults.WatchFrozen, for_s=SECONDS),
    st.builds(faults.ApiSlow, for_s=SECONDS),
    st.builds(faults.SlowClients, for_s=SECONDS),
)
"""Faults that may meet themselves."""

TRIGGERS = st.one_of(
    st.builds(OperatorCalls, st.sampled_from(("patch", "list")), st.just("nodes"), st.integers(1, 5)),
    st.builds(DiscoveryPodRunning, st.sampled_from((None, *NODES))),
    st.just(RestAnswers()),
    st.builds(TrafficDone, st.integers(1, 99)),
)
DEADLINES = st.floats(0.5, 10.0)


def composed(parts: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Schedules of such steps."""
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Sequence, several, pause_s=SECONDS),
        st.builds(Parallel, several),
        st.builds(Alternate, parts, parts, times=st.integers(2, 3), pause_s=SECONDS),
        st.builds(Stagger, several, every_s=st.floats(0.1, 5.0), jitter=st.floats(0.0, 0.9)),
        st.builds(After, TRIGGERS, parts, deadline_s=DEADLINES),
    )


LEAVES = st.one_of(FAULTS, st.builds(Once, FAULTS, after_s=SECONDS), st.builds(Until, FAULTS, TRIGGERS, DEADLINES))
STEPS = st.recursive(LEAVES, composed, max_leaves=6)
SEEDS = st.integers(0, 2**31)


def acts_of(act: Act) -> Iterator[Act]:
    """An act, and all that it is made of."""
    yield act
    match act:
        case InOrder() | AtOnce():
            for one in act.acts:
                yield from acts_of(one)
        case Awaited() if act.act is not None:
            yield from acts_of(act.act)


def lasts(act: Act) -> float:
    """How long an act takes when every trigger fires at its deadline."""
    match act:
        case Pause():
            return act.seconds
        case InOrder():
            return sum(lasts(one) for one in act.acts)
        case AtOnce():
            return max(lasts(one) for one in act.acts)
        case Awaited():
            return act.deadline_s + (lasts(act.act) if act.act is not None else 0.0)
    return act.fault.for_s if act.until is None else lasts(act.until)


def refused(*steps: Any, traffic: bool = True, pause_s: float = 1.0, nodes: tuple[str, ...] = NODES) -> str:
    """What is said of steps that cannot be carried out; there is a hint, always."""
    with pytest.raises(UsageError) as caught:
        composition.check_all(steps, pause_s=pause_s, nodes=nodes, traffic=traffic)
    assert caught.value.hint
    return caught.value.what


@given(STEPS)
def test_a_schedule_survives_json(step: Step) -> None:
    """Any schedule is the same after a journey through a plan."""
    assert composition.from_json(json.loads(json.dumps(composition.to_json(step)))) == step


@given(STEPS, SEEDS)
def test_the_same_seed_makes_the_same_plan(step: Step, seed: int) -> None:
    """Gaps, seeds of injections and ids are all drawn from the seed."""
    plans = [unfold((step,), 1.0, stream(seed)) for _ in range(2)]

    assert plans[0] == plans[1]


@given(STEPS, SEEDS)
def test_a_plan_injects_all_that_the_schedule_holds_under_names_of_their_own(step: Step, seed: int) -> None:
    """No injection is lost, no id is there twice, and only Alternate multiplies."""
    acts = list(acts_of(unfold((step,), 1.0, stream(seed))))
    injections = [act for act in acts if isinstance(act, Injection)]
    waits = [act for act in acts if isinstance(act, Awaited)]
    waits += [act.until for act in injections if act.until is not None]

    assert len({act.id for act in injections}) == len(injections)
    assert len({act.id for act in waits}) == len(waits)
    assert {act.fault for act in injections} == set(injected(step))
    assert {act.trigger for act in waits} == set(triggers(step))


@given(STEPS, SEEDS)
def test_no_plan_lasts_longer_than_its_schedule_says(step: Step, seed: int) -> None:
    """The bound that is checked holds for every seed, and every wait has a deadline."""
    plan = unfold((step,), 0.0, stream(seed))

    assert lasts(plan) <= longest_s(step) + 1e-6


@given(STEPS, st.floats(0.0, 600.0))
def test_what_is_accepted_ends(step: Step, pause_s: float) -> None:
    """A scenario is refused exactly where its steps could take longer than the limit."""
    total_s = pause_s + longest_s(step)

    if total_s > composition.LONGEST_S:
        assert "may last" in refused(step, pause_s=pause_s)
    else:
        composition.check_all((step,), pause_s=pause_s, nodes=NODES, traffic=True)


def test_the_gaps_of_a_stagger_are_drawn_within_its_jitter() -> None:
    """The first begins at once; each gap is up to the share shorter or longer; another seed makes other gaps."""
    step = Stagger((faults.ApiSlow(),) * 5, every_s=2.0, jitter=0.25)

    begins: list[list[float]] = []
    for seed in range(20):
        act = unfold((step,), 0.0, stream(seed)).acts[1]
        assert isinstance(act, AtOnce)
        pauses = [one.acts[0] for one in act.acts if isinstance(one, InOrder)]
        begins.append([pause.seconds for pause in pauses if isinstance(pause, Pause)])

    gaps = [later - sooner for one in begins for sooner, later in pairwise(one)]
    assert all(one[0] == 0.0 and len(one) == 5 for one in begins)
    assert all(1.5 <= gap <= 2.5 for gap in gaps)
    assert len({tuple(one) for one in begins}) == 20


def test_faults_that_stand_in_the_tuple_are_a_sequence_that_draws_as_ever() -> None:
    """A pause before each, no seeds of their own, ids by number and kind."""
    one, two = faults.NodeSilent(), faults.ApiServerKilled()

    assert unfold((one, two), 1.5, stream(1)) == InOrder((
        Pause(1.5), Injection("0-node-silent", one), Pause(1.5), Injection("1-api-server-killed", two),
    ))  # fmt: skip


def test_alternating_takes_turns() -> None:
    """The first, the second, and again."""
    step = Alternate(faults.LeaderMoved(), faults.NodeFlaps(), times=3, pause_s=0.5)

    acts = [act for act in acts_of(unfold((step,), 0.0, stream(1))) if isinstance(act, Injection)]

    assert [act.id for act in acts] == [
        "0-leader-moved", "1-node-flaps", "2-leader-moved", "3-node-flaps", "4-leader-moved", "5-node-flaps",
    ]  # fmt: skip
    assert len({act.seed for act in acts}) == 6


def test_faults_within_faults_are_found() -> None:
    """However deep they stand."""
    both = faults.Together(faults.LeaderMoved(), faults.NodeSilent())
    step = Sequence((After(PATCH, Parallel((both, Once(faults.ApiSlow())))), faults.Compacted()))

    assert list(injected(step)) == [both, faults.ApiSlow(), faults.Compacted()]
    assert [fault.kind for fault in simple(step)] == ["leader-moved", "node-silent", "api-slow", "compacted"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Alternate(faults.LeaderMoved(), faults.NodeFlaps(), times=1), "alternate: times=1"),
        (Alternate(faults.LeaderMoved(), faults.NodeFlaps(), times=61), "alternate: times=61"),
        (Stagger((faults.ApiSlow(),) * 2, every_s=0.0), "stagger: every_s=0.0"),
        (Stagger((faults.ApiSlow(),) * 2, jitter=1.0), "stagger: jitter=1.0"),
        (Stagger((faults.ApiSlow(),)), "stagger: "),
        (Parallel((faults.ApiSlow(),)), "parallel: "),
        (Parallel(()), "parallel: () is too few steps"),
        (Sequence(()), "sequence: () is too few steps"),
        (Sequence((faults.ApiSlow(for_s=-1.0),)), "api-slow: for_s=-1.0"),
        (Sequence((faults.ApiSlow(for_s=float("inf")),)), "api-slow: for_s=inf"),
        (Until(faults.WatchFrozen(), PATCH, deadline_s=float("inf")), "until: deadline_s=inf"),
        (Until(faults.WatchFrozen(), PATCH, deadline_s=float("nan")), "until: deadline_s=nan"),
        (After(PATCH, faults.ApiSlow(), deadline_s=0.0), "after: deadline_s=0.0"),
        (After(PATCH, faults.ApiSlow(), deadline_s=121.0), "after: deadline_s=121.0"),
        (After(OperatorCalls("watch", "nodes"), faults.ApiSlow()), "verb='watch' is not counted"),
        (After(OperatorCalls("patch", ""), faults.ApiSlow()), "resource='' matches nothing"),
        (After(OperatorCalls("patch", "nodes", count=0), faults.ApiSlow()), "operator-calls: count=0"),
        (After(TrafficDone(operations=0), faults.ApiSlow()), "traffic-done: operations=0"),
        (After("soon", faults.ApiSlow()), "'soon' is no trigger"),  # type: ignore[arg-type]
        (Once(Sequence((faults.ApiSlow(),))), "is no fault"),  # type: ignore[arg-type]
        (Sequence(("api-slow",)), "'api-slow' is neither a fault nor a schedule"),  # type: ignore[arg-type]
        (Sequence((faults.ApiSlow(for_s=600.0), faults.ApiSlow(for_s=600.0))), "may last 1203 s"),
    ],
)  # fmt: skip
def test_a_schedule_that_is_none_or_never_ends_is_refused(step: Any, said: str) -> None:
    """One error names the part and its value, and what would do."""
    assert said in refused(step)


@pytest.mark.parametrize("name", ["worker-4", "", "*", "worker"])
@pytest.mark.parametrize(
    "make",
    [
        lambda name: faults.NodeSilent(node=name),
        lambda name: faults.DiscoveryPodDeleted(node=name),
        lambda name: After(DiscoveryPodRunning(name), faults.ApiSlow()),
        lambda name: faults.Together(faults.ApiSlow(), faults.NodeCordoned(node=name)),
    ],
)
def test_a_target_that_matches_nothing_is_an_error(make: Any, name: str) -> None:
    """It never stands for all, nor for any."""
    assert f"no node is called {name!r}" in refused(make(name))


def test_nodes_that_join_can_be_harmed_and_every_discovery_api_at_once() -> None:
    """A node is known when it is the scenario's, or joins; "*" is for discovery alone."""
    joins = faults.NodesJoin((("late-1", NodeProfile()),))
    steps = (joins, faults.NodeSilent(node="late-1"), faults.DiscoveryBroken(node="*"), faults.NodeNeverReady())

    composition.check_all(steps, pause_s=1.0, nodes=NODES, traffic=True)
    assert "is there already" in refused(faults.NodeNeverReady(node="worker-1"))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (faults.ApiServerKilled(), faults.ApiServerHung(), "the API server"),
        (faults.MemberKilled(), faults.DatastoreStopped(), "the datastore"),
        (faults.ServerKilled(), faults.MemberPaused(), "the datastore"),
        (faults.OperatorKilled(), faults.DiscoveryBroken(restart_operator=True), "the operator's process"),
        (faults.NodeSilent(node="worker-1"), faults.NodeCordoned(node="worker-1"), "node worker-1"),
        (faults.NodeSilent(), faults.NodeCordoned(node="worker-1"), "node worker-1"),
        (faults.NodeSilent(), faults.NodeCordoned(), "node that is not named"),
        (faults.NodesDeleted(count=1), faults.NodeCordoned(node="worker-2"), "node worker-2"),
        (faults.DiscoveryBroken(), faults.DiscoveryBroken(node="worker-2"), "the discovery API of node worker-2"),
        (faults.RegistryBroken(), faults.RegistryFlaps(), "the GPU registry"),
    ],
)
def test_what_cannot_be_harmed_twice_is_not_harmed_twice_at_once(one: Any, other: Any, said: str) -> None:
    """In parallel and staggered, in either order and however deep; one after the other is another matter."""
    for step in (
        Parallel((one, Once(other, after_s=2.0))),
        Stagger((other, one)),
        Parallel((faults.ApiSlow(), Parallel((Sequence((faults.ApiSlow(), other)), After(PATCH, one))))),
        faults.Together(one, other),
    ):
        assert f"would harm {said} at the same time" in refused(step)
    composition.check_all((one, other), pause_s=1.0, nodes=NODES, traffic=True)


def test_different_targets_go_together() -> None:
    """Two nodes, or a node and the API server, or rules of the proxy."""
    step = Parallel((
        faults.NodeSilent(node="worker-1"), faults.NodeCordoned(node="worker-2"), faults.ApiServerKilled(),
        faults.ApiSlow(), faults.ApiSlow(),
    ))  # fmt: skip

    composition.check_all((step,), pause_s=1.0, nodes=NODES, traffic=True)


def test_a_trigger_on_traffic_needs_traffic() -> None:
    """It would never fire."""
    assert "traffic-done never fires" in refused(Until(faults.WatchFrozen(), TrafficDone()), traffic=False)


def test_counted_calls_need_the_proxy() -> None:
    """As faults on requests do; other triggers do not."""
    assert composition.needs_proxy((After(PATCH, faults.ApiServerKilled()),))
    assert composition.needs_proxy((Sequence((faults.ApiSlow(),)),))
    assert not composition.needs_proxy((After(RestAnswers(), faults.ApiServerKilled()),))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"schedule": "shuffle"}, "unknown schedule 'shuffle'"),
        ({"schedule": "once", "fault": {"kind": "api-slow"}, "soon": 1}, "has no parameter 'soon'"),
        ({"schedule": "once"}, "schedule once: "),
        ({"schedule": "parallel", "branches": 3}, "parallel: 3 is too few"),
        ({"schedule": "sequence", "steps": [3]}, "3 is neither a fault nor a schedule"),
        ({"schedule": "after", "trigger": {"trigger": "never"}, "then": {"kind": "api-slow"}}, "unknown trigger"),
        ({"kind": "meteor"}, "unknown fault 'meteor'"),
        ("api-slow", "is no step"),
        ([], "is no step"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(body: Any, said: str) -> None:
    """The error names what is unknown."""
    with pytest.raises(UsageError) as caught:
        composition.from_json(body)

    assert said in caught.value.what
