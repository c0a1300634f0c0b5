"""The steady state, live: what it takes, and what the gate may let pass."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.model.timeline import GPU_INFO
from harness.run.observe import LiveTruth
from harness.run.poll import Polling
from harness.run.steady import Steady
from harness.wait import Progress
from tests.unit.model.objects import REGISTRY, amounts, machine, node

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter

FIGURES = {"capacity": "4", "allocatable": "4", "allocated": "0"}
NONE = {"capacity": "0", "allocatable": "0", "allocated": "0"}
CPU_INFO_TRUE = {"id": "0", "vendor": "GenuineIntel", "model": "Xeon", "vcores": 8}
GPU_INFO_TRUE = {
    "vendor": "nvidia", "vendor_id": "10de", "name": "a100", "model_id": "20b5", "interface": "PCIe",
    "memory_size": "80Gi",
}  # fmt: skip


def answer(gpu_info: list[dict[str, str]] | None, *, cpu: str = "4") -> dict[str, Any]:
    """An inventory of the one node."""
    figures = {**FIGURES, "capacity": cpu}
    return {
        "nodes": [
            {
                "name": "worker-1",
                "resources": {
                    "cpu": {"quantity": figures, "info": [CPU_INFO_TRUE]},
                    "memory": {"quantity": NONE, "info": None},
                    "gpu": {"quantity": NONE, "info": gpu_info},
                    "ephemeral_storage": NONE,
                    "volumes_attached": NONE,
                    "volumes_mounted": NONE,
                },
                "capabilities": {"storage_classes": []},
            }
        ],
        "storage": [],
    }


def steady(history: HistoryWriter, body: dict[str, Any] | None) -> Steady:
    """One GPU node, and what all three sources say of it."""
    live = LiveTruth(history)
    live.record("registry", body=REGISTRY)
    live.record("hardware", node="worker-1", hardware=machine(("10de", "20b5")))
    item = node(capacity=amounts(cpu="4"), allocatable=amounts(cpu="4"), labels={"akash.network": "true"})
    item["metadata"] |= {"name": "worker-1", "uid": "u1", "resourceVersion": "1"}
    live.record_object("ADDED", "nodes", item)
    wanted = live.truth.expected()["worker-1"].labels
    item["metadata"] = {**item["metadata"], "labels": dict(wanted), "resourceVersion": "2"}
    live.record_object("MODIFIED", "nodes", item)
    polling = Polling(history, "http://127.0.0.1:1", "127.0.0.1:2")
    for source in ("rest", "query", "stream"):
        polling.last[source] = body
    return Steady(live, polling)


def holds(state: Steady) -> bool:
    """Whether it held at one look, with no quiet period."""
    return bool(asyncio.run(_look(state)))


async def _look(state: Steady) -> bool | None:
    return await state.held_for(0.0)(Progress())


def test_the_truth_over_all_sources_is_steady(history: HistoryWriter) -> None:
    """Nothing differs, so it holds."""
    assert holds(steady(history, answer([GPU_INFO_TRUE])))


def test_one_source_that_is_silent_is_not_steady(history: HistoryWriter) -> None:
    """All three have to answer."""
    state = steady(history, answer([GPU_INFO_TRUE]))
    state.polling.last["stream"] = None

    assert not holds(state)
    assert [item.source for item in state.differences()] == ["stream"]


def test_wrong_hardware_info_of_a_node_whose_discovery_answered_may_pass(history: HistoryWriter) -> None:
    """It is the operator's own, so it becomes an exception by attribute; the rest is then steady."""
    state = steady(history, answer([{**GPU_INFO_TRUE, "vendor_id": ""}]))
    found = state.exceptions(after_s=1.0, able={"worker-1"})

    assert found is not None
    assert [(item["field"], item["expected"], item["reported"]) for item in found] == [
        (f"{GPU_INFO}.vendor_id", "10de", '""')
    ]
    state.let_pass(found)
    assert holds(state)


@pytest.mark.parametrize(
    ("body", "able"),
    [
        (answer([{**GPU_INFO_TRUE, "vendor_id": ""}]), set()),
        (answer([{**GPU_INFO_TRUE, "vendor_id": ""}], cpu="5"), {"worker-1"}),
        (answer([GPU_INFO_TRUE]), {"worker-1"}),
    ],
    ids=["discovery-never-answered", "a-figure-differs", "nothing-differs"],
)
def test_what_may_be_ours_or_is_a_figure_never_passes(
    history: HistoryWriter, body: dict[str, Any], able: set[str]
) -> None:
    """No exception where the harness may be to blame, where figures differ, or where there is nothing to except."""
    assert steady(history, body).exceptions(after_s=1.0, able=able) is None


def test_a_difference_names_its_source(history: HistoryWriter) -> None:
    """What is awaited when the gate gives up says which of the three was not true."""
    state = steady(history, answer([GPU_INFO_TRUE]))
    state.polling.last["query"] = answer([GPU_INFO_TRUE], cpu="5")

    assert [(item.source, item.field) for item in state.differences()] == [("query", "cpu.capacity")]
