"""The wanted labels, and the changes that lead to them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ApiError
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.defects import DEFECTS
from harness.reference.hardware import Gpu
from harness.reference.labels import Labeller, gpu_labels, label_changes, managed
from harness.reference.records import NodeRecord
from harness.reference.resources import NOTHING
from harness.reference.state import State

_A100 = Gpu("nvidia", "10de", "a100", "20b5", "PCIe", "80Gi")
_H100 = Gpu("nvidia", "10de", "h100", "2330", "SXM5", "80Gi")
_BASE = "akash.network/capabilities.gpu.vendor."
_KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def test_the_wanted_set_is_the_contracts() -> None:
    """Cards of one model are counted under three keys, SXM generations are one interface, and NVIDIA is marked."""
    changes = label_changes({}, offered=True, gpus=(_A100, _A100, _H100))
    assert changes == {
        "akash.network": "true",
        "nvidia.com/gpu.present": "true",
        f"{_BASE}nvidia.model.a100": "2",
        f"{_BASE}nvidia.model.a100.ram.80Gi": "2",
        f"{_BASE}nvidia.model.a100.interface.pcie": "2",
        f"{_BASE}nvidia.model.h100": "1",
        f"{_BASE}nvidia.model.h100.ram.80Gi": "1",
        f"{_BASE}nvidia.model.h100.interface.sxm": "1",
    }


def test_a_node_that_is_not_offered_carries_none_of_them() -> None:
    """All managed labels of a node that is not offered are removed, and no other label is."""
    current = {"akash.network": "true", f"{_BASE}x.model.y": "1", "nvidia.com/gpu.present": "true", "mine": "1"}
    assert label_changes(current, offered=False, gpus=(_A100,)) == dict.fromkeys(list(current)[:3])


def test_unknown_cards_leave_gpu_labels_alone() -> None:
    """While the cards are unknown the GPU labels stay, and stale labels of another kind go."""
    current = {f"{_BASE}nvidia.model.a100": "1", "nvidia.com/gpu.present": "true", "akash.network/old": "1"}
    assert label_changes(current, offered=True, gpus=None) == {"akash.network": "true", "akash.network/old": None}


def test_only_the_key_that_is_too_long_is_left_out() -> None:
    """A model name that makes one key longer than 63 characters costs that key only."""
    gpu = Gpu("nvidia", "10de", "rtx-a-twelve1", "1", "PCIe", "80Gi")
    labels, refused = gpu_labels([gpu])
    model = f"{_BASE}nvidia.model.rtx-a-twelve1"
    assert set(labels) == {"nvidia.com/gpu.present", model, f"{model}.ram.80Gi"}
    assert refused == [f"{model}.interface.pcie"]


def test_a_key_of_exactly_63_characters_is_kept() -> None:
    """The limit of 63 characters is one that can be reached."""
    name = "n" * (63 - len("capabilities.gpu.vendor.nvidia.model."))
    labels, _ = gpu_labels([Gpu("nvidia", "10de", name, "1", "", "")])
    assert f"{_BASE}nvidia.model.{name}" in labels
    assert gpu_labels([Gpu("nvidia", "10de", name + "n", "1", "", "")])[1] == [f"{_BASE}nvidia.model.{name}n"]


_TEXT = st.text(st.sampled_from("abXY019-_. /ä"), max_size=50)
_GPUS = st.lists(st.builds(Gpu, st.sampled_from(["nvidia", "amd"]), _TEXT, _TEXT, _TEXT, _TEXT, _TEXT), max_size=5)
_CURRENT = st.dictionaries(
    st.sampled_from(["mine", "kubernetes.io/os", "akash.network", f"{_BASE}a.model.b", "nvidia.com/gpu.present"]),
    st.sampled_from(["true", "1", "x"]),
)


@given(_CURRENT, _GPUS, st.booleans())
def test_changes_touch_managed_keys_only_and_settle(current: dict[str, str], gpus: list[Gpu], offered: bool) -> None:
    """Changes never touch a foreign key, name only valid keys, and applied once leave nothing to change."""
    changes = label_changes(current, offered=offered, gpus=tuple(gpus))
    assert all(managed(key) for key in changes)
    for key, value in changes.items():
        name = key.rpartition("/")[2]
        assert value is None or (len(name) <= 63 and _KEY_NAME.fullmatch(name))
    after = {key: value for key, value in {**current, **changes}.items() if value is not None}
    assert label_changes(after, offered=offered, gpus=tuple(gpus)) == {}


@dataclass
class _Forbids:
    """Refuses the first patch, and notes the others."""

    asked: int = 0
    patched: list[Any] = field(default_factory=list)

    async def patch(self, _path: str, body: Any, *, kind: str) -> None:
        assert kind == "merge-patch"
        self.asked += 1
        if self.asked == 1:
            raise ApiError("nodes is forbidden", status=403, reason="Forbidden")
        self.patched.append(body["metadata"]["labels"])


@pytest.mark.parametrize(("behaviour", "again"), [(CORRECT, 1), (DEFECTS["gives-up-refused-labels"].behaviour, 0)])
def test_labels_that_were_refused_are_written_later(behaviour: Behaviour, again: int) -> None:
    """What is wanted stays wanted; the saboteur takes a refusal for success."""
    api = _Forbids()

    async def play() -> None:
        state = State(behaviour, "ns", Config())
        state.put_node(NodeRecord("n1", "node-1", True, True, NOTHING, NOTHING, {"akash.network": "true"}))
        labeller = Labeller(state, api, behaviour, ready=lambda: True)  # type: ignore[arg-type]
        for _ in range(2):
            await labeller._label("n1")

    asyncio.run(play())

    assert api.patched == [{"akash.network": None}] * again
