"""The operator owns its own labels and no others (LABEL-1, SURVIVE-1).

A node is cordoned for 3 s, so that the operator has to take its labels away and to put them back, while others set and
change a label of their own on the same node all the time. Theirs must stand as they were set, at every moment; its own
must be as wanted within LABEL-1's 10 s. One node and many operations, so that each of its patches has something to
spoil.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

FOREIGN = Scenario(
    id="conformance/foreign-labels",
    promises=("LABEL-1", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    faults=(faults.NodeCordoned(node="worker-1", for_s=3.0),),
    traffic=Churn(rate=30.0, least=60, plain=True),
    pause_s=2.0,
)


@pytest.mark.promise(*FOREIGN.promises)
@pytest.mark.clause("A-LABELS-4", "A-LABELS-5")
def test_labels_of_others_are_left_alone(run: Run) -> None:
    """The operator's own labels go and come with the node's state, and no label of anybody else is touched."""
    result = run(FOREIGN)

    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
