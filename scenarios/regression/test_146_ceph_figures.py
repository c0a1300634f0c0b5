"""Figures of Ceph count stored data twice, or go below zero (TRUTH-6).

Reports 146 and 97. A pool holds 493 GiB of the 545 GiB that its volumes were promised; while the operator runs 200 GiB
more are written to it, and a volume goes, so that there is reason to look. Then volumes of its class come, grow, are
released and go. Allocatable is what can still be written, allocated what the volumes take: what is stored is stored in
them, and stands in neither again, and a volume that goes gives back what it took. No figure is below zero. All is right
within TRUTH-6's 10 s.
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
PROMISES = ("TRUTH-6", "SURVIVE-1")
FULL = Storage(
    classes=(StorageClass("beta3", provisioner="rook-ceph.rbd.csi.ceph.com", pool="ssd", cluster="rook-ceph"),),
    volumes=(Volume("data", "beta3", "545Gi", bound=True), Volume("spare", "beta3", "20Gi")),
    ceph=(Ceph(pools=(Pool("ssd", max_avail=270 * GIB, stored=493 * GIB),)),),
)

STORED = Scenario(
    id="regression/146-stored-data",
    promises=PROMISES,
    nodes=nodes.simulated(1),
    config=Configuration(storage=("beta3",)),
    storage=FULL,
    faults=(faults.Together(faults.PoolFilled(pool="ssd", gib=200), faults.VolumeDeleted(volume="spare", for_s=12.0)),),
    traffic=Churn(plain=True),
)

GROWN = Scenario(
    id="regression/97-volumes-grow-and-go",
    promises=PROMISES,
    nodes=nodes.simulated(1),
    config=Configuration(storage=("beta3",)),
    storage=FULL,
    volumes=Volumes(classes=("beta3",), rate=6.0, live=6, least=40),
    traffic=Churn(plain=True),
    observe_s=12.0,
)


@pytest.mark.regression
@pytest.mark.parametrize("scenario", [STORED, GROWN], ids=[STORED.id, GROWN.id])
@pytest.mark.promise(*PROMISES)
def test_what_is_stored_and_what_volumes_take_counts_once(run: Run, scenario: Scenario) -> None:
    """The figures are those of the pool and of the volumes in it."""
    result = run(scenario)

    assert result["TRUTH-6"] is PASS
    assert result["SURVIVE-1"] is PASS
