"""Two GPU vendors on one node (TRUTH-2).

Report 142. A node with four NVIDIA GPUs gets two of AMD for a while, as by a second device plugin. Capacity and
allocatable have one figure for GPUs, which is the sum of both, within TRUTH-2's 5 s; when the second plugin goes, it is
four again.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

TWO_OF_AMD = (("amd.com/gpu", "2"),)

VENDORS = Scenario(
    id="regression/142-two-gpu-vendors",
    promises=("TRUTH-2", "SHAPE-2", "SURVIVE-1"),
    faults=(faults.AllocatableChanged(node="worker-1", changes=TWO_OF_AMD, capacity=TWO_OF_AMD, for_s=7.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*VENDORS.promises)
def test_gpus_of_both_vendors_are_counted(run: Run) -> None:
    """Six GPUs are reported while there are six."""
    result = run(VENDORS)

    assert result["TRUTH-2"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
