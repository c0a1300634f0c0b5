"""An operator that runs already, on a cluster that is left as it is (TRUTH-1, TRUTH-2, TRUTH-3, TRUTH-5, LABEL-1).

Nothing is started, made or harmed: for half a minute the harness reads nodes, pods and what discovery answers, asks the
operator over REST and gRPC, and compares. It needs no right to change anything. The contract's objectives hold for what
happens meanwhile. GPU info is left out where there are GPUs, because nobody tells which registry the operator asks; a
configuration that excludes nodes is not known either, so they count as lost.
"""

from __future__ import annotations

import pytest

from harness import PASS, Run, Scenario

AS_IT_IS = Scenario(
    id="conformance/as-it-is",
    promises=("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "SHAPE-1", "SHAPE-2", "LABEL-1", "AVAIL-2"),
    machines=1,
    needs=("running-operator",),
    traffic=None,
    observe_s=30.0,
)


@pytest.mark.promise(*AS_IT_IS.promises)
def test_what_is_reported_is_what_is_there(run: Run) -> None:
    """Nodes, figures, hardware and labels are true as far as they can be known by looking."""
    result = run(AS_IT_IS)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["AVAIL-2"] is PASS
