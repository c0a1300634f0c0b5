"""Amounts of the four resources, and what a pod requests of them.

Rules: Kubernetes' `PodRequests` (k8s.io/component-helpers/resource), with sidecars as in KEP-753, pod-level resources
as in KEP-2837 and in-place resize as in KEP-1287; memory-backed emptyDir volumes as contract.md TRUTH-3 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reference.quantity import ZERO, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")
_OF_THE_POD = frozenset({"cpu", "memory"})

Table = dict[str, "Decimal"]
"""Amounts by the names of Kubernetes."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cores, bytes, cards and bytes."""

    cpu: Decimal = ZERO
    memory: Decimal = ZERO
    gpu: Decimal = ZERO
    ephemeral_storage: Decimal = ZERO

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.cpu + other.cpu,
            self.memory + other.memory,
            self.gpu + other.gpu,
            self.ephemeral_storage + other.ephemeral_storage,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.cpu - other.cpu,
            self.memory - other.memory,
            self.gpu - other.gpu,
            self.ephemeral_storage - other.ephemeral_storage,
        )


NOTHING = Amounts()


def amounts(table: Mapping[str, str] | None) -> Amounts:
    """A Kubernetes ResourceList; a resource it lacks counts as zero, both GPU vendors count as one resource."""
    return _folded(_table(table))


def _folded(table: Mapping[str, Decimal]) -> Amounts:
    gpus = sum((table.get(name, ZERO) for name in GPU_RESOURCES), ZERO)
    return Amounts(table.get("cpu", ZERO), table.get("memory", ZERO), gpus, table.get("ephemeral-storage", ZERO))


def pod_requests(spec: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> Amounts:
    """What a pod with this spec and status takes from its node.

    Kept by resource name up to the end: the most of each vendor's cards is not the most of all cards together.
    """
    running = _Running.of(status or {})
    total: Table = {}
    for container in spec.get("containers") or ():
        total = _both(total, running.wanted(container))
    sidecars: Table = {}
    start_up: Table = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            wanted = running.wanted(container)
            total, sidecars = _both(total, wanted), _both(sidecars, wanted)
            start_up = _larger(start_up, sidecars)
        else:
            start_up = _larger(start_up, _both(_requests(container), sidecars))
    total = _larger(total, start_up)
    # KEP-2837: of the reported resources only CPU and memory can be set for the pod as a whole.
    for_the_pod = _table((spec.get("resources") or {}).get("requests"))
    total |= {name: amount for name, amount in for_the_pod.items() if name in _OF_THE_POD}
    total = _both(total, _table(spec.get("overhead")))
    return _folded(total) + Amounts(memory=_memory_volumes(spec))


@dataclass(frozen=True, slots=True)
class _Running:
    """What the kubelet says of containers that are, or are to be, resized in place (KEP-1287)."""

    containers: Mapping[str, Mapping[str, Any]]
    impossible: bool

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> _Running:
        listed = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        pending = [c for c in status.get("conditions") or () if c.get("type") == "PodResizePending"]
        impossible = bool(pending) and pending[0].get("reason") == "Infeasible"
        return cls({one["name"]: one for one in listed if one.get("resources") is not None}, impossible)

    def wanted(self, container: Mapping[str, Any]) -> Table:
        """The most of what is asked for, granted and in use; what can never be granted does not count."""
        asked = _requests(container)
        found = self.containers.get(container.get("name", ""))
        if found is None:
            return asked
        known = _larger(_requests(found), _table(found.get("allocatedResources")))
        return known if self.impossible else _larger(asked, known)


def _table(listed: Mapping[str, str] | None) -> Table:
    return {name: parse(amount) for name, amount in (listed or {}).items()}


def _requests(container: Mapping[str, Any]) -> Table:
    return _table((container.get("resources") or {}).get("requests"))


def _both(one: Table, other: Table) -> Table:
    return {name: one.get(name, ZERO) + other.get(name, ZERO) for name in one.keys() | other.keys()}


def _larger(one: Table, other: Table) -> Table:
    return {name: max(one.get(name, ZERO), other.get(name, ZERO)) for name in one.keys() | other.keys()}


def _memory_volumes(spec: Mapping[str, Any]) -> Decimal:
    total = ZERO
    for volume in spec.get("volumes") or ():
        empty_dir = volume.get("emptyDir")
        if empty_dir and empty_dir.get("medium") == "Memory" and "sizeLimit" in empty_dir:
            total += parse(empty_dir["sizeLimit"])
    return total
