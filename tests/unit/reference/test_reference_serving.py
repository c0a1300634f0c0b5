"""REST, gRPC and the ports, without a cluster."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import grpc.aio
import pytest
from aiohttp import web
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness.operator.proto import QUERY_CLUSTER, SERVICE, STREAM_CLUSTER
from harness.operator.proto import inventory_pb2 as pb
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.defects import DEFECTS
from harness.reference.hardware import Hardware
from harness.reference.listeners import listen
from harness.reference.publisher import Publisher
from harness.reference.records import NodeRecord
from harness.reference.resources import NOTHING
from harness.reference.rest import Rest
from harness.reference.rpc import Rpc
from harness.reference.state import State
from harness.reference.visibility import BLIND_S, Visibility

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


@dataclass
class _Operator:
    """The serving half of an operator; `now` is its clock, `complete` whether its first inventory is."""

    state: State
    publisher: Publisher
    visibility: Visibility
    base: str
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return int(trial.getsockname()[1])


@asynccontextmanager
async def _serving(behaviour: Behaviour) -> AsyncIterator[_Operator]:
    now, complete = [100.0], [False]
    state = State(behaviour, "akash-services", Config(), monotonic=lambda: now[0])
    visibility = Visibility(("nodes",), state.changed.set, lambda: None, monotonic=lambda: now[0])

    publisher = Publisher(
        state,
        complete=lambda: complete[0],
        view=lambda inventory: behaviour.inventory_while_away(inventory) if visibility.away else inventory,
    )
    rpc, port = Rpc(publisher, behaviour), _free_port()
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
        yield _Operator(state, publisher, visibility, base, channel, http, now, complete)
    publishing.cancel()
    await asyncio.wait({publishing})
    await rpc.stop()
    await runner.cleanup()


def _run(check: Callable[[_Operator], Coroutine[Any, Any, None]], behaviour: Behaviour = CORRECT) -> None:
    async def scenario() -> None:
        async with _serving(behaviour) as operator:
            await check(operator)

    asyncio.run(scenario())


async def _see(operator: _Operator, *names: str) -> None:
    """Publish an inventory of these nodes and see the cluster."""
    operator.visibility.probe_seen = operator.now[0]
    operator.visibility.seen("nodes")
    for name in names:
        operator.node(name)
    operator.complete[0] = True
    before = -1 if operator.publisher.current is None else operator.publisher.current.version
    await operator.publisher.newer(before)


def test_before_the_first_complete_inventory_nothing_is_reported() -> None:
    """Until the first inventory is complete REST answers 503 and gRPC UNAVAILABLE, and neither is ever empty."""

    async def check(operator: _Operator) -> None:
        operator.node("n")
        assert (await operator.get("/v1/inventory"))[0] == 503
        assert (await operator.get("/metrics/ready"))[0] == 503
        assert (await operator.get("/metrics/health"))[0] == 500
        for call in (operator.query(), operator.stream().read()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE

    _run(check)


def test_all_three_faces_tell_the_same() -> None:
    """REST, QueryCluster and StreamCluster report the same nodes, and the stream sends the current state at once."""

    async def check(operator: _Operator) -> None:
        await _see(operator, "b", "a")
        status, document = await operator.get("/v1/inventory")
        assert (status, [node["name"] for node in document["nodes"]]) == (200, ["a", "b"])
        assert (await operator.get("/v1/inventory?pretty"))[1] == document
        assert [node.name for node in (await operator.query()).nodes] == ["a", "b"]
        stream = operator.stream()
        assert [node.name for node in (await stream.read()).nodes] == ["a", "b"]
        operator.node("c")
        assert [node.name for node in (await stream.read()).nodes] == ["a", "b", "c"]
        assert (await operator.get("/metrics/ready"))[0] == 200
        stream.cancel()

    _run(check)


def test_health_tells_when_the_cluster_cannot_be_seen() -> None:
    """Health turns unhealthy when a mirror is stale or the API server silent for too long, and the inventory stays."""

    async def check(operator: _Operator) -> None:
        await _see(operator, "n")
        assert await operator.get("/metrics/health") == (200, {"status": "ok"})
        operator.visibility.lost("nodes")
        operator.now[0] += BLIND_S + 0.1
        operator.visibility.probe_seen = operator.now[0]
        assert await operator.get("/metrics/health") == (500, {"error": "nodes have not been seen for 3.1 s"})
        operator.visibility.seen("nodes")
        assert (await operator.get("/metrics/health"))[0] == 200
        operator.now[0] += BLIND_S + 0.1
        assert "has not answered" in (await operator.get("/metrics/health"))[1]["error"]
        assert len((await operator.get("/v1/inventory"))[1]["nodes"]) == 1

    _run(check)


def test_saboteurs_go_wrong_only_while_the_api_server_is_away() -> None:
    """The serving defects show while watches fail, and not before or after."""

    async def check(operator: _Operator) -> None:
        await _see(operator, "n")
        good = await operator.get("/v1/inventory")
        operator.visibility.lost("nodes")
        await asyncio.wait_for(_until(operator, lambda answer: answer != good), 5)
        operator.visibility.seen("nodes")
        await asyncio.wait_for(_until(operator, lambda answer: answer == good), 5)

    async def _until(operator: _Operator, condition: Callable[[Any], bool]) -> None:
        while not condition(await operator.get("/v1/inventory")):
            pass

    for name in ("empty-while-api-away", "shape-null-nodes-while-api-away", "shape-numbers-while-api-away"):
        _run(check, DEFECTS[name].behaviour)


def test_the_rest_saboteur_answers_only_when_the_api_server_is_back() -> None:
    """With rest-hangs-while-api-away a request waits while watches fail, and health still answers."""

    async def check(operator: _Operator) -> None:
        await _see(operator, "n")
        assert (await operator.get("/v1/inventory"))[0] == 200
        operator.visibility.lost("nodes")
        with pytest.raises(TimeoutError):
            await operator.get("/v1/inventory")
        assert (await operator.get("/metrics/health"))[0] == 200

    _run(check, DEFECTS["rest-hangs-while-api-away"].behaviour)


def test_the_stream_saboteur_falls_silent_after_two_snapshots() -> None:
    """With stream-lags the third snapshot never comes, while QueryCluster has it."""

    async def check(operator: _Operator) -> None:
        await _see(operator, "a")
        stream = operator.stream()
        await stream.read()
        await _see(operator, "b")
        await stream.read()
        await _see(operator, "c")
        assert len((await operator.query()).nodes) == 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(), 0.3)

    _run(check, DEFECTS["stream-lags"].behaviour)


def test_reflection_names_the_service() -> None:
    """A client without the proto file finds the service by gRPC reflection."""

    async def check(operator: _Operator) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(operator.channel)
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
        assert len(answers[0].file_descriptor_response.file_descriptor_proto) >= 1

    _run(check)


def test_a_taken_port_is_named_and_taken_when_it_is_free(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener whose port is taken names the port on the log and serves soon after the port was released."""
    monkeypatch.setattr("harness.reference.listeners._RETRY_S", 0.02)
    logger = logging.getLogger("inventory")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    state = State(CORRECT, "akash-services", Config())

    async def scenario(taken: socket.socket) -> None:
        port = taken.getsockname()[1]
        rpc = Rpc(Publisher(state, complete=lambda: False, view=lambda inventory: inventory), CORRECT)
        task = asyncio.create_task(
            listen("grpc", "127.0.0.1", port, lambda: rpc.start("127.0.0.1", port), retries=True)
        )
        async with asyncio.timeout(10):
            while f"cannot listen on 127.0.0.1:{port}" not in caplog.text:
                await asyncio.wait({task}, timeout=0.01)
            taken.close()
            await task
        await rpc.stop()
        assert f'grpc listening on "127.0.0.1:{port}"' in caplog.text

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(scenario(taken))
    logger.removeHandler(caplog.handler)
