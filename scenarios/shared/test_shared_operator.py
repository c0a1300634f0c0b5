"""The operator is killed, loses a discovery pod, and may make no other (RECOVER-1, RECOVER-4, TRUTH-1, TRUTH-5).

Killed, it starts again from nothing and is true within RECOVER-1's 15 s. A discovery pod that is deleted is replaced
within RECOVER-4's 30 s; a machine stays what it is meanwhile, so no info may be lost. Where the right to create pods is
taken for 6 s in that moment, the pod comes once the right is back. All of it by the API and by the operator's own end.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "RECOVER-1", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault, *more: str) -> Scenario:
    """Plain churn on whatever nodes there are, and this harm."""
    return Scenario(
        id=f"shared/{name}", promises=(*PROMISES, *more), machines=1, faults=(fault,),
        traffic=Churn(plain=True, labels=False),
    )  # fmt: skip


DELETED = faults.DiscoveryPodDeleted(becomes=None, for_s=3.0)
CASES = (
    pytest.param(harmed("discovery-pod-deleted", DELETED, "RECOVER-4"), id="discovery-pod-deleted"),
    pytest.param(
        harmed(
            "rights-revoked", faults.Together(faults.RightsRevoked("create", "pods", for_s=6.0), DELETED), "RECOVER-4"
        ),
        id="rights-revoked",
    ),
)
KILLED = harmed("operator-killed", faults.OperatorKilled(for_s=3.0))


@pytest.mark.promise(*KILLED.promises)
def test_a_killed_operator_comes_back_true(run: Run) -> None:
    """What it reports after its start is the truth, within the time that a recovery may take."""
    result = run(KILLED)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES, "RECOVER-4")
def test_a_lost_discovery_pod_is_replaced(run: Run, scenario: Scenario) -> None:
    """A pod is there again in time, and hardware info was right all the while."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SURVIVE-1"] is PASS
