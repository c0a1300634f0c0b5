"""The saboteurs of storage: each counts, or names, classes and volumes wrongly in one known way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from harness.reference.behaviour import Crash
from harness.reference.defect import Defect, but
from harness.reference.storage import CORRECT_STORAGE, RELEASED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from harness.reference.behaviour import Behaviour
    from harness.reference.inventory import Inventory
    from harness.reference.records import NodeRecord
    from harness.reference.storage import PoolRecord, VolumeRecord


def _twice_when_released(volume: VolumeRecord) -> Decimal:
    return volume.capacity * 2 if volume.phase == RELEASED else volume.capacity


def _only_bound(volume: VolumeRecord) -> Decimal:
    return volume.capacity if volume.phase == "Bound" else Decimal(0)


def _as_first_seen(old: VolumeRecord | None, new: VolumeRecord) -> VolumeRecord:
    return new if old is None or old.uid != new.uid else replace(new, capacity=old.capacity)


def _die_of_an_orphan(volume: VolumeRecord) -> None:
    raise Crash(f"volume {volume.name}: invalid memory address: there is no class {volume.class_name}")


def _any_one(nodes: Sequence[NodeRecord]) -> Sequence[NodeRecord]:
    return nodes[-1:]


def _stored_as_well(allocated: Decimal, pool: PoolRecord) -> Decimal:
    return allocated + pool.stored


def _stored_off(allocated: Decimal, pool: PoolRecord) -> Decimal:
    return allocated - pool.stored


def _no_storage(inventory: Inventory) -> Inventory:
    return replace(inventory, storage=())


def _stores(**changed: Any) -> Behaviour:
    return but(storage=replace(CORRECT_STORAGE, **changed))


STORAGE_DEFECTS = (
    Defect(
        "storage-counts-released-twice",
        "A volume counts twice once its claim is gone.",
        ("TRUTH-6",),
        _stores(taken=_twice_when_released),
    ),
    Defect(
        "storage-counts-bound-only",
        "Volumes that are not bound count nothing, although they take their place.",
        ("TRUTH-6",),
        _stores(taken=_only_bound),
    ),
    Defect(
        "volume-size-read-once",
        "A volume counts with the capacity that it was first seen with, also after it has grown.",
        ("TRUTH-6",),
        _stores(merge_volume=_as_first_seen),
    ),
    Defect(
        "class-label-ignored",
        "Storage classes are reported whether or not they carry the label akash.network=true (the other side of reports"
        " 487 and 645).",
        ("TRUTH-6",),
        _stores(offered=lambda item: bool(item.name)),
    ),
    Defect(
        "keeps-deleted-class",
        "A storage class that was deleted is still reported.",
        ("TRUTH-6",),
        _stores(forgets_classes=False),
    ),
    Defect(
        "local-storage-of-one-node",
        "Local storage is reported to be that of one node, however many there are.",
        ("TRUTH-6",),
        _stores(local_nodes=_any_one),
    ),
    Defect(
        "ignores-excluded-storage",
        "Every node is said to have every class, also those that the configuration excludes it from.",
        ("TRUTH-6",),
        _stores(honours_exclusion=False),
    ),
    Defect(
        "ceph-counts-stored-twice",
        "What is stored in a Ceph pool counts beside the volumes that it is stored in (report 146).",
        ("TRUTH-6",),
        _stores(pool_allocated=_stored_as_well),
    ),
    Defect(
        "ceph-takes-stored-off",
        "What is stored in a Ceph pool is taken off what its volumes take, so that more stored than that is below zero "
        "(report 97).",
        ("TRUTH-6",),
        _stores(pool_allocated=_stored_off),
    ),
    Defect(
        "storage-empty-while-api-away",
        "While watches fail the inventory is reported without storage, as if that were the truth.",
        ("AVAIL-1",),
        but(inventory_while_away=_no_storage),
    ),
    Defect(
        "volume-watch-not-reopened",
        "A watch of volumes that has ended in order is not taken up again, so what volumes take stays as it was.",
        ("TRUTH-6", "RECOVER-1"),
        _stores(reopens_watch=False),
    ),
    Defect(
        "dies-on-orphan-volume",
        "The process dies with a traceback of a volume whose storage class does not exist (report 268).",
        ("SURVIVE-1",),
        _stores(on_orphan=_die_of_an_orphan),
    ),
)
