"""Pods that have finished, failed or were evicted are still counted (TRUTH-3).

Reports 325 and 275. On one node pods come, end with phase Succeeded or Failed, and stay for a while before they are
deleted, as those of finished jobs and evicted pods do. Within TRUTH-3's 5 s of its end a pod holds nothing.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, nodes

ENDED = Scenario(
    id="regression/325-ended-pods",
    promises=("TRUTH-3", "SHAPE-2"),
    nodes=nodes.simulated(1),
    traffic=Churn(rate=12.0, names=2, live=4, least=40, labels=False),
    observe_s=5.0,
)


@pytest.mark.regression
@pytest.mark.promise(*ENDED.promises)
def test_what_has_ended_holds_nothing(run: Run) -> None:
    """Only pods that have not ended count as allocated."""
    result = run(ENDED)

    assert result["TRUTH-3"] is PASS
    assert result["SHAPE-2"] is PASS
