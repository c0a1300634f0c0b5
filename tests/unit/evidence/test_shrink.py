"""What is not needed is left out, and what is left still shows it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness import faults, schedules
from harness.cluster.configfile import Configuration
from harness.cluster.hardware import NodeProfile
from harness.evidence import parts
from harness.evidence.shrink import Shrinker, Spent, Step
from harness.fault.schedule import injected, simple
from harness.run.plan import Plan
from harness.run.renamed import renamed
from harness.scenario import Scenario, simulated, two_sizes
from harness.traffic.pods import Churn
from harness.traffic.standing import Container, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BIG = Scenario(
    id="chaos/big",
    promises=("TRUTH-1", "TRUTH-3", "SURVIVE-1", "RECOVER-1"),
    nodes={**two_sizes(), **simulated(6, prefix="more")},
    faults=(
        faults.ApiServerKilled(for_s=6.0),
        schedules.Until(faults.NodeSilent(node="worker-2", for_s=8.0), schedules.TrafficDone(30)),
        faults.Together(faults.ApiServerHung(for_s=4.0), faults.NodeDeleted(node="worker-3")),
        faults.NodeCordoned(node="more-4"),
    ),
    traffic=Churn(rate=12.0, live=40),
    objectives={"TRUTH-1": 8.0, "TRUTH-3": 9.0},
    supervised=True,
    liveness=True,
    proxied=True,
    config=Configuration(exclude=("^no-such",)),
)


def shrunk(
    scenario: Scenario, shows: Callable[[Scenario], bool], *, most: int = 10_000, called: dict[str, str] | None = None
) -> tuple[Shrinker, int, bool]:
    """The search with an oracle that knows; how many scenarios it was asked about, and whether it came to its end."""
    asked = 0

    def oracle(tried: Sequence[Scenario]) -> int | None:
        nonlocal asked
        if asked >= most:
            raise Spent
        asked += len(tried)
        return next((index for index, one in enumerate(tried) if shows(one)), None)

    shrinker = Shrinker(Plan(scenario, 7, called=called or {}), ("TRUTH-1",), (), oracle)
    whole = shrinker.run()
    return shrinker, asked, whole


def kinds(scenario: Scenario) -> set[str]:
    """Which simple faults it has."""
    return {fault.kind for fault in simple(*scenario.faults)}


def test_one_fault_on_one_node_is_found_in_a_crowd() -> None:
    """Whatever else there was is gone: other faults, schedules, nodes, traffic, supervisor, proxy, file, promises."""

    def shows(one: Scenario) -> bool:
        return "node-silent" in kinds(one) and "worker-2" in one.nodes

    shrinker, asked, whole = shrunk(BIG, shows)

    assert whole
    assert shrinker.best == Scenario(
        id="chaos/big",
        promises=("TRUTH-1",),
        nodes={"worker-2": NodeProfile()},
        faults=(faults.NodeSilent(node="worker-2", for_s=0.5),),
        traffic=None,
        pause_s=0.5,
    )
    assert asked < 80
    assert all(shows(step.scenario) for step in shrinker.steps)


def test_what_is_needed_together_stays_together() -> None:
    """Two faults, a trigger and traffic that it waits for are kept where nothing less shows it."""

    def shows(one: Scenario) -> bool:
        waits = any(isinstance(step, schedules.Until) for step in one.faults)
        return waits and {"node-silent", "node-deleted"} <= kinds(one) and one.traffic is not None

    shrinker, _asked, _whole = shrunk(BIG, shows)

    best = shrinker.best
    assert kinds(best) == {"node-silent", "node-deleted"}
    assert list(best.nodes) == ["worker-2", "worker-3"]
    assert best.traffic == Churn(rate=12.0, live=1, least=1, names=1, labels=False, plain=True)


def test_a_duration_that_matters_stays_long() -> None:
    """It is made as short as still shows it, nearly."""

    def shows(one: Scenario) -> bool:
        killed = [fault for fault in injected(*one.faults) if isinstance(fault, faults.ApiServerKilled)]
        return any(fault.for_s >= 5.0 for fault in killed)

    shrinker, _asked, _whole = shrunk(BIG, shows)

    (fault,) = shrinker.best.faults
    assert isinstance(fault, faults.ApiServerKilled)
    assert 5.0 <= fault.for_s <= 5.7


def test_a_finding_without_harm_needs_none() -> None:
    """Where traffic alone shows it, all faults go."""
    shrinker, _asked, _whole = shrunk(BIG, lambda one: one.traffic is not None and not one.traffic.plain)

    assert shrinker.best.faults == ()
    assert len(shrinker.best.nodes) == 1


def test_names_become_usual_where_they_do_not_matter() -> None:
    """A plan under other names goes back to those of its scenario, in nodes, faults, pods and models."""
    other, named = renamed(dataclasses.replace(BIG, config=None), "dotted")

    shrinker, _asked, _whole = shrunk(other, lambda one: "node-silent" in kinds(one), called=named["called"])

    assert list(shrinker.best.nodes) == ["worker-2"]
    assert shrinker.best.models == {}
    kept, _asked, _whole = shrunk(other, lambda one: any("." in name for name in one.nodes), called=named["called"])
    assert all("." in name for name in kept.best.nodes)


def test_drawn_targets_are_named_first() -> None:
    """So that other faults do not choose anew when one is left out; a target that is no node is left open."""
    drawn = (faults.NodeSilent(), faults.ApiServerKilled(), faults.NodeCordoned())
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), faults=drawn)
    chosen = (
        ("0-node-silent", "node-silent", "worker-3"),
        ("1-api-server-killed", "api-server-killed", "kube-apiserver"),
        ("2-node-cordoned", "node-cordoned", "worker-1"),
    )

    pinned = parts.pinned(scenario, chosen).faults

    assert pinned == (faults.NodeSilent(node="worker-3"), drawn[1], faults.NodeCordoned(node="worker-1"))
    assert parts.pinned(scenario, chosen[:2]) == scenario
    assert parts.pinned(scenario, (("0", "node-silent", "gone"), *chosen[1:])).faults[0] == drawn[0]


def test_a_search_that_is_spent_keeps_what_it_has() -> None:
    """When there are no more runs, the smallest that was found stands, and is not called the least."""
    shrinker, asked, whole = shrunk(BIG, lambda one: "node-silent" in kinds(one), most=6)

    assert not whole
    assert asked < 20
    assert shrinker.steps
    assert "node-silent" in kinds(shrinker.best)


def test_each_step_is_told() -> None:
    """Whoever waits sees what was left out, and that nothing was where nothing can be."""
    told: list[Step] = []
    shrinker = Shrinker(Plan(BIG, 7), ("TRUTH-1",), (), lambda _tried: 0 if len(told) < 3 else None, told.append)

    shrinker.run()

    assert [step.said for step in told] == [step.said for step in shrinker.steps]
    assert told[0].said == "judged on its broken promises alone"
    nothing = Shrinker(Plan(BIG, 7), BIG.promises, (), lambda _tried: None)
    assert nothing.run()
    assert nothing.best == BIG


def test_another_datastore_than_the_usual_is_part_of_the_scenario() -> None:
    """What was run on three members says so by itself, and goes to one where that shows it as well."""
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(faults.ApiServerKilled(),))
    stays = Shrinker(Plan(scenario, 7, "sqlite"), ("TRUTH-1",), (), lambda _tried: None)
    stays.run()
    assert stays.best.datastores == ("sqlite",)

    moves = Shrinker(Plan(scenario, 7, "sqlite"), ("TRUTH-1",), (), lambda _tried: 0)
    moves.run()
    assert moves.best.datastores == ("etcd",)


@pytest.mark.parametrize(
    ("step", "ways"),
    [
        (faults.NodeSilent(), 0),
        (schedules.Once(faults.NodeSilent(), after_s=3.0), 1),
        (schedules.After(schedules.RestAnswers(), faults.NodeSilent()), 1),
        (schedules.Parallel((faults.NodeSilent(node="a"), faults.ApiSlow())), 3),
        (schedules.Alternate(faults.NodeSilent(), faults.ApiSlow(), times=4), 3),
        (faults.Together(faults.NodeSilent(), faults.ApiSlow()), 3),
    ],
)
def test_every_schedule_has_simpler_ones(step: schedules.Step, ways: int) -> None:
    """Each is made of what it was made of."""
    found = list(parts.simpler(step))

    assert len(found) == ways
    assert all(set(simple(*steps)) <= set(simple(step)) for _said, steps in found)


TWO = (Container({"cpu": "1"}), Container({"cpu": "2"}, init=True))
PODS = tuple(Pod(f"web-{number}", f"worker-{1 + number % 3}", "tenant-x", TWO) for number in range(9))


def test_of_many_pods_those_are_left_that_it_takes() -> None:
    """Pods go, with their nodes and one by one, and those that stay become the plainest that show it."""
    scenario = Scenario(id="captured/x", promises=("TRUTH-1",), pods=PODS, traffic=None)

    def shows(one: Scenario) -> bool:
        return {"web-4", "web-7"} <= {pod.name for pod in one.pods}

    shrinker, _asked, whole = shrunk(scenario, shows)

    assert whole
    assert [(pod.name, pod.namespace, len(pod.containers)) for pod in shrinker.best.pods] == [
        ("web-4", "default", 1), ("web-7", "default", 1),
    ]  # fmt: skip
    assert set(shrinker.best.nodes) == {"worker-2"}


def test_a_node_goes_with_its_pods_and_never_without() -> None:
    """A scenario whose pod is on no node is never tried."""
    scenario = Scenario(id="captured/x", promises=("TRUTH-1",), pods=PODS[:1], traffic=None)
    shrinker, _asked, _whole = shrunk(scenario, lambda one: "worker-3" in one.nodes)

    assert set(shrinker.best.nodes) == {"worker-3"}
    assert shrinker.best.pods == ()
