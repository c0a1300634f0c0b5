"""Discovery pods have rivals, are rejected, or do not make up their minds (RECOVER-4, TRUTH-1, TRUTH-3, SURVIVE-1).

A second operator starts beside the first for 8 s, as in a rolling update. By the contract it deletes the discovery pods
of the first; the first is judged as if it were alone, hardware apart. Kubelets reject discovery pods, which end before
they run, while the operator starts; or discovery APIs answer as two machines in turn, until their pods are deleted.
Within RECOVER-4's 30 s of each heal hardware info is true, and with a second operator within RECOVER-1's 15 s all is.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

SECOND = Scenario(
    id="chaos/second-operator",
    promises=("TRUTH-1", "TRUTH-3", "RECOVER-1", "RECOVER-4", "LABEL-1", "AVAIL-2", "SURVIVE-1"),
    faults=(faults.SecondOperator(),),
    traffic=Churn(plain=True),
)
STARTS = ("RECOVER-4", "TRUTH-2", "TRUTH-3", "SURVIVE-1")


def starts(name: str, fault: faults.Fault) -> Scenario:
    """The operator starts again while this is done to discovery."""
    return Scenario(id=f"chaos/discovery-{name}", promises=STARTS, faults=(fault,), traffic=Churn(plain=True))


CASES = (
    pytest.param(starts("pods-rejected", faults.DiscoveryPodRejected()), id="rejected"),
    pytest.param(starts("pods-rejected-for-affinity", faults.DiscoveryPodRejected("NodeAffinity")), id="affinity"),
    pytest.param(starts("unsettled", faults.DiscoveryUnsettled()), id="unsettled"),
)


@pytest.mark.library
@pytest.mark.promise(*SECOND.promises)
def test_a_second_operator_beside_the_first_is_lived_with(run: Run) -> None:
    """The first tells the truth all along, and soon has made up for what the second did to its pods."""
    result = run(SECOND)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*STARTS)
def test_discovery_that_goes_wrong_at_first_goes_right_in_the_end(run: Run, scenario: Scenario) -> None:
    """Hardware info is true soon after discovery works again, and the other figures never suffer."""
    result = run(scenario)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
