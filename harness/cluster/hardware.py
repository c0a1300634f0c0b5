"""What a simulated node is made of, and what its discovery pod answers.

The answers have the shape of contract.md part A ("Discovery API"); the PCI ids are those of the real products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import typed
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NVIDIA, AMD = "10de", "1002"


@dataclass(frozen=True, slots=True)
class GpuModel:
    """One GPU product: PCI ids (lower hex), its name in the registry, and what it looks like."""

    vendor_id: str
    product_id: str
    name: str
    product_name: str
    interface: str
    memory_size: str

    @property
    def vendor(self) -> str:
        """The vendor's name in the registry."""
        return {NVIDIA: "nvidia", AMD: "amd"}[self.vendor_id]

    @property
    def resource(self) -> str:
        """The extended resource its device plugin advertises."""
        return {NVIDIA: "nvidia.com/gpu", AMD: "amd.com/gpu"}[self.vendor_id]


GPU_MODELS: Mapping[str, GpuModel] = {
    model.name: model
    for model in (
        GpuModel(NVIDIA, "20b2", "a100", "GA100 [A100 SXM4 80GB]", "SXM4", "80Gi"),
        GpuModel(NVIDIA, "2330", "h100", "GH100 [H100 SXM5 80GB]", "SXM5", "80Gi"),
        GpuModel(NVIDIA, "26b9", "l40s", "AD102GL [L40S]", "PCIe", "48Gi"),
        GpuModel(NVIDIA, "2684", "rtx4090", "AD102 [GeForce RTX 4090]", "PCIe", "24Gi"),
        GpuModel(NVIDIA, "2204", "rtx3090", "GA102 [GeForce RTX 3090]", "PCIe", "24Gi"),
        GpuModel(NVIDIA, "1eb8", "t4", "TU104GL [Tesla T4]", "PCIe", "16Gi"),
        GpuModel(NVIDIA, "1db1", "v100", "GV100GL [Tesla V100 SXM2 16GB]", "SXM2", "16Gi"),
        GpuModel(AMD, "740f", "mi210", "Aldebaran/MI200 [Instinct MI210]", "PCIe", "64Gi"),
        GpuModel(AMD, "74a1", "mi300x", "Aqua Vanjaram [Instinct MI300X]", "OAM", "192Gi"),
    )
}


def gpu_model(name: str) -> GpuModel:
    """The product by its registry name; raises UsageError that lists the known ones."""
    try:
        return GPU_MODELS[name]
    except KeyError:
        raise UsageError(f"unknown GPU model {name!r}", hint=f"one of {', '.join(sorted(GPU_MODELS))}") from None


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """The size of a node: quantities as a kubelet would write them, and its GPUs.

    `reserved_cpu_m` (milli-cores) and `reserved_memory_mib` are what allocatable lacks compared to capacity, so that an
    operator that mixes the two up is seen. `exact`: (resource, capacity, allocatable) as a Node has them, in the place
    of all that follows from the sizes ("": there is none). `cordoned`, `silent`: it joins unschedulable, or never gets
    Ready; `taints`: (key, effect).
    """

    cpus: int = 16
    memory_mib: int = 65536
    ephemeral_storage_mib: int = 524288
    pods: int = 110
    gpu: str | None = None
    gpus: int = 0
    reserved_cpu_m: int = 250
    reserved_memory_mib: int = 1024
    exact: tuple[tuple[str, str, str], ...] = ()
    cordoned: bool = False
    silent: bool = False
    taints: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.memory_mib <= self.reserved_memory_mib or self.gpus < 0:
            raise UsageError(f"a node cannot have {self.cpus} cpus, {self.memory_mib} MiB and {self.gpus} GPUs")
        if (self.gpu is None) != (self.gpus == 0):
            raise UsageError(f"gpu={self.gpu!r} and gpus={self.gpus} do not fit", hint="give both or neither")
        if self.gpu is not None:
            gpu_model(self.gpu)

    @classmethod
    def from_json(cls, body: Any) -> NodeProfile:
        """The profile that `dataclasses.asdict` has told of; raises UsageError for what is none."""
        return typed.make(cls, body, named="a node's profile")

    def capacity(self) -> dict[str, str]:
        """`status.capacity` of the Node."""
        if self.exact:
            return {name: capacity for name, capacity, _allocatable in self.exact if capacity}
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory_mib * 1024}Ki",
            "ephemeral-storage": f"{self.ephemeral_storage_mib * 1024}Ki",
            "pods": str(self.pods),
            **self._gpu_resource(),
        }

    def allocatable(self) -> dict[str, str]:
        """`status.allocatable` of the Node: capacity less what the system keeps."""
        if self.exact:
            return {name: allocatable for name, _capacity, allocatable in self.exact if allocatable}
        return {
            "cpu": f"{self.cpus * 1000 - self.reserved_cpu_m}m",
            "memory": f"{(self.memory_mib - self.reserved_memory_mib) * 1024}Ki",
            "ephemeral-storage": str(self.ephemeral_storage_mib * 2**20 * 9 // 10),
            "pods": str(self.pods),
            **self._gpu_resource(),
        }

    def _gpu_resource(self) -> dict[str, str]:
        return {} if self.gpu is None else {gpu_model(self.gpu).resource: str(self.gpus)}

    def hardware(self) -> dict[str, Any]:
        """What discovery answers on this node: {"cpu": …, "gpu": …, "memory": …}."""
        return {"cpu": _cpu(self.cpus), "gpu": _gpu(self.gpu, self.gpus), "memory": _memory(self.memory_mib)}


def _cpu(threads: int) -> dict[str, Any]:
    cores = max(1, threads // 2)
    processor = {
        "id": 0,
        "total_cores": cores,
        "total_hardware_threads": threads,
        "total_threads": threads,
        "vendor": "AuthenticAMD",
        "model": "AMD EPYC 7543 32-Core Processor",
        "capabilities": ["fpu", "sse4_2", "avx2"],
    }
    return {
        "total_cores": cores,
        "total_hardware_threads": threads,
        "total_threads": threads,
        "processors": [processor],
    }


def _gpu(model: str | None, count: int) -> dict[str, Any]:
    return {"cards": None if model is None else [_card(gpu_model(model), index) for index in range(count)]}


def _card(model: GpuModel, index: int) -> dict[str, Any]:
    address = f"0000:{0x17 + index:02x}:00.0"
    vendor_name = {NVIDIA: "NVIDIA Corporation", AMD: "Advanced Micro Devices, Inc. [AMD/ATI]"}[model.vendor_id]
    return {
        "address": address,
        "index": index,
        "pci": {
            "driver": {NVIDIA: "nvidia", AMD: "amdgpu"}[model.vendor_id],
            "address": address,
            "vendor": {"id": model.vendor_id, "name": vendor_name},
            "product": {"id": model.product_id, "name": model.product_name},
            "revision": "0xa1",
            "subsystem": {"id": "0000", "name": "unknown"},
            "class": {"id": "03", "name": "Display controller"},
            "subclass": {"id": "02", "name": "3D controller"},
            "programming_interface": {"id": "00", "name": "unknown"},
        },
    }


def _memory(mib: int) -> dict[str, Any]:
    return {
        "total_physical_bytes": mib * 2**20,
        "total_usable_bytes": (mib - 512) * 2**20,
        "supported_page_sizes": [2097152, 1073741824],
        "modules": None,
    }


def under_names(content: Any, models: Mapping[str, str]) -> Any:
    """A registry's content with other names for some models; what is no registry is left as it is."""
    if not models or not isinstance(content, dict):
        return content
    return {
        vendor: {
            **body,
            "devices": {
                key: {**device, "name": models.get(device["name"], device["name"])}
                for key, device in body["devices"].items()
            },
        }
        for vendor, body in content.items()
    }


def registry(*, names: Mapping[str, str] | None = None, without: Collection[str] = ()) -> dict[str, Any]:
    """The GPU registry's content for all known products.

    `names` gives some of them another name: {"a100": "a100-x"}; `without` leaves vendors out: ("nvidia",).
    """
    content: dict[str, Any] = {}
    for model in GPU_MODELS.values():
        if model.vendor in without:
            continue
        vendor = content.setdefault(model.vendor_id, {"name": model.vendor, "devices": {}})
        vendor["devices"][model.product_id] = {
            "name": (names or {}).get(model.name, model.name),
            "interface": model.interface,
            "memory_size": model.memory_size,
        }
    return content
