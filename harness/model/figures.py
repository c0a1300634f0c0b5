"""The figures of a node: which there are, what a Node says of them, and what a pod takes of them."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.model import quantity, resources

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cpu": (resources.CPU,),
        "memory": (resources.MEMORY,),
        "gpu": (resources.NVIDIA_GPU, resources.AMD_GPU),
        "ephemeral_storage": (resources.EPHEMERAL_STORAGE,),
    }
)
"""The reported name of each resource, and the Kubernetes resources that add up to it."""

FIELDS = tuple(f"{name}.{figure}" for name in RESOURCES for figure in ("capacity", "allocatable", "allocated"))
"""The figures of a node: "cpu.capacity", "cpu.allocatable", "cpu.allocated", "memory.capacity", …"""

NOTHING = (quantity.ZERO,) * len(RESOURCES)
"""What a pod that has ended takes."""

Amounts = tuple[Decimal, ...]


def is_offered(body: Mapping[str, Any]) -> bool:
    """Ready condition True and not cordoned; taints do not matter (TRUTH-1)."""
    if (body.get("spec") or {}).get("unschedulable"):
        return False
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def of_node(status: Mapping[str, Any]) -> dict[str, Decimal]:
    """Capacity and allocatable of a Node; a resource that it lacks counts zero."""
    found: dict[str, Decimal] = {}
    for name, parts in RESOURCES.items():
        for figure in ("capacity", "allocatable"):
            listed = status.get(figure) or {}
            found[f"{name}.{figure}"] = quantity.total(quantity.parse(listed.get(part, 0)) for part in parts)
    return found


def of_pod(pod: Mapping[str, Any]) -> Amounts:
    """What the pod takes of its node, in the order of RESOURCES; nothing once it has ended."""
    if resources.is_terminal(pod):
        return NOTHING
    requests = resources.effective_requests(pod)
    return tuple(quantity.total(requests.get(part, quantity.ZERO) for part in parts) for parts in RESOURCES.values())
