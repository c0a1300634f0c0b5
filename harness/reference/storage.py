"""Storage classes and volumes, and what is reported of them (TRUTH-6): pure.

Contract, part A, "Storage figures": only classes that the configuration names and that carry `akash.network=true`.
What is allocated is the sum of the capacities of a class's volumes, whatever their phase. Local storage is the
ephemeral storage of the nodes that have the class, together; Ceph's is what can still be written to the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reference.inventory import Pair, StorageEntry
from harness.reference.quantity import ZERO, format_plain, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from decimal import Decimal

    from harness.reference.records import NodeRecord

LOCAL_PATH, CEPH_SUFFIX = "rancher.io/local-path", ".csi.ceph.com"
LABEL = "akash.network"
RELEASED = "Released"


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """A StorageClass. `cluster`: the namespace of its Ceph cluster."""

    name: str
    provisioner: str
    labelled: bool
    pool: str
    cluster: str

    @property
    def is_ceph(self) -> bool:
        """Whether its volumes are Ceph's."""
        return self.provisioner.endswith(CEPH_SUFFIX)


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A PersistentVolume."""

    name: str
    uid: str
    class_name: str
    capacity: Decimal
    phase: str


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """A Ceph pool, in bytes."""

    max_avail: int
    stored: int


def decode_class(item: Mapping[str, Any]) -> ClassRecord:
    """A StorageClass from its JSON; raises KeyError, TypeError, ValueError or AttributeError when it is none."""
    meta, parameters = item["metadata"], item.get("parameters") or {}
    return ClassRecord(
        name=meta["name"],
        provisioner=item["provisioner"],
        labelled=(meta.get("labels") or {}).get(LABEL) == "true",
        pool=parameters.get("pool", ""),
        cluster=parameters.get("clusterID", ""),
    )


def decode_volume(item: Mapping[str, Any]) -> VolumeRecord:
    """A PersistentVolume from its JSON; raises KeyError, TypeError, ValueError or AttributeError when it is none."""
    meta, spec = item["metadata"], item["spec"]
    return VolumeRecord(
        name=meta["name"],
        uid=meta["uid"],
        class_name=spec.get("storageClassName") or "",
        capacity=parse(str((spec.get("capacity") or {}).get("storage", "0"))),
        phase=(item.get("status") or {}).get("phase", ""),
    )


def decode_pools(document: Any) -> dict[str, PoolRecord]:
    """The pools of `ceph df --format json` by name; raises ValueError when it is no such document."""
    try:
        return {
            pool["name"]: PoolRecord(int(pool["stats"]["max_avail"]), int(pool["stats"].get("stored", 0)))
            for pool in document["pools"]
        }
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"no answer of ceph df ({exc!r}): {str(document)[:120]}") from exc


def labelled(item: ClassRecord) -> bool:
    """The class is managed."""
    return item.labelled


def as_it_is(old: VolumeRecord | None, new: VolumeRecord) -> VolumeRecord:  # noqa: ARG001 - the seam's signature
    """What counts is the volume as it is now."""
    return new


def its_capacity(volume: VolumeRecord) -> Decimal:
    """A volume takes its capacity, whatever its phase."""
    return volume.capacity


def all_together(nodes: Sequence[NodeRecord]) -> Sequence[NodeRecord]:
    """Every node that has the class counts."""
    return nodes


def volumes_only(allocated: Decimal, pool: PoolRecord) -> Decimal:  # noqa: ARG001 - the seam's signature
    """What is stored in a pool is stored in its volumes."""
    return allocated


def fine(volume: VolumeRecord) -> None:
    """A volume whose class does not exist is a volume like any other."""


@dataclass(frozen=True, slots=True)
class StorageRules:
    """The seams at which a saboteur differs (`harness.reference.behaviour`).

    `offered`: whether a class is reported; `forgets_classes`: whether one that is deleted is gone; `merge_volume`: what
    counts of a volume that changed; `taken`: what a volume takes; `on_orphan`: of a volume whose class is not there;
    `local_nodes`: the nodes that local storage is the sum of; `pool_allocated`: what is taken of a pool;
    `honours_exclusion`: whether nodes may be without a class; `reopens_watch`: of volumes, when it has ended.
    """

    offered: Callable[[ClassRecord], bool] = labelled
    forgets_classes: bool = True
    merge_volume: Callable[[VolumeRecord | None, VolumeRecord], VolumeRecord] = as_it_is
    taken: Callable[[VolumeRecord], Decimal] = its_capacity
    on_orphan: Callable[[VolumeRecord], None] = fine
    local_nodes: Callable[[Sequence[NodeRecord]], Sequence[NodeRecord]] = all_together
    pool_allocated: Callable[[Decimal, PoolRecord], Decimal] = volumes_only
    honours_exclusion: bool = True
    reopens_watch: bool = True


CORRECT_STORAGE = StorageRules()


def offered_classes(
    rules: StorageRules, named: Collection[str], classes: Mapping[str, ClassRecord]
) -> list[ClassRecord]:
    """The classes that are reported, in order of their names."""
    return [classes[name] for name in sorted(set(named)) if name in classes and rules.offered(classes[name])]


def local_entry(
    rules: StorageRules, item: ClassRecord, nodes: Sequence[NodeRecord], volumes: Iterable[VolumeRecord]
) -> StorageEntry:
    """A class of local storage; `nodes`: those that have it."""
    counted = rules.local_nodes(nodes)
    allocatable = sum((node.allocatable.ephemeral_storage for node in counted), ZERO)
    capacity = sum((node.capacity.ephemeral_storage for node in counted), ZERO)
    return _entry(item, allocatable, _allocated(rules, item, volumes), capacity)


def pool_entry(
    rules: StorageRules, item: ClassRecord, pool: PoolRecord, volumes: Iterable[VolumeRecord]
) -> StorageEntry:
    """A class of a Ceph pool."""
    free = ZERO + pool.max_avail
    return _entry(item, free, rules.pool_allocated(_allocated(rules, item, volumes), pool), free)


def _allocated(rules: StorageRules, item: ClassRecord, volumes: Iterable[VolumeRecord]) -> Decimal:
    return sum((rules.taken(volume) for volume in volumes if volume.class_name == item.name), ZERO)


def _entry(item: ClassRecord, allocatable: Decimal, allocated: Decimal, capacity: Decimal) -> StorageEntry:
    return StorageEntry(item.name, Pair(format_plain(allocatable), format_plain(allocated), format_plain(capacity)))
