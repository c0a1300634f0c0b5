"""The saboteurs of field reports are wrong in the way that was reported, and right in everything else looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.defects import DEFECTS
from harness.reference.discovery import Discovery, _Memory
from harness.reference.hardware import Card, Gpu, Hardware, Registry
from harness.reference.records import PodRecord, decode_pod
from harness.reference.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.inventory import NodeEntry

_NVIDIA, _AMD = "nvidia.com/gpu", "amd.com/gpu"
_H100 = Gpu("nvidia", "10de", "h100", "2330", "SXM5", "80Gi")
_KNOWN = Registry({("10de", "2330"): _H100})


def node(
    *, ready: str = "True", uid: str = "u1", gpus: int | None = 8, healthy: int | None = None, **more: Any
) -> dict[str, Any]:
    """The Node n as the API server tells it; `more`: `spec`, or further resources as `others`."""
    capacity = {"cpu": "16", **({} if gpus is None else {_NVIDIA: str(gpus)}), **more.get("others", {})}
    allocatable = capacity if healthy is None else {**capacity, _NVIDIA: str(healthy)}
    return {
        "metadata": {"name": "n", "uid": uid},
        "spec": more.get("spec", {}),
        "status": {
            "conditions": [{"type": "Ready", "status": ready}], "capacity": capacity, "allocatable": allocatable,
        },
    }  # fmt: skip


def pod(cpu: str = "1", *, phase: str = "Running", name: str = "p") -> PodRecord:
    """A pod on that node."""
    container = {"name": "main", "resources": {"requests": {"cpu": cpu}}}
    return decode_pod(
        {
            "metadata": {"namespace": "a", "name": name, "uid": f"uid-{name}"},
            "spec": {"nodeName": "n", "containers": [container]},
            "status": {"phase": phase},
        }
    )


def told(act: Callable[[State], None], name: str = "") -> NodeEntry | None:
    """What is reported of the node by the saboteur of that name (the correct operator for "") after `act`."""

    async def play() -> NodeEntry | None:
        state = State(of(name), "ns", Config())
        state.put_hardware("n", Hardware("u1", (), (Card("10de", "2330"),)))
        act(state)
        return state.entry("n")

    return asyncio.run(play())


def of(name: str) -> Behaviour:
    """The behaviour of the saboteur, or the correct one for ""."""
    return DEFECTS[name].behaviour if name else CORRECT


def seen(*items: dict[str, Any], name: str) -> NodeEntry | None:
    """What is reported when these states of the Node have been seen, one after another."""

    def act(state: State) -> None:
        for item in items:
            state.put_node(state.behaviour.decode_node(item))

    return told(act, name)


def cpu(*acts: Callable[[State], None], name: str) -> str:
    """The allocated CPU after these acts."""

    def act(state: State) -> None:
        state.put_node(state.behaviour.decode_node(node()))
        for one in acts:
            one(state)

    entry = told(act, name)
    assert entry is not None
    return entry.cpu.allocated


@pytest.mark.parametrize(
    ("name", "items", "right", "wrong"),
    [
        ("gpus-as-first-seen", (node(gpus=None), node()), ("8", "8"), ("0", "0")),
        ("offers-unhealthy-gpus", (node(), node(healthy=7)), ("7", "8"), ("8", "8")),
        ("offers-unhealthy-gpus", (node(), node(healthy=0)), ("0", "8"), ("8", "8")),
        ("one-gpu-vendor", (node(others={_AMD: "2"}),), ("10", "10"), ("8", "8")),
    ],
)
def test_gpu_figures_of_a_saboteur_are_wrong(
    name: str, items: tuple[dict[str, Any], ...], right: tuple[str, str], wrong: tuple[str, str]
) -> None:
    """Allocatable and capacity of its GPUs are not the Node's, and its CPUs are."""
    for who, figures in (("", right), (name, wrong)):
        entry = seen(*items, name=who)
        assert entry is not None
        assert (entry.gpu.allocatable, entry.gpu.capacity) == figures
        assert entry.cpu.capacity == "16000m"


@pytest.mark.parametrize(
    ("name", "item", "right", "wrong"),
    [
        ("drops-tainted-nodes", node(spec={"taints": [{"key": "k", "effect": "NoSchedule"}]}), True, False),
        ("drops-tainted-nodes", node(spec={"taints": [{"key": "k", "effect": "NoExecute"}]}), True, False),
        ("drops-tainted-nodes", node(spec={"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}), True, True),
        ("drops-tainted-nodes", node(), True, True),
        ("unknown-is-ready", node(ready="Unknown"), False, True),
        ("unknown-is-ready", node(ready="False"), False, False),
        ("unknown-is-ready", node(ready="Unknown", spec={"unschedulable": True}), False, False),
    ],
)
def test_a_saboteur_reports_the_wrong_nodes(name: str, item: dict[str, Any], right: bool, wrong: bool) -> None:
    """It takes one kind of node for another, and all others for what they are."""
    assert (seen(item, name="") is not None, seen(item, name=name) is not None) == (right, wrong)


def test_a_newcomer_has_no_name_with_the_saboteur() -> None:
    """A node that was not Ready at first keeps the empty name, until another Node takes its place."""
    joined = node(ready="False"), node()

    names = [entry.name for who in ("", "nameless-newcomers") if (entry := seen(*joined, name=who))]
    again = seen(*joined, node(uid="u1"), name="nameless-newcomers")
    other = seen(*joined, node(uid="u2"), name="nameless-newcomers")

    assert names == ["n", ""]
    assert again is not None
    assert again.name == ""
    assert other is None, "another machine, whose hardware is not known yet"


def _raised(state: State) -> None:
    state.put_pod(pod("1"))
    state.put_pod(pod("2", name="q"))
    state.drop_pod(pod("2", name="q"))


def _resumed(state: State) -> None:
    state.put_pod(pod("3"))
    state.pods_watched_anew()
    state.pods_watched_anew()


def _ended(state: State) -> None:
    state.put_pod(pod("1"))
    state.put_pod(pod("1", phase="Succeeded"))
    state.drop_pod(pod("1", phase="Succeeded"))


@pytest.mark.parametrize(
    ("name", "act", "right", "wrong"),
    [
        ("deletion-raises-allocated", _raised, "1000m", "5000m"),
        ("drifts-on-reconnect", _resumed, "3000m", "-3000m"),
        ("wraps-below-zero", _ended, "0", f"{(2**64 - 1) * 1000}m"),
        ("wraps-below-zero", _raised, "1000m", "1000m"),
    ],
)
def test_sums_of_a_saboteur_are_wrong(name: str, act: Callable[[State], None], right: str, wrong: str) -> None:
    """What is allocated is not what the pods on the node ask for, once the thing has happened that was reported."""
    assert cpu(act, name="") == right
    assert cpu(act, name=name) == wrong


def test_a_saboteur_tells_newcomers_nothing_of_the_registry() -> None:
    """Nodes that were known when the registry was read have GPU info; later ones have none until it changes."""

    def late(state: State) -> None:
        state.put_registry(_KNOWN)
        state.put_node(state.behaviour.decode_node(node()))

    def changed(state: State) -> None:
        late(state)
        state.put_registry(Registry({("10de", "2330"): _H100, ("10de", "1"): _H100}))

    infos = {
        (who, act.__name__): bool(entry.gpu_info)
        for who in ("", "registry-for-known-nodes")
        for act in (late, changed)
        if (entry := told(act, who))
    }

    assert infos == {
        ("", "late"): True, ("", "changed"): True,
        ("registry-for-known-nodes", "late"): False, ("registry-for-known-nodes", "changed"): True,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "asks", "still"), [("", False, True), ("gives-up-silent-nodes", True, False)])
def test_a_saboteur_asks_nodes_that_do_not_run_and_gives_them_up(name: str, asks: bool, still: bool) -> None:
    """It starts discovery on a silent node, and no more on the same node when that is well again later."""
    now = [100.0]
    made: list[float] = []

    class Api:
        async def create(self, _path: str, _body: dict[str, Any]) -> None:
            made.append(now[0])

    async def play() -> None:
        state = State(of(name), "ns", Config(), lambda: now[0])
        discovery = Discovery(state, Api(), state.behaviour, "image", 60.0, ready=lambda: True, away=lambda: False)  # type: ignore[arg-type]
        memory = _Memory()
        for ready, t in (("Unknown", 100.0), ("True", 110.0)):
            now[0] = t
            record = state.behaviour.decode_node(node(ready=ready))
            state.put_node(record)
            await discovery._step(record, memory)

    asyncio.run(play())
    assert (100.0 in made, 110.0 in made) == (asks, still)
