"""A scenario under other names is the same scenario."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness import Churn, faults
from harness.cluster.configfile import Configuration
from harness.cluster.hardware import GPU_MODELS, NodeProfile, registry, under_names
from harness.errors import UsageError
from harness.fault import catalog, composition, naming
from harness.fault.naming import NAMING_NODES, nodes_named
from harness.fault.schedule import injected
from harness.names.naming import LONGEST, USUAL, WORDS
from harness.run.described import scenarios_of
from harness.run.renamed import renamed
from harness.scenario import Scenario, named

ROOT = Path(__file__).resolve().parents[3]
EVERY = scenarios_of(ROOT)
HARM = (
    faults.NodeCordoned(node="worker-2"),
    faults.Together(
        faults.NodesJoin((("late-1", NodeProfile()),)), faults.DiscoveryBroken(mode="late", delay_s=1.0, node="late-1")
    ),
    faults.NodeSilent(),
    faults.DiscoveryBroken(),
)


def under(word: str, **values: Any) -> tuple[Scenario, dict[str, str]]:
    """A scenario under other names, and how its nodes are called."""
    other, noted = renamed(Scenario(id="chaos/x", promises=("TRUTH-1",), **values), word)
    return other, noted["called"]


@pytest.mark.parametrize("word", [*sorted(set(WORDS) - {USUAL}), "1", "64", "253"])
def test_every_scenario_can_be_renamed(word: str) -> None:
    """No node that a scenario or one of its faults named is left with its name, and nothing else is changed."""
    for scenario in EVERY:
        is_the_same_but_for_names(scenario, word)


def is_the_same_but_for_names(scenario: Scenario, word: str) -> None:
    """Asserts it of one scenario."""
    other, noted = renamed(scenario, word)
    called = noted["called"]
    before = {*scenario.nodes, *(name for fault in injected(*scenario.faults) for name in nodes_named(fault))}

    assert set(called) == before - set(scenario.names)
    assert {*other.nodes, *(name for fault in injected(*other.faults) for name in nodes_named(fault))} == {
        called.get(name, name) for name in before
    }
    assert list(other.nodes.values()) == list(scenario.nodes.values())
    assert [fault.kind for fault in other.faults] == [fault.kind for fault in scenario.faults]
    same = ("id", "promises", "objectives", "names", "possible_on", "behind_proxy", "supervised", "quiet_s")
    assert [getattr(other, name) for name in same] == [getattr(scenario, name) for name in same]
    assert (other.traffic is None) is (scenario.traffic is None)
    plan = json.loads(json.dumps(other.as_json()))
    assert tuple(composition.from_json(body) for body in plan["faults"]) == other.faults


def test_usual_names_change_nothing() -> None:
    """Without the option the scenario is the very same."""
    scenario = EVERY[0]

    assert renamed(scenario, USUAL) == (scenario, {"names": USUAL, "called": {}})


def test_faults_name_the_same_nodes_as_before() -> None:
    """Also in faults that are made of faults; every node, no node and words that look like names stay."""
    other, called = under("64", faults=HARM)
    cordoned, together, silent, broken = other.faults

    assert cordoned == faults.NodeCordoned(node=called["worker-2"])
    assert together == faults.Together(
        faults.NodesJoin(((called["late-1"], NodeProfile()),)),
        faults.DiscoveryBroken(mode="late", delay_s=1.0, node=called["late-1"]),
    )
    assert (silent, broken) == (HARM[2], HARM[3])


def test_a_word_that_is_also_a_nodes_name_stays_a_word() -> None:
    """The discovery of a node called late may be late."""
    fault = faults.DiscoveryBroken(mode="late", delay_s=1.0, node="late")

    other, called = under("digits", nodes=named("late"), faults=(fault,))

    assert other.faults == (dataclasses.replace(fault, node=called["late"]),)


def test_what_the_scenario_is_about_keeps_its_name() -> None:
    """Names for NAMES-1, models and traffic that the scenario itself has named are left as they are."""
    other, called = under(
        LONGEST, nodes=named("usual", "a"), names=("a",), models={"a100": "x"}, traffic=Churn(named="digits")
    )

    assert set(called) == {"usual"}
    assert "a" in other.nodes
    assert other.models["a100"] == "x"
    assert other.traffic == Churn(named="digits")


@dataclasses.dataclass(frozen=True, slots=True)
class Renamed:
    """A fault of a machine that leaves as one node and joins as another, while an object is out of reach."""

    node: str | None
    becomes: str
    name: str
    kind: ClassVar[str] = "renamed"


@pytest.mark.parametrize(("name", "then"), [("worker-1", "long-1"), ("web-0", "web-0"), ("", "")])
def test_the_name_of_an_object_is_a_nodes_where_there_is_such_a_node(name: str, then: str) -> None:
    """Another object keeps its name, and is not taken for a node; what a node becomes is one."""
    fault: Any = Renamed("worker-1", "late", name)

    assert nodes_named(fault) == {"worker-1", "late"}
    assert naming.under_names(fault, {"worker-1": "long-1", "late": "long-2"}) == Renamed("long-1", "long-2", then)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("^worker-2$", "^(?:b)$"),
        ("worker", "^(?:a|b)$"),
        ("^w", "^(?:w|a|b)$"),
        ("-[13]$", "^(?:a)$"),
        ("^nobody$", "^nobody$"),
        ("worker-(", "worker-("),
    ],
)
def test_an_expression_finds_the_nodes_that_it_found(expression: str, found: str) -> None:
    """In the configuration and in faults that change it; one that finds nobody, or is none, stays as it is."""
    other, called = under(
        "shortest",
        nodes=named("worker-1", "worker-2", "w"),
        names=("w",),
        config=Configuration(exclude=(expression,), volume=True),
        faults=(faults.ConfigChanged(exclude=(expression, "x"), how="configmap-swap"),),
    )

    assert called == {"worker-1": "a", "worker-2": "b"}
    assert other.config == Configuration(exclude=(found,), volume=True)
    assert other.faults == (faults.ConfigChanged(exclude=(found, "x"), how="configmap-swap"),)


@pytest.mark.parametrize(
    ("fault", "length"),
    [(faults.ForeignPod(), 165), (faults.LeftoverPods(), 165), (faults.DiscoveryPodDeleted(), 253)],
    ids=lambda value: getattr(value, "kind", None),
)
def test_a_fault_that_needs_the_contracts_pod_name_finds_room_for_it(fault: faults.Fault, length: int) -> None:
    """Where a stranger takes a discovery pod's name no node's name is too long for that."""
    _, called = under(LONGEST, faults=(fault,))

    assert {len(name) for name in called.values()} == {length}


def test_models_are_renamed_wherever_they_are_named() -> None:
    """The registry's content, and what a fault changes it to, get names of the same sort, all different."""
    changed = faults.RegistryChanged(names=(("a100", "a100-80g"),))
    other, _ = under("fitting", faults=(changed, faults.RegistryFlaps()))
    content = under_names(registry(names=dict(changed.names)), other.models)

    names = [device["name"] for vendor in content.values() for device in vendor["devices"].values()]
    assert set(other.models) == {*GPU_MODELS, "a100-80g"}
    assert len(set(names)) == len(GPU_MODELS)
    assert len(other.models["a100-80g"]) == len(other.models["a100"]) == 12
    assert set(names).isdisjoint({*GPU_MODELS, "a100-80g"})


def test_an_unknown_word_is_refused() -> None:
    """The error shows it."""
    with pytest.raises(UsageError, match="'meteor'"):
        under("meteor")


def test_a_parameter_that_names_a_node_is_known() -> None:
    """A new kind of fault calls it node, nodes or gone, or is not renamed: then this list is too short."""
    suspicious = {
        (kind.kind, field.name)
        for kind in catalog.KINDS.values()
        for field in dataclasses.fields(kind)
        if "node" in field.name or field.name in {"gone", "worker", "host", "on"}
    }

    assert {name for _, name in suspicious} <= NAMING_NODES
