"""Sums drift, fall below zero, or are near 2^64 (TRUTH-3, TRUTH-4, RECOVER-1).

Reports 192, 198, 193, 232, 429 and provider 379, 413, 414. Watches of pods close in order every half second while pods
come and go: what is allocated is true within RECOVER-1's 15 s of the last close, and never negative. Pods are created
and deleted one at a time, some seconds apart, so that what a deletion does stands alone. Pods with fractions of a CPU
and the same names in two namespaces finish, fail and are deleted on one node, many times.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

CLOSED = Scenario(
    id="regression/192-watches-close-under-churn",
    promises=("RECOVER-1", "TRUTH-4", "SURVIVE-1"),
    faults=(faults.WatchesClosed(resource="pods", after_s=0.5, for_s=8.0),),
    traffic=Churn(rate=12.0, least=60),
)

# A sum that rises at a deletion raises no doubt about TRUTH-4 where no pod came within TRUTH-3's 5 s before.
DELETED = Scenario(
    id="regression/192-one-pod-at-a-time",
    promises=("TRUTH-3", "TRUTH-4"),
    nodes=nodes.simulated(1),
    traffic=Churn(rate=0.3, live=1, least=8, labels=False, plain=True),
)

ENDED = Scenario(
    id="regression/192-pods-end-and-are-deleted",
    promises=("TRUTH-3", "SHAPE-2"),
    nodes=nodes.simulated(1),
    traffic=Churn(rate=12.0, names=2, live=4, least=60, labels=False),
)


@pytest.mark.regression
@pytest.mark.promise(*CLOSED.promises)
def test_watches_that_close_do_not_move_the_sums(run: Run) -> None:
    """However often a watch was taken up, each pod counts once."""
    result = run(CLOSED)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.regression
@pytest.mark.promise(*DELETED.promises)
def test_a_deletion_gives_back_what_the_pod_had(run: Run) -> None:
    """A pod that is deleted lowers what is allocated by what it had asked for."""
    result = run(DELETED)

    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS


@pytest.mark.regression
@pytest.mark.promise(*ENDED.promises)
def test_a_pod_that_has_ended_gives_back_what_it_had_once(run: Run) -> None:
    """Finishing gives it back, and deleting what has finished changes nothing."""
    result = run(ENDED)

    assert result["TRUTH-3"] is PASS
    assert result["SHAPE-2"] is PASS
