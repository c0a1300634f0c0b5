"""StreamCluster tells the last snapshot at once, then each change in order, to every client (SHAPE-2).

Twelve clients beside the usual one follow the stream, each on a connection of its own, and half of them hang up every
two seconds and come back. In quiet nothing but the snapshot at once can tell a newcomer anything; under churn nobody
may be told something older after something newer, nor miss what QueryCluster says for longer than the contract's 2 s.
An operator that is killed while they follow it (chaos) serves them again after its restart, from where they were:
RECOVER-1's 15 s, and TRUTH-1 for everyone else. SURVIVE-1: clients that come and go harm nobody.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, Streams, faults

PROMISES = ("SHAPE-2", "TRUTH-1", "SURVIVE-1")
MANY = Streams(clients=12, comes_back_s=2.0)

QUIET = Scenario(
    id="conformance/streams-in-quiet", promises=PROMISES, traffic=None, streams=MANY, observe_s=8.0
)  # fmt: skip
CHURN = Scenario(
    id="conformance/streams-under-churn",
    promises=PROMISES,
    traffic=Churn(rate=3.0, plain=True, least=30),
    streams=MANY,
    observe_s=12.0,
)
KILLED = Scenario(
    id="chaos/operator-killed-with-streams",
    promises=(*PROMISES, "RECOVER-1"),
    faults=(faults.OperatorKilled(for_s=1.0),),
    traffic=Churn(plain=True),
    streams=MANY,
)
BLIND = Scenario(
    id="chaos/api-server-killed-with-streams",
    promises=(*PROMISES, "RECOVER-1"),
    faults=(faults.ApiServerKilled(for_s=4.0),),
    traffic=Churn(plain=True),
    streams=MANY,
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", [pytest.param(QUIET, id="quiet"), pytest.param(CHURN, id="churn")])
@pytest.mark.promise(*PROMISES)
def test_every_client_is_told_at_once_and_in_order(run: Run, scenario: Scenario) -> None:
    """Whoever calls is told the inventory as it is, and is never told what it was before."""
    result = run(scenario)

    assert result["SHAPE-2"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", [pytest.param(KILLED, id="killed"), pytest.param(BLIND, id="blind")])
@pytest.mark.promise(*KILLED.promises)
def test_clients_go_on_where_they_were(run: Run, scenario: Scenario) -> None:
    """Streams that were cut off, or had nothing to tell for a while, tell the truth again."""
    result = run(scenario)

    assert result["SHAPE-2"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["RECOVER-1"] is PASS
