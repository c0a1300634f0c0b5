"""The inventory is true while pods come and go and nothing is harmed.

TRUTH-1 to TRUTH-5, SHAPE-1, SHAPE-2, LABEL-1, AVAIL-2 and SURVIVE-1 hold without any fault: nodes of three sizes, pods
with fractions of a CPU, the same pod names in two namespaces, finished and failed pods, foreign labels that change.
The contract's own objectives hold. Proof is every answer of REST, QueryCluster and StreamCluster against the truth.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, nodes

STEADY = Scenario(
    id="conformance/steady",
    promises=(
        "TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-4", "TRUTH-5", "SHAPE-1", "SHAPE-2", "LABEL-1", "AVAIL-2", "SURVIVE-1",
    ),
    traffic=Churn(rate=12.0, least=40),
    observe_s=6.0,
)  # fmt: skip

SAME_NAMES = Scenario(
    id="conformance/same-names",
    promises=("TRUTH-3", "TRUTH-4", "SHAPE-2"),
    nodes=nodes.simulated(1),
    traffic=Churn(rate=12.0, names=2, live=4, least=40, labels=False),
    observe_s=5.0,
)

# An init container counts only where it asks for more than all others do together: some 150 operations make that sure.
MANY_PODS = Scenario(
    id="conformance/many-pods",
    promises=("TRUTH-3", "TRUTH-4", "SHAPE-2"),
    nodes=nodes.simulated(1),
    traffic=Churn(rate=30.0, names=40, live=40, least=150, labels=False),
    observe_s=5.0,
)


@pytest.mark.quick
@pytest.mark.promise(*STEADY.promises)
@pytest.mark.clause("A-PROCESS-1", "A-CONFIGURATION-1", "A-OBJECTS-1", "A-OBJECTS-3", "A-DESIGN-1")
@pytest.mark.clause("A-LABELS-1", "A-LABELS-2", "A-LABELS-3", "A-DISCOVERY-1", "A-DISCOVERY-3", "A-DISCOVERY-4")
@pytest.mark.clause("A-REST-1", "A-REST-3", "A-REST-4", "A-GRPC-1", "A-GRPC-2", "A-GRPC-3")
def test_the_inventory_is_true_under_churn(run: Run) -> None:
    """Every figure, the hardware, the labels and the shape are right in every answer while pods come and go."""
    result = run(STEADY)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*SAME_NAMES.promises)
def test_pods_of_one_name_in_two_namespaces_are_two_pods(run: Run) -> None:
    """Pods are told apart by namespace, name and uid, on one node where two names come back again and again."""
    result = run(SAME_NAMES)

    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["SHAPE-2"] is PASS


@pytest.mark.promise(*MANY_PODS.promises)
def test_sums_are_right_with_many_odd_pods(run: Run) -> None:
    """With dozens of pods on one node, some with init containers that ask for the most, every sum is right."""
    result = run(MANY_PODS)

    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["SHAPE-2"] is PASS
