"""A node is cut off by its packet filter: from the control plane, from its peers, from both (TRUTH-1, RECOVER-1).

Cut off from the control plane a node is Unknown after the grace period, though everything on it runs; it may not be
reported then, and must be within 15 s of being Ready again. Cut off from its peers alone it stays Ready, and the report
must not change: whoever asks its discovery pod goes through the API server, which still reaches it.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-3", "RECOVER-1", "SHAPE-1", "SURVIVE-1")


def cut(away_from: str) -> Scenario:
    """Two real nodes beside the control plane, a little traffic, and one of them cut off."""
    return Scenario(
        id=f"kubelet/cut-off-from-{away_from}", promises=PROMISES, machines=2,
        faults=(faults.NodeCutOff(away_from=away_from),),
        traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
    )  # fmt: skip


CASES = [pytest.param(cut(away_from), id=away_from) for away_from in ("servers", "peers", "all")]


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_node_that_is_cut_off_is_reported_as_the_cluster_sees_it(run: Run, scenario: Scenario) -> None:
    """It is out of the report while the cluster misses it, and no longer."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
