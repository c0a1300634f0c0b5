"""Discovery answers and the GPU registry."""

from __future__ import annotations

from typing import Any

import pytest

from harness.reference.hardware import Card, Cpu, Gpu, known_gpus, parse_cards, parse_cpus, parse_registry

_REGISTRY = {
    "10de": {
        "name": "nvidia",
        "devices": {
            "20b5": {"name": "a100", "interface": "PCIe", "memory_size": "80Gi"},
            "2330": {"name": "h100", "interface": "SXM5", "memory_size": "80Gi"},
        },
    },
    "1002": {"name": "amd", "devices": {"74a1": {"name": "mi300x", "interface": "PCIe", "memory_size": "192Gi"}}},
}


def test_processors_become_cpu_info() -> None:
    """Ids become strings, and total_threads wins over total_hardware_threads."""
    processors = [
        {"id": 0, "vendor": "v", "model": "m", "total_hardware_threads": 8},
        {"id": 1, "vendor": "v", "model": "m", "total_hardware_threads": 8, "total_threads": 4},
    ]
    assert parse_cpus({"processors": processors}) == (Cpu("0", "v", "m", 8), Cpu("1", "v", "m", 4))


def test_cards_are_read_with_null_for_none() -> None:
    """A node without cards answers null or an empty list, and a card without PCI ids is left out."""
    known = {"pci": {"vendor": {"id": "10de", "name": "x"}, "product": {"id": "20b5", "name": "y"}}}
    assert parse_cards({"cards": None}) == parse_cards({"cards": []}) == ()
    assert parse_cards({"cards": [known, {"pci": None}, {"index": 3}]}) == (Card("10de", "20b5"),)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "text",
        7,
        {},
        {"processors": 7},
        {"processors": [7]},
        {"processors": [{"id": 0, "vendor": "v", "model": "m"}]},
        {"processors": [{"id": "0", "vendor": "v", "model": "m", "total_threads": 1}]},
        {"processors": [{"id": 0, "vendor": "v", "model": "m", "total_threads": -1}]},
        {"processors": [{"id": 0, "vendor": "v", "model": "m", "total_threads": True}]},
        {"processors": [{"id": 0, "vendor": None, "model": "m", "total_threads": 1}]},
    ],
)
def test_nonsense_is_never_taken_for_no_processors(answer: Any) -> None:
    """An answer of another shape is refused, so it cannot replace what is known."""
    with pytest.raises(ValueError, match=r"not|no "):
        parse_cpus(answer)


@pytest.mark.parametrize(
    "answer", [None, {}, {"cards": 3}, {"cards": ["x"]}, {"cards": [{"pci": {"vendor": {"id": 1}, "product": {}}}]}]
)
def test_nonsense_is_never_taken_for_no_cards(answer: Any) -> None:
    """An answer of another shape is refused, so it cannot replace what is known."""
    with pytest.raises(ValueError, match=r"not|no "):
        parse_cards(answer)


@pytest.mark.parametrize("answer", [[], None, {"10de": 1}, {"10de": {}}, {"10de": {"name": "n", "devices": {"1": 2}}}])
def test_a_registry_of_another_shape_is_refused(answer: Any) -> None:
    """A registry of another shape is refused, so the old content stays."""
    with pytest.raises(ValueError, match="not"):
        parse_registry(answer)


def test_cards_are_named_by_the_registry_in_a_stable_order() -> None:
    """Cards the registry knows are reported in one order whatever the node's is; the others are left out."""
    registry = parse_registry(_REGISTRY)
    cards = (Card("10de", "2330"), Card("ffff", "0000"), Card("1002", "74a1"), Card("10de", "20b5"))
    gpus = known_gpus(cards, registry)
    assert gpus == known_gpus(cards[::-1], registry)
    assert gpus == (
        Gpu("amd", "1002", "mi300x", "74a1", "PCIe", "192Gi"),
        Gpu("nvidia", "10de", "a100", "20b5", "PCIe", "80Gi"),
        Gpu("nvidia", "10de", "h100", "2330", "SXM5", "80Gi"),
    )
