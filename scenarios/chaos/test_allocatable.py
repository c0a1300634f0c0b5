"""What a node can give changes while the operator runs (TRUTH-2).

GPUs become unhealthy (allocatable falls, capacity stays), the device plugin comes after the node, the kubelet's
reservation grows. Reported capacity and allocatable follow within TRUTH-2's 5 s, and follow back.
Field reports: 207, 244, 249.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-2", "TRUTH-1", "SHAPE-2", "SURVIVE-1")
GPU = "nvidia.com/gpu"


def changed(name: str, fault: faults.AllocatableChanged) -> Scenario:
    """The usual cluster, under churn, with one node's status changed for a while."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True))


FALLS = faults.AllocatableChanged(node="worker-1", changes=((GPU, "3"),), for_s=7.0)
ZERO = faults.AllocatableChanged(node="worker-1", changes=((GPU, "0"),), for_s=7.0)
APPEARS = faults.AllocatableChanged(node="worker-3", changes=((GPU, "8"),), capacity=((GPU, "8"),), for_s=7.0)
SHRINKS = faults.AllocatableChanged(
    node="worker-2", changes=(("cpu", "30500m"), ("memory", "100Gi"), ("ephemeral-storage", "123456789k")), for_s=7.0
)

CASES = (
    pytest.param(changed("gpu-falls", FALLS), id="one-gpu-unhealthy"),
    pytest.param(changed("gpu-zero", ZERO), id="all-gpus-unhealthy"),
    pytest.param(changed("gpu-appears", APPEARS), id="gpus-appear"),
    pytest.param(changed("allocatable-shrinks", SHRINKS), id="reservation-grows"),
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_capacity_and_allocatable_follow_the_node(run: Run, scenario: Scenario) -> None:
    """Reported capacity and allocatable are the Node's, after the change and after its end."""
    result = run(scenario)

    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
