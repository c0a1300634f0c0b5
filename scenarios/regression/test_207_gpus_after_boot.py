"""No GPUs after boot until the operator is bounced (TRUTH-2, RECOVER-1).

Report 207. The operator starts while `nvidia.com/gpu` is named neither in the capacity nor in the allocatable of a node
with four GPUs, as after a boot until the device plugin has registered; five seconds later it is. The node's GPUs are
reported from then on, within RECOVER-1's 15 s because the operator has only just started.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

BOOT = Scenario(
    id="regression/207-gpus-after-boot",
    promises=("RECOVER-1", "TRUTH-2", "SURVIVE-1"),
    faults=(
        faults.Together(
            faults.ExtendedResourceRemoved(node="worker-1", for_s=5.0), faults.OperatorKilled(for_s=0.5), after_s=0.5
        ),
    ),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*BOOT.promises)
def test_gpus_that_come_after_the_node_are_reported(run: Run) -> None:
    """The device plugin may come later than the operator's first look at the node."""
    result = run(BOOT)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["SURVIVE-1"] is PASS
