"""A node's kubelet runs short of memory, disk or processes, and evicts pods (TRUTH-1, TRUTH-3, RECOVER-1, RECOVER-4).

The node stays Ready and must stay in the report. Its pods are evicted, the operator's discovery pod among them, and
the kubelet takes no new one of the kind until the pressure is over; what is evicted counts no more (TRUTH-3). Within
30 s of the node's being well the discovery pod must have been made again, and the report be true.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-3", "RECOVER-1", "RECOVER-4", "SHAPE-1", "SURVIVE-1")


def pressed(what: str) -> Scenario:
    """Two real nodes beside the control plane, a little traffic, and one of them short of something."""
    return Scenario(
        id=f"kubelet/short-of-{what}", promises=PROMISES, machines=2, faults=(faults.NodePressed(what=what),),
        objectives={"RECOVER-1": 30.0}, traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
    )  # fmt: skip


CASES = [pytest.param(pressed(what), id=what) for what in ("memory", "disk", "processes")]


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_what_a_kubelet_evicts_counts_no_more(run: Run, scenario: Scenario) -> None:
    """The node is reported with what is left on it, and discovery comes back when the node is well."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
