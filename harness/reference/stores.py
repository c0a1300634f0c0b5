"""What is known of storage, kept up to date: classes and volumes by reflectors, pools by asking the Ceph tools.

Nothing of it is asked for while the configuration names no class. Pools are asked for when something of storage has
happened, and every few seconds in any case: data that is written is no event.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError
from harness.reference.log import LOG
from harness.reference.pause import pause
from harness.reference.spdy import execute
from harness.reference.storage import (
    LOCAL_PATH,
    ClassRecord,
    PoolRecord,
    VolumeRecord,
    decode_pools,
    local_entry,
    offered_classes,
    pool_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.reference.config import Config
    from harness.reference.inventory import StorageEntry
    from harness.reference.kubeclient import KubeClient
    from harness.reference.records import NodeRecord
    from harness.reference.storage import StorageRules

CLASSES, VOLUMES = "storageclasses", "persistentvolumes"
TOOLS, COMMAND = "rook-ceph-tools", ("ceph", "df", "--format", "json")
_ASK_S = 4.0
_RETRY_S = 1.0
_DEADLINE_S = 10.0


@dataclass(slots=True)
class Stores:
    """Everything known of storage. `changed` hears of every change, `classes_changed` of those that nodes follow."""

    rules: StorageRules
    changed: Callable[[], None]
    classes_changed: Callable[[], None]
    classes: dict[str, ClassRecord] = field(default_factory=dict)
    volumes: dict[str, VolumeRecord] = field(default_factory=dict)
    pools: dict[str, Mapping[str, PoolRecord]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def entries(self, config: Config, nodes: Sequence[NodeRecord]) -> tuple[StorageEntry, ...]:
        """What is reported of cluster storage, nothing before all volumes are known; `nodes`: the reported ones."""
        if not self.listed.issuperset((CLASSES, VOLUMES)):
            return ()
        found: list[StorageEntry] = []
        for item in offered_classes(self.rules, config.cluster_storage, self.classes):
            if item.is_ceph:
                pool = self.pools.get(item.cluster, {}).get(item.pool)
                if pool is not None:
                    found.append(pool_entry(self.rules, item, pool, self.volumes.values()))
            elif item.provisioner == LOCAL_PATH:
                having = [node for node in nodes if item.name in self.of_node(config, node.name)]
                found.append(local_entry(self.rules, item, having, self.volumes.values()))
        return tuple(found)

    def of_node(self, config: Config, node: str) -> tuple[str, ...]:
        """The classes that a node has."""
        out = config.classes_not_on(node) if self.rules.honours_exclusion else frozenset()
        offered = offered_classes(self.rules, config.cluster_storage, self.classes)
        return tuple(item.name for item in offered if item.name not in out)

    def labelled_on(self, config: Config, node: str) -> tuple[str, ...] | None:
        """The classes that a node is labelled with; None while they are not known."""
        return self.of_node(config, node) if CLASSES in self.listed or not config.cluster_storage else None

    def complete(self, config: Config) -> bool:
        """Whether all has been seen, or tried, that a first inventory needs."""
        if not config.cluster_storage:
            return True
        return {CLASSES, VOLUMES} <= self.listed and self.clusters(config) <= self.asked

    def clusters(self, config: Config) -> set[str]:
        """The Ceph clusters whose pools are of interest."""
        return {
            item.cluster for item in offered_classes(self.rules, config.cluster_storage, self.classes) if item.is_ceph
        }

    def told(self, *, nodes: bool = False) -> None:
        """Something has happened."""
        self.happened.set()
        self.changed()
        if nodes:
            self.classes_changed()

    def look_for_class(self, volume: VolumeRecord) -> None:
        """A volume has been seen: its class may not be there."""
        if volume.class_name and CLASSES in self.listed and volume.class_name not in self.classes:
            self.rules.on_orphan(volume)

    def put_pools(self, cluster: str, pools: Mapping[str, PoolRecord] | None) -> None:
        """A Ceph cluster has been asked; None: it did not answer, and what was known stays."""
        self.asked.add(cluster)
        if pools is not None:
            self.pools[cluster] = pools
        self.changed()


@dataclass(frozen=True, slots=True)
class ClassMirror:
    """The reflector's way to put StorageClasses in."""

    stores: Stores

    def replace(self, items: Sequence[ClassRecord]) -> None:
        """These are all there are."""
        if self.stores.rules.forgets_classes:
            self.stores.classes.clear()
        self.stores.classes.update({item.name: item for item in items})
        self.stores.listed.add(CLASSES)
        for volume in self.stores.volumes.values():
            self.stores.look_for_class(volume)
        self.stores.told(nodes=True)

    def upsert(self, item: ClassRecord) -> None:
        """This one is new, or has changed."""
        self.stores.classes[item.name] = item
        self.stores.told(nodes=True)

    def remove(self, item: ClassRecord) -> None:
        """This one is gone."""
        if self.stores.rules.forgets_classes:
            self.stores.classes.pop(item.name, None)
        self.stores.told(nodes=True)


@dataclass(frozen=True, slots=True)
class VolumeMirror:
    """The reflector's way to put PersistentVolumes in."""

    stores: Stores

    def replace(self, items: Sequence[VolumeRecord]) -> None:
        """These are all there are."""
        known = dict(self.stores.volumes)
        self.stores.volumes.clear()
        for item in items:
            self._put(known.get(item.name), item)
        self.stores.listed.add(VOLUMES)
        self.stores.told()

    def upsert(self, item: VolumeRecord) -> None:
        """This one is new, or has changed."""
        self._put(self.stores.volumes.get(item.name), item)
        self.stores.told()

    def remove(self, item: VolumeRecord) -> None:
        """This one is gone."""
        self.stores.volumes.pop(item.name, None)
        self.stores.look_for_class(item)
        self.stores.told()

    def _put(self, old: VolumeRecord | None, item: VolumeRecord) -> None:
        self.stores.look_for_class(item)
        self.stores.volumes[item.name] = self.stores.rules.merge_volume(old, item)


@dataclass(slots=True)
class Tools:
    """Asks the Ceph clusters for their pools."""

    stores: Stores
    client: KubeClient
    config: Callable[[], Config]
    _said: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            clusters = sorted(self.stores.clusters(self.config())) if CLASSES in self.stores.listed else []
            self.stores.happened.clear()
            well = [await self._ask(cluster) for cluster in clusters]
            await pause(_ASK_S if all(well) else _RETRY_S, self.stores.happened)
            # A burst of events is one reason to ask, not many.
            await pause(0.2)

    async def _ask(self, cluster: str) -> bool:
        try:
            pools = decode_pools(json.loads(await self._df(cluster)))
        except (ClusterError, ValueError) as exc:
            what = exc.what if isinstance(exc, ClusterError) else str(exc)
            if cluster not in self._said:
                LOG.warning("couldn't ask the Ceph cluster in %s: %s", cluster, what)
            self._said.add(cluster)
            self.stores.put_pools(cluster, None)
            return False
        self._said.discard(cluster)
        self.stores.put_pools(cluster, pools)
        return True

    async def _df(self, cluster: str) -> bytes:
        path = f"/api/v1/namespaces/{cluster}/pods?labelSelector=app%3D{TOOLS}"
        listed = (await self.client.get(path)).get("items") or []
        running = [pod for pod in listed if _runs(pod)]
        if not running:
            raise ValueError(f"no pod of {len(listed)} with app={TOOLS} runs")
        pod = running[0]["metadata"]["name"]
        return await execute(
            self.client.access, namespace=cluster, pod=pod, container=TOOLS, command=COMMAND, deadline_s=_DEADLINE_S
        )


def _runs(pod: Any) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"])
