"""A node that leaves and joins under another name, on an API server in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from harness import faults
from harness.cluster.hardware import NodeProfile
from harness.errors import ApiUnavailableError, FaultError, WaitTimeoutError
from harness.fault import evidence
from tests.unit.fault import apiserver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.fault.base import World
    from tests.unit.fault.apiserver import ApiServer

PROFILES = {"one": NodeProfile(gpu="a100", gpus=4), "three": NodeProfile(), "two": NodeProfile(gpu="t4", gpus=1)}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not happen at once in memory never does."""
    monkeypatch.setattr(evidence, "BITE_DEADLINE_S", 0.3)


def on(work: Callable[[World, ApiServer], Awaitable[None]]) -> None:
    """Do the work on three nodes."""

    async def done() -> None:
        await work(*await apiserver.made(PROFILES))

    asyncio.run(done())


def test_a_machine_comes_back_under_another_name() -> None:
    """It is away in between, then there once, with its own size and hardware; from the journal too, and twice."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeRenamed(node="one", becomes="other")
        state = await fault.prepare(world)
        assert (api.writes, state["names"]) == ([], ["one", "other"])
        await fault.inject(world, state)
        assert await fault.bitten(world, state)
        assert not {"one", "other"} & api.nodes.keys()
        held = json.loads(json.dumps(state))
        for _ in range(2):
            await fault.heal(world, held)
            await fault.healed(world, held)
        assert sorted(api.nodes) == ["other", "three", "two"]
        assert world.profiles == {**{name: PROFILES[name] for name in ("three", "two")}, "other": PROFILES["one"]}
        assert api.nodes["other"]["metadata"]["labels"]["kubernetes.io/hostname"] == "other"

    on(work)


def test_a_machine_never_stands_under_two_names() -> None:
    """Where the old Node could not be deleted, the heal deletes it before the machine joins."""

    async def work(world: World, api: ApiServer) -> None:
        fault = faults.NodeRenamed(node="one", becomes="other")
        state = await fault.prepare(world)
        api.refused = 0
        with pytest.raises(ApiUnavailableError):
            await fault.inject(world, state)
        api.refused = None
        with pytest.raises(WaitTimeoutError):
            await fault.bitten(world, state)
        await fault.heal(world, state)
        assert sorted(api.nodes) == sorted(world.profiles) == ["other", "three", "two"]

    on(work)


def test_a_node_is_not_called_as_another_is() -> None:
    """Two machines would be one."""

    async def work(world: World, _api: ApiServer) -> None:
        with pytest.raises(FaultError, match="node two is there already") as caught:
            await faults.NodeRenamed(node="one", becomes="two").prepare(world)
        assert caught.value.hint == "another name in becomes="

    on(work)
