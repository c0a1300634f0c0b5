"""The same scenario under other names (`--names`).

One mapping of old names to new ones is applied to all of the plan: to the nodes, to every fault that names one, to what
traffic makes, and to the GPU models of the registry. What a scenario names for its own sake (`names`, `models`,
traffic's `named`) stays as it is: it is what the scenario is about.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from harness.cluster.hardware import GPU_MODELS, GpuModel
from harness.fault import naming as named
from harness.fault.schedule import injected
from harness.names.limits import FITTING, NODE, SUBDOMAIN, of_model
from harness.names.naming import USUAL, parse

if TYPE_CHECKING:
    from harness.names.limits import Limit
    from harness.names.naming import Naming
    from harness.scenario import Scenario


def renamed(scenario: Scenario, word: str) -> tuple[Scenario, dict[str, Any]]:
    """The scenario with its nodes, namespaces, pods and GPU models named so, and what is to be noted of it.

    Noted are {"names": the word, "called": {old name of a node: new name}}. Raises UsageError for an unknown word.
    """
    naming = parse(word)
    nodes = node_names(scenario, naming)
    noted = {"names": naming.word, "called": nodes}
    if naming.usual:
        return scenario, noted
    every = {**{name: name for name in scenario.names}, **nodes}
    traffic = scenario.traffic
    if traffic is not None and traffic.named == USUAL:
        traffic = dataclasses.replace(traffic, named=naming.word)
    other = dataclasses.replace(
        scenario,
        nodes={nodes.get(name, name): profile for name, profile in scenario.nodes.items()},
        faults=tuple(named.under_names(fault, every) for fault in scenario.faults),
        traffic=traffic,
        config=named.under_names(scenario.config, every),
        pods=named.under_names(scenario.pods, every),
        models={**_model_names(scenario, naming), **scenario.models},
    )
    return other, noted


def node_names(scenario: Scenario, naming: Naming) -> dict[str, str]:
    """The new name of each node of the scenario, and of each that only a fault names.

    Where a fault puts a pod in the place of a discovery pod, each name leaves room for the contract's name of that pod.
    """
    every = {*scenario.nodes, *(name for fault in injected(*scenario.faults) for name in named.nodes_named(fault))}
    most = FITTING[NODE] if any(named.needs_pod_name(fault) for fault in injected(*scenario.faults)) else SUBDOMAIN
    return naming.nodes(every, keep=scenario.names, most=most)


def _model_names(scenario: Scenario, naming: Naming) -> dict[str, str]:
    """The new name of every model that the registry knows, and of what faults call them."""
    products = dict(GPU_MODELS)
    for fault in injected(*scenario.faults):
        products |= {new: GPU_MODELS[old] for old, new in named.models_named(fault) if old in GPU_MODELS}
    return naming.models({name: _limits(product) for name, product in products.items()})


def _limits(product: GpuModel) -> tuple[Limit, ...]:
    return of_model(product.vendor, interface=product.interface, memory_size=product.memory_size)
