"""A real API proxy on loopback: what passes unchanged, and who is told when an end is gone."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from asyncio import sslproto
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from harness.cluster.apiproxy import SOCKET, configure, serve
from harness.cluster.apirules import Action, ApiRule, Match
from harness.cluster.control import ControlSocket
from harness.errors import ClusterError
from harness.wait import Progress, until
from tests.unit.cluster.proxied import (
    HANG_S,
    LARGE,
    NODES,
    POD,
    Proxied,
    answering,
    client_tls,
    get,
    over,
    pki,
    server_tls,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_arrives_as_it_was_sent() -> None:
    """Method, target with its escapes, fields and body are those of the operator, and so is its identity."""

    async def story(it: Proxied) -> None:
        target = "/api/v1/namespaces/ns/pods/a%2Fb?labelSelector=a%3Db%2Cc&limit=5"
        fields = {"Content-Type": "application/merge-patch+json", "X-Odd": "ö one,two"}
        async with it.session.patch(URL(it.url(target), encoded=True), data=b'{"a": 1}', headers=fields) as response:
            assert response.status == 200
        (asked,) = it.double.asked
        assert (asked["method"], asked["target"], asked["body"]) == ("PATCH", target, b'{"a": 1}')
        assert {name: asked["headers"][name] for name in fields} == fields
        assert asked["user"] == "operator-inventory"

    over(story)


@pytest.mark.parametrize("size", [0, 10, 1 << 16, len(LARGE)])
def test_bodies_of_any_size_pass_both_ways(size: int) -> None:
    """What is sent and what is answered arrive whole, with a length told or in chunks."""
    data = LARGE[:size]

    async def pieces() -> Any:
        yield data[: size // 2]
        yield data[size // 2 :]

    async def story(it: Proxied) -> None:
        for chunked in (False, True):
            body = pieces() if chunked else data

            def answer(chunked: bool = chunked) -> web.Response:
                response = web.Response(body=data)
                if chunked:
                    response.enable_chunked_encoding()
                return response

            it.double.answer = answering(answer)
            async with it.session.post(it.url(), data=body) as response:
                assert await response.read() == data
                assert (response.headers.get("Transfer-Encoding") == "chunked") is chunked
            assert it.double.asked[-1]["body"] == data

    over(story)


def test_an_answer_is_not_decoded() -> None:
    """A compressed body stays so, and the answer's fields are the API server's."""
    content = gzip.compress(b"[]" * 1000)
    fields = {"Content-Encoding": "gzip", "Audit-Id": "7", "Content-Type": "application/json"}

    async def story(it: Proxied) -> None:
        it.double.answer = answering(lambda: web.Response(status=203, body=content, headers=fields))
        async with it.session.get(it.url()) as response:
            assert (response.status, await response.read()) == (203, content)
            assert {name: response.headers[name] for name in fields} == fields

    over(story)


def test_a_large_answer_is_not_waited_for() -> None:
    """Its beginning arrives while its end has not been sent."""
    ended = asyncio.Event()

    async def list_slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(LARGE)
        await ended.wait()
        await response.write(b"end")
        return response

    async def story(it: Proxied) -> None:
        it.double.answer = list_slowly
        async with it.session.get(it.url()) as response:
            assert await response.content.readexactly(len(LARGE)) == LARGE
            ended.set()
            assert await response.read() == b"end"

    over(story)


def test_an_answer_without_a_body_is_no_riddle() -> None:
    """HEAD, 204 and 304 end with their head, whatever length is told."""

    async def story(it: Proxied) -> None:
        async with it.session.head(it.url()) as response:
            assert (response.status, int(response.headers["Content-Length"]) > 0) == (200, True)
        for status in (204, 304):
            it.double.answer = answering(lambda status=status: web.Response(status=status))  # type: ignore[misc]
            assert await get(it) == (status, b"")
        assert it.proxy.upstreams.opened == 1

    over(story)


def test_connections_are_kept_at_both_ends() -> None:
    """One connection carries many requests, and one that the API server closed meanwhile is not missed."""

    async def story(it: Proxied) -> None:
        for _ in range(20):
            assert (await get(it))[0] == 200
        stats = it.proxy.command({"do": "stats"})
        assert (stats["connections"], stats["opened"], stats["reused"]) == (1, 1, 19)
        (kept,) = it.proxy.upstreams._idle[True]
        kept.abort()
        assert (await get(it))[0] == 200
        assert it.proxy.command({"do": "stats"})["opened"] == 2

    over(story)


def test_a_token_passes_and_nothing_is_lent_to_it() -> None:
    """Who comes without a certificate is passed on without one, and its token is its own."""

    async def story(it: Proxied) -> None:
        connector = aiohttp.TCPConnector(ssl=client_tls(certified=False))
        headers = {"Authorization": "Bearer abc"}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(it.url(), headers=headers) as response,
        ):
            assert response.status == 200
        (asked,) = it.double.asked
        assert (asked["user"], asked["headers"]["Authorization"]) == (None, "Bearer abc")

    over(story)


def test_http_2_is_not_offered() -> None:
    """A client that can do both falls back."""

    async def story(it: Proxied) -> None:
        context = client_tls()
        context.set_alpn_protocols(["h2", "http/1.1"])
        _reader, writer = await asyncio.open_connection("127.0.0.1", it.port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.close()

    over(story)


def test_an_operator_that_leaves_is_not_waited_for() -> None:
    """The request to the API server is broken off as soon as the operator closes its connection."""

    async def story(it: Proxied) -> None:
        arrived = asyncio.Event()

        async def never(_request: web.Request) -> web.StreamResponse:
            arrived.set()
            await asyncio.Event().wait()
            return web.Response()

        it.double.answer = never
        task = asyncio.create_task(get(it))
        await arrived.wait()
        task.cancel()

        async def told(progress: Progress) -> bool | None:
            progress.last = str(it.double.ended)
            return bool(it.double.ended) or None

        await until("the API server to be told", told, deadline_s=HANG_S, interval_s=0.01)
        (call,) = it.calls()
        assert (call["verb"], call["status"]) == ("list", 0)

    over(story)


def test_an_api_server_that_is_away_is_away() -> None:
    """No answer is made up: the connection breaks, and works again when the API server does."""

    async def story(it: Proxied) -> None:
        upstream, it.proxy.upstreams.port = it.proxy.upstreams.port, 1
        with pytest.raises(aiohttp.ClientError):
            await get(it)
        it.proxy.upstreams.port = upstream
        assert (await get(it))[0] == 200

    over(story)


def test_an_answer_that_breaks_off_breaks_off() -> None:
    """The operator never takes half a body for a whole one."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def story(it: Proxied) -> None:
        it.double.answer = half
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(it)

    over(story)


@pytest.mark.parametrize("protocol", ["SPDY/3.1", "websocket"])
def test_an_upgrade_becomes_a_tunnel(protocol: str) -> None:
    """Head, answer and then bytes of any kind pass both ways until one end closes."""

    async def exec_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Upgrade: {protocol}".encode() in head
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode())
        writer.write(b"\x80\x03first")
        assert await reader.readexactly(6) == b"\x00GET /"
        writer.write(LARGE)
        await writer.drain()
        writer.close()

    async def story(it: Proxied) -> None:
        server = await asyncio.start_server(exec_server, "127.0.0.1", 0, ssl=server_tls())
        it.proxy.upstreams.port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port, ssl=client_tls())
        writer.write(
            f"POST {POD}/exec?command=ceph HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(7) == b"\x80\x03first"
        writer.write(b"\x00GET /")
        assert await reader.read(-1) == LARGE
        writer.close()
        server.close()
        (call,) = it.calls()
        assert (call["verb"], call["subresource"], call["status"]) == ("connect", "exec", 101)

    over(story)


def test_an_operator_that_leaves_a_tunnel_ends_it() -> None:
    """The end behind it is told."""
    left = asyncio.Event()

    async def exec_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        left.set()
        writer.close()

    async def story(it: Proxied) -> None:
        server = await asyncio.start_server(exec_server, "127.0.0.1", 0, ssl=server_tls())
        it.proxy.upstreams.port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port, ssl=client_tls())
        writer.write(f"POST {POD}/exec HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await left.wait()
        server.close()

    over(story)


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET / HTTP/1.1\r\n" + b"x" * (1 << 20),
    ],
)
def test_what_cannot_be_framed_ends_the_connection(head: bytes) -> None:
    """Nothing is guessed about where a request ends, and the proxy lives on."""

    async def story(it: Proxied) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port, ssl=client_tls())
        writer.write(head)
        with contextlib.suppress(ConnectionError):
            assert await reader.read(-1) == b""
        writer.close()
        assert (await get(it))[0] == 200

    over(story)


def test_the_footprint_says_what_was_asked() -> None:
    """Each call is told once, with its status and how long it took, and those under way when asked for."""

    async def story(it: Proxied) -> None:
        await get(it)
        await get(it, POD)
        listed, got = it.calls()
        assert (listed["verb"], listed["resource"], listed["status"]) == ("list", "nodes", 200)
        assert (got["verb"], got["namespace"], got["name"]) == ("get", "ns", "p")
        assert 0 < got["latency_s"] < HANG_S
        assert listed["began"] <= listed["finished"] <= got["began"] <= time.monotonic()
        assert it.calls() == []

    over(story)


def test_the_process_finds_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started in a run's directory it listens where the operator is told to go, and takes commands over its socket."""
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)  # what `serve` sets is undone
    (tmp_path / "pki").symlink_to(pki())

    async def story(it: Proxied) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = configure(tmp_path, port=port, upstream=f"https://127.0.0.1:{it.direct}")
        process = asyncio.create_task(serve(tmp_path))
        control = ControlSocket(tmp_path / SOCKET, "the API proxy")

        async def answers(progress: Progress) -> bool | None:
            try:
                await control.command(do="ping")
            except ClusterError as exc:
                progress.last = exc.what
                return None
            return True

        await until("the API proxy to answer", answers, deadline_s=HANG_S, interval_s=0.01)
        async with it.session.get(url + NODES) as response:
            assert response.status == 200
        rule = ApiRule("it", Match(verb="list"), Action("status", status=503))
        await control.command(do="rule", rule=rule.as_json())
        async with it.session.get(url + NODES) as response:
            assert response.status == 503
        assert (await control.command(do="stats"))["rules"] == {"it": {"met": 1, "acted": 1}}
        assert [call["status"] for call in (await control.command(do="calls", open=True))["calls"]] == [200, 503]
        control.close()
        await it.session.close()
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)

    over(story)
