"""Nodes go offline and come back, and ports are taken (TRUTH-1, TRUTH-5, RECOVER-1, RECOVER-3).

Provider SIG #19. One node falls silent and another says that it is not Ready: neither is reported within TRUTH-1's 5 s,
and both are soon after they are back. The operator is restarted while a node is silent, so that discovery there cannot
succeed: within RECOVER-1's 15 s of its return the node is reported with its hardware. A port is taken when the operator
starts, or is started again, and released later: RECOVER-3 has 10 s, because the supervisor's back-off is up to 4 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

OFFLINE = Scenario(
    id="regression/19-nodes-go-offline",
    promises=("TRUTH-1", "SURVIVE-1"),
    faults=(faults.NodeSilent(node="worker-2", for_s=7.0), faults.NodeNotReady(node="worker-1", for_s=7.0)),
    traffic=Churn(plain=True),
)

# A node is seen to be silent 8 to 10 s after its last heartbeat; only then the operator is to start.
SILENT = Scenario(
    id="regression/19-discovery-on-a-silent-node",
    promises=("RECOVER-1", "TRUTH-1", "SURVIVE-1"),
    faults=(
        faults.Together(
            faults.NodeSilent(node="worker-2", for_s=12.0), faults.OperatorInterrupted(for_s=1.0), after_s=13.0
        ),
    ),
    traffic=Churn(plain=True),
)


def taken(port: str, restart: str, name: str) -> Scenario:
    """A supervised operator whose port is taken for four seconds."""
    return Scenario(
        id=f"regression/19-{port}-port-taken-{name}",
        promises=("RECOVER-3", "RECOVER-1", "SHAPE-1"),
        faults=(faults.PortTaken(port=port, restart=restart, for_s=4.0),),
        objectives={"RECOVER-3": 10.0},
        supervised=True,
        traffic=Churn(plain=True),
    )


PORTS = (taken("rest", "interrupt", "at-start"), taken("grpc", "kill", "at-restart"))


@pytest.mark.regression
@pytest.mark.promise(*OFFLINE.promises)
def test_nodes_that_are_offline_are_not_offered(run: Run) -> None:
    """A node is reported while it runs, and at no other time."""
    result = run(OFFLINE)

    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.regression
@pytest.mark.promise(*SILENT.promises)
def test_a_node_that_was_silent_at_the_start_is_discovered_when_it_is_back(run: Run) -> None:
    """Discovery that could not succeed is begun anew, without a restart."""
    result = run(SILENT)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.regression
@pytest.mark.parametrize("scenario", PORTS, ids=[scenario.id for scenario in PORTS])
@pytest.mark.promise("RECOVER-3", "RECOVER-1", "SHAPE-1")
@pytest.mark.clause("A-PROCESS-6")
def test_a_port_that_was_taken_is_served_after_its_release(run: Run, scenario: Scenario) -> None:
    """The operator, or the restart that its exit causes, serves on the port soon after it is free."""
    result = run(scenario)

    assert result["RECOVER-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-1"] is PASS
