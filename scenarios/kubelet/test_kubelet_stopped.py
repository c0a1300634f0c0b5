"""A node's kubelet, or its container runtime, is stopped; what runs on the node runs on (TRUTH-1, TRUTH-3, RECOVER-1).

The discovery pod goes on answering, so that an operator which asks nobody else takes the node for well. The cluster
knows better: a node without a kubelet is Unknown after the grace period, one without a runtime says itself that it is
not Ready. Neither may be reported until it is Ready again, and then it must be within 15 s: nothing has to be started.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "RECOVER-1", "SHAPE-1", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault) -> Scenario:
    """Two real nodes beside the control plane, a little traffic, and a service of one of them stopped."""
    return Scenario(
        id=f"kubelet/{name}", promises=PROMISES, machines=2, faults=(fault,),
        traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
    )  # fmt: skip


CASES = (
    pytest.param(harmed("kubelet-stopped", faults.KubeletStopped()), id="kubelet"),
    pytest.param(harmed("runtime-stopped", faults.RuntimeStopped()), id="runtime"),
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_node_without_a_kubelet_is_not_reported(run: Run, scenario: Scenario) -> None:
    """What still answers on the node is no reason to report it, and it is back as soon as it is Ready."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
