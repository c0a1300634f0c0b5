from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from harness.cluster.client import KubeClient, WatchEvent
from harness.cluster.pki import Authority
from harness.errors import ApiError, ApiUnavailableError
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORBIDDEN = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "nodes is forbidden"}


def talk(directory: Path, handler: Handler, story: Callable[[KubeClient], Awaitable[Any]]) -> Any:
    """A TLS server with one handler for everything, and a client of it that plays the story."""
    authority = Authority(directory)
    serving = authority.server("server", hosts=("127.0.0.1",))
    pair = authority.client("admin", user="admin")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(serving.cert), str(serving.key))
    ports = Ports()
    port = ports.take()

    async def play() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        try:
            async with KubeClient(f"https://127.0.0.1:{port}/", ca=authority.cert, pair=pair) as client:
                return await story(client)
        finally:
            await runner.cleanup()

    try:
        return asyncio.run(play())
    finally:
        ports.release()


def always(status: int, body: Any) -> Handler:
    """A handler that gives one JSON answer."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handle


def streaming(*lines: bytes, abort: bool = False) -> Handler:
    """A handler that writes the chunks of a watch, and then ends it in order or breaks it off."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if abort and request.transport is not None:
            request.transport.abort()
        return response

    return handle


async def events(client: KubeClient) -> list[WatchEvent]:
    """All events of one watch."""
    return [event async for event in client.watch("/api/v1/nodes", resource_version="7", idle_s=0.5)]


def line(kind: str, body: Any) -> bytes:
    """One event as the API server writes it."""
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def test_a_json_answer_is_decoded(tmp_path: Path) -> None:
    """The body comes back as it was sent."""
    assert talk(tmp_path, always(200, {"kind": "Node"}), lambda client: client.get("/api/v1/nodes/n")) == {
        "kind": "Node"
    }


def test_a_text_answer_is_text(tmp_path: Path) -> None:
    """/readyz answers plain text."""

    async def ok(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    assert talk(tmp_path, ok, lambda client: client.get("/readyz")) == "ok"


@pytest.mark.parametrize(("user", "seen"), [("", None), ("somebody", "somebody")])
def test_a_request_may_be_made_as_somebody_else(tmp_path: Path, user: str, seen: str | None) -> None:
    """The header by which Kubernetes impersonates is sent when asked for, and not otherwise."""

    async def tell(request: web.Request) -> web.StreamResponse:
        return web.json_response({"user": request.headers.get("Impersonate-User")})

    async def ask(client: KubeClient) -> Any:
        return await client.request("GET", "/api/v1/nodes", as_user=user)

    assert talk(tmp_path, tell, ask) == {"user": seen}


def test_a_status_object_becomes_our_error(tmp_path: Path) -> None:
    """Status, reason and message of the API server's own answer are kept."""
    with pytest.raises(ApiError, match="GET /api/v1/nodes: 403 Forbidden: nodes is forbidden") as caught:
        talk(tmp_path, always(403, FORBIDDEN), lambda client: client.get("/api/v1/nodes"))

    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")


@pytest.mark.parametrize("text", ["upstream down", "[]", "", "null"])
def test_an_error_without_a_status_object_is_an_error_all_the_same(tmp_path: Path, text: str) -> None:
    """What is not a Status object is quoted, not tripped over."""

    async def bad(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text=text)

    with pytest.raises(ApiError, match="502") as caught:
        talk(tmp_path, bad, lambda client: client.get("/x"))

    assert (caught.value.status, caught.value.reason) == (502, "")


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    """A refused connection is not an answer."""
    authority = Authority(tmp_path)
    pair = authority.client("c", user="c")
    ports = Ports()
    port = ports.take()

    async def play() -> None:
        async with KubeClient(f"https://127.0.0.1:{port}", ca=authority.cert, pair=pair) as client:
            await client.get("/readyz")

    with pytest.raises(ApiUnavailableError, match=r"GET /readyz: ClientConnector"):
        asyncio.run(play())
    ports.release()


def test_no_answer_in_time_is_unavailable(tmp_path: Path) -> None:
    """A server that holds the connection open and is silent counts as away after the timeout."""

    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    with pytest.raises(ApiUnavailableError, match="GET /x: no answer in time"):
        talk(tmp_path, silent, lambda client: client.get("/x", timeout_s=0.2))


def test_broken_json_is_unavailable(tmp_path: Path) -> None:
    """Half an answer is no answer."""

    async def half(_request: web.Request) -> web.StreamResponse:
        return web.Response(text='{"items": [', content_type="application/json")

    with pytest.raises(ApiUnavailableError, match="JSONDecodeError"):
        talk(tmp_path, half, lambda client: client.get("/x"))


def test_another_authority_is_unavailable(tmp_path: Path) -> None:
    """A server that cannot prove that it is ours is not talked to."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")

    async def story(client: KubeClient) -> None:
        stranger = KubeClient(client.server, ca=other.cert, pair=other.client("c", user="c"))
        async with stranger:
            await stranger.get("/x")

    with pytest.raises(ApiUnavailableError, match="certificate verify failed"):
        talk(tmp_path, always(200, {}), story)


def test_deleting_what_is_gone_and_creating_what_is_there_are_fine(tmp_path: Path) -> None:
    """404 on delete and 409 on ensure are what was wanted; 404 on get and 409 on create are errors."""

    async def gone(client: KubeClient) -> None:
        await client.delete("/api/v1/nodes/n", grace_s=0)
        with pytest.raises(ApiError):
            await client.get("/api/v1/nodes/n")

    async def there(client: KubeClient) -> None:
        await client.ensure("/api/v1/nodes", {})
        with pytest.raises(ApiError):
            await client.create("/api/v1/nodes", {})

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    talk(tmp_path / "a", always(404, {"reason": "NotFound"}), gone)
    talk(tmp_path / "b", always(409, {"reason": "AlreadyExists"}), there)


def test_watch_events_come_whole_and_in_order(tmp_path: Path) -> None:
    """Lines that arrive in pieces, several at once, or longer than a read buffer are events all the same."""
    big = line("MODIFIED", {"metadata": {"name": "x" * 600_000}})
    first, second = line("ADDED", {"n": 1}), line("DELETED", {"n": 2})
    handler = streaming(first[:9], first[9:] + second + b"\n", big)

    got = talk(tmp_path, handler, events)

    assert [event.type for event in got] == ["ADDED", "DELETED", "MODIFIED"]
    assert got[1].object == {"n": 2}
    assert len(got[2].object["metadata"]["name"]) == 600_000


def test_a_watch_asks_for_bookmarks_from_its_version(tmp_path: Path) -> None:
    """The request carries what makes a watch go on where the list ended."""
    asked: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        return web.Response()

    assert talk(tmp_path, handler=handle, story=events) == []
    assert asked == [{"watch": "true", "resourceVersion": "7", "allowWatchBookmarks": "true"}]


def test_a_watch_of_some_keeps_its_selector_and_can_be_left_early(tmp_path: Path) -> None:
    """The selector in the path stands beside what every watch asks for; what is not read any more is closed."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.extend(request.query.getall(key)[0] for key in ("fieldSelector", "resourceVersion", "watch"))
        return await streaming(b'{"type":"ADDED","object":{}}\n', b'{"type":"MODIFIED","object":{}}\n')(request)

    async def first(client: KubeClient) -> str:
        path = "/api/v1/nodes?fieldSelector=metadata.name=worker-1.example"
        async with aclosing(client.watch(path, resource_version="7", idle_s=0.5)) as stream:
            async for event in stream:
                return event.type
        return ""

    assert talk(tmp_path, handle, first) == "ADDED"
    assert asked == ["metadata.name=worker-1.example", "7", "true"]


def test_an_error_event_is_an_api_error(tmp_path: Path) -> None:
    """A version that is too old comes as an event inside a 200, and is raised with its own status."""
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}

    with pytest.raises(ApiError, match="too old resource version") as caught:
        talk(tmp_path, streaming(line("ADDED", {}), line("ERROR", status)), events)

    assert (caught.value.status, caught.value.reason) == (410, "Expired")


def test_a_watch_that_is_refused_is_an_api_error(tmp_path: Path) -> None:
    """403 on the request itself is raised as for any request."""
    with pytest.raises(ApiError, match="WATCH /api/v1/nodes: 403"):
        talk(tmp_path, always(403, FORBIDDEN), events)


def test_a_silent_watch_is_unavailable(tmp_path: Path) -> None:
    """A watch on which no byte comes for the idle time has lost its server."""

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", {}))
        await asyncio.Event().wait()
        return response

    with pytest.raises(ApiUnavailableError, match="WATCH /api/v1/nodes: no answer in time"):
        talk(tmp_path, silent, events)


def test_a_watch_that_breaks_off_is_unavailable(tmp_path: Path) -> None:
    """A connection that is cut is told from one that is closed."""
    with pytest.raises(ApiUnavailableError, match="WATCH"):
        talk(tmp_path, streaming(line("ADDED", {}), abort=True), events)


def test_a_client_that_was_not_opened_says_so(tmp_path: Path) -> None:
    """Using it outside of its block is our own mistake, not an API error."""
    authority = Authority(tmp_path)
    client = KubeClient("https://127.0.0.1:1", ca=authority.cert, pair=authority.client("c", user="c"))

    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(client.get("/x"))


def socket(*messages: bytes, asked: list[Any] | None = None) -> Handler:
    """A handler that takes a WebSocket, says these messages and closes."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if asked is not None:
            asked.append((request.path, request.query.getall("command"), request.query["container"]))
        response = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await response.prepare(request)
        for message in messages:
            await response.send_bytes(message)
        await response.close()
        return response

    return handle


async def execute(client: KubeClient) -> str:
    """A command in a container."""
    return await client.execute("ns", "tools", "box", ("ceph", "df"))


def test_a_command_prints_its_output(tmp_path: Path) -> None:
    """The pieces of the one stream that it prints on, and nothing of the others."""
    asked: list[Any] = []
    handler = socket(b"\x01{", b"\x02a warning", b"\x01}", b'\x03{"status": "Success"}', b"\xff\x01", asked=asked)

    assert talk(tmp_path, handler, execute) == "{}"
    assert asked == [("/api/v1/namespaces/ns/pods/tools/exec", ["ceph", "df"], "box")]


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    """With what it said."""
    status = b"\x03" + json.dumps({"status": "Failure", "message": "exit code 22"}).encode()

    with pytest.raises(ApiError, match="exit code 22: not known"):
        talk(tmp_path, socket(b"\x02not known\n", status), execute)


def test_a_command_that_is_cut_off_is_unavailable(tmp_path: Path) -> None:
    """Without a status nothing can be concluded."""
    with pytest.raises(ApiUnavailableError, match="EXEC"):
        talk(tmp_path, socket(b"\x01half"), execute)


def test_a_command_that_is_refused_is_an_error(tmp_path: Path) -> None:
    """With the status of the refusal."""
    with pytest.raises(ApiError, match="403") as caught:
        talk(tmp_path, always(403, FORBIDDEN), execute)
    assert caught.value.status == 403
