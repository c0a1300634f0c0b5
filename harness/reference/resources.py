"""Amounts of the four resources, and what a pod requests of them.

Rules: Kubernetes' `PodRequests` (k8s.io/component-helpers/resource), with sidecars as in KEP-753 and pod-level
resources as in KEP-2837; memory-backed emptyDir volumes as contract.md TRUTH-3 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.reference.quantity import ZERO, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")


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

    def most(self, other: Amounts) -> Amounts:
        """The larger of the two, for each resource."""
        return Amounts(
            max(self.cpu, other.cpu),
            max(self.memory, other.memory),
            max(self.gpu, other.gpu),
            max(self.ephemeral_storage, other.ephemeral_storage),
        )


NOTHING = Amounts()


def amounts(table: Mapping[str, str] | None) -> Amounts:
    """A Kubernetes ResourceList; a resource it lacks counts as zero, both GPU vendors count as one resource."""
    if not table:
        return NOTHING
    return Amounts(
        parse(table.get("cpu", "0")),
        parse(table.get("memory", "0")),
        sum((parse(table.get(name, "0")) for name in GPU_RESOURCES), ZERO),
        parse(table.get("ephemeral-storage", "0")),
    )


def pod_requests(spec: Mapping[str, Any]) -> Amounts:
    """What a pod with this spec takes from its node."""
    total = NOTHING
    for container in spec.get("containers") or ():
        total += _requests(container)
    sidecars = NOTHING
    start_up = NOTHING
    for container in spec.get("initContainers") or ():
        wanted = _requests(container)
        if container.get("restartPolicy") == "Always":
            total += wanted
            sidecars += wanted
            start_up = start_up.most(sidecars)
        else:
            start_up = start_up.most(wanted + sidecars)
    total = total.most(start_up)
    # KEP-2837: of the reported resources only CPU and memory can be set for the pod as a whole.
    total = _pod_level(total, (spec.get("resources") or {}).get("requests"))
    total += amounts(spec.get("overhead"))
    return total + Amounts(memory=_memory_volumes(spec))


def _requests(container: Mapping[str, Any]) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _pod_level(total: Amounts, requests: Mapping[str, str] | None) -> Amounts:
    if not requests:
        return total
    return Amounts(
        parse(requests["cpu"]) if "cpu" in requests else total.cpu,
        parse(requests["memory"]) if "memory" in requests else total.memory,
        total.gpu,
        total.ephemeral_storage,
    )


def _memory_volumes(spec: Mapping[str, Any]) -> Decimal:
    total = ZERO
    for volume in spec.get("volumes") or ():
        empty_dir = volume.get("emptyDir")
        if empty_dir and empty_dir.get("medium") == "Memory" and "sizeLimit" in empty_dir:
            total += parse(empty_dir["sizeLimit"])
    return total
