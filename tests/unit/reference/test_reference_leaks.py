"""The saboteurs that leak do so, and the correct operator tells how many tasks it has."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.operator.goroutines import parse
from harness.reference import leaks, profile
from harness.reference.pause import pause
from harness.reference.records import NodeRecord
from harness.reference.resources import NOTHING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NODE = NodeRecord("n1", "node-1", True, False, NOTHING, NOTHING, {})


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_kept", [])


class Api:
    """Notes the watches that are opened and the pods that are made."""

    def __init__(self) -> None:
        self.watched: list[str] = []
        self.made: list[dict[str, Any]] = []

    async def watch(self, path: str, version: str, *, timeout_s: int) -> AsyncIterator[dict[str, Any]]:
        """A watch that stays open and brings nothing."""
        assert (version, timeout_s > 60) == ("", True)
        self.watched.append(path)
        await asyncio.Event().wait()
        yield {}

    async def create(self, path: str, body: dict[str, Any]) -> None:
        """A pod."""
        assert path == "/api/v1/namespaces/ns/pods"
        self.made.append(body)


def test_the_profile_is_one_of_goroutines() -> None:
    """What pprof's reader reads: as many as there are tasks, by where they began."""

    async def main() -> None:
        async def sleeper() -> None:
            await asyncio.Event().wait()

        tasks = [asyncio.create_task(sleeper()) for _ in range(3)]
        found = parse(profile.text())
        assert found is not None
        assert found.total == 4
        assert 3 in found.began_in.values()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())


def test_each_closed_watch_leaves_a_task_and_a_watch() -> None:
    """The leaking ones keep one more each time."""
    api: Any = Api()

    async def main() -> int:
        leaks.watch_twice(api, "/api/v1/pods")
        leaks.watch_twice(api, "/api/v1/nodes")
        leaks.start_task(api, "/api/v1/nodes")
        await pause(0.01)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return len(tasks)

    assert asyncio.run(main()) == 3
    assert api.watched == ["/api/v1/pods", "/api/v1/nodes"]


def test_memory_is_kept() -> None:
    """Some MiB of each closed watch."""
    api: Any = Api()
    leaks.remember(api, "")
    leaks.remember(api, "")

    assert sum(len(part) for part in leaks._kept) == 2 * leaks._MEMORY_BYTES


def test_the_spinner_lets_others_run() -> None:
    """The loop is never idle, and yet everything else gets its turn."""
    turns: list[float] = []

    async def main() -> None:
        api: Any = Api()
        leaks.spin(api, "")
        leaks.spin(api, "")
        loop = asyncio.get_running_loop()
        for _ in range(5):
            await pause(0.01)
            turns.append(loop.time())

    asyncio.run(main())
    assert len(turns) == 5


def test_a_haunted_node_gets_its_pod_again() -> None:
    """While the node is gone and its pod as well, one without an owner is made; when the node is back, no more."""
    api: Any = Api()
    state = SimpleNamespace(pod_namespace="ns", nodes={}, discovery_pods={})
    manifest = {"metadata": {"name": "discovery-n1", "ownerReferences": [{}]}}
    discovery: Any = SimpleNamespace(state=state, client=api, manifest=lambda _node: manifest)

    async def main() -> None:
        task = asyncio.create_task(leaks.haunt(discovery, NODE))
        while not api.made:
            await pause(0.01)
        state.nodes["n1"] = NODE
        async with asyncio.timeout(5):
            await task

    asyncio.run(main())
    assert api.made == [{"metadata": {"name": "discovery-n1"}}]
