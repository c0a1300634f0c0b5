"""Real kubelets under names of every length that a Node can have (NAMES-1, TRUTH-1, TRUTH-3, RECOVER-1).

63 characters are the limit of a host's name and of the label kubernetes.io/hostname: the kubelet registers itself under
it. With more it cannot (64), and is given a Node that was made beforehand. 165 leave room for the log directory of its
discovery pod, as the contract calls it, in a file system whose names have 255 characters at most; 166 do not, and
253 are the limit of a Node's name. The node goes out of the report while it is cordoned, and comes back: whatever an
operator tells nodes apart by, it is this one. Objectives as without.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

PROMISES = ("NAMES-1", "TRUTH-1", "TRUTH-3", "RECOVER-1", "SHAPE-1", "SURVIVE-1")
LENGTHS = (63, 64, 165, 166, 253)


def named(length: int) -> Scenario:
    """A real node whose name has that many characters beside one of usual name, and the first one cordoned."""
    name = nodes.name_of_length(length)
    return Scenario(
        id=f"kubelet/name-of-{length}", promises=PROMISES, nodes=nodes.named(name, "usual"), names=(name,), machines=2,
        needs=("kubelet",), faults=(faults.NodeCordoned(node=name),), traffic=Churn(plain=True, labels=False),
        gate_deadline_s=60.0,
    )  # fmt: skip


@pytest.mark.parametrize("scenario", [named(length) for length in LENGTHS], ids=[f"of-{length}" for length in LENGTHS])
@pytest.mark.promise(*PROMISES)
def test_a_real_node_of_any_name_is_reported(run: Run, scenario: Scenario) -> None:
    """The node is reported with true figures under its whole name while it is well, and so is its neighbour."""
    result = run(scenario)

    assert result["NAMES-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
