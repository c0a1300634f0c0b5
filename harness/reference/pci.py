"""The PCI devices of this machine, and which of them are graphics cards, from sysfs.

The shape is contract.md part A's ("Discovery API", `/gpu` and `/pci`). Names come from the list `pci.ids` where the
machine or the image has it, and are "unknown" otherwise: an operator looks models up by their ids.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.reference.machine import ROOT, MachineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DEVICES, CARDS = "sys/bus/pci/devices", "sys/class/drm"
_NAMES = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids", "usr/share/misc/pci.ids.gz")
DISPLAY, ACCELERATOR = "03", "12"
"""Base classes of the PCI code and ID assignment specification: display controllers, processing accelerators."""

_UNKNOWN = "unknown"
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_CARD = re.compile(r"card(\d+)")


@dataclass(frozen=True, slots=True)
class Names:
    """What `pci.ids` calls things: ids in lower hex without 0x, joined by a space, -> name."""

    devices: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)

    def device(self, *ids: str) -> str:
        """The name of a vendor, of (vendor, product), or of (vendor, product, subvendor, subproduct)."""
        return self.devices.get(" ".join(ids), _UNKNOWN)

    def kind(self, *ids: str) -> str:
        """The name of a class, a subclass, or a programming interface."""
        return self.classes.get(" ".join(ids), _UNKNOWN)


def devices(root: Path = ROOT, names: Names | None = None) -> list[dict[str, Any]]:
    """All PCI devices by address, each as the contract's `pci` object; none where there is no PCI bus."""
    known = names_of(root) if names is None else names
    place = root / DEVICES
    try:
        found = sorted(path for path in place.iterdir() if _ADDRESS.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise MachineError(f"cannot read {place}: {exc.strerror}") from exc
    return [_device(path, known) for path in found]


def cards(root: Path = ROOT, names: Names | None = None) -> list[dict[str, Any]]:
    """The graphics cards and accelerators: {"address", "index", "pci"}.

    `index` is the kernel's number of the card (`/sys/class/drm/cardN`); cards without a graphics driver, which compute
    all the same, get the next free ones.
    """
    numbers = _numbers(root / CARDS)
    found = [one for one in devices(root, names) if one["class"]["id"] in {DISPLAY, ACCELERATOR}]
    after = max(numbers.values(), default=-1) + 1
    rest = [one["address"] for one in found if one["address"] not in numbers]
    numbers |= {address: after + offset for offset, address in enumerate(rest)}
    listed = [{"address": one["address"], "index": numbers[one["address"]], "pci": one} for one in found]
    return sorted(listed, key=lambda card: int(card["index"]))


def _device(path: Path, names: Names) -> dict[str, Any]:
    vendor, product = _hex(path, "vendor", 4), _hex(path, "device", 4)
    subvendor, subproduct = _hex(path, "subsystem_vendor", 4), _hex(path, "subsystem_device", 4)
    code = _hex(path, "class", 6)
    kind, subkind, interface = code[:2], code[2:4], code[4:]
    driver = path / "driver"
    return {
        "driver": driver.resolve().name if driver.exists() else "",
        "address": path.name,
        "vendor": {"id": vendor, "name": names.device(vendor)},
        "product": {"id": product, "name": names.device(vendor, product)},
        "revision": _text(path / "revision"),
        "subsystem": {"id": subproduct, "name": names.device(vendor, product, subvendor, subproduct)},
        "class": {"id": kind, "name": names.kind(kind)},
        "subclass": {"id": subkind, "name": names.kind(kind, subkind)},
        "programming_interface": {"id": interface, "name": names.kind(kind, subkind, interface)},
    }


def _hex(path: Path, name: str, digits: int) -> str:
    """A number of sysfs (0x10de) as `digits` lower hex digits; raises MachineError when it is none."""
    text = _text(path / name)
    try:
        return f"{int(text or '0', 16):0{digits}x}"
    except ValueError as exc:
        raise MachineError(f"{path / name} holds {text!r}, which is no hexadecimal number") from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _numbers(place: Path) -> dict[str, int]:
    """PCI address -> the kernel's number of the card. `cardN-…` are its connectors."""
    try:
        links = [(path, found) for path in place.iterdir() if (found := _CARD.fullmatch(path.name))]
    except OSError:
        return {}
    result: dict[str, int] = {}
    for path, found in links:
        on_the_way = [part for part in path.resolve().parts if _ADDRESS.fullmatch(part)]
        if on_the_way:  # the last one is the card; those before are the bridges it is behind
            result[on_the_way[-1]] = int(found[1])
    return result


@cache
def names_of(root: Path = ROOT) -> Names:
    """The first list of names there is, read once; no names when there is none."""
    for name in _NAMES:
        path = root / name
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError):
            continue
        return parse(raw.decode(errors="replace").splitlines())
    return Names()


def parse(lines: Iterable[str]) -> Names:
    """Names from the lines of `pci.ids`: indentation by tabs says what belongs to what, "C " begins a class.

    Deeper lines of a device are its subsystems, with two ids before the name.
    """
    devices: dict[str, str] = {}
    classes: dict[str, str] = {}
    into, above = devices, [""]
    for line in lines:
        body = line.lstrip("\t")
        depth = len(line) - len(body)
        if not body.strip() or body.startswith("#"):
            continue
        if depth == 0:
            into, above = (classes, []) if body.startswith("C ") else (devices, [])
            body = body.removeprefix("C ")
        count = 2 if into is devices and depth == 2 else 1
        *ids, name = body.split(None, count)
        if len(ids) == count and depth <= len(above):
            above = [*above[:depth], " ".join(ids).lower()]
            into[" ".join(above)] = name.strip()
    return Names(devices, classes)
