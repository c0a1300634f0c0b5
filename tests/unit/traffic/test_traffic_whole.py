"""Pods of every kind, and resizes in place: what is decided, and what is asked of the API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seed as seeds
from harness.cluster.hardware import NodeProfile
from harness.errors import UsageError
from harness.model import quantity
from harness.model.resources import effective_requests
from harness.reference.resources import pod_requests
from harness.traffic import whole
from harness.traffic.driver import Driver
from harness.traffic.pods import Churn, Op, Pods, actuated, decide, finished, gpus_of, placed, removed, resized

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILES = {"big": NodeProfile(gpu="a100", gpus=2), "plain": NodeProfile()}
WHOLE = Churn(whole=True, labels=False, live=12, least=1)


def story(seed: int, steps: int = 200) -> list[Op]:
    """The operations of a run in which the API server accepts everything."""
    rng, pods, told = seeds.stream(seed, "traffic"), Pods(), []
    for _ in range(steps):
        op = decide(rng, WHOLE, pods, PROFILES)
        told.append(op)
        match op.op:
            case "create":
                placed(pods, op)
            case "delete":
                removed(pods, (op.namespace, op.name))
            case "finish" | "fail":
                finished(pods, (op.namespace, op.name))
            case "resize":
                resized(pods, op)
            case "actuate":
                actuated(pods, op)
    return told


@given(st.integers(0, 10**9))
def test_a_seed_repeats_it(seed: int) -> None:
    """The same seed makes the same operations with the same bodies."""
    assert story(seed, 60) == story(seed, 60)


@given(st.integers(0, 10**9))
def test_only_what_is_there_is_resized(seed: int) -> None:
    """A pod that lives, that has not ended and asks for nothing as a whole; its second half follows the first."""
    live: dict[tuple[str, str], Mapping[str, Any]] = {}
    asked: dict[tuple[str, str], Any] = {}
    for op in story(seed):
        key = (op.namespace, op.name)
        match op.op:
            case "create":
                live[key] = op.body
            case "delete":
                del live[key]
                asked.pop(key, None)
            case "finish" | "fail":
                assert key not in asked
            case "resize":
                assert key not in asked
                assert "resources" not in live[key]["spec"]
                assert set(op.body["after"]) == {one["name"] for one in live[key]["spec"]["containers"]}
                asked[key] = op.body["after"]
            case "actuate":
                assert op.body["after"] == asked.pop(key)


def test_it_has_all_that_it_promises() -> None:
    """Sidecars before and after init containers, overhead, volumes in memory, pods as a whole, GPUs, resizes, ends."""
    told = story(7, 1000)
    specs = [op.body["spec"] for op in told if op.op == "create"]
    orders = {
        tuple("s" if one.get("restartPolicy") else "i" for one in spec.get("initContainers", ())) for spec in specs
    }

    assert {op.op for op in told} == {"create", "delete", "finish", "fail", "resize", "actuate"}
    assert {("s",), ("i",), ("s", "i"), ("i", "s")} <= orders
    assert any("runtimeClassName" in spec for spec in specs)
    assert any("resources" in spec for spec in specs)
    assert any("volumes" in spec for spec in specs)
    assert {gpus_of(op.body) for op in told if op.op == "create"} == {0, 1}


@given(st.integers(0, 10**9))
def test_what_is_asked_for_as_a_whole_is_no_less_than_the_containers_ask_for(seed: int) -> None:
    """The API server refuses anything else."""
    for op in story(seed, 60):
        spec = op.body.get("spec", {}) if op.op == "create" else {}
        if "resources" not in spec:
            continue
        alone = effective_requests({"spec": {**spec, "resources": {}, "volumes": []}})
        for name, amount in spec["resources"]["requests"].items():
            assert quantity.parse(amount) >= alone[name]


@given(st.integers(0, 10**9))
def test_model_and_reference_count_every_one_alike(seed: int) -> None:
    """Through all halves of a resize: until it is actuated the larger counts, then what was asked for."""
    for op in story(seed, 120):
        if op.op != "resize":
            continue
        containers = [{"name": name, "resources": {"requests": asked}} for name, asked in op.body["after"].items()]
        for now in (op.body["before"], op.body["after"]):
            pod = {"spec": {"containers": containers}, **whole.status_patch(now)}
            found = effective_requests(pod)
            assert pod_requests(pod["spec"], pod["status"]).cpu == found["cpu"]
            both = zip(op.body["before"].values(), op.body["after"].values(), strict=True)
            largest = quantity.total(max(quantity.parse(a["cpu"]), quantity.parse(b["cpu"])) for a, b in both)
            after = quantity.total(quantity.parse(one["cpu"]) for one in op.body["after"].values())
            assert found["cpu"] == (largest if now is op.body["before"] else after)


class Server:
    """Notes what is patched."""

    def __init__(self) -> None:
        self.patched: list[tuple[str, Any]] = []

    async def create(self, _path: str, _body: Any) -> None:
        """A pod or a binding."""

    async def delete(self, _path: str, *, grace_s: int | None = None) -> None:
        """A pod."""

    async def patch(self, path: str, body: Any, *, content_type: str) -> None:
        """Anything."""
        assert content_type.startswith("application/")
        self.patched.append((path.rpartition("/")[2], body))


def test_a_resize_is_told_by_halves() -> None:
    """What runs is said first, as kubelets do from the start; then what is asked for; then that it runs."""
    server: Any = Server()
    driver = Driver(server, WHOLE, PROFILES, seeds.stream(3, "traffic"), lambda **_fields: None)

    async def play() -> None:
        for _ in range(200):
            await driver.step()

    asyncio.run(play())
    kinds = [kind for kind, _body in server.patched]
    first = kinds.index("resize")
    assert kinds[first - 1] == "status"
    before = server.patched[first - 1][1]["status"]["containerStatuses"][0]
    assert before["resources"]["requests"] == before["allocatedResources"]
    assert server.patched[first][1]["spec"]["containers"][0]["resources"]["requests"].keys() == {"cpu", "memory"}


def test_plain_and_whole_is_neither() -> None:
    """One of the two, with both values named."""
    with pytest.raises(UsageError, match="plain=True and whole=True"):
        Churn(plain=True, whole=True)
