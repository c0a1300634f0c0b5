"""What discovery may answer, and what may become of its pods (RECOVER-4, TRUTH-1, TRUTH-2, TRUTH-3, SURVIVE-1).

The operator starts while the discovery API answers late (4 s, within the 5 s of a read, and 6 s, beyond), emptily, by
halves, in wrong types or hugely; a node joins while its own API hangs or is not understood: it is reported within
TRUTH-1's 5 s, without hardware info. A discovery pod is evicted, ends with its node's shutdown, or is killed for memory
while the machine gets other GPUs; pods cannot pull their image; a stranger carries a discovery pod's name, or pods of a
run before lie about. Within RECOVER-4's 30 s of each heal hardware info is true. Field report: 652.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

STARTS = ("RECOVER-4", "TRUTH-2", "TRUTH-3", "SURVIVE-1")
STAYS = ("RECOVER-4", "TRUTH-1", "TRUTH-2", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault, promises: tuple[str, ...]) -> Scenario:
    """The usual cluster under plain churn, and one fault."""
    return Scenario(id=f"chaos/{name}", promises=promises, faults=(fault,), traffic=Churn(plain=True))


def answers(mode: str, *, delay_s: float = 0.0, for_s: float = 8.0) -> faults.DiscoveryBroken:
    """The operator starts again while every discovery API answers like this."""
    return faults.DiscoveryBroken(mode=mode, delay_s=delay_s, for_s=for_s, restart_operator=True)


def joins(mode: str) -> faults.Together:
    """A node joins whose discovery API answers like this for 8 s and more: longer than TRUTH-1 gives."""
    late = (("late", nodes.NodeProfile(gpu="h100", gpus=8)),)
    return faults.Together(
        faults.DiscoveryBroken(mode=mode, node="late", for_s=8.0), faults.NodesJoin(nodes=late, for_s=0.5)
    )


ANSWERS = tuple(
    pytest.param(harmed(f"discovery-{name}", fault, STARTS), id=name)
    for name, fault in (
        ("late-4s", answers("late", delay_s=4.0)),
        ("late-6s", answers("late", delay_s=6.0, for_s=12.0)),
        ("empty", answers("empty")),
        ("half", answers("half")),
        ("wrong-types", answers("types")),
        ("huge", answers("huge")),
        ("image-not-pulled", faults.DiscoveryPodPending(for_s=8.0)),
        ("name-taken", faults.ForeignPod(node="worker-1", for_s=6.0)),
        ("leftovers", faults.LeftoverPods(node="worker-1", for_s=6.0)),
    )
)

JOINS = tuple(
    pytest.param(harmed(f"node-joins-{name}", joins(mode), STAYS), id=name)
    for name, mode in (("silent", "hang"), ("not-understood", "types"))
)

ENDS = tuple(
    pytest.param(harmed(f"discovery-pod-{how}", faults.DiscoveryPodEnds(how=how, node="worker-1"), STAYS), id=how)
    for how in ("evicted", "failed", "oom-killed")
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", ANSWERS)
@pytest.mark.promise(*STARTS)
def test_an_operator_that_starts_amid_trouble_learns_the_hardware_after_it(run: Run, scenario: Scenario) -> None:
    """Hardware info is true soon after discovery works again, and the other figures never suffer."""
    result = run(scenario)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", JOINS)
@pytest.mark.promise(*STAYS)
def test_a_node_whose_hardware_cannot_be_read_is_reported_without_it(run: Run, scenario: Scenario) -> None:
    """The node is there in time, with its sizes, and its hardware info follows as soon as it can be read."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", ENDS)
@pytest.mark.promise(*STAYS)
def test_a_discovery_pod_that_ended_is_made_up_for(run: Run, scenario: Scenario) -> None:
    """Hardware that changed when the pod ended is reported, and no node was ever missing."""
    result = run(scenario)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["SURVIVE-1"] is PASS
