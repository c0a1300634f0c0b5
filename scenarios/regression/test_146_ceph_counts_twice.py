"""Figures of Ceph count stored data twice, or go below zero (TRUTH-6).

Reports 146 and 97. A pool is nearly full of what its volumes hold, more was promised than is left, and more is written
while the operator runs. Allocatable is what can still be written, allocated what the volumes take: what is stored is
stored in them, and stands in neither again. No figure is below zero. After the pool has filled, and at the next event
of storage, the figures are right within TRUTH-6's 10 s.
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

GIB = 1 << 30
FULL = Ceph(pools=(Pool("ssd", max_avail=270 * GIB, stored=493 * GIB),))
BETA3 = StorageClass("beta3", provisioner="rook-ceph.rbd.csi.ceph.com", pool="ssd", cluster="rook-ceph")

STORED = Scenario(
    id="regression/146-ceph-counts-twice",
    promises=("TRUTH-6", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("beta3",)),
    storage=Storage(classes=(BETA3,), volumes=(Volume("data", "beta3", "545Gi", bound=True),), ceph=(FULL,)),
    volumes=Volumes(classes=("beta3",)),
    faults=(faults.PoolFilled(pool="ssd", gib=200),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*STORED.promises)
def test_what_is_stored_counts_once(run: Run) -> None:
    """The figures of a pool that fills are those of the pool and of the volumes in it."""
    result = run(STORED)

    assert result["TRUTH-6"] is PASS
    assert result["SURVIVE-1"] is PASS
