"""Machines that are only files: /proc and /sys as a kernel would show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Device:
    """One PCI device: its numbers as sysfs writes them, and the graphics card it is, if it is one."""

    address: str
    vendor: str = "0x10de"
    device: str = "0x20b2"
    kind: str = "0x030200"
    subsystem: tuple[str, str] = ("0x10de", "0x1463")
    revision: str = "0xa1"
    driver: str = ""
    card: int | None = None


def with_cpus(
    root: Path, *, packages: int = 1, cores: int = 2, threads: int = 2, offline: tuple[int, ...] = ()
) -> Path:
    """Processors, numbered as Linux numbers them: first threads of all cores first."""
    blocks = []
    for logical in range(packages * cores * threads):
        package, core = logical // cores % packages, logical % cores
        topology = root / f"sys/devices/system/cpu/cpu{logical}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "core_id").write_text(f"{core}\n")
        (topology.parent / "online").write_text(f"{int(logical not in offline)}\n")
        blocks.append(
            f"processor\t: {logical}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon {package}\nflags\t\t: fpu sse4_2\n"
        )
    (root / "sys/devices/system/cpu/cpufreq").mkdir()
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text("\n".join(blocks) + "\n")
    return root


def with_memory(root: Path, *, blocks: int = 4, offline: int = 0) -> Path:
    """Memory in blocks of 128 MiB."""
    place = root / "sys/devices/system/memory"
    place.mkdir(parents=True)
    (place / "block_size_bytes").write_text(f"{1 << 27:x}\n")
    for number in range(blocks):
        (place / f"memory{number}").mkdir()
        (place / f"memory{number}/state").write_text("offline\n" if number < offline else "online\n")
    for size in (2048, 1048576):
        (root / f"sys/kernel/mm/hugepages/hugepages-{size}kB").mkdir(parents=True)
    return root


def with_devices(root: Path, *devices: Device) -> Path:
    """A PCI bus; cards are behind a bridge, as sysfs has them."""
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    for one in devices:
        real = root / f"sys/devices/pci0000:00/0000:00:01.0/{one.address}"
        real.mkdir(parents=True)
        (bus / one.address).symlink_to(real)
        numbers = {
            "vendor": one.vendor, "device": one.device, "class": one.kind, "revision": one.revision,
            "subsystem_vendor": one.subsystem[0], "subsystem_device": one.subsystem[1],
        }  # fmt: skip
        for name, value in numbers.items():
            (real / name).write_text(f"{value}\n")
        if one.driver:
            (root / f"sys/bus/pci/drivers/{one.driver}").mkdir(parents=True, exist_ok=True)
            (real / "driver").symlink_to(root / f"sys/bus/pci/drivers/{one.driver}")
        if one.card is not None:
            (real / f"drm/card{one.card}").mkdir(parents=True)
            (root / "sys/class/drm").mkdir(parents=True, exist_ok=True)
            (root / f"sys/class/drm/card{one.card}").symlink_to(real / f"drm/card{one.card}")
            (root / f"sys/class/drm/card{one.card}-HDMI-A-1").symlink_to(real / f"drm/card{one.card}")
    return root
