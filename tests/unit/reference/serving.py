"""The serving half of a reference operator, in this process and without a cluster."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import grpc.aio
from aiohttp import web

from harness.operator.proto import QUERY_CLUSTER, SERVICE, STREAM_CLUSTER
from harness.operator.proto import inventory_pb2 as pb
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.hardware import Hardware
from harness.reference.publisher import Publisher
from harness.reference.records import NodeRecord
from harness.reference.resources import NOTHING
from harness.reference.rest import Rest
from harness.reference.rpc import Rpc
from harness.reference.state import State
from harness.reference.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Serving:
    """The serving half of an operator; `now` is its clock, `complete` whether its first inventory is."""

    state: State
    publisher: Publisher
    visibility: Visibility
    base: str
    grpc_port: int
    channel: grpc.aio.Channel
    http: aiohttp.ClientSession
    now: list[float]
    complete: list[bool]

    def node(self, name: str) -> None:
        """One more node."""
        self.state.put_node(NodeRecord(name, "u", True, False, NOTHING, NOTHING, {}))
        self.state.put_hardware(name, Hardware("u", (), ()))

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a REST answer."""
        async with self.http.get(self.base + path) as response:
            return response.status, await response.json()

    def query(self) -> Any:
        """A call of QueryCluster."""
        return self.channel.unary_unary(
            f"/{SERVICE}/{QUERY_CLUSTER}", request_serializer=bytes, response_deserializer=pb.Cluster.FromString
        )(b"")  # fmt: skip

    def stream(self) -> Any:
        """A call of StreamCluster."""
        return self.channel.unary_stream(
            f"/{SERVICE}/{STREAM_CLUSTER}", request_serializer=bytes, response_deserializer=pb.Cluster.FromString
        )(b"")  # fmt: skip


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return int(trial.getsockname()[1])


@asynccontextmanager
async def serving(behaviour: Behaviour = CORRECT) -> AsyncIterator[Serving]:
    """Serve on ports of its own until the block ends; twenty seconds at most."""
    now, complete = [100.0], [False]
    state = State(behaviour, "akash-services", Config(), monotonic=lambda: now[0])
    visibility = Visibility(("nodes",), state.changed.set, lambda: None, monotonic=lambda: now[0])

    publisher = Publisher(
        state,
        complete=lambda: complete[0],
        view=lambda inventory: behaviour.inventory_while_away(inventory) if visibility.away else inventory,
    )
    rpc, port = Rpc(publisher, behaviour), free_port()
    await rpc.start("127.0.0.1", port)
    runner = Rest(publisher, visibility, behaviour).runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    publishing = asyncio.create_task(publisher.run())
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        asyncio.timeout(20),
    ):
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Serving(state, publisher, visibility, base, port, channel, http, now, complete)
    publishing.cancel()
    await asyncio.wait({publishing})
    await rpc.stop()
    await runner.cleanup()


async def see(operator: Serving, *names: str) -> None:
    """Publish an inventory of these nodes and see the cluster."""
    operator.visibility.probe_seen = operator.now[0]
    operator.visibility.seen("nodes")
    for name in names:
        operator.node(name)
    operator.complete[0] = True
    before = -1 if operator.publisher.current is None else operator.publisher.current.version
    await operator.publisher.newer(before)
