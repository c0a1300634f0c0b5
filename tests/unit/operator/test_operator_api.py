from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from harness.operator import api
from harness.operator.api import (
    ERROR,
    OK,
    REFUSED,
    TIMEOUT,
    Answer,
    GrpcReader,
    RestReader,
    cluster_document,
)
from harness.operator.proto import inventory_pb2 as pb
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody else listens."""
    ports = Ports()
    yield ports.take()
    ports.release()


def message() -> pb.Cluster:
    """One GPU node and one storage class."""
    cluster = pb.Cluster()
    node = cluster.nodes.add(name="n1")
    cpu = node.resources.cpu
    cpu.quantity.allocatable.string = "15750m"
    cpu.quantity.allocated.string = "0"
    cpu.quantity.capacity.string = "16"
    cpu.info.add(id="0", vendor="AuthenticAMD", model="EPYC", vcores=16)
    node.resources.memory.quantity.capacity.string = "64Gi"
    node.resources.gpu.quantity.capacity.string = "1"
    node.resources.gpu.info.add(
        vendor="nvidia", vendor_id="10de", name="a100", modelid="20b2", interface="SXM4", memory_size="80Gi"
    )
    node.resources.ephemeral_storage.capacity.string = "1Ti"
    node.capabilities.storage_classes.append("beta2")
    storage = cluster.storage.add()
    storage.quantity.allocated.string = "5Gi"
    setattr(storage.info, "class", "beta2")
    storage.info.iops = "1000"
    return cluster


def test_a_message_becomes_the_rest_document() -> None:
    """Every field stands where the REST answer has it; what the message lacks is null or missing, never invented."""
    document = cluster_document(message().SerializeToString())

    node = document["nodes"][0]
    resources = node["resources"]
    assert node["name"] == "n1"
    assert resources["cpu"] == {
        "quantity": {"allocatable": "15750m", "allocated": "0", "capacity": "16"},
        "info": [{"id": "0", "vendor": "AuthenticAMD", "model": "EPYC", "vcores": 16}],
    }
    assert resources["memory"] == {"quantity": {"capacity": "64Gi"}, "info": None}
    assert resources["gpu"]["info"] == [
        {
            "vendor": "nvidia", "vendor_id": "10de", "name": "a100", "model_id": "20b2", "interface": "SXM4",
            "memory_size": "80Gi",
        }
    ]  # fmt: skip
    assert resources["ephemeral_storage"] == {"capacity": "1Ti"}
    assert resources["volumes_attached"] is None
    assert node["capabilities"] == {"storage_classes": ["beta2"]}
    assert document["storage"] == [{"quantity": {"allocated": "5Gi"}, "info": {"class": "beta2", "iops": "1000"}}]
    assert json.loads(json.dumps(document)) == document


def test_an_empty_message_is_an_empty_inventory() -> None:
    """No bytes are a valid message without nodes."""
    assert cluster_document(b"") == {"nodes": [], "storage": []}


def test_fields_of_a_later_version_are_passed_over() -> None:
    """Unknown field numbers make no difference."""
    raw = message().SerializeToString()

    assert cluster_document(raw + b"\xa2\x06\x03new") == cluster_document(raw)


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x7f", b"not a message"])
def test_bytes_that_are_no_message_are_kept_as_raw(raw: bytes) -> None:
    """What cannot be decoded is evidence for the shape checker, not an exception."""
    document = cluster_document(raw)

    assert set(document) == {"raw"}
    assert "not a Cluster message" in document["raw"]


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b'{"nodes": [', b"\xff\xfe", b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"]
)
def test_a_body_that_is_not_json_is_kept_as_raw(raw: bytes) -> None:
    """Nonsense of any kind, of any depth, with numbers of any length, is evidence and never an exception."""
    document = api._json(raw)

    assert set(document) == {"raw"}
    assert len(document["raw"]) <= 2000


def test_the_same_bytes_are_decoded_once() -> None:
    """As long as the bytes stay the same the same object is handed over; other bytes are decoded anew."""
    decoded: list[bytes] = []

    def decode(raw: bytes) -> Any:
        decoded.append(raw)
        return {"raw": raw}

    cache = api._Decoded(decode)
    first, again = cache(b"a"), cache(b"a")
    other = cache(b"b")
    back = cache(b"a")

    assert first is again
    assert other == {"raw": b"b"}
    assert back == first
    assert decoded == [b"a", b"b", b"a"]


def rest(port: int, handler: Handler, *, timeout_s: float = 5.0, path: str = "/v1/inventory") -> Answer:
    """One GET of a reader from a server with that handler."""

    async def play() -> Answer:
        app = web.Application()
        app.router.add_get("/{rest:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            async with RestReader(f"http://127.0.0.1:{port}", timeout_s) as reader:
                return await reader.get(path)
        finally:
            await runner.cleanup()

    return asyncio.run(play())


def test_a_rest_answer_has_its_times_and_body(port: int) -> None:
    """Asked before answered, outcome ok, body decoded."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"nodes": [], "storage": []})

    answer = rest(port, handle)

    assert (answer.source, answer.outcome, answer.status) == ("rest", OK, "200")
    assert answer.body == {"nodes": [], "storage": []}
    assert answer.t0 <= answer.t


def test_health_has_no_body(port: int) -> None:
    """Only the inventory's body is kept."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    assert rest(port, handle, path="/metrics/health").body is None


def test_a_rest_error_is_quoted(port: int) -> None:
    """Status and the beginning of the text are kept."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="no inventory yet" + "." * 1000)

    answer = rest(port, handle)

    assert (answer.outcome, answer.status) == (ERROR, "503")
    assert answer.error.startswith("no inventory yet")
    assert len(answer.error) == 300


def test_a_rest_answer_that_never_comes_is_a_timeout(port: int) -> None:
    """The reader gives up at its timeout and says how long that was."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    answer = rest(port, handle, timeout_s=0.2)

    assert (answer.outcome, answer.error) == (TIMEOUT, "no answer within 0.2 s")
    assert answer.t - answer.t0 >= 0.2


def test_a_fresh_request_has_a_connection_of_its_own(port: int) -> None:
    """The others share one that is kept; what was read is the same object while the bytes are the same."""
    callers: list[int] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        callers.append(request.transport.get_extra_info("peername")[1])
        return web.json_response({"nodes": [], "storage": []})

    async def play() -> list[Answer]:
        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with RestReader(f"http://127.0.0.1:{port}", 5.0) as reader:
            answers = [await reader.get(fresh=fresh) for fresh in (False, True, False, True)]
        await runner.cleanup()
        return answers

    answers = asyncio.run(play())

    assert [answer.outcome for answer in answers] == [OK] * 4
    assert len({id(answer.body) for answer in answers}) == 1
    assert callers[0] == callers[2]
    assert len(set(callers)) == 3


def test_nobody_on_the_rest_port_is_refused(port: int) -> None:
    """No listener is told from an error of the operator."""

    async def play() -> Answer:
        async with RestReader(f"http://127.0.0.1:{port}", 2.0) as reader:
            return await reader.get()

    assert asyncio.run(play()).outcome == REFUSED


def test_nobody_on_the_grpc_port_is_refused(port: int) -> None:
    """The query and the stream both say so, and neither raises."""

    async def play() -> list[Answer]:
        async with GrpcReader(f"127.0.0.1:{port}", 3.0) as reader:
            return [await reader.query(), *[answer async for answer in reader.stream()]]

    answers = asyncio.run(play())

    assert [(answer.source, answer.outcome) for answer in answers] == [("query", REFUSED), ("stream", REFUSED)]
    assert {answer.status for answer in answers} == {"UNAVAILABLE"}


@pytest.mark.parametrize(
    ("details", "reached"),
    [
        ("failed to connect to all addresses; last error: connection refused", False),
        ("Socket closed", False),
        ("no inventory is known yet", True),
        ("", True),
    ],
)
def test_unavailable_of_the_operator_is_told_from_our_own(details: str, reached: bool) -> None:
    """Only words of the connection itself mean that the operator was never reached."""
    assert api._never_reached(details) is not reached
