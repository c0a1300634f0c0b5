"""A node and a pod are deleted while the operator cannot be told (SURVIVE-1, RECOVER-1).

The operator is paused, the API server is restarted so that no watch survives, the deletions happen, the operator goes
on: it learns of them from a new LIST only. It must neither die nor keep what is gone; RECOVER-1's 15 s hold.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

MISSED = Scenario(
    id="chaos/deletion-missed",
    promises=("SURVIVE-1", "RECOVER-1", "TRUTH-1", "TRUTH-3", "TRUTH-4"),
    faults=(faults.DeletionMissed(node="worker-2"),),
    traffic=Churn(plain=True),
)


@pytest.mark.quick
@pytest.mark.promise(*MISSED.promises)
def test_a_missed_deletion_is_survived(run: Run) -> None:
    """The operator lives, and what was deleted behind its back is no longer reported."""
    result = run(MISSED)

    assert result["SURVIVE-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
