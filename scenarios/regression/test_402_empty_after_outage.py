"""`{"nodes":[],"storage":[]}` after losing the API server, until somebody bounces the pod (AVAIL-1, RECOVER-1).

Helm-charts 402. The API server is killed, stays away for four seconds and comes back as it was. While it is away the
last known inventory or an error is served; within RECOVER-1's 15 s of its return all is true, by the same process.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

OUTAGE = Scenario(
    id="regression/402-empty-after-outage",
    promises=("AVAIL-1", "RECOVER-1", "SURVIVE-1"),
    faults=(faults.ApiServerKilled(for_s=4.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*OUTAGE.promises)
def test_an_outage_does_not_empty_the_inventory(run: Run) -> None:
    """What was known stays, and what has changed is soon known as well."""
    result = run(OUTAGE)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
