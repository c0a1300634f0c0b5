"""The parts of a scenario that can be left out, made shorter or made simpler; each as another scenario.

Pure. A variant that cannot be carried out (a fault names a node that is gone, a schedule waits for traffic that is not
there) is refused by the scenario itself, with UsageError, when it is made.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from harness.cluster.datastore import ETCD
from harness.cluster.hardware import NodeProfile
from harness.fault import naming
from harness.fault.schedule import After, Alternate, Once, Parallel, Sequence, Stagger, Until
from harness.fault.together import Together
from harness.names.naming import USUAL
from harness.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.evidence.replay import Choice
    from harness.fault.schedule import Step
    from harness.run.plan import Plan

Variant = tuple[str, "Callable[[], Scenario]"]
"""What it does, in words, and how it is made (raises UsageError where it cannot be)."""

Path = tuple[str | int, ...]
"""Where a value stands in nested data: names of fields and indices."""

DURATIONS = frozenset({"for_s", "pause_s", "after_s", "every_s"})
COUNTS = frozenset({"times", "count", "kills"})
SHORTEST_S = 0.5

_DEFAULTS = {field.name: field for field in dataclasses.fields(Scenario)}
_EXTRAS = (
    "traffic", "liveness", "supervised", "servers", "pinned", "quota_mib", "proxied", "config", "models", "objectives",
    "names",
)  # fmt: skip
"""What a scenario may have beside nodes and faults, by field; without it the field has its default."""

_WITHOUT: Mapping[str, Any] = {"traffic": None}


def without_extras(scenario: Scenario) -> Iterator[Variant]:
    """Without all extras, then without each."""
    there = {name: plain for name in _EXTRAS if getattr(scenario, name) != (plain := _without(name))}
    if len(there) > 1:
        yield f"without {', '.join(there)}", lambda: dataclasses.replace(scenario, **there)
    for name, plain in there.items():
        yield f"without {name}", _with(scenario, **{name: plain})
    if scenario.possible_on[0] != ETCD:
        yield f"on {ETCD}", _with(scenario, datastores=(ETCD,))


def _without(name: str) -> Any:
    if name in _WITHOUT:
        return _WITHOUT[name]
    field = _DEFAULTS[name]
    return field.default_factory() if callable(field.default_factory) else field.default


def _with(scenario: Scenario, **changes: Any) -> Callable[[], Scenario]:
    return lambda: dataclasses.replace(scenario, **changes)


def usual_names(plan: Plan) -> Scenario:
    """The plan's scenario with its nodes, pods and models called as the scenario has them."""
    scenario = plan.scenario
    back = {new: old for old, new in plan.called.items()}
    traffic = scenario.traffic
    return dataclasses.replace(
        scenario,
        nodes={back.get(name, name): profile for name, profile in scenario.nodes.items()},
        faults=tuple(naming.under_names(fault, back) for fault in scenario.faults),
        traffic=None if traffic is None else dataclasses.replace(traffic, named=USUAL),
        config=naming.under_names(scenario.config, back),
        pods=naming.under_names(scenario.pods, back),
        models={},
    )


def pinned(scenario: Scenario, choices: tuple[Choice, ...]) -> Scenario:
    """The scenario whose drawn targets are named, so that leaving a fault out does not make others choose anew.

    Only of faults that stand in the scenario's tuple itself, and whose target was a node of its own.
    """
    faults = list(scenario.faults)
    if len(choices) != len(faults):
        return scenario
    for index, ((_id, kind, target), fault) in enumerate(zip(choices, faults, strict=True)):
        if getattr(fault, "kind", "") == kind and getattr(fault, "node", "") is None and target in scenario.nodes:
            faults[index] = dataclasses.replace(fault, node=target)  # type: ignore[type-var]
    return dataclasses.replace(scenario, faults=tuple(faults))


def simpler(step: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """What a schedule, or a fault made of faults, may be replaced by, the simplest first."""
    match step:
        case Once() | Until():
            yield f"{step.fault.kind} without {step.kind}", (step.fault,)
        case After():
            yield f"{step.kind} without its trigger", (step.then,)
        case Sequence():
            yield "steps without their sequence", step.steps
        case Parallel():
            yield from ((f"one branch of {step.kind} alone", (branch,)) for branch in step.branches)
            yield "branches one after another", step.branches
        case Stagger():
            yield from ((f"one step of {step.kind} alone", (one,)) for one in step.steps)
            yield "steps one after another", step.steps
        case Alternate() | Together():
            yield f"the first of {step.kind} alone", (step.first,)
            yield f"the second of {step.kind} alone", (step.second,)
            yield f"{step.kind} once, one after the other", (step.first, step.second)


def simpler_steps(scenario: Scenario) -> Iterator[Variant]:
    """The scenario with one of its steps, or one within a step, replaced by something simpler."""
    for index, step in enumerate(scenario.faults):
        before, after = scenario.faults[:index], scenario.faults[index + 1 :]
        for said, steps in simpler(step):
            yield said, _with(scenario, faults=(*before, *steps, *after))
        for path, inner in places(step):
            if path:
                for said, steps in simpler(inner):
                    if len(steps) == 1:
                        yield said, _with(scenario, faults=(*before, replaced(step, path, steps[0]), *after))


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value within nested dataclasses and tuples, with its place, the outer ones first. Profiles are whole."""
    yield path, value
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif dataclasses.is_dataclass(value) and not isinstance(value, NodeProfile | type):
        for field in dataclasses.fields(value):
            if field.init:
                yield from places(getattr(value, field.name), (*path, field.name))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The same value with something else at that place."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, tuple):
        return tuple(replaced(item, rest, new) if index == head else item for index, item in enumerate(value))
    return dataclasses.replace(value, **{str(head): replaced(getattr(value, str(head)), rest, new)})


def numbers(scenario: Scenario) -> Iterator[tuple[Path, str, float, float]]:
    """The durations and counts of faults and schedules, and the scenario's own: (place, name, value, least to try)."""
    for path, value in places(scenario.faults):
        name = str(path[-1]) if path else ""
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name in DURATIONS and value > SHORTEST_S:
            yield ("faults", *path), name, float(value), SHORTEST_S
        elif name in COUNTS and isinstance(value, int) and value > 1:
            yield ("faults", *path), name, value, 1
    for name in ("pause_s", "observe_s"):
        value = getattr(scenario, name)
        if value > SHORTEST_S and (name == "pause_s") is bool(scenario.faults):
            yield (name,), name, value, SHORTEST_S


def with_number(scenario: Scenario, path: Path, value: float) -> Scenario:
    """The scenario with another number at that place."""
    changed: Scenario = replaced(scenario, path, value)
    return changed


def shortest(scenario: Scenario) -> Scenario:
    """The scenario with all of its numbers at the least that is tried."""
    for path, _name, _value, least in list(numbers(scenario)):
        scenario = with_number(scenario, path, least)
    return scenario


def less_traffic(scenario: Scenario) -> Iterator[Variant]:
    """Plain pods, no labels, fewer pods and names, fewer operations, the largest steps first."""
    traffic = scenario.traffic
    if traffic is None:
        return
    changes: list[tuple[str, dict[str, Any]]] = []
    if not traffic.plain:
        changes.append(("with plain pods", {"plain": True}))
    if traffic.labels:
        changes.append(("without foreign labels", {"labels": False}))
    changes += [(f"with {live} pods at most", {"live": live}) for live in (1, 2, 4, 8) if live < traffic.live]
    changes += [(f"with {names} names", {"names": names}) for names in (1, 2) if names < traffic.names]
    changes += [(f"with {n} operations at least", {"least": n}) for n in (1, 5) if n < traffic.least]
    for said, change in changes:
        yield said, _with(scenario, traffic=dataclasses.replace(traffic, **change))


def plain_profiles(scenario: Scenario) -> Iterator[Variant]:
    """All nodes of the plainest kind, then each: with one GPU, and with none."""
    plainest = NodeProfile()
    if all(profile == plainest for profile in scenario.nodes.values()):
        return
    yield "with plain nodes", _with(scenario, nodes=dict.fromkeys(scenario.nodes, plainest))
    for name, profile in scenario.nodes.items():
        tries = [plainest, *([NodeProfile(gpu=profile.gpu, gpus=1)] if profile.gpu else [])]
        for other in tries:
            if other != profile:
                yield f"with a plainer {name}", _with(scenario, nodes={**scenario.nodes, name: other})


def simpler_pods(scenario: Scenario) -> Iterator[Variant]:
    """Each standing pod as one that runs, in the usual namespace, and with the first regular container alone."""
    for index, pod in enumerate(scenario.pods):
        before, after = scenario.pods[:index], scenario.pods[index + 1 :]
        one = next(container for container in pod.containers if not container.init)
        for other in (
            dataclasses.replace(pod, namespace="default"),
            dataclasses.replace(pod, requests={}, overhead={}, memory=()),
            dataclasses.replace(pod, containers=(one,)),
        ):
            if other != pod:
                yield f"with a simpler pod {pod.name}", _with(scenario, pods=(*before, other, *after))
