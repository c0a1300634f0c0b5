"""Nodes fall silent, are cordoned, deleted, replaced (TRUTH-1, TRUTH-2, TRUTH-5, LABEL-1, RECOVER-1).

Nothing keeps the operator from seeing it, so there is no excuse: a node that is not Ready or not schedulable is gone
from the report within 5 s, and back within 5 s. A machine that joins again under an old name is the new machine, with
its own hardware: 10 s for the hardware (TRUTH-5). Field report: provider SIG #19.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "LABEL-1", "RECOVER-1", "SURVIVE-1")


def harmed(
    name: str, fault: faults.NodeSilent | faults.NodeCordoned | faults.NodeDeleted | faults.NodeReplaced
) -> Scenario:
    """The usual cluster, under churn, with one node harmed."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True))


CASES = (
    pytest.param(harmed("node-silent", faults.NodeSilent(for_s=7.0)), id="silent"),
    pytest.param(harmed("node-cordoned", faults.NodeCordoned(for_s=7.0)), id="cordoned"),
    pytest.param(harmed("node-deleted", faults.NodeDeleted(for_s=7.0)), id="deleted"),
    pytest.param(harmed("node-replaced", faults.NodeReplaced(node="worker-1", for_s=3.0)), id="replaced"),
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_only_nodes_that_can_work_are_reported(run: Run, scenario: Scenario) -> None:
    """The report follows the node's state, and its figures and hardware are those of the machine that is there."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
