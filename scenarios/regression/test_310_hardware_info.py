"""CPU or GPU info is null, the node is unlabelled, and a restart cures it (RECOVER-4, TRUTH-5, LABEL-1).

Reports 240 and 310. The operator starts while the discovery API answers a second after the operator has given up, does
not answer at all, or answers the half of it: within RECOVER-4's 30 s of the end of it the info is there. The registry
answers before any node is known, or an error at first, or long before a GPU node joins: info and labels are there
within RECOVER-1's 15 s of a start, and TRUTH-5's and LABEL-1's 10 s of a node's joining.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

DISCOVERED = ("RECOVER-4", "SURVIVE-1")
REGISTERED = ("TRUTH-5", "LABEL-1", "RECOVER-1", "SURVIVE-1")
LATE = (("late", nodes.NodeProfile(gpu="h100", gpus=8)),)


def at_start(name: str, mode: str, *, delay_s: float = 0.0, for_s: float = 8.0) -> Scenario:
    """The operator starts while discovery is in trouble."""
    trouble = faults.DiscoveryBroken(mode=mode, delay_s=delay_s, for_s=for_s, restart_operator=True)
    return Scenario(
        id=f"regression/240-discovery-{name}", promises=DISCOVERED, faults=(trouble,), traffic=Churn(plain=True)
    )


def registry(name: str, fault: faults.Fault) -> Scenario:
    """The registry comes too early or too late for a node."""
    return Scenario(id=f"regression/310-{name}", promises=REGISTERED, faults=(fault,), traffic=Churn(plain=True))


DISCOVERY = (
    at_start("late", "late", delay_s=6.0, for_s=12.0),
    at_start("stalled", "hang"),
    at_start("partly-wrong", "half"),
)
REGISTRY = (
    registry("registry-early", faults.RegistryEarly()),
    registry("registry-late", faults.RegistryBroken(mode="error", restart_operator=True, for_s=8.0)),
    registry("gpu-node-joins-later", faults.NodesJoin(nodes=LATE, for_s=2.0)),
)


@pytest.mark.regression
@pytest.mark.parametrize("scenario", DISCOVERY, ids=[scenario.id for scenario in DISCOVERY])
@pytest.mark.promise(*DISCOVERED)
@pytest.mark.clause("A-DISCOVERY-5")
def test_hardware_is_asked_for_again(run: Run, scenario: Scenario) -> None:
    """What could not be read at the start is known soon after it can be read, without a restart."""
    result = run(scenario)

    assert result["RECOVER-4"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.regression
@pytest.mark.parametrize("scenario", REGISTRY, ids=[scenario.id for scenario in REGISTRY])
@pytest.mark.promise(*REGISTERED)
def test_the_registry_holds_for_every_node(run: Run, scenario: Scenario) -> None:
    """Info and labels are there whichever came first, the node or the registry."""
    result = run(scenario)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
