from __future__ import annotations

from typing import Any

import pytest

from harness.model import config
from harness.model.hardware import CpuInfo, GpuInfo, cpu_info, gpu_info, is_managed, parse_registry, wanted_labels
from tests.unit.model.objects import REGISTRY, machine

A100 = GpuInfo("nvidia", "10de", "a100", "20b5", "PCIe", "80Gi")
H100 = GpuInfo("nvidia", "10de", "h100", "2330", "SXM5", "80Gi")
MI210 = GpuInfo("amd", "1002", "mi210", "740f", "PCIe", "64Gi")
GPU = "akash.network/capabilities.gpu.vendor"


def test_cards_are_joined_with_the_registry() -> None:
    """Cards get their names from the registry, sorted; those without PCI ids or without an entry are left out."""
    cards = machine(("10de", "2330"), ("10de", "20b5"), None, ("10de", "ffff"), ("dead", "20b5"), ("1002", "740f"))
    assert gpu_info(cards, parse_registry(REGISTRY)) == (MI210, A100, H100)


def test_a_node_without_cards_has_no_gpu_info() -> None:
    """Cards that are null are none, whether or not the registry is known."""
    assert gpu_info(machine(), None) == ()
    assert gpu_info(machine(), parse_registry({})) == ()


@pytest.mark.parametrize("hardware", [None, {}, {"gpu": None}, {"gpu": {}}, {"gpu": {"cards": "many"}}, "text"])
def test_gpu_info_that_cannot_be_known(hardware: Any) -> None:
    """Without hardware truth in the documented shape GPU info is not judged."""
    assert gpu_info(hardware, parse_registry(REGISTRY)) is None


def test_cpu_info_falls_back_to_hardware_threads() -> None:
    """`vcores` is total_threads, and total_hardware_threads where that is missing; processors are sorted."""
    processors = [
        {"id": 1, "total_hardware_threads": 16, "vendor": "AuthenticAMD", "model": "EPYC"},
        {"id": 0, "total_threads": 8, "total_hardware_threads": 16, "vendor": "AuthenticAMD", "model": "EPYC"},
    ]
    assert cpu_info({"cpu": {"processors": processors}}) == (
        CpuInfo("0", "AuthenticAMD", "EPYC", 8),
        CpuInfo("1", "AuthenticAMD", "EPYC", 16),
    )


@pytest.mark.parametrize(
    "cpu", [None, {}, {"processors": None}, {"processors": ["x"]}, {"processors": [{"id": 0, "vendor": "v"}]}]
)
def test_cpu_info_that_cannot_be_known(cpu: Any) -> None:
    """Without processors in the documented shape CPU info is not judged."""
    assert cpu_info({"cpu": cpu}) is None


@pytest.mark.parametrize(
    "body",
    [None, [], "x", {"raw": "<html>"}, {"10de": {"name": "nvidia"}}, {"10de": {"name": 1, "devices": {"1": {}}}}],
)
def test_a_bad_registry_is_no_registry(body: Any) -> None:
    """An answer that is not in the documented shape is an error, not an empty registry."""
    assert parse_registry(body) is None


def test_wanted_labels_count_cards() -> None:
    """GPU labels count cards by vendor and model, and separately by memory and by interface, with sxm* folded."""
    assert wanted_labels([A100, H100, H100, MI210]) == {
        "akash.network": "true",
        "nvidia.com/gpu.present": "true",
        f"{GPU}.nvidia.model.a100": "1",
        f"{GPU}.nvidia.model.a100.ram.80Gi": "1",
        f"{GPU}.nvidia.model.a100.interface.pcie": "1",
        f"{GPU}.nvidia.model.h100": "2",
        f"{GPU}.nvidia.model.h100.ram.80Gi": "2",
        f"{GPU}.nvidia.model.h100.interface.sxm": "2",
        f"{GPU}.amd.model.mi210": "1",
        f"{GPU}.amd.model.mi210.ram.64Gi": "1",
        f"{GPU}.amd.model.mi210.interface.pcie": "1",
    }


def test_wanted_labels_without_gpus() -> None:
    """A node without GPUs wants the one label, and one for each storage class it is given."""
    assert wanted_labels([]) == {"akash.network": "true"}
    assert wanted_labels([], ["beta3"])["akash.network/capabilities.storage.class.beta3"] == "1"


def test_empty_memory_and_interface_make_no_label() -> None:
    """A registry entry without memory size or interface gives the model's label only."""
    assert set(wanted_labels([GpuInfo("amd", "1002", "x", "1", "", "")])) == {"akash.network", f"{GPU}.amd.model.x"}


def test_labels_that_cannot_exist_are_not_wanted() -> None:
    """A key whose name part is over 63 characters, or no label name at all, is not wanted; shorter ones still are."""
    start = "capabilities.gpu.vendor.nvidia.model."
    longest = "m" * (63 - len(start))
    fits = wanted_labels([GpuInfo("nvidia", "10de", longest, "1", "PCIe", "80Gi")])
    assert set(fits) == {"akash.network", "nvidia.com/gpu.present", f"akash.network/{start}{longest}"}
    over = wanted_labels([GpuInfo("nvidia", "10de", longest + "m", "1", "PCIe", "80Gi")])
    assert set(over) == {"akash.network", "nvidia.com/gpu.present"}
    assert set(wanted_labels([GpuInfo("amd", "1", "rtx 4090", "1", "", "")])) == {"akash.network"}


@pytest.mark.parametrize(
    ("key", "managed"),
    [("akash.network", True), ("akash.network/anything", True), ("nvidia.com/gpu.present", True),
     ("nvidia.com/gpu.count", False), ("kubernetes.io/hostname", False), ("mine/akash.network", False)],
)  # fmt: skip
def test_managed_labels(key: str, managed: bool) -> None:
    """Managed are the keys with the prefix akash.network, and nvidia.com/gpu.present."""
    assert is_managed(key) is managed


def test_the_default_configuration_excludes_nothing() -> None:
    """No configuration, an empty text and an empty document publish every node."""
    assert config.parse(None) == config.parse("") == config.parse({}) == config.DEFAULT
    assert not config.DEFAULT.excludes("anything")


def test_a_full_configuration() -> None:
    """Expressions match anywhere in a node's name, and classes are taken from the nodes that their rule names."""
    found = config.parse(
        {
            "version": "v1",
            "cluster_storage": ["beta3", "beta2", "default"],
            "exclude": {
                "nodes": ["test", "^db-"],
                "node_storage": [
                    {"node_filter": "gpu", "classes": ["beta2"]},
                    {"node_filter": "^x", "classes": ["default"]},
                ],
            },
        }
    )
    assert [found.excludes(name) for name in ("a-test-1", "db-1", "a-db-1")] == [True, True, False]
    assert found.storage_classes("gpu-1") == ("beta3", "default")
    assert found.storage_classes("cpu-1") == ("beta2", "beta3", "default")


@pytest.mark.parametrize(
    "body",
    [
        {"raw": "a: b: c"}, {"clusterstorage": []}, [], 7, {"version": "one"}, {"version": True},
        {"cluster_storage": "beta2"}, {"cluster_storage": [1]}, {"exclude": []}, {"exclude": {"node": []}},
        {"exclude": {"nodes": [""]}}, {"exclude": {"nodes": ["("]}}, {"exclude": {"nodes": ["(?=x)"]}},
        {"exclude": {"nodes": [r"(a)\1"]}}, {"exclude": {"node_storage": [{"node_filter": "a", "classes": ["b"]}]}},
        {"exclude": {"node_storage": [{"classes": []}]}}, {"exclude": {"node_storage": [{"filter": "a"}]}},
    ],
)  # fmt: skip
def test_bad_configurations_are_refused(body: Any) -> None:
    """Unknown keys, bad or empty expressions, classes that are not configured and wrong types raise ConfigError."""
    with pytest.raises(config.ConfigError):
        config.parse(body)


@pytest.mark.parametrize("version", ["v1", "1", 1, 1.5, "v1.2.3", "1.2.3-rc1"])
def test_versions_are_read_tolerantly(version: Any) -> None:
    """A version may lack the v, and its minor and patch numbers."""
    assert config.parse({"version": version}) == config.DEFAULT
