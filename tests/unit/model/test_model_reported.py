from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.inventory import FIELDS, CpuInfo, GpuInfo
from harness.model.reported import Reported, parse

PAIR = {"allocatable": "7910m", "allocated": "1250m", "capacity": "8", "attributes": None}
BYTES = {"allocatable": "15Gi", "allocated": "2022Mi", "capacity": "16Gi"}
DOCUMENT: dict[str, Any] = {
    "nodes": [
        {
            "name": "worker-1",
            "resources": {
                "cpu": {"quantity": PAIR, "info": [{"id": "0", "vendor": "AMD", "model": "EPYC", "vcores": 8}]},
                "memory": {"quantity": BYTES, "info": None},
                "gpu": {
                    "quantity": {"allocatable": "1", "allocated": "0", "capacity": "1"},
                    "info": [
                        {"vendor": "nvidia", "vendor_id": "10de", "name": "a100", "model_id": "20b5",
                         "interface": "PCIe", "memory_size": "80Gi"},
                    ],
                },
                "ephemeral_storage": BYTES,
                "volumes_attached": {"allocatable": "0", "allocated": "0", "capacity": "0"},
                "volumes_mounted": {"allocatable": "0", "allocated": "0", "capacity": "0"},
            },
            "capabilities": {"storage_classes": ["default", "beta3"]},
        }
    ],
    "storage": [{"quantity": BYTES, "info": {"class": "beta3", "iops": "0"}}],
}  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with the value at the dotted path replaced, or taken away when `value` is Ellipsis."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def test_a_whole_document() -> None:
    """Names, figures, info and storage of a documented answer are read without a problem."""
    reported, problems = parse(DOCUMENT)
    assert problems == ()
    node = reported.nodes["worker-1"]
    assert set(node.values) == set(FIELDS)
    assert node.values["memory.allocated"] == 2022 * 2**20
    assert node.values["gpu.capacity"] == 1
    assert node.cpu_info == (CpuInfo("0", "AMD", "EPYC", 8),)
    assert node.gpu_info == (GpuInfo("nvidia", "10de", "a100", "20b5", "PCIe", "80Gi"),)
    assert node.storage_classes == ("beta3", "default")
    assert [(item.class_name, item.iops, item.values["storage.capacity"]) for item in reported.storage.values()] == [
        ("beta3", "0", Decimal(16 * 2**30))
    ]


def test_the_empty_inventory_has_a_good_shape() -> None:
    """Two empty arrays are in shape: that nothing is reported is for other promises to judge."""
    assert parse({"nodes": [], "storage": []}) == (Reported(), ())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nodes.0.resources.cpu.quantity.allocated", "-18446744073709551615"),
        ("nodes.0.resources.cpu.quantity.allocated", "1e3"),
        ("nodes.0.resources.cpu.info", None),
        ("nodes.0.resources.gpu.info", []),
        ("nodes.0.resources.memory.info", [{"vendor": "x"}]),
        ("nodes.0.resources.cpu.quantity.attributes", [{"key": "a", "value": "b"}]),
        ("nodes.0.capabilities.storage_classes", None),
        ("nodes.0.later", {"added": True}),
        ("later", 1),
    ],
)
def test_what_is_in_shape(path: str, value: Any) -> None:
    """Negative numbers (TRUTH-4 judges them), null info, and keys of later versions are no shape problems."""
    assert parse(changed(path, value))[1] == ()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("nodes", None, "nodes: expected an array, found null"),
        ("nodes", ..., "nodes: expected an array, found nothing"),
        ("nodes", {}, "nodes: expected an array, found an object"),
        ("storage", None, "storage: expected an array, found null"),
        ("storage.0", 3, "storage[0]: expected an object, found 3"),
        ("storage.0.info.class", ..., "storage[0].info.class: expected a string, found nothing"),
        ("storage.0.info", None, "storage[0].info: expected an object, found null"),
        ("storage.0.quantity", ..., "storage[0].quantity: expected an object, found nothing"),
        ("nodes.0", None, "nodes[0]: expected an object, found null"),
        ("nodes.0.name", ..., "nodes[0].name: expected a string, found nothing"),
        ("nodes.0.name", "", "nodes[0].name: expected a name that is not empty, found ''"),
        ("nodes.0.resources", None, "nodes[0].resources: expected an object, found null"),
        ("nodes.0.resources.gpu", ..., "nodes[0].resources.gpu: expected an object, found nothing"),
        ("nodes.0.resources.cpu.quantity", None, "nodes[0].resources.cpu.quantity: expected an object, found null"),
        ("nodes.0.resources.cpu.quantity.capacity", 8,
         "nodes[0].resources.cpu.quantity.capacity: expected a quantity as a string, found 8"),
        ("nodes.0.resources.cpu.quantity.capacity", "8 cores",
         "nodes[0].resources.cpu.quantity.capacity: expected a Kubernetes quantity, found '8 cores'"),
        ("nodes.0.resources.volumes_mounted.allocated", "",
         "nodes[0].resources.volumes_mounted.allocated: expected a Kubernetes quantity, found ''"),
        ("nodes.0.resources.cpu.info", {}, "nodes[0].resources.cpu.info: expected an array or null, found an object"),
        ("nodes.0.resources.cpu.info", ..., "nodes[0].resources.cpu.info: expected an array or null, found nothing"),
        ("nodes.0.resources.cpu.info.0", "x", "nodes[0].resources.cpu.info[0]: expected an object, found 'x'"),
        ("nodes.0.resources.cpu.info.0.vcores", "8",
         "nodes[0].resources.cpu.info[0].vcores: expected a whole number from 0, found '8'"),
        ("nodes.0.resources.cpu.info.0.id", 0, "nodes[0].resources.cpu.info[0].id: expected a string, found 0"),
        ("nodes.0.resources.gpu.info.0.model_id", ...,
         "nodes[0].resources.gpu.info[0].model_id: expected a string, found nothing"),
        ("nodes.0.capabilities", ..., "nodes[0].capabilities: expected an object, found nothing"),
        ("nodes.0.capabilities.storage_classes", [1],
         "nodes[0].capabilities.storage_classes: expected an array of strings, found an array"),
    ],
)  # fmt: skip
def test_what_is_out_of_shape(path: str, value: Any, problem: str) -> None:
    """One thing out of shape is exactly one problem, which says where, what was expected and what was found."""
    assert [str(found) for found in parse(changed(path, value))[1]] == [problem]


def test_one_bad_figure_hides_no_other() -> None:
    """A node with an unreadable figure is still reported with all its other figures."""
    reported, _ = parse(changed("nodes.0.resources.cpu.quantity.capacity", None))
    assert set(FIELDS) - set(reported.nodes["worker-1"].values) == {"cpu.capacity"}


def test_of_two_nodes_with_one_name_the_first_counts() -> None:
    """A name used twice is a problem of the second node, and the first is kept."""
    document = changed("nodes.0.resources.cpu.quantity.capacity", "64")
    document["nodes"].insert(0, copy.deepcopy(DOCUMENT["nodes"][0]))
    reported, problems = parse(document)
    assert [problem.path for problem in problems] == ["nodes[1].name"]
    assert reported.nodes["worker-1"].values["cpu.capacity"] == 8


@pytest.mark.parametrize(
    ("body", "found"),
    [({"raw": "<html>" + "x" * 100}, "the text '<html>xxx"), (None, "null"), ([], "an array"), ("no", "'no'")],
)
def test_what_is_no_document(body: Any, found: str) -> None:
    """Text that is not JSON, and JSON that is no object, is one problem of the whole."""
    reported, problems = parse(body)
    assert reported == Reported()
    assert [problem.path for problem in problems] == ["$"]
    assert problems[0].found.startswith(found)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
paths = st.sampled_from(
    ["nodes", "storage", "nodes.0", "nodes.0.name", "nodes.0.resources", "nodes.0.resources.cpu",
     "nodes.0.resources.gpu.info", "nodes.0.resources.gpu.info.0", "nodes.0.resources.cpu.quantity.allocated",
     "nodes.0.capabilities", "nodes.0.capabilities.storage_classes", "storage.0", "storage.0.info"]
)  # fmt: skip


@given(anything | st.builds(changed, paths, anything))
def test_nothing_that_json_can_hold_raises(body: Any) -> None:
    """Whatever an operator answers is read without an exception, and a document without nodes has a problem."""
    reported, problems = parse(body)
    assert isinstance(reported, Reported)
    assert problems or (isinstance(body, dict) and isinstance(body["nodes"], list))
