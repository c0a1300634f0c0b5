"""CPU and GPU info (TRUTH-5) and the labels that follow from it (LABEL-1), from what a node's hardware answers.

The discovery API and the registry are described in the contract, part A. `None` for info means that it cannot be known
(no hardware truth was recorded, or it is not in the documented shape), and then it is not judged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

MANAGED_PREFIX = "akash.network"
PRESENT = "akash.network"
NVIDIA_PRESENT = "nvidia.com/gpu.present"
_GPU = "akash.network/capabilities.gpu"
_STORAGE = "akash.network/capabilities.storage"

# A label's name part, after the slash: Kubernetes, "Labels and Selectors", syntax and character set.
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class CpuInfo:
    """One processor, as reported: `id` is the discovered number as text, `vcores` its threads."""

    id: str
    vendor: str
    model: str
    vcores: int


@dataclass(frozen=True, slots=True, order=True)
class GpuInfo:
    """One card, as reported: PCI ids in lower hex without 0x, the rest from the registry."""

    vendor: str
    vendor_id: str
    name: str
    model_id: str
    interface: str
    memory_size: str


Info = TypeVar("Info", CpuInfo, GpuInfo)


def judged_info(field_name: str, infos: tuple[Info, ...] | None, excepted: frozenset[str]) -> tuple[Info, ...] | None:
    """The info without what was excepted at the gate: None when the whole field was, blank attributes where they were.

    `field_name`: "cpu.info" or "gpu.info"; `excepted` holds such names and names of attributes ("gpu.info.vendor_id").
    The same is done to what is expected and to what is reported, so that the rest is still compared.
    """
    names = [name.removeprefix(f"{field_name}.") for name in excepted if name.startswith(f"{field_name}.")]
    if infos is None or field_name in excepted:
        return None
    if not names:
        return infos
    blank: dict[str, Any] = {name: 0 if name == "vcores" else "" for name in names}
    return tuple(sorted(replace(info, **blank) for info in infos))


def differing_attributes(expected: tuple[Any, ...], reported: tuple[Any, ...]) -> tuple[str, ...]:
    """The attributes in which two lists of info differ, item by item; empty when the lists are not of one length."""
    if len(expected) != len(reported) or not expected:
        return ()
    return tuple(
        part.name
        for part in fields(expected[0])
        if [getattr(item, part.name) for item in expected] != [getattr(item, part.name) for item in reported]
    )


@dataclass(frozen=True, slots=True)
class RegistryDevice:
    """What the registry knows of one (vendor id, device id)."""

    vendor: str
    name: str
    interface: str
    memory_size: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The GPU registry's content by (PCI vendor id, PCI product id)."""

    devices: Mapping[tuple[str, str], RegistryDevice] = field(default_factory=dict)


def parse_registry(body: Any) -> Registry | None:
    """The registry's content, or None when `body` is not in the documented shape.

    None is an error to an operator, which then keeps what it had (contract, part A, "GPU registry").
    """
    if not isinstance(body, Mapping):
        return None
    devices: dict[tuple[str, str], RegistryDevice] = {}
    for vendor_id, vendor in body.items():
        listed = vendor.get("devices") if isinstance(vendor, Mapping) else None
        if not isinstance(listed, Mapping):
            return None
        for device_id, device in listed.items():
            if not isinstance(device, Mapping):
                return None
            values = (vendor.get("name", ""), *(device.get(key, "") for key in ("name", "interface", "memory_size")))
            if not all(isinstance(value, str) for value in values):
                return None
            devices[vendor_id, device_id] = RegistryDevice(*values)
    return Registry(devices)


def cpu_info(hardware: Any) -> tuple[CpuInfo, ...] | None:
    """The processors, sorted; `vcores` is `total_threads`, where it is missing `total_hardware_threads`."""
    cpu = _part(hardware, "cpu")
    processors = cpu.get("processors") if cpu is not None else None
    if not isinstance(processors, list):
        return None
    found: list[CpuInfo] = []
    for processor in processors:
        if not isinstance(processor, Mapping):
            return None
        vcores = processor.get("total_threads", processor.get("total_hardware_threads"))
        number, vendor, model = (processor.get(key) for key in ("id", "vendor", "model"))
        if not (_whole(vcores) and _whole(number) and isinstance(vendor, str) and isinstance(model, str)):
            return None
        found.append(CpuInfo(str(number), vendor, model, int(vcores)))
    return tuple(sorted(found))


def gpu_info(hardware: Any, registry: Registry | None) -> tuple[GpuInfo, ...] | None:
    """The cards that the registry knows, sorted; a card without PCI ids or without an entry is left out.

    A node with cards is not knowable while no registry content was recorded (`registry` None).
    """
    gpu = _part(hardware, "gpu")
    if gpu is None or "cards" not in gpu:
        return None
    cards = gpu["cards"] or []
    if not isinstance(cards, list) or (cards and registry is None):
        return None
    known = registry.devices if registry is not None else {}
    found: list[GpuInfo] = []
    for card in cards:
        pci = _part(card, "pci") or {}
        vendor_id, model_id = ((_part(pci, key) or {}).get("id") for key in ("vendor", "product"))
        if not (isinstance(vendor_id, str) and isinstance(model_id, str)):
            continue
        device = known.get((vendor_id, model_id))
        if device is not None:
            found.append(GpuInfo(device.vendor, vendor_id, device.name, model_id, device.interface, device.memory_size))
    return tuple(sorted(found))


def wanted_labels(gpus: Iterable[GpuInfo], storage_classes: Iterable[str] = ()) -> dict[str, str]:
    """The managed labels of a node that is published; any other node wants none.

    Contract, part A, "Node labels it manages". A key that Kubernetes does not accept as a label (its name part is
    longer than 63 characters, or has other characters than a label may have) cannot exist and is not wanted (NAMES-1).
    """
    gpus = tuple(gpus)
    labels = {PRESENT: "true"}
    if any(gpu.vendor == "nvidia" for gpu in gpus):
        labels[NVIDIA_PRESENT] = "true"
    labels |= {f"{_STORAGE}.class.{name}": "1" for name in storage_classes}
    counts: Counter[str] = Counter()
    for gpu in gpus:
        counts.update(_gpu_keys(gpu))
    labels |= {key: str(count) for key, count in counts.items()}
    return {key: value for key, value in labels.items() if _LABEL_NAME.fullmatch(key.rpartition("/")[2])}


def is_managed(key: str) -> bool:
    """Whether a node label belongs to the operator: such a label that is not wanted has to be removed."""
    return key.startswith(MANAGED_PREFIX) or key == NVIDIA_PRESENT


def _gpu_keys(gpu: GpuInfo) -> Iterable[str]:
    key = f"{_GPU}.vendor.{gpu.vendor}.model.{gpu.name}"
    yield key
    if gpu.memory_size:
        yield f"{key}.ram.{gpu.memory_size}"
    if gpu.interface:
        interface = gpu.interface.lower()
        yield f"{key}.interface.{'sxm' if interface.startswith('sxm') else interface}"


def _part(parent: Any, key: str) -> Mapping[str, Any] | None:
    value = parent.get(key) if isinstance(parent, Mapping) else None
    return value if isinstance(value, Mapping) else None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
