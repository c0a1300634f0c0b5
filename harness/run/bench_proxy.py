"""Measuring the API proxy: what it adds to a request when no rule is in force."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from harness.cluster import nodes
from harness.cluster.client import KubeClient
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.hardware import NodeProfile
from harness.cluster.shape import Shape

if TYPE_CHECKING:
    from harness.toolchain import Toolchain

BLOCKS, REQUESTS = 5, 100
"""A sample is the difference of two medians over so many requests each."""

_NODE = "worker-1"


async def overhead_ms(toolchain: Toolchain) -> list[float]:
    """Milliseconds that a GET of one node takes longer through the proxy than without it, in turns on one cluster.

    Both clients are of one kind and come with the operator's certificate; what opening a connection costs is not in it.
    """
    cluster = await EmbeddedCluster.start(toolchain, shape=Shape(proxied=True))
    try:
        await nodes.create(cluster.client, {_NODE: NodeProfile()})
        ca, pair = cluster.keys.authority.cert, cluster.keys.operator
        async with (
            KubeClient(cluster.api_server.url, ca=ca, pair=pair) as direct,
            KubeClient(cluster.operator_server, ca=ca, pair=pair) as through,
        ):
            await _timed(direct)
            await _timed(through)
            samples = []
            for _block in range(BLOCKS):
                pairs = [(await _timed(direct), await _timed(through)) for _request in range(REQUESTS)]
                without, with_it = (statistics.median(times) for times in zip(*pairs, strict=True))
                samples.append((with_it - without) * 1000)
            return samples
    finally:
        await cluster.stop()


async def _timed(client: KubeClient) -> float:
    began = time.monotonic()
    await client.get(f"/api/v1/nodes/{_NODE}")
    return time.monotonic() - began
