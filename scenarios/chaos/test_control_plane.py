"""The control plane goes away and comes back (AVAIL-1, AVAIL-2, AVAIL-3, RECOVER-1, SURVIVE-1).

The API server is killed for 3 and for 10 s, hangs for 8 s with its connections open, or loses its datastore for 5 s;
pods come and go meanwhile. While it is away the last known inventory, or an error, is served, never a healthy answer
that drops nodes, within the API timeout. Within RECOVER-1's 15 s after the heal all is true again, without a restart.
Field reports: provider SIG #19, helm-charts 402.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = (
    "AVAIL-1", "AVAIL-2", "RECOVER-1", "SURVIVE-1", "SHAPE-1", "TRUTH-1", "TRUTH-3", "TRUTH-4", "LABEL-1",
)  # fmt: skip


PLAIN, ODD = Churn(plain=True), Churn()


def away(
    name: str, fault: faults.ApiServerKilled | faults.ApiServerHung | faults.DatastoreStopped, churn: Churn
) -> Scenario:
    """The usual cluster, under churn of plain or of odd pods, with its control plane harmed once."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=churn)


KILLED_3S = away("api-server-killed-3s", faults.ApiServerKilled(for_s=3.0), PLAIN)
KILLED_10S = away("api-server-killed-10s", faults.ApiServerKilled(for_s=10.0), ODD)
HUNG_8S = away("api-server-hung-8s", faults.ApiServerHung(for_s=8.0), PLAIN)
STOPPED_5S = away("datastore-stopped-5s", faults.DatastoreStopped(for_s=5.0), ODD)

CASES = (
    pytest.param(KILLED_3S, id="killed-3s", marks=pytest.mark.quick),
    pytest.param(KILLED_10S, id="killed-10s"),
    pytest.param(HUNG_8S, id="hung-8s"),
    pytest.param(STOPPED_5S, id="datastore-stopped-5s"),
)

HEALTH = Scenario(
    id="chaos/health-tells",
    promises=("AVAIL-3",),
    faults=(faults.ApiServerKilled(for_s=7.0),),
    traffic=PLAIN,
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_what_is_unknown_is_not_reported_as_empty(run: Run, scenario: Scenario) -> None:
    """The operator keeps its last inventory while the control plane is away, and is true again soon after."""
    result = run(scenario)

    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["LABEL-1"] is PASS


@pytest.mark.promise("AVAIL-3")
def test_health_says_when_the_cluster_is_out_of_sight(run: Run) -> None:
    """Health turns bad within five seconds of losing the API server, and good again after."""
    result = run(HEALTH)

    assert result["AVAIL-3"] is PASS
