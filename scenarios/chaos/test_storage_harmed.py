"""Storage changes, and cannot be followed, while the operator runs (TRUTH-6, SURVIVE-1, AVAIL-1; reports 268, 661).

A volume whose class does not exist is there at the start and deleted while the operator runs. A class is deleted for
12 s and comes back with its volumes still there, or loses its label. The watch of volumes ends again and again, breaks,
or loses events; the API server is killed; the operator is. A pool fills; the Ceph tools fail for 12 s while the pool is
as it was. The configuration stops naming a class and names it again. Nothing of this excuses a figure that never was
true; within TRUTH-6's 10 s, or RECOVER-1's 15 s where the cluster could not be seen, all is true again.
"""

from __future__ import annotations

import pytest

from harness import (
    PASS,
    Ceph,
    Churn,
    Configuration,
    Pool,
    Run,
    Scenario,
    Storage,
    StorageClass,
    Volume,
    Volumes,
    faults,
    nodes,
)

PROMISES = ("TRUTH-6", "RECOVER-1", "SHAPE-2", "SURVIVE-1")
LOCAL = Storage(
    classes=(StorageClass("local-path"),),
    volumes=(
        Volume("before-bound", "local-path", "30Gi", bound=True),
        Volume("before-free", "local-path", "5Gi"),
    ),
)
ORPHANED = Storage(classes=LOCAL.classes, volumes=(*LOCAL.volumes, Volume("before-orphan", "gone", "7Gi")))
CEPH = Storage(
    classes=(StorageClass("beta3", provisioner="rook-ceph.rbd.csi.ceph.com", pool="ssd", cluster="rook-ceph"),),
    volumes=(Volume("data", "beta3", "50Gi", bound=True),),
    ceph=(Ceph(pools=(Pool("ssd", stored=50 << 30),)),),
)
BROKEN = tuple(faults.CephToolsBroken(mode=mode) for mode in ("error", "garbage", "empty", "hang"))


def harmed(name: str, fault: faults.Fault, storage: Storage = LOCAL, *more: str) -> Scenario:
    """One node, volumes that come and go, and one harm; `more`: promises."""
    named = tuple(item.name for item in storage.classes)
    return Scenario(
        id=f"chaos/storage-{name}",
        promises=(*PROMISES, *more),
        nodes=nodes.simulated(1),
        config=Configuration(storage=named),
        storage=storage,
        volumes=Volumes(classes=named),
        faults=(fault,),
        traffic=Churn(plain=True),
    )


CHANGES = tuple(
    pytest.param(scenario, id=scenario.id.removeprefix("chaos/storage-"))
    for scenario in (
        harmed("orphan-deleted", faults.VolumeDeleted(volume="before-orphan"), ORPHANED),
        harmed("class-deleted", faults.StorageClassDeleted()),
        harmed("class-unlabelled", faults.StorageClassUnlabelled()),
        harmed("class-not-named", faults.ConfigChanged(storage=(), for_s=12.0)),
        harmed("pool-filled", faults.PoolFilled(pool="ssd"), CEPH),
        *(harmed(f"tools-{fault.mode}", fault, CEPH) for fault in BROKEN),
        harmed("operator-killed", faults.OperatorKilled(), CEPH),
    )
)

UNSEEN = tuple(
    pytest.param(scenario, id=scenario.id.removeprefix("chaos/storage-"))
    for scenario in (
        harmed(name, fault, LOCAL, "AVAIL-1")
        for name, fault in (
            ("volume-watch-closed", faults.WatchesClosed(resource="persistentvolumes")),
            ("volume-watch-failing", faults.WatchError(code=500, resource="persistentvolumes")),
            ("volume-deletions-lost", faults.WatchDropsEvents(resource="persistentvolumes")),
            ("class-watch-gone", faults.WatchError(code=410, resource="storageclasses")),
            ("api-server-killed", faults.ApiServerKilled(for_s=4.0)),
        )
    )
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CHANGES)
@pytest.mark.promise(*PROMISES)
def test_storage_that_changes_is_followed(run: Run, scenario: Scenario) -> None:
    """Each change shows in time, nothing that never was true is reported, and the operator lives."""
    result = run(scenario)

    assert result["TRUTH-6"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", UNSEEN)
@pytest.mark.promise(*PROMISES, "AVAIL-1")
def test_storage_that_could_not_be_seen_is_made_up_for(run: Run, scenario: Scenario) -> None:
    """Storage that is known is not forgotten, and is true again soon after it can be seen; the operator lives."""
    result = run(scenario)

    assert result["AVAIL-1"] is PASS
    assert result["TRUTH-6"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
