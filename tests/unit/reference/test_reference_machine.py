from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import machine
from harness.reference.hardware import parse_cpus
from harness.reference.machine import MachineError
from tests.unit.reference.machines import with_cpus, with_memory

if TYPE_CHECKING:
    from pathlib import Path


@given(packages=st.integers(1, 3), cores=st.integers(1, 4), threads=st.integers(1, 2), data=st.data())
def test_every_thread_that_is_online_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, packages: int, cores: int, threads: int, data: st.DataObject
) -> None:
    """Each logical processor is in one core of one package, and the sums are those of the parts."""
    count = packages * cores * threads
    offline = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    root = with_cpus(
        tmp_path_factory.mktemp("machine"), packages=packages, cores=cores, threads=threads, offline=tuple(offline)
    )

    told = machine.cpu(root)

    listed = [n for one in told["processors"] for core in one["cores"] for n in core["logical_processors"]]
    assert sorted(listed) == sorted(set(range(count)) - offline)
    assert told["total_hardware_threads"] == told["total_threads"] == count - len(offline)
    assert told["total_cores"] == sum(one["total_cores"] for one in told["processors"])
    assert all(one["total_cores"] == len(one["cores"]) for one in told["processors"])
    assert [one["id"] for one in told["processors"]] == sorted({one["id"] for one in told["processors"]})


def test_a_processor_is_told_as_the_contract_has_it(tmp_path: Path) -> None:
    """Two packages with names of their own, as the operator reads them."""
    told = machine.cpu(with_cpus(tmp_path, packages=2))

    cpus = parse_cpus(told)
    assert [(cpu.id, cpu.vendor, cpu.model, cpu.vcores) for cpu in cpus] == [
        ("0", "GenuineIntel", "Xeon 0", 4), ("1", "GenuineIntel", "Xeon 1", 4),
    ]  # fmt: skip
    assert told["processors"][0]["capabilities"] == ["fpu", "sse4_2"]


@pytest.mark.parametrize(
    ("cpuinfo", "vendor", "model", "features"),
    [
        ("processor : 0\nCPU implementer : 0x41\nFeatures : fp asimd\n", "ARM", "", ["fp", "asimd"]),
        ("processor : 0\nisa : rv64imafdc\nuarch : sifive,u74-mc\n", "rv64imafdc", "sifive,u74-mc", []),
        ("", "", "", []),
    ],
    ids=["arm", "riscv", "nothing"],
)
def test_other_processors_name_themselves_otherwise(
    tmp_path: Path, cpuinfo: str, vendor: str, model: str, features: list[str]
) -> None:
    """What the kernel does not tell is left empty, and the threads are counted all the same."""
    root = with_cpus(tmp_path, cores=1, threads=1)
    (root / "proc/cpuinfo").write_text(cpuinfo)

    told = machine.cpu(root)

    (processor,) = told["processors"]
    assert (processor["vendor"], processor["model"], processor["capabilities"]) == (vendor, model, features)
    assert told["total_hardware_threads"] == 1


@pytest.mark.parametrize("missing", ["proc/cpuinfo", "sys/devices/system/cpu"])
def test_a_machine_that_cannot_be_read_is_an_error(tmp_path: Path, missing: str) -> None:
    """No processors is never the answer."""
    root = with_cpus(tmp_path)
    (root / missing).rename(tmp_path / "away")

    with pytest.raises(MachineError):
        machine.cpu(root)


def test_memory_is_what_is_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Physical memory are the blocks that are online, usable memory is what the kernel manages."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 400000 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\n")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path / "proc"))

    with pytest.warns(RuntimeWarning, match="memory stats couldn't be determined"):
        told = machine.memory(with_memory(tmp_path, blocks=5, offline=1))

    assert told["total_physical_bytes"] == 4 << 27
    assert told["total_usable_bytes"] == 400000 * 1024
    assert told["supported_page_sizes"] == [2 << 20, 1 << 30]


def test_memory_without_blocks_is_the_usable_one(tmp_path: Path) -> None:
    """Where the kernel does not tell what is plugged in, both amounts are the same."""
    told = machine.memory(tmp_path)

    assert told["total_physical_bytes"] == told["total_usable_bytes"] == psutil.virtual_memory().total


def test_this_machine_can_be_read() -> None:
    """As many threads as the kernel lets anybody see are told, by the kernel's own files."""
    assert machine.cpu()["total_hardware_threads"] == psutil.cpu_count()
