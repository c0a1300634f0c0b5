"""The pure core: from Node, Pods, hardware and registry to what is reported, exact and without side effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reference.quantity import format_cpu, format_plain
from harness.reference.resources import NOTHING, Amounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.reference.hardware import Cpu, Gpu
    from harness.reference.records import NodeRecord


@dataclass(frozen=True, slots=True)
class Pair:
    """Three quantities in canonical Kubernetes notation."""

    allocatable: str = "0"
    allocated: str = "0"
    capacity: str = "0"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One node of the inventory."""

    name: str
    cpu: Pair
    memory: Pair
    gpu: Pair
    ephemeral_storage: Pair
    cpu_info: tuple[Cpu, ...] = ()
    gpu_info: tuple[Gpu, ...] = ()
    storage_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StorageEntry:
    """One class of cluster storage."""

    class_name: str
    quantity: Pair


@dataclass(frozen=True, slots=True)
class Inventory:
    """The whole inventory, nodes and classes in order of their names."""

    nodes: tuple[NodeEntry, ...]
    storage: tuple[StorageEntry, ...] = ()


def node_entry(
    name: str,
    node: NodeRecord,
    requests: Iterable[Amounts],
    *,
    cpu_info: tuple[Cpu, ...] = (),
    gpu_info: tuple[Gpu, ...] = (),
    storage_classes: tuple[str, ...] = (),
    correction: Amounts = NOTHING,
) -> NodeEntry:
    """What is reported of one node, under that name.

    `requests` are those of the pods that count; `correction` is added to their sum (always nothing, except in a
    saboteur).
    """
    allocated = sum(requests, correction)
    have, total = node.allocatable, node.capacity
    return NodeEntry(
        name=name,
        cpu=Pair(format_cpu(have.cpu), format_cpu(allocated.cpu), format_cpu(total.cpu)),
        memory=Pair(format_plain(have.memory), format_plain(allocated.memory), format_plain(total.memory)),
        gpu=Pair(format_plain(have.gpu), format_plain(allocated.gpu), format_plain(total.gpu)),
        ephemeral_storage=Pair(
            format_plain(have.ephemeral_storage),
            format_plain(allocated.ephemeral_storage),
            format_plain(total.ephemeral_storage),
        ),
        cpu_info=cpu_info,
        gpu_info=gpu_info,
        storage_classes=storage_classes,
    )
