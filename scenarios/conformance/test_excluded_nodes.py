"""The configuration file says which nodes are left out, and may change while the operator runs (CONFIG-1, TRUTH-1).

The operator starts with one node excluded: it is neither published nor labelled from the first inventory on. Then the
file is replaced by one that excludes two others, by an expression that matches both, and 8 s later by the first again.
Within CONFIG-1's 5 s of each change every source reports exactly the nodes that are not excluded, and excluded nodes
carry none of the operator's labels.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, faults

EXCLUDED = Scenario(
    id="conformance/excluded-nodes",
    promises=("CONFIG-1", "TRUTH-1", "LABEL-1", "SHAPE-2", "SURVIVE-1"),
    config=Configuration(exclude=("^worker-3$",)),
    faults=(faults.ConfigChanged(exclude=("-[12]$",)),),
    traffic=Churn(plain=True),
)


@pytest.mark.promise(*EXCLUDED.promises)
@pytest.mark.clause("A-CONFIGURATION-2", "A-CONFIGURATION-4", "A-CONFIGURATION-5", "A-LABELS-5")
def test_excluded_nodes_are_neither_published_nor_labelled(run: Run) -> None:
    """The nodes that are reported and labelled are those that the configuration file does not exclude at the time."""
    result = run(EXCLUDED)

    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
