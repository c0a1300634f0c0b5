"""A scenario comes back from its plan as it was, however it was made; what is none is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import faults, schedules
from harness.cluster.configfile import Configuration
from harness.cluster.datastore import KINDS
from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.errors import UsageError
from harness.fault.schedule import triggers
from harness.names.naming import WORDS
from harness.run import plan as plans
from harness.run.described import scenarios_of
from harness.run.plan import Plan
from harness.run.renamed import renamed
from harness.scenario import Scenario, two_sizes
from harness.traffic.pods import Churn
from harness.traffic.standing import PHASES, Container, Pod

ROOT = Path(__file__).resolve().parents[3]

SECONDS = st.floats(0, 60)
PROFILES = st.one_of(
    st.builds(NodeProfile, cpus=st.integers(1, 64), memory_mib=st.integers(2048, 1 << 20)),
    st.builds(NodeProfile, gpu=st.sampled_from(sorted(GPU_MODELS)), gpus=st.integers(1, 8)),
    st.builds(
        NodeProfile,
        exact=st.sampled_from([(), (("cpu", "3999m", "3.5"), ("nvidia.com/gpu", "2", ""))]),
        taints=st.sampled_from([(), (("own/only", "NoSchedule"),)]),
        cordoned=st.booleans(),
        silent=st.booleans(),
    ),
)
TRAFFIC = st.builds(Churn, rate=st.floats(0.5, 50), plain=st.booleans(), named=st.sampled_from(sorted(WORDS)))
NODES = ("worker-1", "worker-2", "worker-3")
CONTAINERS = st.builds(Container, requests=st.sampled_from([{}, {"cpu": "333m", "amd.com/gpu": "1"}]))
PODS = st.builds(
    Pod,
    name=st.sampled_from(["web-1", "web-2", "job"]),
    namespace=st.sampled_from(["default", "tenant-x"]),
    node=st.sampled_from(NODES),
    containers=st.tuples(CONTAINERS, st.builds(Container, init=st.just(True), stays=st.booleans())),
    overhead=st.sampled_from([{}, {"cpu": "10m"}]),
    memory=st.sampled_from([(), ("64Mi",)]),
    phase=st.sampled_from(PHASES),
)
FAULTS = st.one_of(
    st.builds(faults.ApiServerKilled, for_s=SECONDS),
    st.builds(faults.NodeSilent, for_s=SECONDS, node=st.sampled_from([None, *NODES])),
    st.builds(faults.NodeReplaced, becomes=PROFILES),
    st.builds(faults.NodesJoin, nodes=st.tuples(st.tuples(st.just("late-1"), PROFILES))),
    st.builds(
        faults.AllocatableChanged,
        changes=st.tuples(st.tuples(st.just("nvidia.com/gpu"), st.sampled_from([None, "3"]))),
    ),
    st.builds(faults.ApiSlow, delay_s=st.floats(0.1, 5)),
    st.just(faults.Together(faults.ApiServerHung(), faults.NodeCordoned(node="worker-1"))),
)  # fmt: skip
TRIGGERS = st.one_of(
    st.builds(schedules.OperatorCalls, verb=st.sampled_from(["patch", "list"]), resource=st.just("nodes")),
    st.builds(schedules.TrafficDone, operations=st.integers(1, 100)),
    st.just(schedules.RestAnswers()),
)
STEPS = st.one_of(
    FAULTS,
    st.builds(schedules.Once, fault=FAULTS, after_s=SECONDS),
    st.builds(schedules.Until, fault=FAULTS, trigger=TRIGGERS, deadline_s=st.floats(1, 60)),
    st.builds(schedules.After, trigger=TRIGGERS, then=FAULTS, deadline_s=st.floats(1, 60)),
    st.builds(schedules.Sequence, steps=st.lists(FAULTS, min_size=1, max_size=3).map(tuple), pause_s=SECONDS),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any scenario with traffic, or without schedules that wait for it."""
    supervised = draw(st.booleans())
    steps = draw(st.lists(STEPS, max_size=3))
    waits = any(isinstance(trigger, schedules.TrafficDone) for trigger in triggers(*steps))
    return Scenario(
        id=draw(st.sampled_from(["chaos/x", "conformance/a-b", "one"])),
        promises=tuple(draw(st.lists(st.sampled_from(["TRUTH-1", "AVAIL-1", "RECOVER-1"]), min_size=1, unique=True))),
        nodes={name: draw(PROFILES) for name in NODES},
        faults=tuple(steps),
        traffic=draw(TRAFFIC if waits else st.one_of(st.none(), TRAFFIC)),
        objectives=draw(st.dictionaries(st.sampled_from(["TRUTH-1", "AVAIL-1"]), st.floats(0, 600))),
        supervised=supervised,
        liveness=supervised and draw(st.booleans()),
        quiet_s=draw(SECONDS),
        pause_s=draw(SECONDS),
        observe_s=draw(SECONDS),
        names=draw(st.sampled_from([(), ("worker-1",)])),
        datastores=draw(st.sampled_from([KINDS, ("etcd",), ("sqlite", "postgres")])),
        pinned=draw(st.booleans()),
        quota_mib=draw(st.integers(0, 64)),
        proxied=draw(st.booleans()),
        config=draw(st.sampled_from([None, Configuration(), Configuration(exclude=("^a", "b$"), volume=True)])),
        models=draw(st.sampled_from([{}, {"a100": "other"}])),
        pods=tuple(draw(st.lists(PODS, max_size=3, unique_by=lambda pod: (pod.namespace, pod.name)))),
    )  # fmt: skip


def again(scenario: Scenario) -> Scenario:
    """The scenario after the journey through a file."""
    return Scenario.from_json(json.loads(json.dumps(scenario.as_json())))


@given(scenarios())
def test_any_scenario_survives_its_plan(scenario: Scenario) -> None:
    """All that it is comes back; that its faults need the proxy is then said by itself."""
    assert again(scenario) == scenario
    assert again(scenario).as_json() == scenario.as_json()


def test_every_scenario_of_the_suite_survives_its_plan_under_any_names() -> None:
    """Whatever the suite declares can be repeated from a bundle alone, also when it was renamed."""
    found = scenarios_of(ROOT)
    assert len(found) > 100
    for scenario in found:
        for word in ("usual", "dotted"):
            other, _named = renamed(scenario, word)
            assert again(other) == other, (scenario.id, word)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    """Seed, names, datastore and version come back with the scenario."""
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), nodes=two_sizes(), proxied=True)
    plan = Plan(scenario, 11, "sqlite", "dotted", {"worker-1": "w.x"}, settle=True, kubernetes="v1.34.4")

    plan.write(tmp_path)

    assert plans.from_json(json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))) == plan
    assert plan.label == "chaos/x@sqlite"


GOOD = Plan(Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(faults.NodeSilent(),)), 7).as_json()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quiet_s": "long"}, "quiet_s is 'long', which is not float"),
        ({"quiet_s": True}, "quiet_s is 'True', which is not float"),
        ({"servers": 1.5}, "servers is '1.5', which is not int"),
        ({"servers": 7}, "servers=7 is out of range"),
        ({"promises": "TRUTH-1"}, "promises is 'TRUTH-1', which is not a list"),
        ({"promises": [1]}, "promises[0] is '1', which is not str"),
        ({"nodes": ["worker-1"]}, "which is not an object"),
        ({"nodes": {"worker-1": {"cpus": "many"}}}, "nodes[worker-1]: cpus is 'many'"),
        ({"nodes": {"worker-1": {"wheels": 4}}}, "'wheels', which is not known"),
        ({"nodes": {"UPPER": {}}}, "is not a node name"),
        ({"traffic": {"rate": -1.0}}, "rate=-1"),
        ({"faults": [{"kind": "earthquake"}]}, "unknown fault 'earthquake'"),
        ({"faults": [{"kind": "nodes-join", "nodes": 5}]}, "not iterable"),
        ({"faults": [7]}, "is no step of a schedule"),
        ({"quantum": 1}, "'quantum', which is not known"),
        ({"datastores": ["oracle"]}, "'oracle'"),
        ({"config": {"exclude": [None]}}, "exclude[0] is 'None'"),
    ],
)
def test_a_scenario_that_was_changed_is_refused(changes: dict[str, Any], said: str) -> None:
    """The error names the place and the value, and gives a hint."""
    with pytest.raises(UsageError) as caught:
        plans.from_json({**GOOD, "scenario": {**GOOD["scenario"], **changes}})

    assert said in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "there is no plan"),
        ({}, "there is no plan"),
        ({"scenario": 5}, "there is no plan"),
        ({**GOOD, "seed": "7"}, "seed is '7'"),
        ({**GOOD, "seed": -1}, "seed -1 is out of range"),
        ({**GOOD, "datastore": "oracle"}, "datastore 'oracle'"),
        ({**GOOD, "scenario": {"id": "chaos/x"}}, "promises"),
    ],
)
def test_what_is_no_plan_is_refused(body: Any, said: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(UsageError, match=said):
        plans.from_json(body)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@given(st.sampled_from(sorted(GOOD["scenario"])), JSON)
def test_no_plan_breaks_the_harness(key: str, value: Any) -> None:
    """Whatever stands in the place of a field, it makes a scenario or gives one clear error."""
    with contextlib.suppress(UsageError):
        assert plans.from_json({**GOOD, "scenario": {**GOOD["scenario"], key: value}}).scenario.as_json()


@given(st.sampled_from(sorted(GOOD["scenario"]["faults"][0])), JSON)
def test_no_fault_of_a_plan_breaks_the_harness(key: str, value: Any) -> None:
    """The same for the parameters of a fault."""
    fault = {**GOOD["scenario"]["faults"][0], key: value}
    with contextlib.suppress(UsageError):
        assert plans.from_json({**GOOD, "scenario": {**GOOD["scenario"], "faults": [fault]}}).scenario.faults
