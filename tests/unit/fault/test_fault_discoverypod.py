"""Faults of discovery pods and of pods that look like them, against an API server in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.cluster.sidecar import SERVES_NOTHING
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import discoverypod
from harness.fault.discoverypod import LABELS, PODS, ended, policy, unpulled
from tests.unit.fault.world import ADMISSION, PREFIX, Fake, fake, pod

if TYPE_CHECKING:
    from harness.fault.base import Fault, State

D1, D2 = PREFIX + "n1", PREFIX + "n2"


async def _journalled(fault: Fault, made: Fake) -> State:
    """What heals have to do with: the state as it comes back from the journal, before the injection."""
    state: State = json.loads(json.dumps(await fault.prepare(made.world)))
    return state


@pytest.mark.parametrize(
    ("how", "reason", "code", "said"),
    [
        ("evicted", "Error", 137, "Evicted"),
        ("failed", "Error", 143, "Terminated"),
        ("oom-killed", "OOMKilled", 137, None),
    ],
)
def test_a_pod_ends_as_a_kubelet_writes_it(how: str, reason: str, code: int, said: str | None) -> None:
    """Phase, reason, conditions and the container's end fit together, and restarts are kept."""
    status = ended(pod(D1, "n1", "u1", containerStatuses=[{"name": "psutil", "restartCount": 2}]), how)

    assert (status["phase"], status.get("reason")) == ("Failed", said)
    (container,) = status["containerStatuses"]
    assert (container["state"]["terminated"]["reason"], container["state"]["terminated"]["exitCode"]) == (reason, code)
    assert (container["ready"], container["restartCount"]) == (False, 2)
    conditions = {item["type"]: item["status"] for item in status["conditions"]}
    assert (conditions["Ready"], conditions["ContainersReady"]) == ("False", "False")
    assert ("DisruptionTarget" in conditions) is (said is not None)


def test_a_discovery_pod_ends_and_the_machine_changes() -> None:
    """The status is written to the pod that was chosen, the hardware is another, and nothing is undone."""
    made = fake(pod(D1, "n1", "u1"), pod(D2, "n2", "u2"))
    fault = faults.DiscoveryPodEnds(how="oom-killed", node="n1")

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        said = await fault.bitten(made.world, state)
        await fault.heal(made.world, state)
        await fault.healed(made.world, state)
        return said

    said = asyncio.run(story())

    assert made.hardware == {"n1": fault.becomes}
    assert {item["metadata"]["name"]: item["status"]["phase"] for item in made.api.pods()} == {
        D1: "Failed",
        D2: "Running",
    }
    assert said == f"ended as oom-killed: {D1}; now Failed"


def test_a_pod_that_was_replaced_meanwhile_is_told_so() -> None:
    """Evidence is that the status was taken, whatever the operator made of it since."""
    made = fake(pod(D1, "n1", "u1"))
    fault = faults.DiscoveryPodEnds(node="n1")

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        made.api.put(pod(D1, "n1", "u9"))
        return await fault.bitten(made.world, state)

    assert asyncio.run(story()).endswith("now gone or replaced")


def test_a_pod_of_another_uid_is_not_ended() -> None:
    """What was chosen was gone before it could be harmed: no evidence, and the new pod is left alone."""
    made = fake(pod(D1, "n1", "u1"))
    fault = faults.DiscoveryPodEnds(node="n1")

    async def story() -> None:
        state = await fault.prepare(made.world)
        made.api.put(pod(D1, "n1", "u9"))
        await fault.inject(made.world, state)
        assert made.api.objects[f"{PODS}/{D1}"]["status"]["phase"] == "Running"
        await fault.bitten(made.world, state)

    with pytest.raises(FaultError, match="gone before they could end"):
        asyncio.run(story())


def test_a_node_without_a_discovery_pod_cannot_be_harmed() -> None:
    """The fault says so before it does anything."""
    with pytest.raises(FaultError, match="no discovery pod"):
        asyncio.run(faults.DiscoveryPodEnds(node="n1").prepare(fake().world))


@pytest.mark.parametrize(("node", "clause"), [("*", False), ("n1", True)])
def test_the_policy_is_about_discovery_pods_that_would_run(node: str, clause: bool) -> None:
    """Nothing but their status is looked at, of one node or of all; what cannot be judged is let pass."""
    spec = policy(node)["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    (validation,) = spec["validations"]

    assert (rule["resources"], rule["operations"]) == (["pods/status"], ["UPDATE"])
    assert spec["matchConstraints"]["objectSelector"]["matchLabels"] == LABELS
    assert spec["failurePolicy"] == "Ignore"
    assert ("|| object.spec.nodeName != 'n1'" in validation["expression"]) is clause


def test_a_status_that_waits_for_an_image_says_so() -> None:
    """The container waits in ImagePullBackOff, and the conditions carry no reason that could outlive it."""
    status = unpulled(pod(D1, "n1", "u1"))

    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert {item["type"]: item["status"] for item in status["conditions"]}["Ready"] == "False"
    assert all("reason" not in item for item in status["conditions"])


def test_pods_are_ended_once_none_can_start() -> None:
    """While the policy is not in force yet nothing is ended and the operator stays dead; then both are done."""
    made = fake(pod(D1, "n1", "u1"), pod(D2, "n2", "u2"))
    fault = faults.DiscoveryPodPending(node="n1")
    made.api.in_force = False

    async def story() -> str:
        state = await fault.prepare(made.world)
        injecting = asyncio.create_task(fault.inject(made.world, state))
        await asyncio.wait({injecting}, timeout=0.25)
        assert (len(made.api.pods()), made.operator.running) == (2, False)
        made.api.in_force = True
        await injecting
        assert [item["metadata"]["name"] for item in made.api.pods()] == [D2]
        assert made.operator.running
        made.api.put(pod(D1, "n1", "u3", phase="Pending"))
        return await fault.bitten(made.world, state)

    said = asyncio.run(story())

    assert said.startswith("1 discovery pods are Pending with ImagePullBackOff")
    assert made.api.objects[f"{PODS}/{D1}"]["status"]["containerStatuses"][0]["state"]["waiting"]


@pytest.mark.parametrize(
    "pods", [(), (pod(D1, "n1", "u2"), pod(D2, "n2", "u3", phase="Pending"))], ids=["none", "one-runs"]
)
def test_pods_that_run_are_no_evidence(monkeypatch: pytest.MonkeyPatch, pods: tuple[dict[str, Any], ...]) -> None:
    """Where none waits, or not all do, the fault did not bite."""
    monkeypatch.setattr(discoverypod, "BITE_DEADLINE_S", 0.3)
    made = fake()
    fault = faults.DiscoveryPodPending(restart_operator=False)

    async def story() -> None:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        made.api.put(*pods)
        await fault.bitten(made.world, state)

    with pytest.raises(WaitTimeoutError, match="to wait for their image"):
        asyncio.run(story())
    assert "kill" not in made.api.log


def test_the_policy_goes_as_often_as_it_is_undone() -> None:
    """From the journal's state, twice, and after an injection that was cut off with the operator dead."""
    made = fake()
    fault = faults.DiscoveryPodPending()

    async def story() -> None:
        state = await _journalled(fault, made)
        await fault.inject(made.world, dict(state))
        assert sum(path.startswith(ADMISSION) for path in made.api.objects) == 2
        await made.operator.kill()
        for _ in range(2):
            await fault.heal(made.world, state)
            await fault.healed(made.world, state)

    asyncio.run(story())

    assert made.api.objects == {}
    assert made.operator.running


def test_it_is_over_when_no_pod_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that is Pending still is not healed."""
    monkeypatch.setattr(discoverypod, "BITE_DEADLINE_S", 0.2)
    made = fake(pod(D1, "n1", "u1", phase="Pending"))

    with pytest.raises(WaitTimeoutError, match=D1):
        asyncio.run(faults.DiscoveryPodPending().healed(made.world, {"target": "*", "restart": False}))


STRANGERS = pytest.mark.parametrize("fault", [faults.ForeignPod(node="n1"), faults.LeftoverPods(node="n1")])


@STRANGERS
def test_strangers_are_there_before_the_operator_is(fault: Fault) -> None:
    """They are made while it is stopped, in the place of its own pod, and evidence is that they were."""
    made = fake(pod(D1, "n1", "u1"))

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        return await fault.bitten(made.world, state)

    said = asyncio.run(story())

    names = [D1] if fault.kind == "foreign-pod" else [D1, PREFIX + "gone-worker"]
    assert made.api.log == ["kill", f"delete {D1}", *(f"create {name}" for name in names), "start"]
    assert "made before the operator was started" in said
    assert f"{D1} is there" in said


@STRANGERS
def test_only_what_was_made_is_taken_away(fault: Fault) -> None:
    """From the journal's state, twice; a pod that the operator made under the name by now stays."""
    made = fake(pod(D1, "n1", "u1"), pod(D2, "n2", "u2"))

    async def story() -> None:
        state = await _journalled(fault, made)
        await fault.inject(made.world, dict(state))
        await fault.heal(made.world, state)
        await fault.healed(made.world, state)
        assert [item["metadata"]["name"] for item in made.api.pods()] == [D2]
        made.api.put(pod(D1, "n1", "u9"))
        await fault.heal(made.world, state)

    asyncio.run(story())

    assert sorted(item["metadata"]["uid"] for item in made.api.pods()) == ["u2", "u9"]


@STRANGERS
def test_an_operator_left_dead_is_started(fault: Fault) -> None:
    """An injection that was cut off between its end and its start is undone like any other."""
    made = fake()

    async def story() -> None:
        state = await _journalled(fault, made)
        await made.operator.kill()
        await fault.heal(made.world, state)

    asyncio.run(story())

    assert made.operator.running


@STRANGERS
def test_strangers_that_could_not_be_made_are_no_evidence(fault: Fault) -> None:
    """What the journal knows is not what was done."""
    made = fake()

    async def story() -> None:
        await fault.bitten(made.world, await _journalled(fault, made))

    with pytest.raises(FaultError, match="only 0 of"):
        asyncio.run(story())


@STRANGERS
def test_a_supervisor_waits_for_the_strangers(fault: Fault) -> None:
    """It leaves the operator dead until they are there."""
    made = fake()
    made.operator.supervised = True

    async def story() -> None:
        await fault.inject(made.world, await _journalled(fault, made))

    asyncio.run(story())

    assert made.api.log[0] == "kill"
    assert made.api.log[-1] == "start"


def test_a_foreign_pod_is_nobodys_discovery_pod() -> None:
    """It carries the name, none of the labels, and says that nothing listens in it."""
    made = fake()
    fault = faults.ForeignPod(node="n1")

    async def story() -> dict[str, Any]:
        await fault.inject(made.world, await fault.prepare(made.world))
        return made.api.objects[f"{PODS}/{D1}"]

    meta = asyncio.run(story())["metadata"]

    assert not set(meta["labels"]) & set(LABELS)
    assert SERVES_NOTHING in meta["annotations"]


def test_leftovers_carry_the_labels_and_one_claims_to_run_on_no_node() -> None:
    """The gone node's kubelet wrote last that its pod runs, and nobody has written since."""
    made = fake()
    fault = faults.LeftoverPods(node="n1", gone="n9")

    async def story() -> list[dict[str, Any]]:
        await fault.inject(made.world, await fault.prepare(made.world))
        return made.api.pods()

    there, gone = asyncio.run(story())

    assert there["metadata"]["labels"] == gone["metadata"]["labels"] == LABELS
    assert (there["spec"]["nodeName"], gone["spec"]["nodeName"]) == ("n1", "n9")
    assert (there["status"]["phase"], gone["status"]["phase"]) == ("Pending", "Running")


def test_a_gone_node_must_be_gone() -> None:
    """A name of a node that is there is refused."""
    with pytest.raises(FaultError, match="'n2' is there"):
        asyncio.run(faults.LeftoverPods(node="n1", gone="n2").prepare(fake().world))


def test_a_node_whose_discovery_pod_has_no_name_is_refused() -> None:
    """216 characters are one more than the contract's prefix leaves."""
    it = fake()
    it.profiles["n" * 216] = it.profiles["n1"]

    with pytest.raises(FaultError, match="no name"):
        asyncio.run(faults.ForeignPod(node="n" * 216).prepare(it.world))
