"""An API proxy on loopback with real TLS, an API server's double behind it, and an operator's client before it."""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import ssl
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from harness.cluster.apiproxy import ApiProxy, contexts
from harness.cluster.apirules import Action, ApiRule, Match
from harness.cluster.controlplane import credentials
from harness.cluster.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HANG_S = 30.0
QUIET_S = 0.3
"""How long nothing must arrive to count as held back."""

NODES, POD = "/api/v1/nodes", "/api/v1/namespaces/ns/pods/p"
LARGE = bytes(index % 251 for index in range(1_000_000))


@cache
def pki() -> Path:
    """The certificates of a cluster, made once for all tests."""
    directory = Path(tempfile.mkdtemp(prefix="harness-unit-")) / "pki"
    atexit.register(shutil.rmtree, directory.parent)
    credentials(directory, operator_user="operator-inventory")
    return directory


@dataclass
class Double:
    """What stands in for the API server. `asked`: method, target, headers, body and common name of each request.

    `ended`: requests that were broken off before their answer; `watches`: one queue of events for each watch, in the
    order in which they were opened; None ends it.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    watches: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    opened: asyncio.Condition = field(default_factory=asyncio.Condition)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        cert = request.get_extra_info("peercert") or {}
        names = {key: value for rdn in cert.get("subject", ()) for key, value in rdn}
        self.asked.append(
            {
                "method": request.method,
                "target": request.raw_path if hasattr(request, "raw_path") else request.path_qs,
                "headers": dict(request.headers),
                "body": await request.read(),
                "user": names.get("commonName"),
            }
        )
        try:
            if self.answer is not None:
                return await self.answer(request)  # type: ignore[arg-type]
            if request.query.get("watch"):
                return await self._watch(request)
            return web.json_response({"kind": "NodeList", "items": [], "target": request.path_qs})
        except asyncio.CancelledError:
            self.ended.append(request.path_qs)
            raise

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        async with self.opened:
            self.watches.append(events)
            self.opened.notify_all()
        while (line := await events.get()) is not None:
            await response.write(line)
        return response

    async def watching(self, count: int) -> None:
        """Return when that many watches have been opened."""
        async with self.opened:
            await self.opened.wait_for(lambda: len(self.watches) >= count)


@dataclass
class Proxied:
    """All of it."""

    proxy: ApiProxy
    double: Double
    port: int
    direct: int
    session: aiohttp.ClientSession
    answers: list[aiohttp.ClientResponse] = field(default_factory=list)

    async def open(self, target: str) -> aiohttp.ClientResponse:
        """The head of an answer through the proxy; it is closed at the end."""
        answer = await self.session.get(self.url(target))
        self.answers.append(answer)
        return answer

    def url(self, target: str = NODES) -> str:
        """A target at the proxy's address."""
        return f"https://127.0.0.1:{self.port}{target}"

    def rule(self, do: str, *, skip: int = 0, times: int = 0, match: Match | None = None, **action: Any) -> None:
        """Set the rule named `it`."""
        rule = ApiRule("it", match or Match(), Action(do, **action), skip=skip, times=times)
        assert self.proxy.command({"do": "rule", "rule": json.loads(json.dumps(rule.as_json()))}) == {"ok": True}

    def clear(self) -> None:
        """Take it away."""
        assert self.proxy.command({"do": "clear", "id": "it"}) == {"ok": True}

    @property
    def acted(self) -> int:
        """How often it acted."""
        return int(self.proxy.command({"do": "stats"})["rules"]["it"]["acted"])

    def calls(self, *, also_open: bool = False) -> list[dict[str, Any]]:
        """The footprint since the last time."""
        found: list[dict[str, Any]] = self.proxy.command({"do": "calls", "open": also_open})["calls"]
        return found


def client_tls(*, certified: bool = True) -> ssl.SSLContext:
    """What an operator's client uses."""
    context = ssl.create_default_context(cafile=str(pki() / "ca.crt"))
    if certified:
        context.load_cert_chain(str(pki() / "operator.crt"), str(pki() / "operator.key"))
    return context


def server_tls() -> ssl.SSLContext:
    """What the API server's double uses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pki() / "apiserver.crt"), str(pki() / "apiserver.key"))
    context.load_verify_locations(str(pki() / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@asynccontextmanager
async def proxied() -> AsyncIterator[Proxied]:
    """A proxy between a client and a double."""
    double = Double()
    server = web.Server(double.handle, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls(), backlog=1024)
    await site.start()
    direct = runner.addresses[0][1]
    near, certified, bare = contexts(pki())
    proxy = ApiProxy(Upstreams(direct, certified, bare))
    listener = await proxy.listen(0, near)
    port = listener.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector(ssl=client_tls(), limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        it = Proxied(proxy, double, port, direct, session)
        try:
            yield it
        finally:
            listener.close()
            for answer in it.answers:
                answer.close()
            for operator in list(proxy._open):
                operator.writer.transport.abort()
            proxy.upstreams.close()
            for events in double.watches:
                events.put_nowait(None)
            await session.close()
            await runner.cleanup()


def over(story: Callable[[Proxied], Awaitable[Any]], *, within_s: float = HANG_S) -> Any:
    """Play the story."""

    async def play() -> Any:
        async with asyncio.timeout(within_s), proxied() as it:
            return await story(it)

    return asyncio.run(play())


async def get(it: Proxied, target: str = NODES, **options: Any) -> tuple[int, bytes]:
    """Status and body of one GET through the proxy."""
    async with it.session.get(it.url(target), **options) as response:
        return response.status, await response.read()


def answering(answer: Callable[[], web.StreamResponse]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler of the double that answers anything so."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return answer()

    return handle


def event(number: int, kind: str = "MODIFIED", *, name: str = "n", namespace: str = "") -> bytes:
    """One line of a watch."""
    meta: dict[str, Any] = {"resourceVersion": str(number)}
    meta |= {} if kind == "BOOKMARK" else {"name": name, "namespace": namespace}
    return json.dumps({"type": kind, "object": {"metadata": meta}}).encode() + b"\n"
