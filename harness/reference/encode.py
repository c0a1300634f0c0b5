"""The inventory as REST JSON and as gRPC message; shapes from contract.md part A."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.operator.proto import inventory_pb2 as pb
from harness.reference.inventory import Inventory, NodeEntry, Pair

_NONE = Pair()


def to_json(inventory: Inventory) -> dict[str, Any]:
    """The REST document; an empty `info` is null."""
    storage = [
        {"quantity": _pair(item.quantity), "info": {"class": item.class_name, "iops": ""}} for item in inventory.storage
    ]
    return {"nodes": [_node(entry) for entry in inventory.nodes], "storage": storage}


def _node(entry: NodeEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "resources": {
            "cpu": {"quantity": _pair(entry.cpu), "info": [asdict(cpu) for cpu in entry.cpu_info] or None},
            "memory": {"quantity": _pair(entry.memory), "info": None},
            "gpu": {"quantity": _pair(entry.gpu), "info": [asdict(gpu) for gpu in entry.gpu_info] or None},
            "ephemeral_storage": _pair(entry.ephemeral_storage),
            "volumes_attached": _pair(_NONE),
            "volumes_mounted": _pair(_NONE),
        },
        "capabilities": {"storage_classes": list(entry.storage_classes)},
    }


def _pair(pair: Pair) -> dict[str, str]:
    return {"allocatable": pair.allocatable, "allocated": pair.allocated, "capacity": pair.capacity}


def to_proto(inventory: Inventory) -> pb.Cluster:
    """The gRPC message."""
    storage = [
        pb.Storage(quantity=_proto_pair(item.quantity), info={"class": item.class_name}) for item in inventory.storage
    ]
    return pb.Cluster(nodes=[_proto_node(entry) for entry in inventory.nodes], storage=storage)


def _proto_node(entry: NodeEntry) -> pb.Node:
    return pb.Node(
        name=entry.name,
        resources=pb.NodeResources(
            cpu=pb.CPU(
                quantity=_proto_pair(entry.cpu),
                info=[
                    pb.CPUInfo(id=cpu.id, vendor=cpu.vendor, model=cpu.model, vcores=cpu.vcores)
                    for cpu in entry.cpu_info
                ],
            ),
            memory=pb.Memory(quantity=_proto_pair(entry.memory)),
            gpu=pb.GPU(
                quantity=_proto_pair(entry.gpu),
                info=[
                    pb.GPUInfo(
                        vendor=gpu.vendor,
                        vendor_id=gpu.vendor_id,
                        name=gpu.name,
                        modelid=gpu.model_id,
                        interface=gpu.interface,
                        memory_size=gpu.memory_size,
                    )
                    for gpu in entry.gpu_info
                ],
            ),
            ephemeral_storage=_proto_pair(entry.ephemeral_storage),
            volumes_attached=_proto_pair(_NONE),
            volumes_mounted=_proto_pair(_NONE),
        ),
        capabilities=pb.NodeCapabilities(storage_classes=entry.storage_classes),
    )


def _proto_pair(pair: Pair) -> pb.ResourcePair:
    return pb.ResourcePair(
        allocatable=pb.Quantity(string=pair.allocatable),
        allocated=pb.Quantity(string=pair.allocated),
        capacity=pb.Quantity(string=pair.capacity),
    )
