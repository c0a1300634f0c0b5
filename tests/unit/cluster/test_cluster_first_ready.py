"""An API server that gave up on a datastore that was slow to start is started once more, and in no other case."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cluster.embedded import EmbeddedCluster
from harness.errors import ClusterError

SLOW_S, QUICK_S = 15.0, 3.0


class Api:
    """An API server that has ended, or runs."""

    def __init__(self, *, running: bool) -> None:
        self.child = SimpleNamespace(running=running)
        self.launched = 0

    async def launch(self) -> None:
        """Start it."""
        self.launched += 1
        self.child.running = True


def first_ready(store_s: float, *apis: Api, broken: bool = False) -> None:
    """What the cluster does once its datastore is there; `broken`: its API servers end at every start."""

    async def ready(_deadline_s: float) -> None:
        if broken or not all(api.child.running for api in apis):
            raise ClusterError("kube-apiserver exited with 1 while starting")

    cluster: Any = SimpleNamespace(ready=ready, servers=[SimpleNamespace(api=api) for api in apis])
    asyncio.run(EmbeddedCluster._first_ready(cluster, store_s))


def test_the_one_that_gave_up_is_started_once_more() -> None:
    """The others are left alone."""
    ended, running = Api(running=False), Api(running=True)

    first_ready(SLOW_S, ended, running)

    assert (ended.launched, running.launched) == (1, 0)


@pytest.mark.parametrize(("store_s", "broken", "launched"), [(QUICK_S, False, 0), (SLOW_S, True, 1)])
def test_an_api_server_that_cannot_start_is_an_error(store_s: float, broken: bool, launched: int) -> None:
    """At once where the datastore was there in time, and after one more try where it was not."""
    ended = Api(running=False)

    with pytest.raises(ClusterError, match="exited with 1"):
        first_ready(store_s, ended, broken=broken)

    assert ended.launched == launched
