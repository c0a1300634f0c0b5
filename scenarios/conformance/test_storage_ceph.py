"""Ceph storage is true: what a pool can still take, and what the volumes of its class take (TRUTH-6; reports 97, 146).

The API server serves CephClusters, and the tools pod answers `ceph df` by exec through it. One class is of a pool that
holds data, one of an empty pool, one of local storage beside them. Volumes come, grow, are released and go. Within
TRUTH-6's 10 s allocatable is the pool's `max_avail`, and allocated what the volumes take: what is stored is stored in
them, and counts once. Figures of pools may wait for the next event of storage. One Ceph cluster has a name other than
its namespace, by which classes know it.
"""

from __future__ import annotations

import pytest

from harness import PASS, Ceph, Churn, Configuration, Pool, Run, Scenario, Storage, StorageClass, Volume, Volumes, nodes

PROMISES = ("TRUTH-6", "LABEL-1", "SHAPE-1", "SHAPE-2", "SURVIVE-1")
RBD = "rook-ceph.rbd.csi.ceph.com"
GIB = 1 << 30

FULL, EMPTY = Pool("ssd", max_avail=200 * GIB + 12345, stored=300 * GIB), Pool("hdd", max_avail=4000 * GIB)
CLASSES = (
    StorageClass("beta3", provisioner=RBD, pool="ssd", cluster="rook-ceph"),
    StorageClass("beta1", provisioner=RBD, pool="hdd", cluster="rook-ceph"),
    StorageClass("local-path"),
)


def stored(name: str, ceph: Ceph, *classes: StorageClass) -> Scenario:
    """One node, this Ceph cluster with these classes, and volumes that come and go."""
    named = tuple(item.name for item in classes)
    return Scenario(
        id=f"conformance/storage-{name}",
        promises=PROMISES,
        nodes=nodes.simulated(1),
        config=Configuration(storage=named),
        storage=Storage(classes=classes, volumes=(Volume("data", named[0], "300Gi", bound=True),), ceph=(ceph,)),
        volumes=Volumes(classes=named),
        traffic=Churn(plain=True),
        observe_s=8.0,
    )


CASES = tuple(
    pytest.param(scenario, id=scenario.id.removeprefix("conformance/storage-"))
    for scenario in (
        stored("ceph", Ceph(pools=(FULL, EMPTY)), *CLASSES),
        stored("ceph-of-another-name", Ceph(pools=(FULL,), name="my-cluster"), CLASSES[0]),
    )
)


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
@pytest.mark.clause("A-OBJECTS-2", "A-STORAGE-1")
def test_ceph_storage_is_what_pools_can_take_and_volumes_take(run: Run, scenario: Scenario) -> None:
    """Each class of a pool is reported with the pool's figure and the sum of its volumes, stored data counted once."""
    result = run(scenario)

    assert result["TRUTH-6"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
