"""Sums are right for pods of every kind that Kubernetes knows, and while they are resized (TRUTH-3, TRUTH-4).

Sidecars before and after init containers, overhead, requests of the pod as a whole, memory-backed volumes, GPUs, pods
that end; and resizes in place, in the middle of which the larger of what is asked for and what runs counts. The rules
are Kubernetes' own (`PodRequests`, as the scheduler uses it), and the contract's for volumes in memory. Nothing is
harmed, so the contract's 5 s hold; proof is every answer of all three interfaces (SHAPE-2) against the sum.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, nodes

WHOLE = Scenario(
    id="conformance/whole-pods",
    promises=("TRUTH-3", "TRUTH-4", "SHAPE-2"),
    nodes=nodes.simulated(2),
    traffic=Churn(rate=12.0, names=8, live=16, least=150, labels=False, whole=True),
    observe_s=8.0,
)


@pytest.mark.promise(*WHOLE.promises)
def test_sums_are_right_with_pods_of_every_kind(run: Run) -> None:
    """Whatever a pod is made of, and however it is resized, the node's sums are those of Kubernetes."""
    result = run(WHOLE)

    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["SHAPE-2"] is PASS
