"""What this machine's processors and memory are, as the discovery API tells it (contract.md part A, "Discovery API").

Counts come from the kernel's own topology (sysfs), names and features from /proc/cpuinfo, usable memory from psutil.
Both trees are the host's in a container too, which is what a discovery pod is for. Whatever the kernel does not tell
is left empty; what cannot be read at all raises MachineError, which the server answers with status 500.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path("/")
_CPU = re.compile(r"cpu(\d+)")
_BLOCK = re.compile(r"memory\d+")
_PAGES = re.compile(r"hugepages-(\d+)kB")
# In this order: x86, 32-bit ARM, MIPS, LoongArch, RISC-V.
_MODEL = ("model name", "Processor", "cpu model", "Model Name", "uarch")
_FEATURES = ("flags", "Features")
_IMPLEMENTERS = {"0x41": "ARM"}
"""64-bit ARM names its maker by a number (`CPU implementer`)."""


class MachineError(Exception):
    """The machine cannot be read."""


@dataclass(slots=True)
class _Package:
    """One processor: (die, core id) -> its logical processors."""

    cores: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)


def cpu(root: Path = ROOT) -> dict[str, Any]:
    """{"total_cores", "total_hardware_threads", "total_threads", "processors": […]}, of what is online."""
    packages = _packages(root)
    processors = [_processor(number, package) for number, package in sorted(packages.items())]
    threads = sum(one["total_hardware_threads"] for one in processors)
    return {
        "total_cores": sum(one["total_cores"] for one in processors),
        "total_hardware_threads": threads,
        "total_threads": threads,
        "processors": processors,
    }


def memory(root: Path = ROOT) -> dict[str, Any]:
    """{"total_physical_bytes", "total_usable_bytes", "supported_page_sizes", "modules"}; pages are the huge ones.

    Where the kernel does not tell which memory is plugged in, the physical amount is the usable one.
    """
    try:
        usable = int(psutil.virtual_memory().total)
    except (OSError, ValueError, KeyError) as exc:
        raise MachineError(f"cannot tell the usable memory: {exc}") from exc
    pages = root / "sys/kernel/mm/hugepages"
    sizes = sorted(int(found[1]) << 10 for path in _entries(pages) if (found := _PAGES.fullmatch(path.name)))
    return {
        "total_physical_bytes": _physical(root) or usable,
        "total_usable_bytes": usable,
        "supported_page_sizes": sizes,
        "modules": None,
    }


def _packages(root: Path) -> dict[int, _Package]:
    """Physical package -> what is in it. Raises MachineError where no processor can be found."""
    place = root / "sys/devices/system/cpu"
    told = _cpuinfo(root / "proc/cpuinfo")
    packages: dict[int, _Package] = {}
    for path in _entries(place):
        found = _CPU.fullmatch(path.name)
        if found is None or _number(path / "online", 1) == 0:
            continue
        logical, topology = int(found[1]), path / "topology"
        package = packages.setdefault(_number(topology / "physical_package_id", 0), _Package())
        core = _number(topology / "die_id", 0), _number(topology / "core_id", logical)
        package.cores.setdefault(core, []).append(logical)
        package.told = package.told or told.get(logical, {})
    if not packages:
        raise MachineError(f"no processor in {place}")
    return packages


def _processor(number: int, package: _Package) -> dict[str, Any]:
    cores = [
        {
            "id": core,
            "total_hardware_threads": len(logical),
            "total_threads": len(logical),
            "logical_processors": sorted(logical),
        }
        for (_die, core), logical in sorted(package.cores.items())
    ]
    threads = sum(len(logical) for logical in package.cores.values())
    told = package.told
    return {
        "id": number,
        "total_cores": len(cores),
        "total_hardware_threads": threads,
        "total_threads": threads,
        "vendor": told.get("vendor_id") or told.get("isa") or _IMPLEMENTERS.get(told.get("CPU implementer", ""), ""),
        "model": _first(told, _MODEL),
        "capabilities": _first(told, _FEATURES).split(),
        "cores": cores,
    }


def _cpuinfo(path: Path) -> dict[int, dict[str, str]]:
    """Logical processor -> what /proc/cpuinfo says of it."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise MachineError(f"cannot read {path}: {exc.strerror}") from exc
    found: dict[int, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", text):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        told = {key.strip(): value.strip() for key, _colon, value in pairs}
        if told.get("processor", "").isdigit():
            found[int(told["processor"])] = told
    return found


def _physical(root: Path) -> int:
    """Bytes of the memory blocks that are online; 0 where the kernel does not tell."""
    place = root / "sys/devices/system/memory"
    size = _text(place / "block_size_bytes")
    blocks = [path for path in _entries(place) if _BLOCK.fullmatch(path.name)]
    online = sum(1 for path in blocks if _text(path / "state") == "online")
    try:
        return int(size, 16) * online if size else 0
    except ValueError:
        return 0


def _entries(place: Path) -> Iterator[Path]:
    try:
        yield from sorted(place.iterdir())
    except OSError:
        return


def _text(path: Path) -> str:
    """The file's content; "" when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path, otherwise: int) -> int:
    try:
        return int(_text(path))
    except ValueError:
        return otherwise


def _first(told: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((told[key] for key in keys if told.get(key)), "")
