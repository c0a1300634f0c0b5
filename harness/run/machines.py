"""A scenario on real nodes: they take the place of the simulated ones that it declares.

The first of them, by name, stand for those that faults may name; traffic is made as small as they need it. It is done
once the cluster is there, since nobody knows a real node before. What stood for what is a mark in the history.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import ClusterError
from harness.fault import naming as named
from harness.names.naming import USUAL
from harness.traffic import real

if TYPE_CHECKING:
    from harness.cluster.base import Ground
    from harness.history.writer import HistoryWriter
    from harness.scenario import Scenario


def names(scenario: Scenario, word: str) -> tuple[str, ...]:
    """What real nodes are to be called: as those for which they stand, where names are what it is about, or asked for.

    `word`: of `--names`, under whose names the scenario is already. () leaves them to the backend.
    """
    asked = bool(scenario.names) or word != USUAL
    return tuple(sorted(scenario.nodes)[: scenario.machines]) if asked else ()


def settled(scenario: Scenario, ground: Ground, history: HistoryWriter) -> Scenario:
    """The scenario on these nodes; raises ClusterError when there are too few of them."""
    made, called = on(scenario, ground)
    history.add("mark", mark="machines", detail={"called": called, "nodes": sorted(ground.nodes)})
    return made


def on(scenario: Scenario, ground: Ground) -> tuple[Scenario, dict[str, str]]:
    """The scenario on these nodes, and which of them stands for which of its own; pure."""
    there = sorted(ground.nodes)
    if len(there) < scenario.machines:
        raise ClusterError(
            f"{scenario.id} needs {scenario.machines} real nodes, and may use {len(there)}: {', '.join(there)}",
            hint="a cluster with more nodes, or leave to use more of them",
        )
    called = dict(zip(sorted(scenario.nodes), there, strict=False))
    made = dataclasses.replace(
        scenario,
        nodes=dict(ground.nodes),
        faults=tuple(named.under_names(fault, called) for fault in scenario.faults),
        traffic=None if scenario.traffic is None else real.churn(scenario.traffic, len(there)),
        config=named.under_names(scenario.config, called),
    )
    return made, called
