"""GPU info follows the registry, and labels follow the info (TRUTH-5, LABEL-1).

The registry gives a product another name; the operator reads the registry every two seconds here. Within TRUTH-5's 10 s
the reported info, and within LABEL-1's 10 s the node's labels, must say so. Labels of others stay untouched (LABEL-1).
A GPU node that joins long after the operator has read the registry has its info and labels within the same 10 s.
Field reports: 207, 240, 310.
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


@pytest.mark.quick
@pytest.mark.promise(*RENAMED.promises)
def test_a_changed_registry_changes_info_and_labels(run: Run) -> None:
    """Info and labels carry the product's new name, and no label of anybody else is touched."""
    result = run(RENAMED)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*JOINS.promises)
def test_a_gpu_node_that_joins_later_has_its_info(run: Run) -> None:
    """Hardware info and labels of the new node are there, as they are for the nodes of the first hour."""
    result = run(JOINS)

    assert result["TRUTH-5"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["LABEL-1"] is PASS
