"""Discovery pods that kubelets reject, and discovery APIs that answer as two machines, on an API server in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from harness import faults
from harness.cluster.egress import UNSETTLED
from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.errors import ApiUnavailableError, FaultError, WaitTimeoutError
from harness.fault import discovery as discovery_fault
from harness.fault import rejected as rejected_fault
from harness.fault.discovery import other_machine
from harness.fault.discoverypod import PODS
from harness.fault.rejected import REASONS, rejection
from tests.unit.fault.world import ADMISSION, PREFIX, Api, fake, pod

D1, D2 = PREFIX + "n1", PREFIX + "n2"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not happen at once in memory never does."""
    monkeypatch.setattr(rejected_fault, "_EVERY_S", 0.005)
    for module in (rejected_fault, discovery_fault):
        monkeypatch.setattr(module, "BITE_DEADLINE_S", 0.5)


@pytest.mark.parametrize("reason", REASONS)
def test_a_pod_is_rejected_as_a_kubelet_writes_it(reason: str) -> None:
    """Phase, reason and message; nothing that would say that it had run."""
    status = rejection(reason)

    assert status == {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {REASONS[reason]}"}


def test_pods_that_come_are_rejected_until_it_is_over() -> None:
    """Those that were there are ended, each that comes fails before it runs, and afterwards none is touched."""
    made = fake(pod(D1, "n1", "u1"), pod(D2, "n2", "u2"))
    fault = faults.DiscoveryPodRejected("OutOfcpu", node="n1")

    async def story() -> str:
        state = await fault.prepare(made.world)
        assert made.api.log == []
        await fault.inject(made.world, state)
        assert [item["metadata"]["name"] for item in made.api.pods()] == [D2]
        made.api.put(pod(D1, "n1", "u3", phase="Pending"))
        said = await fault.bitten(made.world, state)
        assert made.api.objects[f"{PODS}/{D1}"]["status"]["reason"] == "OutOfcpu"
        for _ in range(2):
            await fault.heal(made.world, state)
        await fault.healed(made.world, state)
        made.api.put(pod(D1, "n1", "u4", phase="Pending"))
        await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=0.05)
        return said

    said = asyncio.run(story())

    assert said == f"1 discovery pods were rejected with OutOfcpu before they ran; {D1} is Failed"
    assert made.api.objects[f"{PODS}/{D1}"]["status"]["phase"] == "Pending"
    assert made.api.objects[f"{PODS}/{D2}"]["status"]["phase"] == "Running"
    assert [path for path in made.api.objects if path.startswith(ADMISSION)] == []
    assert made.held == {}
    assert (made.api.log[0], made.operator.running) == ("kill", True)


def test_pods_that_nobody_makes_are_no_evidence() -> None:
    """A policy that nothing meets has rejected nothing."""
    made = fake(pod(D1, "n1", "u1"))
    fault = faults.DiscoveryPodRejected(node="n1", restart_operator=False)

    async def story() -> None:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        try:
            await fault.bitten(made.world, state)
        finally:
            await fault.heal(made.world, state)

    with pytest.raises(WaitTimeoutError, match="no discovery pod was there"):
        asyncio.run(story())
    assert "kill" not in made.api.log


def test_rejecting_goes_on_when_the_api_server_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another fault may have taken it away for a moment."""
    made = fake()
    fault = faults.DiscoveryPodRejected(node="n1")
    away: list[int] = []
    get = Api.get

    async def sometimes(api: Api, path: str, *, params: dict[str, str] | None = None) -> Any:
        if away and away.pop():
            raise ApiUnavailableError("away")
        return await get(api, path, params=params)

    monkeypatch.setattr(Api, "get", sometimes)

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        away.extend([1] * 5)
        made.api.put(pod(D1, "n1", "u3", phase="Pending"))
        said = await fault.bitten(made.world, state)
        await fault.heal(made.world, state)
        return said

    assert asyncio.run(story()).startswith("1 discovery pods were rejected")


def test_it_is_undone_from_the_journal() -> None:
    """After an injection that was cut off with the operator dead: the policy goes, and the operator runs."""
    made = fake(pod(D1, "n1", "u1"))
    fault = faults.DiscoveryPodRejected()

    async def story() -> None:
        state = json.loads(json.dumps(await fault.prepare(made.world)))
        await fault.inject(made.world, dict(state))
        for held in made.held.values():
            held.close()
        made.held.clear()
        await made.operator.kill()
        for _ in range(2):
            await fault.heal(made.world, state)
            await fault.healed(made.world, state)

    asyncio.run(story())

    assert made.api.objects == {}
    assert made.operator.running


@pytest.mark.parametrize("own", [NodeProfile(), *(NodeProfile(gpu=model, gpus=2) for model in GPU_MODELS)])
def test_the_other_machine_differs_in_what_discovery_tells(own: NodeProfile) -> None:
    """In processors always, in GPUs where there are some; the number of GPUs is the Node's."""
    other = other_machine(own)

    assert other.hardware()["cpu"] != own.hardware()["cpu"]
    assert (other.hardware()["gpu"] != own.hardware()["gpu"]) is (own.gpu is not None)
    assert (other.gpus, other.gpu is None) == (own.gpus, own.gpu is None)


def test_an_unsettled_node_has_been_both_machines() -> None:
    """Both are recorded, its own last, and the operator starts; in the end its pod is deleted and the truth told."""
    made = fake(pod(D1, "n1", "u1"), pod(D2, "n2", "u2"))
    fault = faults.DiscoveryUnsettled(node="n1")
    recorded: list[NodeProfile | None] = []
    made.hears = lambda _node, profile: recorded.append(profile)

    async def story() -> str:
        own = made.profiles["n1"]
        state = json.loads(json.dumps(await fault.prepare(made.world)))
        await fault.inject(made.world, state)
        assert recorded == [other_machine(own), own]
        assert made.cluster.told == [("n1", UNSETTLED, {"n1": other_machine(own).hardware()})]
        made.cluster.stats["turns"] = {"n1": [1, 1], "n2": [1, 1]}
        said = await fault.bitten(made.world, state)
        await fault.heal(made.world, state)
        await fault.healed(made.world, state)
        return said

    assert asyncio.run(story()) == "1 nodes were told of as two machines, n1 [1, 1] times"
    assert [item["metadata"]["name"] for item in made.api.pods()] == [D2]
    assert made.cluster.told[-1] == ("n1", "answer", 0.0)
    assert made.api.log == ["kill", "start", f"delete {D1}"]


@pytest.mark.parametrize("turns", [{}, {"n1": [2, 0]}, {"n2": [1, 1]}])
def test_one_machine_told_twice_is_no_evidence(turns: dict[str, list[int]]) -> None:
    """Nor is another node."""
    made = fake()
    fault = faults.DiscoveryUnsettled(node="n1")

    async def story() -> None:
        state = await fault.prepare(made.world)
        made.cluster.stats["turns"] = turns
        await fault.bitten(made.world, state)

    with pytest.raises(WaitTimeoutError, match="an answer of each machine"):
        asyncio.run(story())


def test_an_unsettled_node_is_one_that_is_there() -> None:
    """Every one of them, or the one that was named."""
    made = fake()

    assert asyncio.run(faults.DiscoveryUnsettled().prepare(made.world))["nodes"] == ["n1", "n2"]
    with pytest.raises(FaultError, match="no node is called 'n9'"):
        asyncio.run(faults.DiscoveryUnsettled(node="n9").prepare(made.world))
