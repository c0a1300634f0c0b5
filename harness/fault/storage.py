"""Harm to storage: classes and volumes that go and come back, pools that fill, Ceph tools that fail (TRUTH-6).

What happens to classes, volumes and pools changes the truth itself and excuses nothing. While the tools fail, figures
may be late; but the pools are as they were, so what was known of them is no reason to report a class no more.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.cephtools import TOOLS
from harness.cluster.storage import CLASSES, GIB, LABEL, VOLUMES, labelled
from harness.errors import ApiError, ClusterError, FaultError
from harness.fault.base import BITE_DEADLINE_S, NODE, POOLS, State, World
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COMMAND = ("ceph", "df", "--format", "json")
_KEPT = ("name", "labels", "annotations")


class _ObjectGone:
    """What faults have in common that delete an object for a while and then create it again as it was."""

    __slots__ = ()

    async def inject(self, world: World, state: State) -> None:
        """Delete it."""
        await world.cluster.client.delete(state["path"])

    async def bitten(self, world: World, state: State) -> str:
        """The API server does not find it."""
        await _seen(world, state["path"], lambda item: item is None)
        return f"{state['target']} is not there"

    async def heal(self, world: World, state: State) -> None:
        """Create it again where it is gone, once it is gone for good."""
        await _seen(world, state["path"], lambda item: item is None or "deletionTimestamp" not in item["metadata"])
        await world.cluster.client.ensure(state["path"].rpartition("/")[0], state["body"])

    async def healed(self, world: World, state: State) -> None:
        """It is there."""
        await _seen(world, state["path"], lambda item: item is not None)


@dataclass(frozen=True, slots=True)
class StorageClassDeleted(_ObjectGone):
    """A StorageClass is deleted for `for_s` seconds and then created again; its volumes stay.

    Longer than TRUTH-6's 10 s, so that an operator that goes on reporting the class is told from one that is late.
    """

    storage_class: str = "local-path"
    for_s: float = 12.0
    kind: ClassVar[str] = "storage-class-deleted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The class as it is."""
        return await _planned(world, CLASSES, self.storage_class)


@dataclass(frozen=True, slots=True)
class StorageClassUnlabelled:
    """A StorageClass is without its label `akash.network=true` for `for_s` seconds."""

    storage_class: str = "local-path"
    for_s: float = 12.0
    kind: ClassVar[str] = "storage-class-unlabelled"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The label's value."""
        path = f"{CLASSES}/{self.storage_class}"
        return {"target": self.storage_class, "path": path, "label": _label(await _found(world, path))}

    async def inject(self, world: World, state: State) -> None:
        """Take the label away."""
        await world.cluster.client.patch(state["path"], labelled({LABEL: None}))

    async def bitten(self, world: World, state: State) -> str:
        """The class is there, without the label."""
        await _seen(world, state["path"], lambda item: item is not None and _label(item) is None)
        return f"storage class {state['target']} has no label {LABEL}"

    async def heal(self, world: World, state: State) -> None:
        """Give it back."""
        await world.cluster.client.patch(state["path"], labelled({LABEL: state["label"]}))

    async def healed(self, world: World, state: State) -> None:
        """The class carries it again."""
        await _seen(world, state["path"], lambda item: item is not None and _label(item) == state["label"])


@dataclass(frozen=True, slots=True)
class VolumeDeleted(_ObjectGone):
    """A PersistentVolume that nothing is bound to is deleted for `for_s` seconds and then created again."""

    volume: str
    for_s: float = 3.0
    kind: ClassVar[str] = "volume-deleted"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """The volume as it is; raises FaultError for one that has a claim."""
        state = await _planned(world, VOLUMES, self.volume)
        if "claimRef" in state["body"]["spec"]:
            raise FaultError(
                f"volume {self.volume} is bound, so it would stay until its claim goes", hint="name one without a claim"
            )
        return state


@dataclass(frozen=True, slots=True)
class PoolFilled:
    """So many GiB are written to a Ceph pool, which takes them from what can still be written, for `for_s` seconds."""

    pool: str
    gib: int = 100
    namespace: str = "rook-ceph"
    for_s: float = 12.0
    kind: ClassVar[str] = "pool-filled"
    affects: ClassVar[tuple[str, ...]] = (NODE,)

    async def prepare(self, world: World) -> State:
        """What the tools tell now, and what they are to tell."""
        before = world.cluster.ceph.read(self.namespace)
        return {
            "target": self.pool, "namespace": self.namespace, "before": before,
            "body": _filled(before, self.pool, self.gib * GIB),
        }  # fmt: skip

    async def inject(self, world: World, state: State) -> None:
        """Let the tools tell the new figures."""
        await world.set_pools(state["namespace"], state["body"])

    async def bitten(self, world: World, state: State) -> str:
        """The command in the tools pod prints the new figures."""
        await _told(world, state["namespace"], state["body"])
        return f"ceph df in {state['namespace']} tells that pool {state['target']} has filled"

    async def heal(self, world: World, state: State) -> None:
        """Let them tell the figures of before."""
        if world.cluster.ceph.read(state["namespace"]) != state["before"]:
            await world.set_pools(state["namespace"], state["before"])

    async def healed(self, world: World, state: State) -> None:
        """The command prints them."""
        await _told(world, state["namespace"], state["before"])


@dataclass(frozen=True, slots=True)
class CephToolsBroken:
    """The command `ceph` in the tools pod misbehaves for `for_s` seconds; `mode` is one of `cephtools.TOOLS_FAULTY`.

    The pools are as they were: what an operator knew of them is still true.
    """

    mode: str = "error"
    namespace: str = "rook-ceph"
    for_s: float = 12.0
    kind: ClassVar[str] = "ceph-tools-broken"
    affects: ClassVar[tuple[str, ...]] = (POOLS,)

    async def prepare(self, world: World) -> State:
        """How often it has misbehaved so far."""
        met = world.cluster.ceph.met(self.namespace)
        return {"target": self.namespace, "met": met, "body": world.cluster.ceph.read(self.namespace)}

    async def inject(self, world: World, state: State) -> None:
        """Let it misbehave."""
        world.cluster.ceph.write(state["target"], state["body"], mode=self.mode)

    async def bitten(self, world: World, state: State) -> str:
        """The operator has run it, and met that."""

        async def met(progress: Progress) -> str | None:
            times = world.cluster.ceph.met(state["target"]) - state["met"]
            progress.last = "it was not run"
            return f"ceph in {state['target']} was run {times} times and misbehaved ({self.mode})" if times else None

        return await until("the tools to be asked", met, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Let it answer."""
        world.cluster.ceph.write(state["target"], world.cluster.ceph.read(state["target"]))

    async def healed(self, world: World, state: State) -> None:
        """It answers."""
        await _told(world, state["target"], world.cluster.ceph.read(state["target"]))


async def _planned(world: World, collection: str, name: str) -> State:
    path = f"{collection}/{name}"
    item = await _found(world, path)
    meta = {key: item["metadata"][key] for key in _KEPT if key in item["metadata"]}
    body = {key: value for key, value in item.items() if key not in {"metadata", "status"}}
    return {"target": name, "path": path, "body": {**body, "metadata": meta}}


async def _found(world: World, path: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = await world.cluster.client.get(path)
    except ApiError as exc:
        if exc.status == 404:
            raise FaultError(f"there is no {path.rpartition('/')[2]} to be harmed ({path})") from exc
        raise
    return found


async def _seen(world: World, path: str, wanted: Callable[[Mapping[str, Any] | None], bool]) -> None:
    """Return when the object, or None where there is none, is as wanted."""

    async def looked(progress: Progress) -> bool | None:
        try:
            item = await world.cluster.client.get(path)
        except ApiError as exc:
            if exc.status != 404:
                raise
            item = None
        progress.last = "it is not there" if item is None else str(item["metadata"])
        return wanted(item) or None

    await until(f"{path.rpartition('/')[2]} to be as wanted", looked, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


async def _told(world: World, namespace: str, body: Any) -> None:
    """Return when the command in the tools pod prints this document."""

    async def printed(progress: Progress) -> bool | None:
        try:
            found = json.loads(await world.cluster.client.execute(namespace, TOOLS, TOOLS, _COMMAND))
        except (ClusterError, ValueError) as exc:
            progress.last = str(exc)
            return None
        progress.last = str(found)[:200]
        return found == body or None

    await until(f"ceph in {namespace} to tell other figures", printed, deadline_s=BITE_DEADLINE_S, interval_s=0.2)


def _label(item: Mapping[str, Any]) -> str | None:
    value = (item["metadata"].get("labels") or {}).get(LABEL)
    return None if value is None else str(value)


def _filled(body: Any, name: str, amount: int) -> Any:
    """The same document after so many bytes were written to a pool; raises FaultError where they do not fit."""
    changed = deepcopy(body)
    for pool in changed["pools"]:
        if pool["name"] == name and pool["stats"]["max_avail"] >= amount:
            pool["stats"]["max_avail"] -= amount
            for key in ("stored", "bytes_used"):
                pool["stats"][key] += amount
            return changed
    raise FaultError(f"no pool {name!r} has room for {amount} bytes", hint="fewer GiB, or a larger max_avail")
