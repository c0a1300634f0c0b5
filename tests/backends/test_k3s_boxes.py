"""K3s in containers, with processes of the stand-in for them: joining, the token, and starts that fail half way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.cluster.datastore import ETCD3, SQLITE
from harness.cluster.k3sboxes import K3sBoxes
from harness.cluster.nodes import is_ready
from harness.errors import ClusterError, UsageError
from harness.process import rundir
from tests.backends import programs
from tests.backends.boxed import Boxes
from tests.backends.test_k3s_server import AS_ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backends.programs import ProcessBox

pytestmark = AS_ROOT


def nothing_left(boxes: Boxes, runs: Path) -> None:
    """Every box has ended, the network is gone, and so is the run's directory."""
    assert [box.order.name for box in boxes.made if box.ended() is None and box.children] == []
    assert [network.done for network in boxes.networks] == [["create", "remove"]]
    assert [path for path in runs.iterdir() if path.is_dir()] == []
    assert [rundir.marked(network.mark) for network in boxes.networks] == [[]]


def test_three_servers_share_an_etcd_and_two_agents_join_them(k3s: Path, runs: Path) -> None:
    """All five nodes are Ready, the agents are what may be harmed, and the first server alone is published."""
    boxes = Boxes(k3s)

    async def story() -> None:
        cluster = await boxes.start(ETCD3, servers=3, agents=2)
        try:
            items = (await cluster.client.get("/api/v1/nodes"))["items"]
            ready = {item["metadata"]["name"] for item in items if is_ready(item)}
            assert ready == {*cluster.servers, *cluster.agents}
            assert (len(cluster.servers), len(cluster.agents)) == (3, 2)
            assert cluster.source == "etcd of K3s, 3 members"
            assert [bool(box.order.port) for box in boxes.made] == [True, False, False, False, False]
        finally:
            await cluster.stop()

    asyncio.run(story())
    first, *others = (box.order for box in boxes.made)
    assert "--cluster-init" in first.command
    joined = f"--server=https://{first.name}:6443"
    assert all(joined in order.command and "--cluster-init" not in order.command for order in others)
    assert [order.command[0] for order in others] == ["server", "server", "agent", "agent"]
    nothing_left(boxes, runs)


def test_containers_are_as_k3s_needs_them_and_as_a_sweep_finds_them(k3s: Path, runs: Path, tmp_path: Path) -> None:
    """Privileged, on the run's own network, with its labels; no token on a command line; images go into every one."""
    boxes = Boxes(k3s)

    archive = tmp_path / "images.tar"
    archive.write_bytes(b"")

    async def story() -> None:
        cluster = await boxes.start(SQLITE)
        try:
            await cluster.load(archive)
        finally:
            await cluster.stop()

    asyncio.run(story())
    server, agent = (box.order for box in boxes.made)
    token = server.environment["K3S_TOKEN"]
    assert agent.environment["K3S_TOKEN"] == token
    assert not [word for word in (*server.command, *agent.command) if token in word]
    for order in (server, agent):
        assert order.reference == programs.IMAGE
        assert order.options["privileged"]
        assert order.options["network"] == boxes.networks[0].name
        assert order.options["hostname"] == order.name
        assert order.in_memory == ("/run", "/var/run")
        assert order.labels["inventory-harness.run"] == boxes.networks[0].mark
    assert [box.commands[0][-2:] for box in boxes.made] == [("import", "/inventory-harness/images.tar")] * 2
    nothing_left(boxes, runs)


def test_an_agent_with_another_token_is_not_let_in(k3s: Path, runs: Path) -> None:
    """It ends, and the error has its last words; nothing is left of the others."""

    def another(box: ProcessBox) -> None:
        if box.order.command[0] == "agent":
            box.order = replace(box.order, environment={"K3S_TOKEN": "0" * 32})

    boxes = Boxes(k3s, another)

    with pytest.raises(ClusterError, match=r"agent-1 ended with 1 while starting[\s\S]*failed to validate token"):
        asyncio.run(boxes.start(SQLITE))
    nothing_left(boxes, runs)


def test_a_container_that_is_refused_half_way_takes_the_others_with_it(k3s: Path, runs: Path) -> None:
    """In the daemon's words; the server that ran already is removed, and the network after it."""

    def refused(box: ProcessBox) -> None:
        if box.order.name.endswith("agent-2"):
            box.refuses = "Docker did not start a container: no space left on device"

    boxes = Boxes(k3s, refused)

    with pytest.raises(ClusterError, match="no space left on device"):
        asyncio.run(boxes.start(SQLITE, agents=2))
    nothing_left(boxes, runs)


@pytest.mark.parametrize(("servers", "agents"), [(2, 1), (1, 21), (1, -1)])
def test_what_no_cluster_can_be_is_refused(servers: int, agents: int, runs: Path) -> None:
    """Before anything is made."""
    with pytest.raises(UsageError, match=f"K3s with {servers} servers and {agents} agents"):
        asyncio.run(K3sBoxes.start(programs.IMAGE, SQLITE, servers=servers, agents=agents))
    assert list(runs.iterdir()) == []
