"""A discovery pod is never made again after a drain (RECOVER-4).

Report 652. The discovery pod of a node is deleted while the machine gets other GPUs; a second later the registry calls
those by another name. An operator that made no new pod cannot know either. Within RECOVER-4's 30 s the reported
hardware is what is there, by the name that it has; the node is never lost meanwhile (TRUTH-1).
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

OTHER = nodes.NodeProfile(gpu="l40s", gpus=4)

DRAINED = Scenario(
    id="regression/652-discovery-pod-never-recreated",
    promises=("RECOVER-4", "TRUTH-1", "SURVIVE-1"),
    faults=(
        faults.Together(
            faults.DiscoveryPodDeleted(node="worker-1", becomes=OTHER),
            faults.RegistryChanged(names=(("l40s", "l40s-48g"),)),
            after_s=1.0,
        ),
    ),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*DRAINED.promises)
def test_a_discovery_pod_is_made_again(run: Run) -> None:
    """What was exchanged and renamed meanwhile is reported."""
    result = run(DRAINED)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS
