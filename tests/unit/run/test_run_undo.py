"""What a killed harness left harmed is found in its journal, undone from it, and noted as undone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from harness.fault import catalog
from harness.fault.evidence import is_cordoned
from harness.fault.journal import FILE_NAME, Entry, Journal, pending
from harness.fault.noderejoin import registered
from harness.faults import NodeCordoned, NodeRejoins
from harness.run.undo import left_in, nodes_of, undo
from harness.scenario import simulated
from tests.unit.fault.apiserver import ApiServer, made

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.fault.base import Fault

OWN_TAINT = {"key": "own", "effect": "NoSchedule"}
CORDONED, AWAY = NodeCordoned(node="worker-1"), NodeRejoins(node="worker-2")


def bundle(directory: Path) -> Path:
    """A run's bundle."""
    made_there = directory / "bundle"
    made_there.mkdir()
    return made_there


async def killed(directory: Path, *listed: Fault) -> ApiServer:
    """The cluster after a harness that was killed with these harms open, its journal in `directory`."""
    world, api = await made(simulated(3))
    journal = Journal(directory)
    for number, fault in enumerate(listed):
        state = await fault.prepare(world)
        journal.open(Entry(f"f{number}", fault.kind, catalog.to_json(fault), state))
        await fault.inject(world, state)
    return api


def test_what_was_left_is_undone_once(tmp_path: Path) -> None:
    """The cordoned node takes pods again and the deleted one is back, and the journal says so."""

    async def all_of_it() -> tuple[ApiServer, list[str]]:
        api = await killed(bundle(tmp_path), CORDONED, AWAY)
        assert is_cordoned(api.nodes["worker-1"])
        assert "worker-2" not in api.nodes
        said: list[str] = []
        found = left_in(tmp_path)
        assert sorted(nodes_of(found)) == ["worker-1", "worker-2"]
        assert await undo(cast("KubeClient", api), found, said.append) == ()
        return api, said

    api, said = asyncio.run(all_of_it())

    assert not is_cordoned(api.nodes["worker-1"])
    assert "worker-2" in api.nodes
    assert said == ["undone: node-rejoins of worker-2 (bundle)", "undone: node-cordoned of worker-1 (bundle)"]
    assert left_in(tmp_path) == ()
    assert pending(tmp_path / "bundle" / FILE_NAME) == []


def test_what_cannot_be_undone_stays_in_the_journal(tmp_path: Path) -> None:
    """It is told with the reason, and the rest is undone all the same."""

    async def half() -> list[str]:
        api = await killed(bundle(tmp_path), CORDONED, AWAY)
        api.refused = len(api.writes)  # the next write gets no answer
        said: list[str] = []
        failed = await undo(cast("KubeClient", api), left_in(tmp_path), said.append)
        assert [one.entry.fault for one in failed] == ["node-rejoins"]
        return said

    said = asyncio.run(half())

    assert said[0].startswith("could not be undone: node-rejoins of worker-2 (bundle): ")
    assert said[1] == "undone: node-cordoned of worker-1 (bundle)"
    assert [one.entry.fault for one in left_in(tmp_path)] == ["node-rejoins"]


def test_a_node_joins_again_as_its_kubelet_registers_it() -> None:
    """With its own labels, taints and size, and without what an operator or a controller has to write anew."""
    node: dict[str, Any] = {
        "metadata": {
            "name": "a", "uid": "u", "resourceVersion": "9", "annotations": {"kept": "yes"},
            "labels": {"zone": "x", "akash.network": "true", "nvidia.com/gpu.present": "true"},
        },
        "spec": {
            "podCIDR": "10.1.0.0/24", "providerID": "kind://a", "unschedulable": True,
            "taints": [OWN_TAINT, {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}],
        },
        "status": {"capacity": {"cpu": "2"}, "conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip

    assert registered(node) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "a", "labels": {"zone": "x"}, "annotations": {"kept": "yes"}},
        "spec": {
            "podCIDR": "10.1.0.0/24", "providerID": "kind://a", "taints": [OWN_TAINT]
        },
        "status": {"capacity": {"cpu": "2"}},
    }  # fmt: skip
