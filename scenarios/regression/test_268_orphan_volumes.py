"""A crash loop over a volume whose StorageClass is gone (SURVIVE-1, TRUTH-6).

Report 268. A volume of a class that never existed is there when the operator starts; while it runs another one of such
a class comes and goes with the traffic, and the first is deleted. None of it has to be reported. The process lives, and
within TRUTH-6's 10 s what other volumes take is what is reported.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, Storage, StorageClass, Volume, Volumes, faults, nodes

ORPHANED = Scenario(
    id="regression/268-orphan-volumes",
    promises=("SURVIVE-1", "TRUTH-6"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path",)),
    storage=Storage(
        classes=(StorageClass("local-path"),), volumes=(Volume("orphan", "gone"), Volume("other", "local-path"))
    ),
    volumes=Volumes(classes=("gone", "local-path")),
    faults=(faults.VolumeDeleted(volume="orphan", for_s=2.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*ORPHANED.promises)
def test_a_volume_without_its_class_is_survived(run: Run) -> None:
    """The operator lives through volumes whose class does not exist, and counts the others."""
    result = run(ORPHANED)

    assert result["SURVIVE-1"] is PASS
    assert result["TRUTH-6"] is PASS
