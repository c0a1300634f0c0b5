"""Storage is empty because the class lacks the label, in silence (TRUTH-6).

Reports 487 and 645. One class never had the label `akash.network=true`; another loses it for 13 s while the operator
runs, and gets it again, as whoever has found the reason gives it. A class without the label is not reported, which is
right, and within TRUTH-6's 10 s of a change it is so; with the label it is reported with its figures, without a
restart. The volumes stay as they are, so that nothing but the label can be at fault.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, Storage, StorageClass, Volume, faults, nodes

LABELLED = Scenario(
    id="regression/487-class-label",
    promises=("TRUTH-6", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("beta3", "unlabelled")),
    storage=Storage(
        classes=(StorageClass("beta3"), StorageClass("unlabelled", labelled=False)),
        volumes=(Volume("data", "beta3", "40Gi", bound=True), Volume("more", "unlabelled")),
    ),
    faults=(faults.StorageClassUnlabelled(storage_class="beta3", for_s=13.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*LABELLED.promises)
def test_a_class_is_reported_while_it_carries_the_label(run: Run) -> None:
    """Without it the class is not reported, and with it again it is."""
    result = run(LABELLED)

    assert result["TRUTH-6"] is PASS
    assert result["SURVIVE-1"] is PASS
