"""The GPU registry misbehaves or changes: what it said before holds until it says something else (TRUTH-5, LABEL-1).

It redirects to itself for ever, answers 200 with an object that is no registry, or with nothing: each is an error, and
the old content is kept; so nothing is excused. An operator that starts meanwhile has nothing to keep, and all is true
within RECOVER-1's 15 s of the first proper answer. The content changes every second between two names of a product, and
a vendor goes from it and comes back, 13 s later, so that both must be told: within TRUTH-5's and LABEL-1's 10 s info
and labels say what the registry says. The operator reads it every 2 s here.
Field reports: 207, 240, 310.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

KEPT = ("TRUTH-5", "LABEL-1", "TRUTH-1", "SURVIVE-1")
FOLLOWED = ("TRUTH-5", "LABEL-1", "SHAPE-2", "SURVIVE-1")

BROKEN = tuple(
    pytest.param(
        Scenario(
            id=f"chaos/registry-{name}",
            promises=KEPT,
            faults=(faults.RegistryBroken(mode=mode, for_s=14.0),),  # beyond the 10 s within which it would be told
            traffic=Churn(plain=True),
        ),
        id=name,
    )
    for name, mode in (("redirects-to-itself", "redirect"), ("of-wrong-shape", "wrong"), ("empty", "empty"))
)

STARTS = Scenario(
    id="chaos/registry-of-wrong-shape-at-start",
    promises=("RECOVER-1", "TRUTH-1", "LABEL-1", "SURVIVE-1"),
    faults=(faults.RegistryBroken(mode="wrong", restart_operator=True, for_s=8.0),),
    traffic=Churn(plain=True),
)

CHANGES = tuple(
    pytest.param(
        Scenario(id=f"chaos/registry-{name}", promises=FOLLOWED, faults=listed, traffic=Churn(plain=True)), id=name
    )
    for name, listed in (
        ("flaps", (faults.RegistryFlaps(names=(("a100", "a100-80g"), ("rtx4090", "rtx4090d"))),)),
        (
            "loses-a-vendor",
            (faults.RegistryChanged(without=("nvidia",), for_s=13.0), faults.RegistryChanged(for_s=2.0)),
        ),
    )
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", BROKEN)
@pytest.mark.promise(*KEPT)
def test_a_registry_that_says_nothing_changes_nothing(run: Run, scenario: Scenario) -> None:
    """Info and labels stay as the registry's last true content made them, and the process lives."""
    result = run(scenario)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*STARTS.promises)
def test_an_operator_that_starts_without_a_registry_asks_again(run: Run) -> None:
    """Info and labels are there soon after the registry answers properly for the first time."""
    result = run(STARTS)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", CHANGES)
@pytest.mark.promise(*FOLLOWED)
def test_a_registry_that_changes_is_followed(run: Run, scenario: Scenario) -> None:
    """Info and labels say in time what the registry says, however often it changed on the way."""
    result = run(scenario)

    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
