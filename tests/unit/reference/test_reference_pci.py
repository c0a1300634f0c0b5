from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import pci
from harness.reference.hardware import parse_cards
from harness.reference.machine import MachineError
from harness.reference.pci import Names
from tests.unit.reference.machines import Device, with_devices

if TYPE_CHECKING:
    from pathlib import Path

A100 = Device("0000:17:00.0", driver="nvidia", card=1)
MI300X = Device("0000:18:00.0", vendor="0x1002", device="0x74a1", kind="0x120000")
CONSOLE = Device("0000:03:00.0", vendor="0x1a03", device="0x2000", kind="0x030000", driver="ast", card=0)
DISK = Device("0000:01:00.0", vendor="0x144d", device="0xa824", kind="0x010802", driver="nvme")

IDS = """\
# List of PCI ID's
10de  NVIDIA Corporation
\t20b2  GA100 [A100 SXM4 80GB]
\t\t10de 1463  A100 board
1A03  ASPEED Technology, Inc.

C 03  Display controller
\t00  VGA compatible controller
\t\t00  VGA controller
\t02  3D controller
"""


def test_a_card_is_told_as_the_contract_has_it(tmp_path: Path) -> None:
    """Ids in lower hex without 0x, names from the list, the driver by its name."""
    root = with_devices(tmp_path, A100)

    assert pci.cards(root, pci.parse(IDS.splitlines())) == [
        {
            "address": "0000:17:00.0",
            "index": 1,
            "pci": {
                "driver": "nvidia",
                "address": "0000:17:00.0",
                "vendor": {"id": "10de", "name": "NVIDIA Corporation"},
                "product": {"id": "20b2", "name": "GA100 [A100 SXM4 80GB]"},
                "revision": "0xa1",
                "subsystem": {"id": "1463", "name": "A100 board"},
                "class": {"id": "03", "name": "Display controller"},
                "subclass": {"id": "02", "name": "3D controller"},
                "programming_interface": {"id": "00", "name": "unknown"},
            },
        }
    ]


def test_accelerators_and_displays_are_cards_and_disks_are_not(tmp_path: Path) -> None:
    """Cards without a graphics driver come after those that the kernel has numbered."""
    root = with_devices(tmp_path, DISK, A100, MI300X, CONSOLE)

    cards = pci.cards(root, Names())

    assert [(card["index"], card["address"]) for card in cards] == [
        (0, CONSOLE.address), (1, A100.address), (2, MI300X.address),
    ]  # fmt: skip
    assert [one["address"] for one in pci.devices(root, Names())] == [
        DISK.address, CONSOLE.address, A100.address, MI300X.address,
    ]  # fmt: skip


def test_a_machine_without_a_bus_has_no_cards(tmp_path: Path) -> None:
    """A small virtual machine has no PCI bus: that is no error."""
    assert pci.cards(tmp_path) == []


def test_a_number_that_is_none_is_an_error(tmp_path: Path) -> None:
    """A card is never told by half."""
    root = with_devices(tmp_path, A100)
    (root / f"sys/bus/pci/devices/{A100.address}/vendor").write_text("nvidia\n")

    with pytest.raises(MachineError, match="'nvidia', which is no hexadecimal number"):
        pci.cards(root, Names())


@given(
    ids=st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), max_size=6),
    kinds=st.lists(
        st.sampled_from(("0x030000", "0x030200", "0x120000", "0x020000", "0x060400")), min_size=6, max_size=6
    ),
)
def test_the_operator_reads_what_is_served(
    tmp_path_factory: pytest.TempPathFactory, ids: list[tuple[int, int]], kinds: list[str]
) -> None:
    """Whatever is on the bus, each card's ids arrive as four lower hex digits, and every index is another."""
    listed = [
        Device(f"0000:{number + 2:02x}:00.0", vendor=f"{vendor:#06x}", device=f"{device:#06x}", kind=kinds[number])
        for number, (vendor, device) in enumerate(ids)
    ]
    cards = pci.cards(with_devices(tmp_path_factory.mktemp("bus"), *listed), Names())

    wanted = [one for one in listed if one.kind[2:4] in {"03", "12"}]
    assert [(card.vendor_id, card.product_id) for card in parse_cards({"cards": cards})] == [
        (one.vendor[2:], one.device[2:]) for one in wanted
    ]
    assert len({card["index"] for card in cards}) == len(cards)


@pytest.mark.parametrize("name", ["usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids", "usr/share/misc/pci.ids.gz"])
def test_names_are_found_where_distributions_put_them(tmp_path: Path, name: str) -> None:
    """Compressed or not."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(IDS.encode()) if name.endswith(".gz") else IDS.encode())

    names = pci.names_of(tmp_path)

    assert names.device("10de", "20b2", "10de", "1463") == "A100 board"
    assert names.device("1a03") == "ASPEED Technology, Inc."
    assert names.kind("03", "00", "00") == "VGA controller"
    assert names.kind("03", "02", "00") == names.device("ffff") == "unknown"
