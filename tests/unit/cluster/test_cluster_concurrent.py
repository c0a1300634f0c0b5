"""Work at once whose first error ends the rest and reaches the caller as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.cluster import nodes
from harness.cluster.concurrent import all_of
from harness.cluster.hardware import NodeProfile
from harness.errors import ApiError, ClusterError, WaitTimeoutError
from harness.wait import interval

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.cluster.controlplane import Credentials
    from harness.process.child import Child
    from harness.toolchain import Toolchain


class Gone:
    """Stands for a process that has ended."""

    name = "kwok"
    running = False
    exit_code = 1
    stderr_path = "kwok.stderr.log"

    def tail(self) -> str:
        """Its last words."""
        return "unknown flag"


class Refusing:
    """Stands for an API server that takes nothing."""

    async def create(self, _path: str, _body: dict[str, Any]) -> None:
        """Refuse."""
        raise ApiError("not acceptable", status=422)


def test_all_of_the_work_is_done() -> None:
    """It returns when the last is done, and takes none at all."""
    done: list[int] = []

    async def one(number: int) -> None:
        await interval(0)
        done.append(number)

    async def story() -> None:
        await all_of(one(1), one(2))
        await all_of()

    asyncio.run(story())
    assert sorted(done) == [1, 2]


def test_a_part_that_ends_while_starting_is_one_error_with_its_last_words(tmp_path: Path) -> None:
    """The start of a cluster fails with the part's own error, and what still waits is ended."""
    kwok = nodes.Kwok(cast("Toolchain", None), tmp_path, "", cast("Credentials", None), {})
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    with pytest.raises(ClusterError, match="kwok exited with 1 while starting; its last lines:\nunknown flag"):
        asyncio.run(all_of(waits(), kwok.ready(cast("Child", Gone()), 1, 9.0)))
    assert ended == ["waits"]


def test_an_error_keeps_its_own_cause() -> None:
    """What led to it is told, and no group stands between."""
    cause = TimeoutError()

    async def fails() -> None:
        raise WaitTimeoutError("kwok to be healthy", waited_s=1.0, last="refused") from cause

    with pytest.raises(WaitTimeoutError) as caught:
        asyncio.run(all_of(fails()))
    assert caught.value.__cause__ is cause
    assert caught.value.__suppress_context__


def test_a_node_that_is_refused_is_one_error() -> None:
    """Of many nodes made at once, the first refusal is what is raised."""
    wanted = {name: NodeProfile() for name in ("a", "b", "c")}

    with pytest.raises(ApiError, match="not acceptable"):
        asyncio.run(nodes.create(cast("KubeClient", Refusing()), wanted))
