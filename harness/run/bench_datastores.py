"""Measuring the datastores: how soon each and an API server on it are ready, and what three servers weigh."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from harness.cluster import nodes
from harness.cluster.datastore import ETCD3, KINDS, DatastoreSpec
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.hardware import NodeProfile
from harness.cluster.shape import Shape
from harness.run.bench import Figure, memory_mib

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.toolchain import Toolchain

FIGURES = (
    Figure("etcd_api_ready_s", None),
    Figure("etcd3_api_ready_s", 6.0),
    Figure("sqlite_api_ready_s", 4.0),
    Figure("postgres_api_ready_s", 10.0),
    Figure("mysql_api_ready_s", 10.0),
    Figure("three_servers_rss_mib", 1.6 * 1024, digits=0),
)
_NODES = 3


def measure(toolchain: Toolchain, *, rounds: int, report: Callable[[str], None]) -> dict[str, list[float]]:
    """Figure -> its samples in the order measured; from the main thread, outside of any event loop.

    Seconds are from nothing until datastore and API server are ready; the datastores take turns. Raises HarnessError
    when one of them cannot be had.
    """
    samples: dict[str, list[float]] = {figure.name: [] for figure in FIGURES}
    for number in range(1, rounds + 1):
        for kind in KINDS:
            took = asyncio.run(_start(toolchain, kind))
            samples[f"{kind}_api_ready_s"].append(took)
            report(f"start {number} of {rounds}: {kind} and an API server on it {took:.2f} s")
    weight = asyncio.run(_three_servers(toolchain))
    samples["three_servers_rss_mib"].append(weight)
    report(f"three servers with {_NODES} nodes: {weight:.0f} MiB")
    return samples


async def _start(toolchain: Toolchain, kind: str) -> float:
    cluster = await EmbeddedCluster.start(toolchain, shape=Shape(datastore=DatastoreSpec(kind)))
    await cluster.stop()
    return cluster.api_ready_s


async def _three_servers(toolchain: Toolchain) -> float:
    cluster = await EmbeddedCluster.start(toolchain, shape=Shape(datastore=DatastoreSpec(ETCD3), servers=3))
    try:
        wanted = {f"worker-{number}": NodeProfile() for number in range(1, _NODES + 1)}
        await nodes.create(cluster.client, wanted)
        await nodes.wait_ready(cluster.client, wanted, deadline_s=30.0)
        return memory_mib()[1]
    finally:
        await cluster.stop()
