"""The operator as its chart deploys it: started again by a kubelet, and by its liveness script (RECOVER-1, RECOVER-4).

A restart that the script brings about is no recovery of the operator's: who gets well only by it breaks the promise.
The API server is killed for 10 s; hardware discovery refuses while the operator starts; the operator is killed three
times amid its start, as for memory. All waits are a tenth of a kubelet's, so the script comes 24 s after a start.
Objective for RECOVER-4: 15 s, because nothing but a read is to be made again, and so that the script comes after it.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PLAIN = Churn(plain=True)

KILLED = Scenario(
    id="chaos/as-deployed-api-server-killed",
    promises=("AVAIL-1", "RECOVER-1", "SURVIVE-1", "TRUTH-1", "TRUTH-3"),
    faults=(faults.ApiServerKilled(for_s=10.0),),
    traffic=PLAIN, supervised=True, liveness=True,
)  # fmt: skip

REFUSED = Scenario(
    id="chaos/as-deployed-discovery-refused",
    promises=("RECOVER-4", "RECOVER-1", "TRUTH-2", "TRUTH-3", "SURVIVE-1"),
    faults=(faults.DiscoveryBroken(mode="refuse", restart_operator=True, for_s=3.0),),
    objectives={"RECOVER-4": 15.0}, traffic=PLAIN, supervised=True, liveness=True,
)  # fmt: skip

LOOPS = Scenario(
    id="chaos/operator-crash-loops",
    promises=("RECOVER-1", "TRUTH-1", "TRUTH-3", "LABEL-1", "SURVIVE-1"),
    faults=(faults.OperatorCrashLoops(kills=3, alive_s=1.0),),
    traffic=PLAIN, supervised=True,
)  # fmt: skip


@pytest.mark.library
@pytest.mark.promise(*KILLED.promises)
def test_an_outage_needs_no_restart(run: Run) -> None:
    """The operator keeps its inventory while the API server is away, and is true again without its liveness script."""
    result = run(KILLED)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS


@pytest.mark.library
@pytest.mark.promise(*REFUSED.promises)
def test_hardware_is_known_without_a_restart(run: Run) -> None:
    """Hardware info is true soon after discovery answers again, without the liveness script."""
    result = run(REFUSED)

    assert result["RECOVER-4"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*LOOPS.promises)
def test_a_crash_loop_leaves_no_trace(run: Run) -> None:
    """After its last start the operator is true, whatever the processes before it had begun."""
    result = run(LOOPS)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
