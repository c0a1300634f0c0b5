"""A crash loop over a volume whose StorageClass is gone (SURVIVE-1, TRUTH-6).

Report 268. A volume of a class that never existed is there when the operator starts; while it runs, others of such a
class come and go, and the first is deleted. Then the other way round: a class is deleted while the operator runs, its
volumes stay, and go on growing, being released and deleted; the class comes back. The process lives, and within
TRUTH-6's 10 s what is reported is what the volumes of the classes that exist take, and nothing else.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, Storage, StorageClass, Volume, Volumes, faults, nodes

PROMISES = ("SURVIVE-1", "TRUTH-6")


def orphaned(name: str, volumes: tuple[str, ...], fault: faults.Fault) -> Scenario:
    """One node, one class, a volume of it and one of no class, and others of these classes that come and go."""
    return Scenario(
        id=f"regression/268-{name}",
        promises=PROMISES,
        nodes=nodes.simulated(1),
        config=Configuration(storage=("local-path",)),
        storage=Storage(
            classes=(StorageClass("local-path"),),
            volumes=(Volume("other", "local-path", bound=True), Volume("orphan", volumes[0])),
        ),
        volumes=Volumes(classes=volumes),
        faults=(fault,),
        traffic=Churn(plain=True),
    )


CASES = tuple(
    pytest.param(scenario, id=scenario.id)
    for scenario in (
        orphaned("orphan-at-the-start", ("gone", "local-path"), faults.VolumeDeleted(volume="orphan", for_s=2.0)),
        orphaned("class-deleted", ("local-path",), faults.StorageClassDeleted()),
    )
)


@pytest.mark.regression
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_volume_without_its_class_is_survived(run: Run, scenario: Scenario) -> None:
    """The operator lives through volumes whose class does not exist, and counts the others."""
    result = run(scenario)

    assert result["SURVIVE-1"] is PASS
    assert result["TRUTH-6"] is PASS
