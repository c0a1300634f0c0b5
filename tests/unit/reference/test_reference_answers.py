"""What a discovery API or a registry may answer, over real sockets: nonsense is refused, and nothing dies of it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from harness.cluster import egress as egress_module
from harness.cluster.egress import FAULTY, Behaviour, Egress
from harness.cluster.hardware import NodeProfile
from harness.cluster.hardware import registry as content
from harness.cluster.sidecar import REGISTRY_FAULTY, Registry
from harness.errors import ApiUnavailableError
from harness.reference import discovery as discovery_module
from harness.reference import kubeclient, registry
from harness.reference.behaviour import CORRECT
from harness.reference.config import Config
from harness.reference.discovery import Discovery
from harness.reference.hardware import parse_cards, parse_cpus, parse_registry
from harness.reference.kubeclient import KubeClient
from harness.reference.kubeconfig import Access
from harness.reference.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PROFILE = NodeProfile(gpu="a100", gpus=2)
PROXY = "/api/v1/namespaces/akash-services/pods/discovery-n1:8081/proxy"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a crowded machine a connection to this very process may take seconds; nothing here is about that."""
    monkeypatch.setattr(kubeclient, "_CONNECT_S", 30.0)
    monkeypatch.setattr(discovery_module, "READ_S", 30.0)


async def _node(_namespace: str, pod: str) -> str:
    return pod.removeprefix("discovery-")


@asynccontextmanager
async def proxied(egress: Egress, directory: Path) -> AsyncIterator[Discovery]:
    """Discovery that asks through what stands for the API server's pod proxy: bytes of one tunnel, handed on."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        ahead, back = await asyncio.open_unix_connection(directory / "egress.sock")
        back.write(b"CONNECT 10.244.0.7:8081 HTTP/1.1\r\n\r\n")
        await ahead.readuntil(b"\r\n\r\n")
        back.write(f"GET {path.rpartition('proxy')[2]} HTTP/1.1\r\nX-Forwarded-Uri: {path}\r\n\r\n".encode())
        try:
            while chunk := await ahead.read(1 << 16):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass  # the reader has had enough
        finally:
            back.close()
            writer.close()

    server = await asyncio.start_unix_server(egress.handle, directory / "egress.sock")
    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    access = Access(f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", None, {})
    try:
        async with KubeClient(access, api_timeout_s=1.0) as client:
            state = State(CORRECT, "akash-services", Config())
            yield Discovery(state, client, CORRECT, "image", 60.0, ready=lambda: True, away=lambda: False)
    finally:
        egress.drop()
        proxy.close()
        server.close()


def read(egress: Egress, directory: Path, path: str, parse: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """What discovery makes of one read."""

    async def play() -> tuple[Any, ...] | None:
        async with asyncio.timeout(60), proxied(egress, directory) as discovery:
            return await discovery._part(asyncio.Semaphore(), PROXY + path, parse)

    return asyncio.run(play())


@pytest.mark.parametrize(("path", "parse"), [("/cpu", parse_cpus), ("/gpu", parse_cards)])
@pytest.mark.parametrize("mode", FAULTY)
def test_no_answer_of_discovery_is_taken_for_what_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, path: str, parse: Callable[[Any], tuple[Any, ...]]
) -> None:
    """A late truth is read; all else is no reading, and in particular no reading of a node without hardware."""
    monkeypatch.setattr(egress_module, "HUGE_BYTES", 12 << 20)
    monkeypatch.setattr(discovery_module, "READ_S", 0.5 if mode == "hang" else 30.0)
    hardware = PROFILE.hardware()
    egress = Egress(_node, hardware={"n1": hardware}, behaviour={"n1": Behaviour(mode, 0.3 if mode == "late" else 0.0)})

    found = read(egress, tmp_path, path, parse)

    assert found == (parse(hardware[path[1:]]) if mode == "late" else None)
    assert egress.misbehaved >= 1  # a connection that is closed without an answer may be tried anew at once


def test_an_answer_that_comes_too_late_is_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read is given up at its deadline."""
    monkeypatch.setattr(discovery_module, "READ_S", 0.1)
    egress = Egress(_node, hardware={"n1": PROFILE.hardware()}, behaviour={"*": Behaviour("late", 0.5)})

    assert read(egress, tmp_path, "/cpu", parse_cpus) is None


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A web server on a port of its own, which answers everything in one way."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def deep(_request: web.Request) -> web.StreamResponse:
    """JSON as deep as no reader follows."""
    return web.Response(text="[" * 90_000, content_type="application/json")


def test_an_answer_too_deep_to_read_is_no_reading() -> None:
    """What the JSON reader cannot follow is nonsense like any other."""

    async def play() -> None:
        async with serving(deep) as url, KubeClient(Access(url, None, {}), api_timeout_s=1.0) as client:
            await client.proxy_get(PROXY + "/cpu", deadline_s=30.0)

    with pytest.raises(ApiUnavailableError, match="answered no JSON"):
        asyncio.run(play())


@pytest.mark.parametrize("mode", REGISTRY_FAULTY)
def test_no_answer_of_the_registry_empties_it(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """While it misbehaves what it said before is kept, it is asked again, and one line of the log is a short one."""
    applied: list[Any] = []

    async def play() -> int:
        served = Registry(content())
        async with asyncio.timeout(60), serving(served.handle) as url:
            tried = asyncio.Event()
            following = asyncio.create_task(
                registry.follow(url, timeout_s=0.3, period_s=0.05, apply=applied.append, tried=tried)
            )
            await tried.wait()
            served.mode, before = mode, served.served
            while "couldn't query" not in caplog.text or served.served < before + 2:
                await asyncio.wait({following}, timeout=0.02)
            kept = len(applied)
            served.mode, served.body = "answer", content(names={"a100": "other"})
            while len(applied) == kept:
                await asyncio.wait({following}, timeout=0.02)
            following.cancel()
            await asyncio.wait({following})
            return kept

    with caplog.at_level(logging.WARNING):
        kept = asyncio.run(play())

    assert kept >= 1
    assert all(one == parse_registry(content()) for one in applied[:kept])
    assert applied[-1] == parse_registry(content(names={"a100": "other"}))
    assert all(len(record.getMessage()) < 400 for record in caplog.records)


def test_a_registry_too_deep_to_read_is_refused() -> None:
    """What the JSON reader cannot follow is no registry."""

    async def play() -> None:
        async with serving(deep) as url, aiohttp.ClientSession() as session:
            await registry._query(session, f"{url}/devices/gpus")

    with pytest.raises(ApiUnavailableError, match="answered no registry"):
        asyncio.run(play())


@pytest.mark.parametrize("again", [True, False])
def test_a_registry_that_is_late_is_asked_again(*, again: bool) -> None:
    """The first attempt counts as one, and its content is known once it answers; the saboteur never asks again."""
    applied: list[Any] = []

    async def play() -> int:
        served = Registry(content(), mode="error")
        async with asyncio.timeout(60), serving(served.handle) as url:
            tried = asyncio.Event()
            following = asyncio.create_task(
                registry.follow(url, timeout_s=30.0, period_s=0.05, apply=applied.append, tried=tried, again=again)
            )
            await tried.wait()
            assert applied == []
            served.mode = "answer"
            while not applied and not following.done():
                await asyncio.wait({following}, timeout=0.02)
            following.cancel()
            await asyncio.wait({following})
            return served.served

    asked = asyncio.run(play())

    assert (asked > 1) is again
    assert bool(applied) is again
