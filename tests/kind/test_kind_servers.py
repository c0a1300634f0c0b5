"""Every kind of fault of one of three servers, and of all of them in turn, for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster.backend import BackendSpec, make
from harness.cluster.capability import CONTAINERS, SERVERS
from harness.cluster.datastore import ETCD3, DatastoreSpec
from harness.cluster.shape import Shape
from harness.fault.needs import NEEDS
from tests.kind.harm import harmed
from tests.kind.leftovers import outside

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from harness.cluster.base import Cluster
    from harness.toolchain import Toolchain

OF_SERVERS = sorted(kind for kind, words in NEEDS.items() if {CONTAINERS, SERVERS} <= set(words))
CASES = [
    *({"kind": kind} for kind in OF_SERVERS),
    {"kind": "server-machine-killed", "role": "leader"},
    {"kind": "server-certificates-rotated"},
]


@pytest.fixture(scope="module")
def servers(toolchain: Toolchain, loop: asyncio.Runner) -> Iterator[Cluster]:
    """Three servers and a worker, of which nothing is left."""
    shape = Shape(servers=3, machines=1, datastore=DatastoreSpec(ETCD3))
    made = loop.run(make(BackendSpec("kind")).start(toolchain, shape))
    name = next(iter(made.machines.values())).network  # type: ignore[attr-defined]
    yield made
    loop.run(made.stop())
    assert outside(name) == []


@pytest.mark.parametrize("body", CASES, ids=lambda body: "-".join(body.values()))
def test_a_fault_of_servers_bites_and_is_undone(body: dict[str, str], servers: Cluster, loop: asyncio.Runner) -> None:
    """The API goes on answering, and every node is as before when its server is back."""
    assert len(servers.machines) == 4
    assert harmed(body, servers, loop)
