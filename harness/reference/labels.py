"""The labels a Node should carry, and keeping them so (LABEL-1).

The wanted set is contract.md part A, "Node labels it manages". Keys are patched one by one, so labels of others are
never touched. While a node's cards or the registry are unknown its GPU labels stay as they are: unknown is not none.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import ApiError, ClusterError
from harness.reference.log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.reference.behaviour import Behaviour
    from harness.reference.hardware import Gpu
    from harness.reference.kubeclient import KubeClient
    from harness.reference.state import State

PREFIX = "akash.network"
GPU_PREFIX = f"{PREFIX}/capabilities.gpu."
CLASS_PREFIX = f"{PREFIX}/capabilities.storage.class."
NVIDIA_PRESENT = "nvidia.com/gpu.present"
# Kubernetes "Labels and Selectors": the name part of a key.
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_WORKERS = 8
_RETRY_MOST_S = 5.0


def managed(key: str) -> bool:
    """Whether the operator owns this label key."""
    return key.startswith(PREFIX) or key == NVIDIA_PRESENT


def gpu_labels(gpus: Iterable[Gpu]) -> tuple[dict[str, str], list[str]]:
    """The labels that follow from these cards, and the keys Kubernetes would refuse, which are left out."""
    count: Counter[str] = Counter()
    labels = {}
    for gpu in gpus:
        if gpu.vendor == "nvidia":
            labels[NVIDIA_PRESENT] = "true"
        model = f"{GPU_PREFIX}vendor.{gpu.vendor}.model.{gpu.name}"
        count[model] += 1
        if gpu.memory_size:
            count[f"{model}.ram.{gpu.memory_size}"] += 1
        if gpu.interface:
            interface = gpu.interface.lower()
            count[f"{model}.interface.{'sxm' if interface.startswith('sxm') else interface}"] += 1
    refused = [key for key in count if not _NAME.fullmatch(key.partition("/")[2])]
    return labels | {key: str(number) for key, number in count.items() if key not in refused}, refused


def class_labels(classes: Iterable[str]) -> dict[str, str]:
    """The labels of a node that has these storage classes, but for those whose keys Kubernetes would refuse."""
    keys = (f"{CLASS_PREFIX}{name}" for name in classes)
    return {key: "1" for key in keys if _NAME.fullmatch(key.partition("/")[2])}


def _kept(current: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key: value for key, value in current.items() if key.startswith(prefix)}


def label_changes(
    current: Mapping[str, str],
    *,
    offered: bool,
    gpus: tuple[Gpu, ...] | None,
    classes: Iterable[str] | None = (),
    refused_too: bool = False,
) -> dict[str, str | None]:
    """What to change so that the managed labels are the wanted ones; None removes a key.

    `gpus` is None while the cards are unknown, `classes` while the storage classes are. `refused_too`: with the keys
    that Kubernetes would refuse (a saboteur).
    """
    wanted: dict[str, str] = {}
    if offered:
        wanted[PREFIX] = "true"
        wanted |= _kept(current, CLASS_PREFIX) if classes is None else class_labels(classes)
        if gpus is None:
            wanted |= {key: current[key] for key in current if key.startswith(GPU_PREFIX) or key == NVIDIA_PRESENT}
        else:
            labels, refused = gpu_labels(gpus)
            wanted |= labels | (dict.fromkeys(refused, "1") if refused_too else {})
    changes: dict[str, str | None] = {key: value for key, value in wanted.items() if current.get(key) != value}
    return changes | {key: None for key in current if managed(key) and key not in wanted}


@dataclass(slots=True)
class Labeller:
    """Keeps the labels of all nodes; `ready` says whether enough has been seen to judge them."""

    state: State
    client: KubeClient
    behaviour: Behaviour
    ready: Callable[[], bool]
    _queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _queued: set[str] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _failures: Counter[str] = field(default_factory=Counter)
    _first_seen: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)
    _given_up: dict[str, Mapping[str, str | None]] = field(default_factory=dict)

    def wake(self, name: str) -> None:
        """Look at this node's labels soon."""
        if self.behaviour.labels_nodes and name not in self._queued:
            self._queued.add(name)
            self._queue.put_nowait(name)

    async def run(self) -> None:
        """Label until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            name = await self._queue.get()
            self._queued.discard(name)
            if name in self._busy or not self.ready():
                asyncio.get_running_loop().call_later(0.2, self.wake, name)
                continue
            self._busy.add(name)
            try:
                await self._label(name)
            finally:
                self._busy.discard(name)

    async def _label(self, name: str) -> None:
        node = self.state.nodes.get(name)
        if node is None:
            self._first_seen.pop(name, None)
            return
        first_seen = self._first_seen.setdefault(name, node.labels)
        offered = self.state.offered(name)
        if offered and not self.state.settled(node):
            return  # the state tells again when the hardware is known, or has been waited for long enough
        gpus = self.state.gpus(node)
        self._say_refused(name, gpus or ())
        changes = label_changes(
            node.labels,
            offered=offered,
            gpus=gpus,
            classes=self.state.stores.labelled_on(self.state.config, name),
            refused_too=not self.behaviour.leaves_out_refused,
        )
        if not changes:
            self._failures.pop(name, None)
            return
        if self._given_up.get(name) == changes:
            return
        kind, body = self.behaviour.label_patch(node, changes, first_seen)
        try:
            await self.client.patch(f"/api/v1/nodes/{name}", body, kind=kind)
        except ClusterError as exc:
            self._failures[name] += 1
            LOG.warning("couldn't apply patches for node %s: %s", name, exc.what)
            if not self.behaviour.retries_labels and isinstance(exc, ApiError):
                self._given_up[name] = changes
            wait_s = min(0.2 * 2 ** min(self._failures[name], 8), _RETRY_MOST_S)
        else:
            self._failures.pop(name, None)
            LOG.info("applied labels for node %s: %s", name, changes)
            # The watch will show the result; should it not have taken, it is done again.
            wait_s = 1.0
        asyncio.get_running_loop().call_later(wait_s, self.wake, name)

    def _say_refused(self, name: str, gpus: tuple[Gpu, ...]) -> None:
        for key in gpu_labels(gpus)[1]:
            if (name, key) not in self._said:
                self._said.add((name, key))
                LOG.warning("node %s: left out a label whose key Kubernetes would refuse: %s", name, key)
