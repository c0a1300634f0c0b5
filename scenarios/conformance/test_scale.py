"""A hundred GPU nodes join at once and are reported (TRUTH-1 to TRUTH-3, TRUTH-5).

Objective: 15 s from the moment they are Ready, for presence, figures and hardware alike, because a hundred discovery
pods have to start on the machine that also runs the control plane.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

H100 = nodes.NodeProfile(gpu="h100", gpus=8)

HUNDRED = Scenario(
    id="conformance/hundred-nodes",
    promises=("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "AVAIL-2", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    faults=(faults.NodesJoin(nodes=tuple(nodes.simulated(100, H100, prefix="gpu").items()), for_s=2.0),),
    traffic=Churn(plain=True, rate=10.0, live=40, least=40),
    objectives=dict.fromkeys(("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "RECOVER-1"), 15.0),
)


@pytest.mark.promise(*HUNDRED.promises)
def test_a_hundred_gpu_nodes_are_reported(run: Run) -> None:
    """All hundred nodes are reported with true figures and hardware, within 15 s of joining."""
    result = run(HUNDRED)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
