"""Faults of real machines, on machines that only note what is done to them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import seed as seeds
from harness.errors import ClusterError, FaultError, WaitTimeoutError
from harness.fault import catalog, cutoff, kubelet, machine
from harness.fault.discoverypod import LABELS, PODS
from harness.fault.machine import moment

if TYPE_CHECKING:
    from pathlib import Path

    from harness.fault.base import World

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass
class Box:
    """A machine: what was done to it, and how it is."""

    name: str
    role: str = "worker"
    held: str = "running"
    booted: str = "2026-01-01T00:00:00.5Z"
    done: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=lambda: {"kubelet": "active", "containerd": "active"})
    dropped: int = 7

    async def state(self) -> str:
        """How it is."""
        return self.held

    async def started_at(self) -> str:
        """When it was booted."""
        return self.booted

    async def address(self) -> str:
        """Its address."""
        return f"10.0.0.{len(self.name)}"

    async def pause(self) -> None:
        """Freeze."""
        self.note("pause", "paused")

    async def kill(self) -> None:
        """Cut the power."""
        self.note("kill", "exited")

    async def stop(self, *, grace_s: int) -> None:
        """Shut down."""
        self.note(f"stop {grace_s}", "exited")

    async def start(self) -> None:
        """Boot."""
        self.note("start", "running")

    async def restart(self) -> None:
        """Boot again."""
        self.booted = "2026-01-01T00:00:09.5Z"
        self.note("restart", "running")

    async def unit(self, verb: str, unit: str) -> None:
        """A unit's state follows."""
        self.done.append(f"{verb} {unit}")
        self.units[unit] = {"stop": "inactive", "start": "active"}[verb]

    async def unit_state(self, unit: str) -> str:
        """As it was left."""
        return self.units[unit]

    async def exec(self, *command: str) -> str:
        """Note it; the packet filter's listing has packets."""
        self.done.append(" ".join(command[2:] if command[1:2] == ("-c",) else command))
        return f"Chain\n pkts bytes target\n {self.dropped} 60 DROP all -- * * 10.0.0.1 0.0.0.0/0\n"

    def note(self, verb: str, held: str) -> None:
        """It was done."""
        self.done.append(verb)
        self.held = held


@dataclass
class Api:
    """A Node whose conditions follow from its machine, and its Lease."""

    box: Box
    pods: list[Any] = field(default_factory=list)
    conditions: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Any:
        """The Node, the Lease, or the pods of the operator's namespace."""
        if path == PODS:
            return {"items": self.pods}
        if path.startswith(LEASES):
            return {"spec": {"renewTime": "2026-01-01T00:00:10.000000Z"}}
        well = self.box.held == "running" and set(self.box.units.values()) == {"active"}
        told = {"Ready": str(well), **self.conditions}
        return {"spec": {}, "status": {"conditions": [{"type": name, "status": told[name]} for name in told]}}


def world_of(*boxes: Box, target: Box, **conditions: str) -> World:
    """A world in which one of these machines' nodes may be harmed."""
    cluster = SimpleNamespace(machines={box.name: box for box in boxes}, client=Api(target, [], conditions))
    rng = seeds.stream(1, "machines")
    return cast("World", SimpleNamespace(cluster=cluster, profiles={target.name: None}, rng=rng))


def through(world: World, body: dict[str, Any]) -> str:
    """Take a fault through its five verbs as a nemesis does, with its state through JSON; return its evidence."""
    fault = catalog.from_json(body)

    async def verbs() -> str:
        state = json.loads(json.dumps(await fault.prepare(world)))
        await fault.inject(world, state)
        said = await fault.bitten(world, state)
        await fault.heal(world, state)
        await fault.healed(world, state)
        await fault.heal(world, state)
        return said

    return asyncio.run(verbs())


@pytest.mark.parametrize(
    ("kind", "did", "says"),
    [
        ("machine-paused", "pause", "the machine is paused; the node's Ready condition is False"),
        ("machine-killed", "kill", "the machine is exited; the node's Ready condition is False"),
        ("machine-stopped", "stop 10", "the machine is exited; the node's Ready condition is False"),
        ("machine-restarted", "restart", "the machine was booted at 2026-01-01T00:00:09.5Z"),
        ("kubelet-stopped", "stop kubelet", "kubelet is inactive; the node's Ready condition is False"),
        ("runtime-stopped", "stop containerd", "containerd is inactive; the node's Ready condition is False"),
    ],
)
def test_a_fault_of_a_machine_bites_and_is_undone(kind: str, did: str, says: str) -> None:
    """The harm comes first, the undo last, and twice undone is once undone."""
    box = Box("worker")

    said = through(world_of(box, target=box), {"kind": kind})

    assert said.startswith(says)
    assert box.done[0] == did
    assert box.held == "running"
    assert set(box.units.values()) == {"active"}
    assert len(set(box.done[1:])) == 1


def test_a_machine_that_was_not_harmed_is_no_evidence() -> None:
    """Whoever finds it running says so at once, instead of waiting for a node that stays Ready."""
    box = Box("worker")
    world = world_of(box, target=box)

    with pytest.raises(FaultError, match="the machine of worker runs"):
        asyncio.run(machine.MachinePaused().bitten(world, {"target": "worker", "booted": box.booted}))
    with pytest.raises(FaultError, match="kubelet runs on worker"):
        asyncio.run(kubelet.KubeletStopped().bitten(world, {"target": "worker"}))


@pytest.mark.parametrize(
    "kind", ["machine-paused", "machine-killed", "machine-stopped", "machine-restarted", "node-cut-off"]
)
def test_the_control_planes_machine_is_left_alone(kind: str) -> None:
    """Without it nobody could tell what the node does."""
    box = Box("only", role="control-plane")

    with pytest.raises(FaultError, match="carries the control plane"):
        asyncio.run(catalog.from_json({"kind": kind}).prepare(world_of(box, target=box)))
    assert box.done == []


@pytest.mark.parametrize("kind", ["machine-paused", "kubelet-stopped", "node-pressed", "node-cut-off"])
def test_simulated_nodes_have_no_machines(kind: str) -> None:
    """A fault that needs one is refused before it does anything."""
    box = Box("simulated")
    world = world_of(target=box)

    with pytest.raises(FaultError, match=r"the machine under node 'simulated' cannot be reached[\s\S]*--backend kind"):
        asyncio.run(catalog.from_json({"kind": kind}).prepare(world))


@pytest.mark.parametrize(
    ("away_from", "addresses"),
    [("servers", "10.0.0.3"), ("peers", "10.0.0.5"), ("all", "10.0.0.3 10.0.0.5")],
)
def test_a_node_is_cut_off_from_whom_it_shall_be(away_from: str, addresses: str) -> None:
    """Their addresses, never its own; the rules are taken away again."""
    plane, box, other = Box("pla", role="control-plane"), Box("worker"), Box("peer2")
    world = world_of(plane, box, other, target=box, **({} if away_from == "peers" else {"Ready": "Unknown"}))
    fault = cutoff.NodeCutOff(away_from=away_from)

    state = asyncio.run(fault.prepare(world))
    asyncio.run(fault.inject(world, state))
    said = asyncio.run(fault.bitten(world, state))
    asyncio.run(fault.heal(world, state))

    assert box.done[0].endswith(f"cut {addresses}")
    assert said.startswith("7 packets were dropped")
    assert "-X INVENTORY-HARNESS" in box.done[-1]


def test_a_node_alone_is_cut_off_from_nobody() -> None:
    """A fault that would do nothing is refused."""
    plane, box = Box("plane", role="control-plane"), Box("worker")

    with pytest.raises(FaultError, match="nobody to be cut off from: away_from='peers'"):
        asyncio.run(cutoff.NodeCutOff(away_from="peers").prepare(world_of(plane, box, target=box)))


def test_where_there_are_no_rules_nothing_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packet filter's own words are told, when the time is up."""
    plane, box = Box("plane", role="control-plane"), Box("worker")
    world = world_of(plane, box, target=box)
    fault = cutoff.NodeCutOff()
    state = asyncio.run(fault.prepare(world))

    async def exec_(*_command: str) -> str:
        raise ClusterError("iptables: No chain/target/match by that name.")

    monkeypatch.setattr(box, "exec", exec_)
    monkeypatch.setattr(cutoff, "SEEN_DEADLINE_S", 0.05)
    with pytest.raises(WaitTimeoutError, match="No chain"):
        asyncio.run(fault.bitten(world, state))


def test_only_what_the_chain_dropped_is_counted() -> None:
    """Headings, and packets that came through, are not."""
    listing = (
        "Chain INVENTORY-HARNESS (3 references)\n    pkts      bytes target     prot opt in     out\n"
        "      12      720 DROP       0    --  *  *  172.18.0.2  0.0.0.0/0\n"
        "       0        0 DROP       0    --  *  *  0.0.0.0/0  172.18.0.2\n       9 9 RETURN all\n"
    )
    assert cutoff.packets(listing) == 12
    assert cutoff.packets("") == 0


CONFIG = (
    "kind: KubeletConfiguration\nevictionHard:\n  memory.available: 100Mi\n  nodefs.available: 0%\nfailSwapOn: false\n"
)


@pytest.mark.parametrize("before", [CONFIG, "kind: KubeletConfiguration\n"], ids=["thresholds", "none"])
def test_a_kubelets_threshold_is_changed_and_put_back(before: str, tmp_path: Path) -> None:
    """One threshold is another, the rest of the file is as it was; undone, it is the old file, once or twice."""
    config = tmp_path / "config.yaml"
    config.write_text(before, encoding="utf-8")
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n', encoding="utf-8")
    (tmp_path / "systemctl").chmod(0o755)

    def run(script: str, *arguments: str) -> None:
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(["sh", "-c", script, "x", *arguments], check=True, env=env)

    run(kubelet.PRESS, "memory.available", "99.99%", str(tmp_path))
    run(kubelet.PRESS, "memory.available", "99.99%", str(tmp_path))
    pressed = config.read_text(encoding="utf-8")
    run(kubelet.RELIEVE, str(tmp_path))
    run(kubelet.RELIEVE, str(tmp_path))

    assert pressed.count("memory.available") == 1
    assert '  memory.available: "99.99%"\n' in pressed
    assert [line for line in before.splitlines() if "memory" not in line and line not in pressed.splitlines()] == []
    assert config.read_text(encoding="utf-8") == before
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == ["restart kubelet"] * 3


def test_moments_of_kubernetes_and_of_docker_compare() -> None:
    """Nine digits of a second are cut to six."""
    assert moment("2026-11-26T04:56:57.982658174Z") == moment("2026-11-26T04:56:57.982658Z")
    assert moment("2026-11-26T04:56:57Z") == dt.datetime(2026, 11, 26, 4, 56, 57, tzinfo=dt.UTC)
    with pytest.raises(ClusterError, match="not a moment: 'soon'"):
        moment("soon")


def pod(node: str, **labels: str) -> dict[str, Any]:
    """A pod of the operator's namespace."""
    return {"metadata": {"labels": labels}, "spec": {"nodeName": node}}


@pytest.mark.parametrize("kind", ["machine-killed", "node-cut-off", "node-pressed", "kubelet-stopped"])
def test_the_node_that_runs_the_operator_is_spared(kind: str) -> None:
    """Discovery pods are everywhere and spare nobody; a node that was named is refused, where the operator would go."""
    plane, box, other = Box("plane", role="control-plane"), Box("worker"), Box("other")
    world: Any = world_of(plane, box, other, target=box)
    world.profiles["other"] = None
    world.cluster.client.pods += [pod("worker", app="operator"), pod("other", **LABELS), pod("worker", **LABELS)]

    chosen = {asyncio.run(catalog.from_json({"kind": kind}).prepare(world))["target"] for _ in range(10)}

    assert chosen == {"other"}
    named = catalog.from_json({"kind": kind, "node": "worker"})
    if kind == "kubelet-stopped":
        assert asyncio.run(named.prepare(world))["target"] == "worker"
    else:
        with pytest.raises(FaultError, match="node worker runs the operator"):
            asyncio.run(named.prepare(world))
