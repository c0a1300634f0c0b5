"""Storage of a cluster: StorageClasses, PersistentVolumes and their claims, and the Ceph clusters behind some of them.

Volumes are made as provisioners leave them behind: an object with a capacity, a class and a source. Nothing is mounted,
so nothing more of them is real. Their phases are: the controller manager binds claims, and releases volumes whose claim
is gone. Both finalizers that protect volumes and claims are its work as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.cluster.client import KubeClient

LOCAL_PATH = "rancher.io/local-path"
RBD = "rook-ceph.rbd.csi.ceph.com"

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"

LABEL = "akash.network"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class StorageClass:
    """A StorageClass, with the label `akash.network=true` or without it.

    `pool`, `cluster`: where its provisioner is Ceph's, the pool and the namespace of the cluster.
    """

    name: str
    labelled: bool = True
    provisioner: str = LOCAL_PATH
    pool: str = ""
    cluster: str = ""

    def body(self) -> dict[str, Any]:
        """The object."""
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": self.name, "labels": {LABEL: "true"} if self.labelled else {}},
            "provisioner": self.provisioner,
            "reclaimPolicy": "Retain",
            "allowVolumeExpansion": True,
            "volumeBindingMode": "WaitForFirstConsumer",
            **({"parameters": {"pool": self.pool, "clusterID": self.cluster}} if self.pool or self.cluster else {}),
        }


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume of a class, which need not exist; `bound`: with a claim of its own name.

    `size`: a quantity in any notation.
    """

    name: str
    storage_class: str
    size: str = "10Gi"
    bound: bool = False

    def body(self, provisioner: str = LOCAL_PATH) -> dict[str, Any]:
        """The object, as this provisioner leaves it behind."""
        local = {"hostPath": {"path": f"/opt/local-path-provisioner/{self.name}", "type": "DirectoryOrCreate"}}
        remote = {"csi": {"driver": provisioner, "volumeHandle": f"0001-0009-rook-ceph-{self.name}"}}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": self.name, "annotations": {"pv.kubernetes.io/provisioned-by": provisioner}},
            "spec": {
                "capacity": {"storage": self.size},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": self.storage_class,
                **(local if provisioner == LOCAL_PATH else remote),
            },
        }

    def claim(self) -> dict[str, Any]:
        """The claim that it is bound to."""
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": self.size}},
                "storageClassName": self.storage_class,
                "volumeName": self.name,
            },
        }


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of a Ceph cluster: what can still be written to it, and what is stored in it, in bytes."""

    name: str
    max_avail: int = 500 * GIB
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Ceph:
    """A Ceph cluster that Rook has made: its CephCluster object, its tools pod, and its pools."""

    pools: tuple[Pool, ...]
    namespace: str = "rook-ceph"
    name: str = "rook-ceph"

    def df(self) -> dict[str, Any]:
        """What `ceph df --format json` prints."""
        return df(self.pools)


def df(pools: tuple[Pool, ...]) -> dict[str, Any]:
    """What `ceph df --format json` prints of these pools, in the shape of Ceph 17 and 18, each stored once."""
    stored, free = sum(pool.stored for pool in pools), max((pool.max_avail for pool in pools), default=0)
    total = stored + free
    return {
        "stats": {
            "total_bytes": total, "total_avail_bytes": free, "total_used_bytes": stored, "total_used_raw_bytes": stored,
            "total_used_raw_ratio": _share(stored, total), "num_osds": 1, "num_per_pool_osds": 1,
            "num_per_pool_omap_osds": 1,
        },
        "stats_by_class": {
            "ssd": {
                "total_bytes": total, "total_avail_bytes": free, "total_used_bytes": stored,
                "total_used_raw_bytes": stored, "total_used_raw_ratio": _share(stored, total),
            }
        },
        "pools": [
            {
                "name": pool.name,
                "id": number,
                "stats": {
                    "stored": pool.stored, "objects": pool.stored >> 22, "kb_used": pool.stored >> 10,
                    "bytes_used": pool.stored, "percent_used": _share(pool.stored, pool.stored + pool.max_avail),
                    "max_avail": pool.max_avail,
                },
            }
            for number, pool in enumerate(pools, start=1)
        ],
    }  # fmt: skip


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class Storage:
    """What a cluster has of storage before the operator starts."""

    classes: tuple[StorageClass, ...] = ()
    volumes: tuple[Volume, ...] = ()
    ceph: tuple[Ceph, ...] = ()

    def __post_init__(self) -> None:
        for what, names in (
            ("class", [item.name for item in self.classes]),
            ("volume", [item.name for item in self.volumes]),
            ("namespace of a Ceph cluster", [item.namespace for item in self.ceph]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise UsageError(f"storage: {what} {twice[0]!r} is there twice", hint="give each a name of its own")

    def of_class(self, name: str) -> StorageClass | None:
        """The class of that name; None when there is none."""
        return next((item for item in self.classes if item.name == name), None)


def grown(size: str) -> dict[str, Any]:
    """The merge patch by which a volume's capacity changes, as an external resizer makes it."""
    return {"spec": {"capacity": {"storage": size}}}


def labelled(labels: Mapping[str, str | None]) -> dict[str, Any]:
    """The merge patch that sets labels, or takes them away."""
    return {"metadata": {"labels": dict(labels)}}


async def furnish(client: KubeClient, storage: Storage) -> None:
    """Create classes, volumes and claims, in that order."""
    for path, body in _objects(storage):
        await client.create(path, body)


def _objects(storage: Storage) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((CLASSES, item.body()) for item in storage.classes)
    for volume in storage.volumes:
        item = storage.of_class(volume.storage_class)
        yield VOLUMES, volume.body() if item is None else volume.body(item.provisioner)
        if volume.bound:
            yield CLAIMS, volume.claim()
