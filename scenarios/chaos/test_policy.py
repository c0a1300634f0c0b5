"""The cluster's own rules are against the operator (RECOVER-4, LABEL-1, TRUTH-1, AVAIL-1, AVAIL-2, RECOVER-1).

A node joins while an admission policy refuses discovery pods or the operator's patches of nodes, while a quota leaves
no room for a pod, or while the discovery pods' service account is missing: it is labelled within RECOVER-1's 15 s of
the end of it, and its hardware known within RECOVER-4's 30 s. An operator may publish a node only once its discovery
pod runs (contract, by design): 15 s for TRUTH-1 where none can, 6 s of them the harm. The discovery namespace is
deleted and made again: discovery begins anew in it. The operator gets no turn at the API server (429 by priority and
fairness): it serves what it knew or an error, and is true within 15 s of being served again.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

REFUSED = ("TRUTH-1", "TRUTH-2", "LABEL-1", "RECOVER-4", "SURVIVE-1", "SHAPE-1")
LABELS = ("TRUTH-1", "TRUTH-2", "TRUTH-5", "LABEL-1", "RECOVER-1", "SURVIVE-1", "SHAPE-1")
STARVES = ("AVAIL-1", "AVAIL-2", "RECOVER-1", "SURVIVE-1", "SHAPE-1")
LATE = (("late", nodes.NodeProfile(cpus=8, memory_mib=16384)),)
"""Without GPUs: what their info and labels need beyond discovery is for other scenarios."""


NO_POD_S = {"TRUTH-1": 15.0}
"""Where a node joins and no discovery pod can run: 6 s of harm, then TRUTH-1's 5 s, and 4 s until the next attempt."""


def harmed(
    name: str, fault: faults.Fault, promises: tuple[str, ...], objectives: dict[str, float] | None = None
) -> Scenario:
    """The usual cluster under plain churn, and one fault."""
    return Scenario(
        id=f"chaos/{name}", promises=promises, faults=(fault,), traffic=Churn(plain=True), objectives=objectives or {}
    )


def joins(fault: faults.Fault) -> faults.Together:
    """A node joins meanwhile, so that the operator needs what is refused."""
    return faults.Together(fault, faults.NodesJoin(nodes=LATE, for_s=0.5))


PODS = tuple(
    pytest.param(harmed(name, fault, REFUSED, objectives), id=name)
    for name, fault, objectives in (
        ("discovery-pods-denied", joins(faults.AdmissionDenies("discovery-pods", for_s=6.0)), NO_POD_S),
        ("quota-exhausted", joins(faults.QuotaExhausted(for_s=6.0)), NO_POD_S),
        ("service-account-missing", joins(faults.ServiceAccountMissing(for_s=6.0)), NO_POD_S),
        ("namespace-recreated", faults.NamespaceRecreated(node="worker-1"), None),
    )
)

PATCHES = harmed("node-patches-denied", joins(faults.AdmissionDenies("node-patches", for_s=6.0)), LABELS)
STARVED = harmed("operator-starved", faults.OperatorStarved(for_s=6.0), STARVES)


@pytest.mark.library
@pytest.mark.parametrize("scenario", PODS)
@pytest.mark.promise(*REFUSED)
def test_a_discovery_pod_that_is_refused_is_asked_for_again(run: Run, scenario: Scenario) -> None:
    """Nodes, their labels and their hardware info are true soon after pods are accepted."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*LABELS)
def test_labels_that_are_refused_are_written_later(run: Run) -> None:
    """The report does not suffer, and labels are as wanted soon after they may be written."""
    result = run(PATCHES)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*STARVES)
def test_an_operator_without_a_turn_keeps_what_it_knew(run: Run) -> None:
    """The operator serves what it knew or an error, lives, and is true again soon after it is served."""
    result = run(STARVED)

    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
