"""Single requests fail and the rest go on (RECOVER-1, SURVIVE-1, LABEL-1, SHAPE-1).

At the operator's start the first two lists of nodes, or of pods, are refused, as by an API server that is not quite
ready: it has to ask again. The label patches of one node are refused: two with 409, as when somebody else was faster,
and for 6 s with 403. Nobody asks for them anew, so the operator has to try again by itself, and within RECOVER-1's 15 s
after the heal the labels are right.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

RENAMED = faults.RegistryChanged(names=(("a100", "a100-80g"),))


def start(resource: str) -> Scenario:
    """The operator starts anew, and its first two lists of that resource are refused."""
    fault = faults.ApiRefuses("list", resource, status=503, calls=2, restart_operator=True, for_s=2.0)
    return Scenario(
        id=f"chaos/first-lists-of-{resource}-refused",
        promises=("RECOVER-1", "SURVIVE-1", "SHAPE-1"),
        faults=(fault,),
        traffic=Churn(plain=True),
    )


def patches(name: str, refused: faults.ApiRefuses) -> Scenario:
    """The GPUs of worker-1 get another name, and the patches of its labels are refused."""
    return Scenario(
        id=f"chaos/label-patches-{name}",
        promises=("LABEL-1", "SURVIVE-1"),
        faults=(faults.Together(refused, RENAMED),),
        traffic=Churn(plain=True),
    )


STARTS = [pytest.param(start(resource), id=resource) for resource in ("nodes", "pods")]
PATCHES = [
    pytest.param(patches(name, fault), id=name)
    for name, fault in (
        ("conflicting", faults.ApiRefuses("patch", "nodes", name="worker-1", status=409, calls=2, for_s=1.0)),
        ("forbidden", faults.ApiRefuses("patch", "nodes", name="worker-1", status=403, for_s=6.0)),
    )
]


@pytest.mark.library
@pytest.mark.parametrize("scenario", STARTS)
@pytest.mark.promise("RECOVER-1", "SURVIVE-1", "SHAPE-1")
def test_a_first_list_that_is_refused_is_asked_for_again(run: Run, scenario: Scenario) -> None:
    """The operator that could not list at its start lives and reports the truth soon after."""
    result = run(scenario)

    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", PATCHES)
@pytest.mark.promise("LABEL-1", "SURVIVE-1")
def test_a_label_patch_that_is_refused_is_made_again(run: Run, scenario: Scenario) -> None:
    """The labels of a node whose patches were refused are right in the end."""
    result = run(scenario)

    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
