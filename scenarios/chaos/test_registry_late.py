"""The operator starts while the GPU registry does not answer, and it answers 24 s later (TRUTH-1, TRUTH-3, RECOVER-1).

In life the registry is across the internet. It resets every connection, or takes the request and says nothing. What
depends on it is what GPUs are called, and nothing else: from RECOVER-1's 15 s after the operator's start on, while the
registry is silent still, every node is reported with its figures. Within 15 s of its first answer GPU info is as it
says, without a restart. Field reports: 207, 240, 310.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, schedules

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "RECOVER-1", "SURVIVE-1", "AVAIL-2", "SHAPE-1")


def silent(name: str, mode: str) -> Scenario:
    """The registry falls silent, and soon the operator is killed and started again."""
    return Scenario(
        id=f"chaos/registry-{name}-at-start",
        promises=PROMISES,
        faults=(
            schedules.Parallel(
                (
                    faults.RegistryBroken(mode=mode, for_s=24.0),
                    schedules.Once(faults.OperatorKilled(for_s=0.5), after_s=1.0),
                )
            ),
        ),
        traffic=Churn(plain=True),
    )


CASES = (
    pytest.param(silent("late", "cut"), id="late"),
    pytest.param(silent("hanging", "hang"), id="hanging"),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_registry_that_is_late_keeps_no_node_out_of_the_inventory(run: Run, scenario: Scenario) -> None:
    """Nodes and figures are reported while it is silent, and GPU info is true soon after it answers."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SHAPE-1"] is PASS
