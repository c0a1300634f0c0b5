"""GPU info follows the registry, and labels follow the info (TRUTH-5, LABEL-1).

The registry gives a product another name; the operator reads the registry every two seconds here. Within TRUTH-5's 10 s
the reported info, and within LABEL-1's 10 s the node's labels, must say so. Labels of others stay untouched (LABEL-1).
A GPU node that joins long after the operator has read the registry has its info and labels within the same 10 s. While
the registry answers an error, what it said before holds. The operator starts among discovery pods of an earlier
process: within RECOVER-4's 30 s the hardware is what is there. Field reports: 207, 240, 310.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

RENAMED = Scenario(
    id="conformance/registry-changed",
    promises=("TRUTH-5", "LABEL-1", "SHAPE-2", "SURVIVE-1"),
    faults=(faults.RegistryChanged(names=(("a100", "a100-80g"), ("rtx4090", "rtx4090d")), for_s=4.0),),
    traffic=Churn(plain=True),
)


JOINS = Scenario(
    id="conformance/gpu-node-joins",
    promises=("TRUTH-5", "TRUTH-1", "TRUTH-2", "LABEL-1"),
    nodes=nodes.simulated(1),
    faults=(faults.NodesJoin(nodes=(("late", nodes.NodeProfile(gpu="h100", gpus=8)),), for_s=2.0),),
    traffic=Churn(plain=True),
)


KEPT = Scenario(
    id="conformance/registry-fails",
    promises=("TRUTH-5", "LABEL-1"),
    faults=(faults.RegistryBroken(mode="error", for_s=12.0),),  # beyond the 10 s within which a loss would be told
    traffic=Churn(plain=True),
)

LEFTOVERS = Scenario(
    id="conformance/leftover-pods",
    promises=("RECOVER-4", "TRUTH-1"),
    faults=(faults.LeftoverPods(node="worker-1", for_s=4.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.quick
@pytest.mark.promise(*RENAMED.promises)
@pytest.mark.clause("A-REGISTRY-1")
def test_a_changed_registry_changes_info_and_labels(run: Run) -> None:
    """Info and labels carry the product's new name, and no label of anybody else is touched."""
    result = run(RENAMED)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*JOINS.promises)
@pytest.mark.clause("A-DESIGN-3")
def test_a_gpu_node_that_joins_later_has_its_info(run: Run) -> None:
    """Hardware info and labels of the new node are there, as they are for the nodes of the first hour."""
    result = run(JOINS)

    assert result["TRUTH-5"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["LABEL-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*KEPT.promises)
@pytest.mark.clause("A-REGISTRY-2")
def test_a_registry_that_fails_changes_nothing(run: Run) -> None:
    """Info and labels stay as the registry's last content made them."""
    result = run(KEPT)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*LEFTOVERS.promises)
@pytest.mark.clause("A-DISCOVERY-2")
def test_pods_of_an_earlier_process_do_not_mislead(run: Run) -> None:
    """The hardware that is reported is that of the node, whatever pods lie about."""
    result = run(LEFTOVERS)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-1"] is PASS
