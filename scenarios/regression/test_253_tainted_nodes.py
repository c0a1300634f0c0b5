"""Taints on nodes (TRUTH-1, TRUTH-3).

Report 253 and node 1458 ask that tainted nodes be left out. TRUTH-1 speaks of schedulable Ready nodes, which taints do
not decide: a pod that tolerates one is scheduled. So what is promised here is the other side of the report: a node with
a taint of either effect stays in the inventory, and what NoExecute evicts is given back, within 5 s. A node that is
cordoned, which Kubernetes taints as well, is left out; the scenario `chaos/node-cordoned` holds operators to that.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

TAINTED = Scenario(
    id="regression/253-tainted-nodes",
    promises=("TRUTH-1", "TRUTH-3"),
    faults=(
        faults.NodeTainted("NoSchedule", node="worker-1", for_s=7.0),
        faults.NodeTainted("NoExecute", node="worker-2", for_s=7.0),
    ),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*TAINTED.promises)
def test_a_taint_is_no_cordon(run: Run) -> None:
    """The node stays, with what the pods that are left on it ask for."""
    result = run(TAINTED)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
