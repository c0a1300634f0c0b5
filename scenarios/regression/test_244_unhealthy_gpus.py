"""GPUs that are not healthy are still offered (TRUTH-2).

Reports 244 and 249. Of a node's eight GPUs one falls ill, and then all: allocatable goes from 8 to 7 to 0, while the
capacity stays 8. What is reported follows within TRUTH-2's 5 s each time, and back.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

GPU = "nvidia.com/gpu"

UNHEALTHY = Scenario(
    id="regression/244-unhealthy-gpus",
    promises=("TRUTH-2", "SHAPE-2", "SURVIVE-1"),
    nodes={"gpu-1": nodes.NodeProfile(gpu="h100", gpus=8)},
    faults=(
        faults.AllocatableChanged(node="gpu-1", changes=((GPU, "7"),), for_s=7.0),
        faults.AllocatableChanged(node="gpu-1", changes=((GPU, "0"),), for_s=7.0),
    ),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*UNHEALTHY.promises)
def test_only_healthy_gpus_are_offered(run: Run) -> None:
    """Allocatable is what is healthy, and capacity what is built in."""
    result = run(UNHEALTHY)

    assert result["TRUTH-2"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
