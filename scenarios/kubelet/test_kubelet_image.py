"""A node loses the image of discovery pods, and no registry has it (TRUTH-1, TRUTH-2, RECOVER-1, RECOVER-4).

The discovery pod that ran there is deleted, so that the next one waits for an image which cannot be had. The node is as
well as before and must stay in the report with its figures; what its hardware is was known and may not be forgotten.
Once the image is there again, the kubelet looks for it after its back-off (10 s, then 20 s), and discovery must be back
within 60 s of it: more than the contract's 30 s, because up to 20 s of them are the kubelet's.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "RECOVER-1", "RECOVER-4", "SHAPE-1", "SURVIVE-1")

IMAGE = Scenario(
    id="kubelet/discovery-image-missing", promises=PROMISES, machines=2, faults=(faults.DiscoveryImageMissing(),),
    objectives={"RECOVER-1": 60.0, "RECOVER-4": 60.0}, traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
)  # fmt: skip


@pytest.mark.promise(*PROMISES)
def test_a_node_without_the_discovery_image_stays_in_the_report(run: Run) -> None:
    """What is known of a node is reported while nothing new can be learnt of it."""
    result = run(IMAGE)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
