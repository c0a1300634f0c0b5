"""Targets at run time, where nodes come and go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness import faults
from harness.cluster.hardware import NodeProfile
from harness.errors import FaultError
from tests.unit.fault import apiserver

if TYPE_CHECKING:
    from harness.fault.base import Fault

PROFILES = {name: NodeProfile() for name in ("one", "three", "two")}


@pytest.mark.parametrize("fault", [faults.NodeCordoned(node="four"), faults.DiscoveryPodDeleted(node="")])
def test_a_target_that_matches_nothing_is_an_error(fault: Fault) -> None:
    """At run time too, where nodes come and go: no other node is harmed in its place."""

    async def go() -> None:
        world, _api = await apiserver.made(PROFILES)
        await fault.prepare(world)

    with pytest.raises(FaultError, match="no node is called") as caught:
        asyncio.run(go())
    assert "one, three, two" in caught.value.hint


def test_without_nodes_there_is_no_target() -> None:
    """Nothing is drawn from nothing."""

    async def go() -> None:
        world, _api = await apiserver.made({})
        await faults.NodeCordoned().prepare(world)

    with pytest.raises(FaultError, match="there is no node"):
        asyncio.run(go())
