"""What the discovery API answers, and the GPU registry: parsing, and joining the two.

Shapes: contract.md part A, "Discovery API" and "GPU registry". Whatever does not have the shape raises ValueError, so
that nonsense is never taken for "no hardware".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Cpu:
    """One processor, as reported."""

    id: str
    vendor: str
    model: str
    vcores: int


@dataclass(frozen=True, slots=True)
class Card:
    """One graphics card as the node sees it: PCI vendor id and product id, lower hex without 0x."""

    vendor_id: str
    product_id: str


@dataclass(frozen=True, slots=True, order=True)
class Gpu:
    """One graphics card, as reported."""

    vendor: str
    vendor_id: str
    name: str
    model_id: str
    interface: str
    memory_size: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """The last known hardware of one Node object.

    None stands for a part that was never read. `complete` says that both parts have been read.
    """

    node_uid: str
    cpus: tuple[Cpu, ...] | None = None
    cards: tuple[Card, ...] | None = None

    @property
    def complete(self) -> bool:
        """Both parts have been read at least once."""
        return self.cpus is not None and self.cards is not None


@dataclass(frozen=True, slots=True)
class Registry:
    """The GPU registry: (vendor id, product id) -> what is known of it. `loaded` is False until the first success."""

    devices: Mapping[tuple[str, str], Gpu]
    loaded: bool = True


NO_REGISTRY = Registry({}, loaded=False)


def parse_cpus(answer: Any) -> tuple[Cpu, ...]:
    """The answer of `/cpu`; a processor without `total_threads` counts its `total_hardware_threads`."""
    processors = _member(_mapping(answer, "cpu answer"), "processors")
    return tuple(_cpu(_mapping(item, "processor")) for item in _items(processors, "processors"))


def _cpu(item: Mapping[str, Any]) -> Cpu:
    threads = item["total_threads"] if "total_threads" in item else _member(item, "total_hardware_threads")
    # vcores is a uint32 on the wire.
    if not isinstance(threads, int) or isinstance(threads, bool) or not 0 <= threads < 1 << 32:
        raise ValueError(f"not a number of threads: {threads!r}")
    number = _member(item, "id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"not a processor id: {number!r}")  # noqa: TRY004 - one error for all bad shapes
    return Cpu(str(number), _text(item, "vendor"), _text(item, "model"), threads)


def parse_cards(answer: Any) -> tuple[Card, ...]:
    """The answer of `/gpu`; cards of which the node knows no vendor or product are left out."""
    cards = []
    for item in _items(_member(_mapping(answer, "gpu answer"), "cards"), "cards"):
        pci = _mapping(item, "card").get("pci")
        if pci is None:
            continue
        vendor, product = _mapping(pci, "pci").get("vendor"), pci.get("product")
        if vendor is not None and product is not None:
            cards.append(Card(_text(_mapping(vendor, "vendor"), "id"), _text(_mapping(product, "product"), "id")))
    return tuple(cards)


def parse_registry(answer: Any) -> Registry:
    """The answer of `/devices/gpus`."""
    devices: dict[tuple[str, str], Gpu] = {}
    for vendor_id, vendor in _mapping(answer, "registry").items():
        name = _text(_mapping(vendor, "registry vendor"), "name")
        for product_id, device in _mapping(vendor.get("devices") or {}, "registry devices").items():
            known = _mapping(device, "registry device")
            devices[vendor_id, product_id] = Gpu(
                name,
                vendor_id,
                _text(known, "name"),
                product_id,
                _text(known, "interface", default=""),
                _text(known, "memory_size", default=""),
            )
    return Registry(devices)


def known_gpus(cards: tuple[Card, ...], registry: Registry) -> tuple[Gpu, ...]:
    """The cards the registry knows, in a stable order."""
    found = (registry.devices.get((card.vendor_id, card.product_id)) for card in cards)
    return tuple(sorted(gpu for gpu in found if gpu is not None))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object: {str(value)[:80]!r}")  # noqa: TRY004 - one error for all bad shapes
    return value


def _member(value: Mapping[str, Any], name: str) -> Any:
    if name not in value:
        raise ValueError(f"no {name!r} in {str(value)[:80]!r}")
    return value[name]


def _items(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what} is not a list: {str(value)[:80]!r}")  # noqa: TRY004 - one error for all bad shapes
    return value


def _text(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    text = value.get(name, default)
    if not isinstance(text, str):
        raise ValueError(f"{name!r} is not a string: {text!r}")  # noqa: TRY004 - one error for all bad shapes
    return text
