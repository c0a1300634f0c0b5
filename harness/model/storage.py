"""What must be reported of storage, from StorageClasses, PersistentVolumes, CephClusters, pools and nodes (TRUTH-6).

The figures and their reasons are in docs/storage.md. In short, for each class that the configuration names, that exists
and that is labelled `akash.network=true`:

- allocated is the sum of the capacities of all PersistentVolumes that name it, whatever their phase;
- `rancher.io/local-path`: capacity and allocatable are the sums of the nodes' ephemeral storage;
- `*.csi.ceph.com`: allocatable is the `max_avail` of the class's pool; capacity that, or that and what is stored.

Any other class is not reported. Classes of other provisioners are not knowable: the contract says nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import HistoryError
from harness.model import quantity
from harness.model.readings import one_of

if TYPE_CHECKING:
    from decimal import Decimal

    from harness.history.record import Record
    from harness.model.config import Config

CLASSES, VOLUMES, CLUSTERS = "storageclasses", "persistentvolumes", "cephclusters"
RESOURCES = (CLASSES, VOLUMES, CLUSTERS)
"""The resources, as histories call them, that storage follows from."""

PRESENT = "storage.present"
FIGURES = ("storage.capacity", "storage.allocatable", "storage.allocated")
FIELDS = (PRESENT, *FIGURES)
"""What is reported of a class: that it is there, and its figures."""

OF_NODE = "storage.classes"
"""What is reported of a node: its classes (`capabilities.storage_classes`)."""

LOCAL_PATH = "rancher.io/local-path"
_CEPH = ".csi.ceph.com"
_LABEL, _LABELLED = "akash.network", "true"
_CREATED = "Created"
_OF = " of "


@dataclass(frozen=True, slots=True)
class ExpectedStorage:
    """What must be reported of one class.

    `sure`: whether it has to be reported at all. `values`: each of FIGURES in bytes; a `OneOf` where the contract
    leaves open which, None where nothing can be known.
    """

    name: str
    values: Mapping[str, Any]
    sure: bool = True


@dataclass(frozen=True, slots=True)
class NodeShare:
    """A Node's part in local storage: whether pods can be put there, and its ephemeral storage in bytes."""

    name: str
    offered: bool
    capacity: Decimal
    allocatable: Decimal


@dataclass(frozen=True, slots=True)
class Pool:
    """A Ceph pool as `ceph df` tells it, in bytes."""

    max_avail: Decimal
    stored: Decimal


@dataclass(frozen=True, slots=True)
class _Class:
    uid: str
    provisioner: str
    managed: bool
    pool: tuple[str, str]  # (namespace of the Ceph cluster, name of the pool)

    @property
    def is_ceph(self) -> bool:
        return self.provisioner.endswith(_CEPH)


@dataclass(frozen=True, slots=True)
class _Volume:
    uid: str
    class_name: str
    capacity: Decimal


_Key = tuple[str, str]


@dataclass(slots=True)
class StorageTruth:
    """What there is of storage after the records applied so far."""

    _classes: dict[str, _Class] = field(default_factory=dict)
    _volumes: dict[str, _Volume] = field(default_factory=dict)
    _clusters: dict[_Key, tuple[str, bool]] = field(default_factory=dict)  # (namespace, name) -> uid, Created
    _pools: dict[str, Mapping[str, Pool]] = field(default_factory=dict)
    _allocated: dict[str, Decimal] = field(default_factory=dict)
    _told: dict[str, tuple[Pool, ...]] = field(default_factory=dict)  # class -> what its pool was since its last event
    _listed: set[str] = field(default_factory=set)

    def apply_object(self, record: Record) -> None:
        """Take in an event of one of RESOURCES. Raises HistoryError or QuantityError for what cannot be understood."""
        resource, name, uid, body = (record[key] for key in ("resource", "name", "uid", "object"))
        gone = record["event"] == "DELETED"
        match resource:
            case "storageclasses":
                if not gone:
                    self._classes[name] = _class(uid, body)
                elif name in self._classes and self._classes[name].uid == uid:
                    del self._classes[name]
                self._event(name)
            case "persistentvolumes":
                if not gone:
                    self._put_volume(name, _volume(uid, body))
                elif name in self._volumes and self._volumes[name].uid == uid:
                    self._drop_volume(name)
            case "cephclusters":
                key = (record["namespace"] or "", name)
                if not gone:
                    self._clusters[key] = (uid, _is_created(body))
                elif key in self._clusters and self._clusters[key][0] == uid:
                    del self._clusters[key]
                self._event_of(key[0])
            case _:
                raise HistoryError(f"{resource!r} is no resource of storage", hint=f"one of {', '.join(RESOURCES)}")

    def apply_synced(self, record: Record) -> None:
        """Take in a complete LIST of one of RESOURCES: what is not in it is gone."""
        listed = {(namespace or "", name, uid) for namespace, name, uid in record["objects"]}
        self._listed.add(record["resource"])
        if record["resource"] == CLASSES:
            for name in [name for name, item in self._classes.items() if ("", name, item.uid) not in listed]:
                del self._classes[name]
                self._event(name)
        elif record["resource"] == VOLUMES:
            for name in [name for name, item in self._volumes.items() if ("", name, item.uid) not in listed]:
                self._drop_volume(name)
        else:
            for key in [key for key, (uid, _) in self._clusters.items() if (*key, uid) not in listed]:
                del self._clusters[key]
                self._event_of(key[0])

    def apply_pools(self, record: Record) -> None:
        """Take in what the tools pod of a Ceph cluster answers from now on: `body` as of `ceph df`, None for nothing.

        An operator need not look before the next event of storage, so what was true until then may still be reported.
        """
        namespace = record["namespace"]
        self._pools[namespace] = _pools(record["body"])
        for name, item in self._classes.items():
            if item.is_ceph and item.pool[0] == namespace:
                now = self._pools[namespace].get(item.pool[1])
                if now is not None:
                    self._told[name] = (*(pool for pool in self._told.get(name, ()) if pool != now), now)

    def class_names(self) -> Iterable[str]:
        """Every StorageClass that exists."""
        return self._classes.keys()

    def of_node(self, named: Iterable[str]) -> tuple[Any, bool]:
        """The classes that a node must be said to have, of those that the configuration names for it.

        Second: whether these are all that may be labelled on it. A class that exists without the label is left open:
        the contract asks for the label where it speaks of figures.
        """
        if CLASSES not in self._listed:
            return (None if tuple(named) else ()), not tuple(named)
        existing = tuple(sorted({name for name in named if name in self._classes}))
        managed = tuple(name for name in existing if self._classes[name].managed)
        return one_of((managed, existing)), managed == existing

    def surely_of_node(self, named: Iterable[str]) -> tuple[str, ...]:
        """The classes of which a node surely carries the label."""
        return tuple(sorted({name for name in named if name in self._classes and self._classes[name].managed}))

    def expected(self, config: Config, nodes: Iterable[NodeShare]) -> dict[str, ExpectedStorage]:
        """What must be reported, by class; a class that is not in it must not be reported."""
        found: dict[str, ExpectedStorage] = {}
        shares = tuple(nodes)
        for name in dict.fromkeys(config.cluster_storage):
            if CLASSES not in self._listed:
                found[name] = unknown(name)
                continue
            item = self._classes.get(name)
            if item is None or not item.managed:
                continue
            sizes: tuple[Any, Any] | None = None
            if item.provisioner == LOCAL_PATH:
                sizes = _local_sizes(config, name, shares)
            elif item.is_ceph:
                sizes = self._ceph_sizes(name, item)
            found[name] = unknown(name) if sizes is None else self._of_class(name, sizes)
        return found

    def _of_class(self, name: str, sizes: tuple[Any, Any]) -> ExpectedStorage:
        allocated = self._allocated.get(name, quantity.ZERO) if VOLUMES in self._listed else None
        return ExpectedStorage(name, dict(zip(FIGURES, (*sizes, allocated), strict=True)))

    def _ceph_sizes(self, name: str, item: _Class) -> tuple[Any, Any] | None:
        """Capacity and allocatable; None while no working cluster is there to ask for the pool."""
        working = any(created for (namespace, _), (_, created) in self._clusters.items() if namespace == item.pool[0])
        told = self._told.get(name, ())
        if not working or not told or item.pool[1] not in self._pools.get(item.pool[0], {}):
            return None
        free = [pool.max_avail for pool in told]
        whole = [quantity.add(pool.max_avail, pool.stored) for pool in told]
        return one_of([*free, *whole]), one_of(free)

    def _put_volume(self, name: str, new: _Volume) -> None:
        if self._volumes.get(name) == new:
            return
        if name in self._volumes:
            self._drop_volume(name)
        self._volumes[name] = new
        self._count(new, new.capacity)

    def _drop_volume(self, name: str) -> None:
        old = self._volumes.pop(name)
        self._count(old, old.capacity.copy_negate())

    def _count(self, volume: _Volume, change: Decimal) -> None:
        before = self._allocated.get(volume.class_name, quantity.ZERO)
        self._allocated[volume.class_name] = quantity.add(before, change)
        self._event(volume.class_name)

    def _event(self, class_name: str) -> None:
        """An event of this class or of one of its volumes: from now on its pool's figures are those of now."""
        item = self._classes.get(class_name)
        now = self._pools.get(item.pool[0], {}).get(item.pool[1]) if item is not None and item.is_ceph else None
        self._told[class_name] = () if now is None else (now,)

    def _event_of(self, namespace: str) -> None:
        for name, item in self._classes.items():
            if item.is_ceph and item.pool[0] == namespace:
                self._event(name)


def unknown(name: str) -> ExpectedStorage:
    """A class of which nothing can be said, not even whether it has to be reported."""
    return ExpectedStorage(name, dict.fromkeys(FIGURES), sure=False)


def exception(field_name: str, class_name: str) -> str:
    """How the exception of one field of one class is called: "storage.capacity of local-path"."""
    return f"{field_name}{_OF}{class_name}"


def without_exceptions(found: Mapping[str, ExpectedStorage], excepted: frozenset[str]) -> dict[str, ExpectedStorage]:
    """What is expected without what was excepted at the gate; a class of which nobody knows why it is reported too."""
    result = dict(found)
    for field_name, of, name in (item.partition(_OF) for item in sorted(excepted)):
        if of and field_name == PRESENT:
            result[name] = unknown(name)
        elif of and name in result:
            item = result[name]
            result[name] = ExpectedStorage(name, {**item.values, field_name: None}, item.sure)
    return result


def _local_sizes(config: Config, name: str, shares: Iterable[NodeShare]) -> tuple[Any, Any]:
    """Capacity and allocatable of node-local storage.

    The contract says "ephemeral-storage of nodes". While a node is cordoned, not Ready or excluded it leaves open
    whether that one counts: those that have the class, those that are not excluded, those that are reported, or all.
    """
    every = list(shares)
    kept = [share for share in every if not config.excludes(share.name)]
    having = [share for share in kept if name in config.storage_classes(share.name)]
    choices = [
        [share for share in having if share.offered],
        having,
        [share for share in kept if share.offered],
        every,
    ]
    free = [quantity.total(share.allocatable for share in choice) for choice in choices]
    whole = [quantity.total(share.capacity for share in choice) for choice in choices]
    return one_of([*whole, *free]), one_of(free)


def _class(uid: str, body: Mapping[str, Any]) -> _Class:
    parameters = body.get("parameters") or {}
    labels = (body.get("metadata") or {}).get("labels") or {}
    return _Class(
        uid=uid,
        provisioner=str(body.get("provisioner") or ""),
        managed=labels.get(_LABEL) == _LABELLED,
        pool=(str(parameters.get("clusterID") or ""), str(parameters.get("pool") or "")),
    )


def _volume(uid: str, body: Mapping[str, Any]) -> _Volume:
    spec = body.get("spec") or {}
    capacity = quantity.parse((spec.get("capacity") or {}).get("storage", 0))
    return _Volume(uid, str(spec.get("storageClassName") or ""), capacity)


def _is_created(body: Mapping[str, Any]) -> bool:
    return (body.get("status") or {}).get("state") == _CREATED


def _pools(body: Any) -> dict[str, Pool]:
    """The pools of `ceph df --format json` by name; what is not in that shape tells of no pool."""
    found: dict[str, Pool] = {}
    listed = body.get("pools") if isinstance(body, Mapping) else None
    for item in listed if isinstance(listed, list) else ():
        stats = item.get("stats") if isinstance(item, Mapping) else None
        if isinstance(stats, Mapping) and isinstance(item.get("name"), str):
            free, stored = (stats.get(key, 0) for key in ("max_avail", "stored"))
            found[item["name"]] = Pool(quantity.parse(free), quantity.parse(stored))
    return found
