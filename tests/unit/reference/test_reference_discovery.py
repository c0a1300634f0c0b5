"""What discovery does with the pods it finds: ended ones, others' and a former run's; without a cluster."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.errors import ApiError
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.defects import DEFECTS
from harness.reference.discovery import Discovery, _Memory
from harness.reference.naming import discovery_pod_name
from harness.reference.records import DISCOVERY_LABELS, NodeRecord, decode_pod
from harness.reference.resources import NOTHING
from harness.reference.state import State

NODE = NodeRecord("n1", "node-1", True, False, NOTHING, NOTHING, {})
OWN = discovery_pod_name("n1", "services")


@dataclass
class Api:
    """Notes what is written; `taken`: the names that cannot be given to a new pod; `forbids`: all of them, for now."""

    taken: set[str] = field(default_factory=set)
    forbids: bool = False
    log: list[str] = field(default_factory=list)

    async def create(self, _path: str, body: dict[str, Any]) -> None:
        """A pod."""
        name = body["metadata"]["name"]
        if self.forbids:
            raise ApiError(f"{name}: exceeded quota", status=403, reason="Forbidden")
        if name in self.taken:
            raise ApiError(f"{name} exists", status=409, reason="AlreadyExists")
        self.log.append(f"create {name}")

    async def delete(self, path: str, *, uid: str) -> None:
        """A pod of that uid."""
        self.log.append(f"delete {path.rpartition('/')[2]} {uid}")

    async def proxy_get(self, path: str, *, deadline_s: float) -> Any:
        """Hardware."""
        assert deadline_s > 0
        self.log.append(f"read {path.rpartition('/')[2]}")
        return {"processors": [], "cards": None}


def pod(**changed: Any) -> dict[str, Any]:
    """The discovery pod that fits, with what differs from it: name, node, image, owner, labels, phase."""
    return {
        "metadata": {
            "name": changed.get("name", OWN), "namespace": "ns", "uid": "pod-1",
            "labels": changed.get("labels", DISCOVERY_LABELS),
            "ownerReferences": [{"kind": "Node", "uid": changed.get("owner", "node-1")}],
        },
        "spec": {"nodeName": changed.get("node", "n1"), "containers": [{"image": changed.get("image", "image")}]},
        "status": {"phase": changed.get("phase", "Running"), "podIP": "10.244.0.7"},
    }  # fmt: skip


def stepped(*pods: dict[str, Any], taken: bool = False) -> tuple[list[str], float, list[str]]:
    """What one step on the node does among these pods, after which wait it looks again, and the orphans it sees."""
    api = Api({OWN} if taken else set())

    async def play() -> tuple[list[str], float, list[str]]:
        state = State(CORRECT, "ns", Config())
        state.put_node(NODE)
        for item in pods:
            state.put_pod(decode_pod(item))
        discovery = Discovery(state, api, CORRECT, "image", 60.0, ready=lambda: True, away=lambda: False)  # type: ignore[arg-type]
        wait_s = await discovery._step(NODE, _Memory())
        return api.log, wait_s, [orphan.name for orphan in state.orphans()]

    return asyncio.run(play())


def test_a_pod_that_fits_is_read() -> None:
    """Both parts are asked for."""
    log, wait_s, _ = stepped(pod())

    assert (sorted(log), wait_s) == (["read cpu", "read gpu"], 60.0)


@pytest.mark.parametrize(
    "changed", [{"phase": "Failed"}, {"phase": "Succeeded"}, {"image": "before"}, {"owner": "node-0"}, {"node": "n2"}]
)
def test_a_pod_that_ended_or_is_of_a_former_run_makes_room(changed: dict[str, Any]) -> None:
    """It is deleted by its uid, never asked, and looked for again at once: then its successor is made."""
    log, wait_s, _ = stepped(pod(**changed))

    assert (log, wait_s) == ([f"delete {OWN} pod-1"], 1.0)
    assert stepped()[0] == [f"create {OWN}"]


def test_a_pod_that_is_pending_is_waited_for() -> None:
    """A kubelet that cannot pull an image goes on trying, and a new pod would not help it."""
    log, wait_s, _ = stepped(pod(phase="Pending"))

    assert log == []
    assert wait_s > 60.0


def test_a_strangers_pod_is_left_alone() -> None:
    """One that only has the name is neither read nor deleted, and the name is tried again soon."""
    log, wait_s, _ = stepped(pod(labels={"app": "somebody-else"}), taken=True)

    assert log == []
    assert wait_s <= 5.0


def test_a_pod_of_a_node_that_is_gone_is_an_orphan() -> None:
    """It is swept away, and no node comes of it."""
    _, _, orphans = stepped(pod(), pod(name="operator-inventory-hardware-discovery-gone", node="gone"))

    assert orphans == ["operator-inventory-hardware-discovery-gone"]


@pytest.mark.parametrize(("behaviour", "made"), [(CORRECT, True), (DEFECTS["gives-up-refused-pods"].behaviour, False)])
def test_a_pod_that_was_refused_is_asked_for_again(behaviour: Behaviour, made: bool) -> None:
    """Soon, and as often as it takes; the saboteur never does."""
    api = Api(forbids=True)

    async def play() -> float:
        state = State(behaviour, "ns", Config())
        state.put_node(NODE)
        discovery = Discovery(state, api, behaviour, "image", 60.0, ready=lambda: True, away=lambda: False)  # type: ignore[arg-type]
        memory = _Memory()
        wait_s = await discovery._step(NODE, memory)
        api.forbids = False
        await discovery._step(NODE, memory)
        return wait_s

    assert asyncio.run(play()) <= 5.0
    assert api.log == ([f"create {OWN}"] if made else [])


def test_the_saboteur_waits_for_a_pod_that_was_rejected() -> None:
    """It neither deletes nor reads it, and looks again only when something happens."""
    behaviour, api = DEFECTS["waits-for-ended-pods"].behaviour, Api()

    async def play() -> float:
        state = State(behaviour, "ns", Config())
        state.put_node(NODE)
        state.put_pod(decode_pod(pod(phase="Failed")))
        discovery = Discovery(state, api, behaviour, "image", 60.0, ready=lambda: True, away=lambda: False)  # type: ignore[arg-type]
        return await discovery._step(NODE, _Memory())

    assert asyncio.run(play()) > 60.0
    assert api.log == []


@pytest.mark.parametrize(
    ("behaviour", "kept"), [(CORRECT, True), (DEFECTS["hardware-goes-with-the-pod"].behaviour, False)]
)
def test_hardware_outlives_the_pod_that_told_of_it(behaviour: Behaviour, *, kept: bool) -> None:
    """Whoever deletes the pod, what was read in it is true of the Node; the saboteur forgets it, and makes no other."""
    api = Api()

    async def play() -> bool:
        state = State(behaviour, "ns", Config())
        state.put_node(NODE)
        own = decode_pod(pod())
        state.put_pod(own)
        discovery = Discovery(state, api, behaviour, "image", 60.0, ready=lambda: True, away=lambda: False)  # type: ignore[arg-type]
        memory = _Memory()
        await discovery._step(NODE, memory)
        assert state.known_hardware(NODE).complete
        state.drop_pod(own)
        await discovery._step(NODE, memory)
        return state.known_hardware(NODE).complete

    assert asyncio.run(play()) is kept
    assert (f"create {OWN}" in api.log) is kept
