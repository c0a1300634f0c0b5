"""Nodes are cordoned, tainted, drained, and leave and join again (TRUTH-1, TRUTH-2, TRUTH-3, LABEL-1, RECOVER-1).

It is done to one node, which is the only one on some clusters, by the API alone: so it can be done to a node of any
kind. A cordoned or deleted node is gone from the report within 5 s and back within 5 s of being well; a tainted one
stays, since who tolerates the taint can still have it. A node that joins again is judged by what it is then.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "LABEL-1", "RECOVER-1", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault) -> Scenario:
    """Plain churn on whatever nodes there are, and one of them harmed."""
    return Scenario(
        id=f"shared/{name}", promises=PROMISES, machines=1, faults=(fault,), traffic=Churn(plain=True, labels=False)
    )


CASES = (
    pytest.param(harmed("node-cordoned", faults.NodeCordoned(for_s=7.0)), id="cordoned"),
    pytest.param(harmed("node-tainted", faults.NodeTainted(for_s=7.0)), id="tainted"),
    pytest.param(harmed("node-drained", faults.NodeDrained(for_s=7.0)), id="drained"),
    pytest.param(harmed("node-rejoins", faults.NodeRejoins(for_s=5.0)), id="rejoins"),
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_node_is_reported_as_it_is(run: Run, scenario: Scenario) -> None:
    """The report follows the node's state wherever the node is."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
