"""A watch brings a Status in the place of a Pod, and the process panics (SURVIVE-1, RECOVER-1).

Report 222. Watches of pods bring an ERROR event, as an API server sends it that can no longer go on (500), or for which
the version is too old (410); and the API server hangs for more than a minute, beyond the time limits of clients, with
all connections open. The operator lives, keeps its nodes (AVAIL-1), and is true again within RECOVER-1's 15 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("SURVIVE-1", "RECOVER-1", "AVAIL-1")

STATUS = Scenario(
    id="regression/222-watch-brings-a-status",
    promises=PROMISES,
    faults=(
        faults.WatchError(code=500, resource="pods", for_s=3.0),
        faults.WatchError(code=410, resource="pods", for_s=3.0),
    ),
    traffic=Churn(plain=True),
)

HANGS = Scenario(
    id="regression/222-api-server-hangs-a-minute",
    promises=PROMISES,
    faults=(faults.ApiServerHung(for_s=62.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.parametrize("scenario", [STATUS, HANGS], ids=["status", "hangs"])
@pytest.mark.promise(*PROMISES)
def test_a_watch_that_brings_no_pod_is_survived(run: Run, scenario: Scenario) -> None:
    """The process goes on, with what it knew and soon with what is true."""
    result = run(scenario)

    assert result["SURVIVE-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
