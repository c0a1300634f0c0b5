"""The datastore changes hands in every phase of the operator's life (RECOVER-1, AVAIL-1, TRUTH-1 to -3, SURVIVE-1).

With three etcd members the leader is killed and another elected; any other datastore is killed and restarted within
two seconds, as in a failover. It happens while the operator starts, while it discovers a node, in the steady state,
under churn, together with the loss of a node, and while the operator itself is down. What was known stays known, and
within RECOVER-1's 15 s all is true again. Field report: provider SIG #19.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

PROMISES = ("RECOVER-1", "AVAIL-1", "TRUTH-1", "TRUTH-2", "TRUTH-3", "SURVIVE-1", "SHAPE-1")
ANYWHERE = ("etcd3", "etcd", "sqlite", "postgres", "mysql")
LOST = faults.LeaderLost(for_s=2.0)
PLAIN = Churn(plain=True)
LATE = nodes.named("late-1", profile=nodes.NodeProfile(cpus=8, memory_mib=16384)).items()


# A node that joins while the datastore changes hands waits for it, then for its discovery pod.
JOINING_S = {"TRUTH-1": 10.0}


def lost(
    phase: str,
    *harm: faults.Fault,
    churn: Churn | None = PLAIN,
    pause_s: float = 1.0,
    objectives: dict[str, float] | None = None,
) -> Scenario:
    """The usual cluster, whose datastore changes hands in one phase of the operator's life."""
    return Scenario(
        id=f"chaos/leader-lost-{phase}", promises=PROMISES, faults=harm, traffic=churn, pause_s=pause_s,
        datastores=ANYWHERE, objectives=objectives or {},
    )  # fmt: skip


AT_START = lost("at-start", faults.OperatorKilled(for_s=0.5), LOST, pause_s=0.2)
IN_DISCOVERY = lost(
    "in-discovery",
    faults.Together(faults.NodesJoin(nodes=tuple(LATE)), LOST, after_s=0.3),
    objectives=JOINING_S,
)
IN_STEADY_STATE = lost("in-steady-state", LOST, churn=None)
UNDER_CHURN = lost("under-churn", LOST, churn=Churn(plain=True, rate=16.0, least=40))
WITH_A_NODE = lost("with-a-node", faults.Together(faults.NodeDeleted(), LOST))
AT_RESTART = lost("at-restart", faults.Together(faults.OperatorKilled(for_s=0.5), LOST, after_s=0.5))

CASES = (
    pytest.param(AT_START, id="at-start"),
    pytest.param(IN_DISCOVERY, id="in-discovery"),
    pytest.param(IN_STEADY_STATE, id="in-steady-state"),
    pytest.param(UNDER_CHURN, id="under-churn", marks=pytest.mark.quick),
    pytest.param(WITH_A_NODE, id="with-a-node"),
    pytest.param(AT_RESTART, id="at-restart"),
)


@pytest.mark.datastore
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_datastore_that_changes_hands_is_survived(run: Run, scenario: Scenario) -> None:
    """Nothing known is lost while the datastore changes hands, and the inventory is true again soon after."""
    result = run(scenario)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
