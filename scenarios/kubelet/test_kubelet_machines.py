"""The machine under a node is frozen, loses its power, is shut down or booted again (TRUTH-1, TRUTH-3, RECOVER-1).

Everything on it is gone with it: kubelet, container runtime and the operator's discovery pod. The cluster misses the
node after its grace period, and from then on the operator must not report it; once it is Ready again it must be, with
its hardware, within 30 s: a discovery pod has to start on a node that has just booted (RECOVER-4). A machine that is
booted at once may not even be missed. The other node is reported truly all the time.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-3", "RECOVER-1", "SHAPE-1", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault) -> Scenario:
    """Two real nodes beside the control plane, a little traffic, and the machine of one of them harmed."""
    return Scenario(
        id=f"kubelet/{name}", promises=PROMISES, machines=2, faults=(fault,), objectives={"RECOVER-1": 30.0},
        traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
    )  # fmt: skip


CASES = (
    pytest.param(harmed("machine-paused", faults.MachinePaused()), id="paused"),
    pytest.param(harmed("machine-killed", faults.MachineKilled()), id="killed"),
    pytest.param(harmed("machine-stopped", faults.MachineStopped()), id="stopped"),
    pytest.param(harmed("machine-restarted", faults.MachineRestarted()), id="restarted"),
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_node_is_reported_while_its_machine_is_well(run: Run, scenario: Scenario) -> None:
    """A node that is missed goes out of the report, comes back with its machine, and nothing else is disturbed."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
