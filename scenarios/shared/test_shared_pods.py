"""Pods come and go on whatever nodes there are (TRUTH-1 to TRUTH-5, SHAPE-1, SHAPE-2, LABEL-1, AVAIL-2, SURVIVE-1).

Nothing is harmed. Pods with fractions of a CPU start, end and are deleted, in two namespaces under the same names, on
simulated nodes or on real ones, where kubelets run them. The contract's own objectives hold: they are counted from what
the API server tells, so a slow kubelet makes nobody late. Proof is every answer against the truth of the moment.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario

PODS = Scenario(
    id="shared/pods-come-and-go",
    promises=(
        "TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-4", "TRUTH-5", "SHAPE-1", "SHAPE-2", "LABEL-1", "AVAIL-2", "SURVIVE-1",
    ),
    machines=1,
    traffic=Churn(rate=6.0, least=25),
    observe_s=8.0,
)  # fmt: skip


@pytest.mark.promise(*PODS.promises)
def test_the_inventory_is_true_on_any_nodes(run: Run) -> None:
    """What is reported is true at every moment, over all three interfaces, and nothing breaks on the way."""
    result = run(PODS)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
