"""REST, gRPC and the ports, without a cluster."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness.operator.proto import SERVICE
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.defects import DEFECTS
from harness.reference.listeners import _OUT_OF_FILES, complain_rarely, listen
from harness.reference.publisher import Publisher
from harness.reference.rpc import Rpc
from harness.reference.state import State
from harness.reference.visibility import BLIND_S
from tests.unit.reference.serving import Serving, see, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def _run(check: Callable[[Serving], Coroutine[Any, Any, None]], behaviour: Behaviour = CORRECT) -> None:
    async def scenario() -> None:
        async with serving(behaviour) as operator:
            await check(operator)

    asyncio.run(scenario())


def test_before_the_first_complete_inventory_nothing_is_reported() -> None:
    """Until the first inventory is complete REST answers 503 and gRPC UNAVAILABLE, and neither is ever empty."""

    async def check(operator: Serving) -> None:
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

    async def check(operator: Serving) -> None:
        await see(operator, "b", "a")
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

    async def check(operator: Serving) -> None:
        await see(operator, "n")
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

    async def check(operator: Serving) -> None:
        await see(operator, "n")
        good = await operator.get("/v1/inventory")
        operator.visibility.lost("nodes")
        await asyncio.wait_for(_until(operator, lambda answer: answer != good), 5)
        operator.visibility.seen("nodes")
        await asyncio.wait_for(_until(operator, lambda answer: answer == good), 5)

    async def _until(operator: Serving, condition: Callable[[Any], bool]) -> None:
        while not condition(await operator.get("/v1/inventory")):
            pass

    for name in ("empty-while-api-away", "shape-null-nodes-while-api-away", "shape-numbers-while-api-away"):
        _run(check, DEFECTS[name].behaviour)


def test_the_rest_saboteur_answers_only_when_the_api_server_is_back() -> None:
    """With rest-hangs-while-api-away a request waits while watches fail, and health still answers."""

    async def check(operator: Serving) -> None:
        await see(operator, "n")
        assert (await operator.get("/v1/inventory"))[0] == 200
        operator.visibility.lost("nodes")
        with pytest.raises(TimeoutError):
            await operator.get("/v1/inventory")
        assert (await operator.get("/metrics/health"))[0] == 200

    _run(check, DEFECTS["rest-hangs-while-api-away"].behaviour)


def test_the_stream_saboteur_falls_silent_after_two_snapshots() -> None:
    """With stream-lags the third snapshot never comes, while QueryCluster has it."""

    async def check(operator: Serving) -> None:
        await see(operator, "a")
        stream = operator.stream()
        await stream.read()
        await see(operator, "b")
        await stream.read()
        await see(operator, "c")
        assert len((await operator.query()).nodes) == 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(), 0.3)

    _run(check, DEFECTS["stream-lags"].behaviour)


def test_reflection_names_the_service() -> None:
    """A client without the proto file finds the service by gRPC reflection."""

    async def check(operator: Serving) -> None:
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
            listen("grpc", "127.0.0.1", port, lambda: rpc.start("127.0.0.1", port), retries=True, names_port=True)
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


def test_a_listener_without_files_says_so_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often asyncio reports it; anything else is reported as ever."""
    said: list[str] = []
    passed_on: list[str] = []
    monkeypatch.setattr("harness.reference.listeners.LOG.error", lambda text, why: said.append(text % why))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "default_exception_handler", lambda context: passed_on.append(context["message"]))
        complain_rarely(loop)
        for _ in range(129):
            loop.call_exception_handler({"message": _OUT_OF_FILES, "exception": OSError(24, "Too many open files")})
        loop.call_exception_handler({"message": "something else"})

    asyncio.run(scenario())

    assert said == [
        "cannot accept a connection: [Errno 24] Too many open files (is the limit on open files too low?)"
    ]  # fmt: skip
    assert passed_on == ["something else"]
