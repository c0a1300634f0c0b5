"""What an operator reported, and where its shape is wrong.

The document is the JSON of the contract's part A, "REST"; gRPC answers are stored in the same shape. Unknown keys are
welcome; missing ones, wrong types and text that is no quantity are shape problems (SHAPE-1). Whatever can be read is
read: one bad figure does not hide the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.model import quantity
from harness.model.hardware import CpuInfo, GpuInfo, judged_info

if TYPE_CHECKING:
    from decimal import Decimal

_FIGURES = ("capacity", "allocatable", "allocated")
_GPU_KEYS = ("vendor", "vendor_id", "name", "model_id", "interface", "memory_size")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class ShapeProblem:
    """One place where a document is not in the documented shape.

    `path` as in "nodes[3].resources.cpu.quantity.allocated"; `expected` and `found` are short texts.
    """

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class ReportedNode:
    """One reported node.

    `values` holds those of `inventory.FIELDS` that could be read; info is sorted, and empty for null.
    """

    name: str
    values: Mapping[str, Decimal]
    cpu_info: tuple[CpuInfo, ...] = ()
    gpu_info: tuple[GpuInfo, ...] = ()
    storage_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportedStorage:
    """Cluster storage of one class; `values`: those of `storage.FIGURES` that could be read, in bytes."""

    class_name: str
    iops: str
    values: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Reported:
    """One inventory: nodes by name, cluster storage by class.

    Of nodes with the same name, and of items of the same class, the first counts (the others are shape problems).
    """

    nodes: Mapping[str, ReportedNode] = field(default_factory=dict)
    storage: Mapping[str, ReportedStorage] = field(default_factory=dict)


def parse(body: Any, excepted: frozenset[str] = frozenset()) -> tuple[Reported, tuple[ShapeProblem, ...]]:
    """Read a document; never raises for anything that JSON can hold. No problems: the shape is as documented.

    `excepted`: fields that are not judged (`hardware.judged_info`); their shape is read all the same.
    """
    reader = _Reader(excepted)
    reported = reader.read(body)
    return reported, tuple(reader.problems)


class _Reader:
    """Reads one document and notes each problem with its path."""

    def __init__(self, excepted: frozenset[str]) -> None:
        self.excepted = excepted
        self.problems: list[ShapeProblem] = []

    def read(self, body: Any) -> Reported:
        if isinstance(body, Mapping) and set(body) == {"raw"}:
            self._note("$", "a JSON document", f"the text {_shown(body['raw'])}")
            return Reported()
        if not isinstance(body, Mapping):
            self._note("$", "an object with nodes and storage", _shown(body))
            return Reported()
        nodes: dict[str, ReportedNode] = {}
        for path, item in self._items(body, "nodes", "nodes"):
            node = self._node(path, item)
            if node is None:
                continue
            if node.name in nodes:
                self._note(f"{path}.name", "a name that no other node has", _shown(node.name))
            else:
                nodes[node.name] = node
        storage: dict[str, ReportedStorage] = {}
        for path, raw in self._items(body, "storage", "storage"):
            item = self._storage(path, raw)
            if item is not None and item.class_name in storage:
                self._note(f"{path}.info.class", "a class that no other item has", _shown(item.class_name))
            elif item is not None:
                storage[item.class_name] = item
        return Reported(nodes, storage)

    def _node(self, path: str, item: Any) -> ReportedNode | None:
        if not isinstance(item, Mapping):
            self._note(path, "an object", _shown(item))
            return None
        name = self._text(item, "name", path)
        resources = self._object(item, "resources", path)
        values: dict[str, Decimal] = {}
        infos: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        if resources is not None:
            inside = f"{path}.resources"
            for resource in ("cpu", "memory", "gpu"):
                part = self._object(resources, resource, inside)
                if part is not None:
                    where = f"{inside}.{resource}"
                    figures = self._quantity(part, "quantity", where)
                    values |= {f"{resource}.{figure}": amount for figure, amount in figures.items()}
                    infos[resource] = self._info(part, where)
            figures = self._quantity(resources, "ephemeral_storage", inside)
            values |= {f"ephemeral_storage.{figure}": amount for figure, amount in figures.items()}
            for volumes in ("volumes_attached", "volumes_mounted"):
                self._quantity(resources, volumes, inside)
        classes = self._storage_classes(item, path)
        cpus = [self._cpu(where, cpu) for where, cpu in infos.get("cpu", ())]
        gpus = [self._gpu(where, gpu) for where, gpu in infos.get("gpu", ())]
        if name is None:
            return None
        if not name:
            self._note(f"{path}.name", "a name that is not empty", _shown(name))
            return None
        cpu_info = judged_info("cpu.info", tuple(sorted(cpu for cpu in cpus if cpu is not None)), self.excepted)
        gpu_info = judged_info("gpu.info", tuple(sorted(gpu for gpu in gpus if gpu is not None)), self.excepted)
        return ReportedNode(name, values, cpu_info or (), gpu_info or (), classes)

    def _storage(self, path: str, item: Any) -> ReportedStorage | None:
        if not isinstance(item, Mapping):
            self._note(path, "an object", _shown(item))
            return None
        values = {f"storage.{figure}": value for figure, value in self._quantity(item, "quantity", path).items()}
        info = self._object(item, "info", path)
        if info is None:
            return None
        class_name = self._text(info, "class", f"{path}.info")
        iops = self._text(info, "iops", f"{path}.info")
        return ReportedStorage(class_name, iops or "", values) if class_name is not None else None

    def _storage_classes(self, node: Mapping[str, Any], path: str) -> tuple[str, ...]:
        capabilities = self._object(node, "capabilities", path)
        if capabilities is None:
            return ()
        inside = f"{path}.capabilities"
        listed = capabilities.get("storage_classes", _MISSING)
        # The contract does not say how "none" is written: null and an empty array are both taken.
        if listed is None:
            return ()
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            self._note(f"{inside}.storage_classes", "an array of strings", _shown(listed))
            return ()
        return tuple(sorted(listed))

    def _quantity(self, parent: Mapping[str, Any], key: str, path: str) -> dict[str, Decimal]:
        part = self._object(parent, key, path)
        figures: dict[str, Decimal] = {}
        for figure in _FIGURES if part is not None else ():
            value = part.get(figure, _MISSING) if part is not None else _MISSING
            where = f"{path}.{key}.{figure}"
            if not isinstance(value, str):
                self._note(where, "a quantity as a string", _shown(value))
                continue
            try:
                figures[figure] = quantity.parse(value)
            except quantity.QuantityError:
                self._note(where, "a Kubernetes quantity", _shown(value))
        return figures

    def _info(self, parent: Mapping[str, Any], path: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The items of an info list, which is null when empty."""
        if parent.get("info", _MISSING) is None:
            return []
        found: list[tuple[str, Mapping[str, Any]]] = []
        for where, item in self._items(parent, "info", f"{path}.info", expected="an array or null"):
            if isinstance(item, Mapping):
                found.append((where, item))
            else:
                self._note(where, "an object", _shown(item))
        return found

    def _cpu(self, path: str, item: Mapping[str, Any]) -> CpuInfo | None:
        texts = [self._text(item, key, path) for key in ("id", "vendor", "model")]
        vcores = item.get("vcores", _MISSING)
        if not isinstance(vcores, int) or isinstance(vcores, bool) or vcores < 0:
            self._note(f"{path}.vcores", "a whole number from 0", _shown(vcores))
            return None
        cpu_id, vendor, model = texts
        if cpu_id is None or vendor is None or model is None:
            return None
        return CpuInfo(cpu_id, vendor, model, vcores)

    def _gpu(self, path: str, item: Mapping[str, Any]) -> GpuInfo | None:
        read = [self._text(item, key, path) for key in _GPU_KEYS]
        texts = [text for text in read if text is not None]
        return GpuInfo(*texts) if len(texts) == len(_GPU_KEYS) else None

    def _items(
        self, parent: Mapping[str, Any], key: str, path: str, *, expected: str = "an array"
    ) -> list[tuple[str, Any]]:
        listed = parent.get(key, _MISSING)
        if not isinstance(listed, list):
            self._note(path, expected, _shown(listed))
            return []
        return [(f"{path}[{index}]", item) for index, item in enumerate(listed)]

    def _object(self, parent: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any] | None:
        value = parent.get(key, _MISSING)
        if not isinstance(value, Mapping):
            self._note(f"{path}.{key}", "an object", _shown(value))
            return None
        return value

    def _text(self, parent: Mapping[str, Any], key: str, path: str) -> str | None:
        value = parent.get(key, _MISSING)
        if not isinstance(value, str):
            self._note(f"{path}.{key}", "a string", _shown(value))
            return None
        return value

    def _note(self, path: str, expected: str, found: str) -> None:
        self.problems.append(ShapeProblem(path, expected, found))


def _shown(value: Any) -> str:
    """A value as a finding shows it: short, and null as JSON calls it."""
    if value is _MISSING:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "an array"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
