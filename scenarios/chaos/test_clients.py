"""Clients of the operator misbehave, and the others must not notice (AVAIL-2, SURVIVE-1, TRUTH-1, TRUTH-3, RECOVER-1).

Clients that send a byte at a time or never read, five hundred idle connections, streams that are not read, requests
with a MiB of headers. None of that is an excuse: REST and QueryCluster answer everybody else within the API timeout,
AVAIL-2's 3 s, half of the REST requests on new connections. What becomes of the misbehaving clients is the operator's
own affair. Within RECOVER-1's 15 s after they are gone all is true.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("AVAIL-2", "SURVIVE-1", "SHAPE-1", "TRUTH-1", "TRUTH-3", "RECOVER-1")

CASES = tuple(
    pytest.param(
        Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True)),
        id=name,
    )
    for name, fault in (
        ("slow-clients", faults.SlowClients(how="drip", count=50)),
        ("deaf-clients", faults.SlowClients(how="deaf", count=10)),
        ("idle-connections", faults.IdleConnections(count=500)),
        ("half-open-streams", faults.HalfOpenStreams(count=100)),
        ("huge-headers", faults.HugeHeaders(count=4)),
    )
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_other_clients_are_served_in_time(run: Run, scenario: Scenario) -> None:
    """Whoever behaves is answered in time, in the documented shape and with the truth."""
    result = run(scenario)

    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
