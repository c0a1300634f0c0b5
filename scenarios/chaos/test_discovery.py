"""Hardware discovery and the GPU registry fail (RECOVER-4, TRUTH-5, SURVIVE-1).

A discovery pod is deleted, as a drain does, while the machine gets other GPUs: the operator must discover again. The
discovery API refuses, hangs, answers 500 or nonsense while a node is replaced, so that it is needed; the registry
fails. Within RECOVER-4's 30 s hardware info is true; figures are true throughout. The registry answers before any
node is known (TRUTH-5 holds all the same, within RECOVER-1's 15 s of the start). Field reports: 652, 240, 310.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

DELETED = Scenario(
    id="chaos/discovery-pod-deleted",
    promises=("RECOVER-4", "TRUTH-1", "TRUTH-2", "SURVIVE-1"),
    faults=(faults.DiscoveryPodDeleted(node="worker-1"),),
    traffic=Churn(plain=True),
)

REGISTRY = Scenario(
    id="chaos/registry-fails",
    promises=("TRUTH-5", "LABEL-1", "TRUTH-1", "SURVIVE-1"),
    faults=(faults.RegistryBroken(mode="error", for_s=5.0), faults.RegistryBroken(mode="hang", for_s=5.0)),
    traffic=Churn(plain=True),
)


EARLY = Scenario(
    id="chaos/registry-early",
    promises=("TRUTH-5", "LABEL-1", "RECOVER-1", "SURVIVE-1"),
    faults=(faults.RegistryEarly(),),
    traffic=Churn(plain=True),
)


def broken(mode: str) -> Scenario:
    """The operator starts again while no discovery API answers as it should."""
    return Scenario(
        id=f"chaos/discovery-{mode}",
        promises=("RECOVER-4", "TRUTH-2", "TRUTH-3", "SURVIVE-1"),
        faults=(faults.DiscoveryBroken(mode=mode, restart_operator=True, for_s=6.0),),
        traffic=Churn(plain=True),
    )


@pytest.mark.quick
@pytest.mark.promise(*DELETED.promises)
def test_a_deleted_discovery_pod_is_made_up_for(run: Run) -> None:
    """Hardware that changed while the discovery pod was away is reported."""
    result = run(DELETED)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.parametrize(
    "scenario", [broken(mode) for mode in ("refuse", "hang", "error", "garbage")], ids=lambda s: s.id
)
@pytest.mark.promise("RECOVER-4", "TRUTH-2", "TRUTH-3", "SURVIVE-1")
def test_broken_discovery_is_asked_again(run: Run, scenario: Scenario) -> None:
    """Hardware info is true soon after discovery answers again, and the other figures never suffer."""
    result = run(scenario)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*REGISTRY.promises)
def test_a_broken_registry_changes_nothing(run: Run) -> None:
    """While the registry fails, what it said before still holds."""
    result = run(REGISTRY)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*EARLY.promises)
def test_a_registry_that_answers_early_is_not_missed(run: Run) -> None:
    """What the registry said before any node was known is used for the nodes that come."""
    result = run(EARLY)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
