"""Ghosts with empty names (TRUTH-1, SHAPE-1).

Reports 120, 147, 130, 214, 270 and node 1403: wrong counts, nodes without a name, hangs. A node joins while the right
to get nodes is missing, so that a closer look at it fails; then another one is deleted. Every answer is held against
the truth: each node that there is, by its own name, within TRUTH-1's 5 s, and no other.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

LATE = (("late", nodes.NodeProfile(cpus=8, memory_mib=16384)),)

GHOSTS = Scenario(
    id="regression/120-nodes-without-a-name",
    promises=("TRUTH-1", "SHAPE-1", "SURVIVE-1"),
    faults=(
        faults.Together(faults.RightsRevoked("get", "nodes", for_s=6.0), faults.NodesJoin(nodes=LATE, for_s=0.5)),
        faults.NodeDeleted(node="worker-3", for_s=7.0),
    ),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*GHOSTS.promises)
def test_there_are_no_ghosts(run: Run) -> None:
    """Every entry of the inventory is a node that there is, under its own name."""
    result = run(GHOSTS)

    assert result["TRUTH-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
