"""Transport behaviours of the reflector, against a small server in the test.

Only how the reflector takes what a server does is tested here; that it mirrors a real API server is for the scenarios.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest
from aiohttp import web

from harness.errors import ApiError, ApiUnavailableError
from harness.reference.behaviour import Crash, at_once, nothing
from harness.reference.defects import DEFECTS
from harness.reference.kubeclient import KubeClient
from harness.reference.kubeconfig import Access
from harness.reference.pause import pause
from harness.reference.reflector import Reflector

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _item(name: str, version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def _event(kind: str, name: str, version: str = "2") -> dict[str, Any]:
    return {"type": kind, "object": _item(name, version)}


class _Seen:
    """The mirror and the witness of a test: remembers every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.names: set[str] = set()
        self.changed = asyncio.Event()

    def _note(self, what: str, value: Any) -> None:
        self.calls.append((what, value))
        self.changed.set()

    def replace(self, items: Sequence[str]) -> None:
        self.names = set(items)
        self._note("replace", sorted(items))

    def upsert(self, item: str) -> None:
        self.names.add(item)
        self._note("upsert", item)

    def remove(self, item: str) -> None:
        self.names.discard(item)
        self._note("remove", item)

    def seen(self, name: str) -> None:
        self._note("seen", name)

    def lost(self, name: str) -> None:
        self._note("lost", name)

    async def until(self, names: set[str], *, replaces: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.names != names or len([1 for what, _ in self.calls if what == "replace"]) < replaces:
                self.changed.clear()
                await self.changed.wait()


class _Server:
    """Answers lists and watches from scripts; the last entry of each is repeated."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.watched: list[str] = []
        self.listed: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.listed.append(request.query.get("continue", ""))
            answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            if isinstance(answer, web.Response):
                return web.Response(status=answer.status, body=answer.body)
            return web.json_response(answer)
        self.watched.append(request.query["resourceVersion"])
        script = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        response = web.StreamResponse()
        await response.prepare(request)
        for step in script:
            if step == "hang":
                await asyncio.Event().wait()
            elif step == "cut":
                assert request.transport is not None
                request.transport.abort()
                return response
            elif isinstance(step, bytes):
                await response.write(step)
            else:
                await response.write(json.dumps(step).encode() + b"\n")
        return response


def _list(*names: str, version: str = "1", token: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": [_item(name) for name in names]}


def _run(
    server: _Server,
    check: Callable[[_Seen, Reflector[str]], Coroutine[Any, Any, None]],
    *,
    resync: Callable[[], Awaitable[None]] = at_once,
    on_error_event: Callable[[Any], None] = nothing,
    on_gone: Callable[[], Awaitable[None]] = at_once,
    forbidden_is_empty: bool = False,
    on_closed: Callable[[KubeClient, str], None] = nothing,
    on_broken: Callable[[str], None] = nothing,
    on_resumed: Callable[[], None] = nothing,
) -> _Seen:
    async def scenario() -> _Seen:
        app = web.Application()
        app.router.add_get("/api/v1/things", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        seen = _Seen()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with KubeClient(Access(url, None, {}), api_timeout_s=1.0) as client:
            reflector: Reflector[str] = Reflector(
                "things", "/api/v1/things", client, lambda item: str(item["metadata"]["name"]), seen, seen, resync,
                on_error_event, on_gone=on_gone, forbidden_is_empty=forbidden_is_empty, on_closed=on_closed,
                on_broken=on_broken, on_resumed=on_resumed,
            )  # fmt: skip
            task = asyncio.create_task(reflector.run())
            checking = asyncio.create_task(check(seen, reflector))
            done, _ = await asyncio.wait({task, checking}, return_when=asyncio.FIRST_COMPLETED)
            for one in (task, checking):
                one.cancel()
            await asyncio.wait({task, checking})
        await runner.cleanup()
        for one in done:
            one.result()
        return seen

    return asyncio.run(scenario())


def test_events_are_followed_and_a_closed_watch_is_taken_up_where_it_ended() -> None:
    """A watch the server closes is taken up at the last version seen, bookmarks included, without a new list."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    server = _Server([_list("a")], [[_event("ADDED", "b"), _event("DELETED", "a", "3"), bookmark], ["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"b"})
        async with asyncio.timeout(10):
            while len(server.watched) < 2:
                await pause(0.01)

    closed: list[str] = []
    seen = _run(server, check, on_closed=lambda _client, path: closed.append(path))
    assert server.watched == ["1", "9"]
    assert closed == ["/api/v1/things"]
    assert seen.calls == [("replace", ["a"]), ("seen", "things"), ("upsert", "b"), ("remove", "a")]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}], id="gone"),
        pytest.param([{"type": "ERROR", "object": {"kind": "Status", "code": 500}}], id="error"),
        pytest.param([{"type": "ERROR", "object": None}], id="error-without-status"),
        pytest.param([{"type": "MODIFIED", "object": {"kind": "Status", "status": "Failure"}}], id="status-as-object"),
        pytest.param([{"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "5"}}}], id="no-name"),
        pytest.param([{"type": "SURPRISE", "object": {}}], id="unknown-event"),
        pytest.param([b"garbage\n"], id="garbage"),
        pytest.param([b"[1]\n"], id="no-event"),
        pytest.param([b'{"type":"ADDED","obj'], id="half-an-event"),
        pytest.param(["cut"], id="connection-cut"),
    ],
)
def test_a_broken_watch_leads_to_a_new_list(broken: list[Any]) -> None:
    """After anything but a plain end of the watch the collection is listed again, and loss is told before sight."""
    server = _Server([_list("a", "gone"), _list("a", version="7")], [broken, ["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a"}, replaces=2)

    seen = _run(server, check)
    assert seen.calls[:5] == [
        ("replace", ["a", "gone"]), ("seen", "things"), ("lost", "things"), ("replace", ["a"]), ("seen", "things"),
    ][: len(seen.calls)]  # fmt: skip
    assert len(seen.calls) >= 4


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(web.Response(status=500, text="oops"), id="500"),
        pytest.param(web.Response(status=403, text='{"kind":"Status","reason":"Forbidden"}'), id="forbidden"),
        pytest.param(web.Response(text="not json"), id="no-json"),
        pytest.param({"items": [_item("a")]}, id="no-metadata"),
        pytest.param({"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {}}]}, id="object-that-is-none"),
        pytest.param([], id="no-list"),
    ],
)
def test_a_bad_list_never_replaces_anything(bad: Any) -> None:
    """A list that failed or makes no sense leaves the mirror as it was, and is asked for again."""
    server = _Server([bad, _list("a")], [["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a"})

    assert _run(server, check).calls[:3] == [("lost", "things"), ("replace", ["a"]), ("seen", "things")][:3]


def test_a_saboteur_takes_a_forbidden_list_for_an_empty_one() -> None:
    """A 403 empties its mirror, until a list says what is there; a server error does not."""
    forbidden, failing = web.Response(status=403, text="no"), web.Response(status=500, text="no")
    server = _Server([failing, forbidden, _list("a")], [["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a"})

    seen = _run(server, check, forbidden_is_empty=DEFECTS["empty-while-forbidden"].behaviour.forbidden_is_empty)

    assert [value for what, value in seen.calls if what == "replace"] == [[], ["a"]]


def test_pages_are_put_together_before_anything_is_replaced() -> None:
    """A list in pages replaces once, and a page token that expired (410) starts the list anew."""
    gone = web.Response(status=410, text='{"kind":"Status","reason":"Expired"}')
    server = _Server([_list("a", token="t1"), gone, _list("a", token="t2"), _list("b")], [["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a", "b"})

    seen = _run(server, check)
    assert server.listed == ["", "t1", "", "t2"]
    assert [value for what, value in seen.calls if what == "replace"] == [["a", "b"]]


def test_a_version_that_went_backwards_is_no_special_case() -> None:
    """A list of a lower version than before replaces everything, and the watch starts from it."""
    server = _Server([_list("a", version="900"), _list("b", version="3")], [["cut"], ["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"b"}, replaces=2)

    _run(server, check)
    assert server.watched[0] == "900"
    assert set(server.watched[1:]) <= {"3"}


def test_a_silent_watch_can_be_restarted() -> None:
    """A watch over a connection that may be dead is taken up on a new one when asked to, without a new list."""
    server = _Server([_list("a")], [["hang"], [_event("ADDED", "b"), "hang"]])

    async def check(seen: _Seen, reflector: Reflector[str]) -> None:
        async with asyncio.timeout(10):
            while not server.watched:
                await pause(0.01)
        reflector.restart()
        await seen.until({"a", "b"})

    seen = _run(server, check)
    assert server.watched == ["1", "1"]
    assert len(server.listed) == 1
    assert ("lost", "things") not in seen.calls


def test_an_object_larger_than_a_read_buffer_is_one_event() -> None:
    """An event of half a MiB is taken whole."""
    event = _event("ADDED", "big")
    event["object"]["filler"] = "x" * (1 << 19)
    server = _Server([_list()], [[event, "hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"big"})

    assert _run(server, check).calls[-1] == ("upsert", "big")


def test_the_saboteur_dies_of_an_error_event() -> None:
    """With the defect dies-on-error-event a Status in a watch ends the reflector with a crash."""
    status = {"kind": "Status", "code": 500}
    server = _Server([_list("a")], [[{"type": "ERROR", "object": status}]])

    async def check(_: _Seen, __: Reflector[str]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Crash, match="Status"):
        _run(server, check, on_error_event=DEFECTS["dies-on-error-event"].behaviour.on_error_event)


@pytest.mark.parametrize(("code", "lists"), [(410, 1), (500, 2)])
def test_the_saboteur_passes_over_410(code: int, lists: int) -> None:
    """With the defect ignores-gone-watches nothing is listed again after 410; after another error it is."""
    status = {"kind": "Status", "code": code}
    server = _Server([_list("a")], [[_event("ADDED", "b"), {"type": "ERROR", "object": status}], ["hang"]])

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a", "b"} if lists == 1 else {"a"}, replaces=lists)
        await pause(0.2)

    seen = _run(server, check, on_gone=DEFECTS["ignores-gone-watches"].behaviour.on_gone)
    assert len(server.listed) == lists
    assert (("lost", "things") in seen.calls) is (lists == 2)


def test_a_watch_that_ended_in_order_is_told_from_one_that_broke_off() -> None:
    """Taking up a watch is told once for each that ended in order; one that broke off is told with its reason."""
    server = _Server([_list("a")], [[_event("ADDED", "b")], [_event("ADDED", "c"), "cut"], ["hang"]])
    told: list[str] = []

    async def check(seen: _Seen, _: Reflector[str]) -> None:
        await seen.until({"a"}, replaces=2)

    _run(server, check, on_broken=lambda why: told.append(f"broken: {bool(why)}"), on_resumed=lambda: told.append("up"))
    assert told == ["up", "broken: True"]


def test_the_saboteur_dies_of_a_watch_that_broke_off() -> None:
    """With the defect dies-on-lost-watch the end of a connection ends the reflector with a crash."""
    server = _Server([_list("a")], [["cut"]])

    async def check(_: _Seen, __: Reflector[str]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Crash, match="lost the watch"):
        _run(server, check, on_broken=DEFECTS["dies-on-lost-watch"].behaviour.on_broken_watch)


def test_a_request_that_hangs_ends_at_its_deadline() -> None:
    """A server that accepts and never answers costs a request its deadline and no more."""

    async def scenario(port: int) -> float:
        start = asyncio.get_running_loop().time()
        async with KubeClient(Access(f"http://127.0.0.1:{port}", None, {}), api_timeout_s=0.2) as client:
            with pytest.raises(ApiUnavailableError, match="no answer to GET"):
                await client.probe()
        return asyncio.get_running_loop().time() - start

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert 0.15 < asyncio.run(scenario(silent.getsockname()[1])) < 2


def test_a_refusal_says_status_and_reason() -> None:
    """An answer that is not success carries the code and the reason of its Status object."""
    body = '{"kind":"Status","reason":"Forbidden","message":"no"}'

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text=body)

    async def scenario() -> ApiError:
        app = web.Application()
        app.router.add_get("/api/v1/nodes", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with KubeClient(Access(url, None, {}), api_timeout_s=1.0) as client:
            with pytest.raises(ApiError) as caught:
                await client.probe()
        await runner.cleanup()
        return caught.value

    error = asyncio.run(scenario())
    assert (error.status, error.reason) == (403, "Forbidden")
