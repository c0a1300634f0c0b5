"""Nodes in every state they can be in, one at a time (TRUTH-1, TRUTH-2, TRUTH-3, TRUTH-5, LABEL-1, RECOVER-1).

Nothing keeps the operator from seeing any of it, so the contract's objectives hold as they are. A node is reported
while it is Ready and not cordoned: a taint, an eviction, a clock an hour ahead change nothing, and a node that flaps is
right again within 5 s of its last change, however many an operator missed. Where there are no nodes none is reported;
those that join again are reported within 5 s (figures) and 10 s (hardware, labels), since the cluster is small.
What joins and is of no use is never reported and never labelled. A resource that is no longer named counts zero, and a
machine that comes back under another name is another node.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "TRUTH-2", "TRUTH-3", "TRUTH-5", "LABEL-1", "RECOVER-1", "SURVIVE-1")
GPU_NODE = "worker-1"


def state(name: str, fault: faults.Fault) -> Scenario:
    """The usual cluster, under churn, with one fault of nodes."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True))


CASES = (
    pytest.param(state("node-not-ready", faults.NodeNotReady()), id="not-ready"),
    pytest.param(state("node-tainted-no-schedule", faults.NodeTainted()), id="no-schedule"),
    pytest.param(state("node-tainted-prefer-no-schedule", faults.NodeTainted("PreferNoSchedule")), id="prefer-no"),
    pytest.param(state("node-tainted-no-execute", faults.NodeTainted("NoExecute", node=GPU_NODE)), id="no-execute"),
    pytest.param(state("node-drained", faults.NodeDrained(node=GPU_NODE)), id="drained"),
    pytest.param(state("nodes-deleted", faults.NodesDeleted(count=2)), id="two-deleted"),
    pytest.param(state("nodes-all-deleted", faults.NodesDeleted()), id="all-deleted"),
    pytest.param(state("node-flaps", faults.NodeFlaps()), id="flaps"),
    pytest.param(state("node-cordon-flaps", faults.NodeFlaps("cordon", times=12, every_s=0.1)), id="cordon-flaps"),
    pytest.param(state("node-never-ready", faults.NodeNeverReady()), id="never-ready"),
    pytest.param(state("node-empty-status", faults.NodeEmptyStatus()), id="empty-status"),
    pytest.param(state("node-renamed", faults.NodeRenamed(node=GPU_NODE)), id="renamed"),
    pytest.param(state("node-resource-removed", faults.ExtendedResourceRemoved(node=GPU_NODE)), id="gpu-removed"),
    pytest.param(state("node-clock-ahead", faults.ClockAhead()), id="clock-ahead"),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_what_is_reported_follows_the_nodes(run: Run, scenario: Scenario) -> None:
    """Schedulable Ready nodes are reported with their own figures and hardware, and no others, in every state."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
