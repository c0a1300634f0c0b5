"""What a fault may touch, and what is found when something else was."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.fault import catalog, perimeter, radius
from harness.fault.perimeter import Look, Perimeter, facts, strays
from harness.fault.radius import Touched, touched
from tests.unit.fault.around import Around, Process, node

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.fault.base import World

BEFORE = Look(
    {name: facts(node(name)) for name in ("a", "b")}, {"etcd": (1, "sleeping"), "kwok": (2, "running")},
    operator="sleeping",
)  # fmt: skip


def test_every_kind_of_fault_has_a_radius() -> None:
    """One that is made of faults has theirs."""
    assert set(radius.RADII) == set(catalog.KINDS) - {"together"}
    assert all(radius.RADII.values())


def test_a_fault_made_of_faults_may_touch_what_each_may() -> None:
    """Each word once, and the operator where it is restarted."""
    both = faults.Together(faults.NodeSilent(), faults.DiscoveryBroken(restart_operator=True))

    assert radius.radius(both) == (radius.ONE_NODE, radius.DISCOVERY_API, radius.OPERATOR)


@pytest.mark.parametrize(
    ("fault", "state", "nodes"),
    [
        (faults.NodeSilent(), {"target": "a"}, {"a"}),
        (faults.NodesDeleted(), {"target": "2 nodes", "profiles": {"a": {}, "b": {}}}, {"a", "b"}),
        (faults.NodesJoin(()), {"target": "2 nodes", "names": ["c", "d"]}, {"c", "d"}),
        (faults.OperatorKilled(), {"target": "operator"}, set()),
    ],
)
def test_the_nodes_that_are_touched_are_those_of_the_state(fault: Any, state: Any, nodes: set[str]) -> None:
    """Targets that are chosen at run time count, not what was asked for."""
    found = touched(fault, state, cast("World", SimpleNamespace(cluster=Around())))

    assert found.nodes == nodes
    assert found.operator is (fault.kind == "operator-killed")
    assert not found.control_plane


def change(look: Look, **changes: Any) -> Look:
    """The look with a node, or a process, that differs."""
    nodes = copy.deepcopy(dict(look.nodes or {}))
    for name, values in changes.pop("nodes", {}).items():
        if values is None:
            del nodes[name]
        else:
            nodes[name] = {**nodes[name], **values}
    return Look(nodes, {**look.processes, **changes.pop("processes", {})}, **{"operator": look.operator, **changes})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (change(BEFORE, nodes={"b": None}), ["node b is gone"]),
        (change(BEFORE, nodes={"b": {"uid": "other"}}), ["node b: uid is other, was uid-b"]),
        (change(BEFORE, nodes={"b": {"unschedulable": True}}), ["node b: unschedulable is True, was False"]),
        (change(BEFORE, nodes={"b": {"ready": False}}), ["node b is not Ready"]),
        (change(BEFORE, processes={"etcd": (9, "sleeping")}), ["process etcd (1) is now sleeping (9)"]),
        (change(BEFORE, processes={"etcd": (1, "stopped")}), ["process etcd (1) is now stopped (1)"]),
        (change(BEFORE, processes={"kwok": (2, "ended")}), ["process kwok (2) is now ended (2)"]),
        (change(BEFORE, operator="stopped"), ["the operator is stopped"]),
        (change(BEFORE, silent=frozenset({"etcd-m1"})), ["etcd-m1 gives no answer"]),
    ],
)
def test_whatever_else_was_touched_is_found(now: Look, said: list[str]) -> None:
    """A sentence says what it is and what it was; what may be touched is no finding."""
    everything = Touched(frozenset({"a", "b"}), frozenset({"etcd", "kwok", "etcd-m1"}), operator=True)

    assert strays(BEFORE, now, Touched(frozenset({"a"}))) == said
    assert strays(BEFORE, now, everything) == []


@pytest.mark.parametrize(
    "now",
    [
        BEFORE,
        change(BEFORE, processes={"kwok": (2, "disk-sleep"), "new": (3, "running")}),
        Look(None, BEFORE.processes, operator="gone"),
        Look({**(BEFORE.nodes or {}), "new": facts(node("new", ready=False))}, BEFORE.processes, operator="sleeping"),
    ],
)
def test_what_is_as_usual_is_no_finding(now: Look) -> None:
    """Nodes and processes that come, other states of sleep, an operator that ends, nodes that cannot be listed."""
    assert strays(BEFORE, now, Touched()) == []


def test_readiness_is_no_finding_once_the_control_plane_was_harmed() -> None:
    """Heartbeats may have been lost; figures count all the same. A node that becomes Ready is none, ever."""
    late = change(BEFORE, nodes={"b": {"ready": False}})
    shaken = Touched(control_plane=True)

    assert strays(BEFORE, late, shaken) == []
    assert strays(late, BEFORE, Touched()) == []
    assert strays(BEFORE, change(late, nodes={"b": {"capacity": {}}}), shaken) != []


def test_what_operators_and_controllers_write_is_left_alone() -> None:
    """Labels, and the taints that follow readiness."""
    plain = node("a")
    written = copy.deepcopy(plain)
    written["metadata"]["labels"] = {"akash.network/gpu": "1"}
    written["spec"]["taints"] = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    tainted = copy.deepcopy(plain)
    tainted["spec"]["taints"] = [{"key": "somebody/else", "value": "1", "effect": "NoSchedule"}]

    assert facts(plain) == facts(written)
    assert facts(tainted)["taints"] == ["somebody/else=1:NoSchedule"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is not waited for."""
    monkeypatch.setattr(perimeter, "SETTLE_S", 0.05)


def stood(*work: Callable[[Around, Perimeter], Any]) -> list[Any]:
    """What each step returns, or its coroutine does, on a cluster of three nodes and two processes."""
    around = Around({name: node(name) for name in "abc"}, {"etcd": Process(1), "kube-apiserver": Process(2)})
    around.api_server = SimpleNamespace(name="kube-apiserver")  # type: ignore[attr-defined]
    place = Perimeter(cast("World", SimpleNamespace(cluster=around, operator=around)))

    async def go() -> list[Any]:
        found = []
        for step in work:
            result = step(around, place)
            found.append(await result if asyncio.iscoroutine(result) else result)
        return found

    return asyncio.run(go())


@pytest.mark.usefixtures("quick")
def test_a_fault_that_touches_its_target_alone_is_clean() -> None:
    """Its node is not compared; the number of what was looked at is told."""
    found = stood(
        lambda _, place: place.enter("0", faults.NodeCordoned(), {"target": "a"}),
        lambda around, _: around.nodes["a"]["spec"].update(unschedulable=True),
        lambda _, place: place.verify("0"),
        lambda around, _: around.nodes.pop("b"),
        lambda _, place: place.verify("0", healed=True),
    )

    assert found[2] == (5, [])
    assert found[4] == (4, ["node b is gone"])


@pytest.mark.usefixtures("quick")
def test_faults_in_parallel_may_touch_what_each_of_them_may() -> None:
    """Whichever began first, and after one of them is over; one that begins later starts afresh."""
    cordon, silent = faults.NodeCordoned(), faults.NodeSilent()
    found = stood(
        lambda _, place: place.enter("0", cordon, {"target": "a"}),
        lambda _, place: place.enter("1", silent, {"target": "b"}),
        lambda around, _: [around.nodes[name]["spec"].update(unschedulable=True) for name in "ab"],
        lambda _, place: place.verify("0"),
        lambda _, place: place.verify("1"),
        lambda _, place: place.leave("1"),
        lambda _, place: place.verify("0", healed=True),
        lambda _, place: place.leave("0"),
        lambda _, place: place.enter("2", cordon, {"target": "c"}),
        lambda around, _: around.nodes["b"]["spec"].clear(),
        lambda _, place: place.verify("2"),
    )

    assert [found[index][1] for index in (3, 4, 6)] == [[], [], []]
    assert found[10][1] == ["node b: unschedulable is False, was True"]


@pytest.mark.usefixtures("quick")
def test_nodes_are_not_listed_while_the_control_plane_is_harmed() -> None:
    """Its process may be any; after the heal the list tells what was lost, readiness aside."""
    found = stood(
        lambda _, place: place.enter("0", faults.ApiServerKilled(), {"target": "kube-apiserver"}),
        lambda around, _: around.children.update({"kube-apiserver": Process(3)}),
        lambda _, place: place.verify("0"),
        lambda around, _: around.lists,
        lambda around, _: around.nodes.update(a=node("a", ready=False), b=node("b", cpu="4")),
        lambda _, place: place.verify("0", healed=True),
    )

    assert found[2] == (2, [])
    assert found[3] == 1
    assert found[5][1] == [
        "node b: capacity is {'cpu': '4'}, was {'cpu': '8'}", "node b: allocatable is {'cpu': '4'}, was {'cpu': '8'}",
    ]  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_what_comes_right_soon_is_no_finding() -> None:
    """It is looked at again before it counts."""
    looks: list[int] = []

    class Late(Process):
        def state(self) -> str:
            looks.append(1)
            return "stopped" if len(looks) == 1 else "sleeping"

    found = stood(
        lambda _, place: place.enter("0", faults.NodeSilent(), {"target": "a"}),
        lambda around, _: around.children.update(etcd=Late(1)),
        lambda _around, _place: setattr(perimeter, "SETTLE_S", 2.0),
        lambda _, place: place.verify("0"),
    )

    assert found[3][1] == []
    assert len(looks) == 2


@pytest.mark.usefixtures("quick")
def test_an_api_server_that_does_not_answer_is_no_finding() -> None:
    """Less was examined, and the number says so."""
    found = stood(
        lambda around, _: setattr(around, "away", True),
        lambda _, place: place.enter("0", faults.OperatorPaused(), {"target": "operator"}),
        lambda _, place: place.verify("0"),
    )

    assert found[2] == (2, [])
