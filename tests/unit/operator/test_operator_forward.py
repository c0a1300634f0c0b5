from __future__ import annotations

import asyncio
import re
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from harness.errors import ApiError, ApiUnavailableError, ClusterError, PlatformError
from harness.operator.forward import Forward, Sight
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Echo:
    """A tunnel to a port that sends back what it is sent, in upper case, and hangs up after `ends` bytes."""

    ends: int = 1 << 30
    refused: str = ""
    breaks: bool = False
    queue: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def send(self, data: bytes) -> None:
        """Take bytes."""
        await self.queue.put(data.upper())

    async def received(self) -> AsyncIterator[bytes]:
        """Give them back."""
        told = 0
        while told < self.ends and not self.refused:
            data = await self.queue.get()
            told += len(data)
            yield data
        if self.breaks:
            raise ConnectionError("the connection broke (code 1006)")


@dataclass
class Pod:
    """What connections lead to: a tunnel for each, or an error."""

    error: Exception | None = None
    tunnels: list[Echo] = field(default_factory=list)
    ends: int = 1 << 30
    refused: str = ""
    breaks: bool = False
    hangs: asyncio.Event | None = None
    dialled: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def dial(self, port: int) -> AsyncIterator[Echo]:
        """A tunnel, or the error."""
        assert port == 8080
        if self.error is not None:
            raise self.error
        self.dialled.set()
        if self.hangs is not None:
            await self.hangs.wait()
        self.tunnels.append(Echo(self.ends, self.refused, self.breaks))
        yield self.tunnels[-1]


@asynccontextmanager
async def forwarded(pod: Pod) -> AsyncIterator[tuple[Forward, list[tuple[str, str]]]]:
    """A forward to the pod, and what its sight has told."""
    ports, told = Ports(), []
    sight = Sight(lambda phase, why, _since: told.append((phase, why)))
    forward = Forward(ports.take(), 8080, pod.dial, sight)  # type: ignore[arg-type]
    await forward.open()
    try:
        yield forward, told
    finally:
        await forward.close()
        ports.release()


async def said(forward: Forward, text: bytes) -> bytes:
    """What comes back on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
    writer.write(text)
    await writer.drain()
    try:
        return await reader.readexactly(len(text))
    finally:
        writer.close()


def test_bytes_go_both_ways() -> None:
    """Each connection has a tunnel of its own, and what is sent comes back."""

    async def run() -> None:
        pod = Pod()
        async with forwarded(pod) as (forward, told):
            answers = await asyncio.gather(*(said(forward, b"x%d" % n * 1000) for n in range(50)))
        assert answers == [b"X%d" % n * 1000 for n in range(50)]
        assert (len(pod.tunnels), forward.carried, told) == (50, 50, [])

    asyncio.run(run())


def test_one_connection_that_came_through_late_is_told_of() -> None:
    """With what it took, while the way itself was never shut: others may have come through."""
    told: list[tuple[str, str]] = []
    sight = Sight(lambda phase, why, _since: told.append((phase, why)))

    sight.came(time.monotonic() - 0.1)
    assert told == []
    assert not sight.blind(time.monotonic())
    sight.came(time.monotonic() - 5.98)

    assert sight.blind(time.monotonic())  # who asks now may be told of an attempt from before
    assert not sight.blind(time.monotonic() + 60.0)
    assert [phase for phase, _why in told] == ["slow"]
    assert re.fullmatch(r"a connection took 5\.9\d s to come through", told[0][1])


def test_the_end_of_the_other_side_is_the_end_here() -> None:
    """A client that waits for more sees the connection closed, after all that was sent."""

    async def run() -> None:
        async with forwarded(Pod(ends=4)) as (forward, _told):
            reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
            writer.write(b"abcd")
            assert await reader.read() == b"ABCD"
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("pod", "phases"),
    [
        (Pod(error=ClusterError("no container runs")), []),
        (Pod(error=ApiError("gone", status=404)), []),
        (Pod(refused="connection refused"), []),
        (Pod(error=ApiUnavailableError("no answer")), ["begin"]),
        (Pod(error=ApiError("bad gateway", status=502)), ["begin"]),
    ],
    ids=["no container", "no pod", "port refuses", "API server away", "kubelet away"],
)
def test_who_refuses_is_told_apart(pod: Pod, phases: list[str]) -> None:
    """The client is reset in any case; only what lies between us and the pod makes us blind."""

    async def run() -> None:
        async with forwarded(pod) as (forward, told):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await said(forward, b"hello")
            assert [phase for phase, _why in told] == phases

    asyncio.run(run())


def test_a_way_that_opens_again_ends_the_blindness() -> None:
    """What was asked before that moment may have met the shut way; what is asked after it did not."""

    async def run() -> None:
        pod = Pod(error=ApiUnavailableError("no answer"))
        async with forwarded(pod) as (forward, told):
            loop = asyncio.get_running_loop()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await said(forward, b"hello")
            before = loop.time()
            assert forward.sight.blind(before)
            pod.error = None
            assert await said(forward, b"hello") == b"HELLO"
            assert forward.sight.blind(before)
            assert forward.sight.blind(loop.time())  # a client may not have come again yet
            assert not forward.sight.blind(loop.time() + 1.5)
            assert [phase for phase, _why in told] == ["begin", "end"]

    asyncio.run(run())


def test_a_connection_that_breaks_on_the_way_is_nobodys_refusal() -> None:
    """As where the API server that carries it dies: the client is reset, and nothing is known until another comes."""

    async def run() -> None:
        pod = Pod(ends=4, breaks=True)
        async with forwarded(pod) as (forward, told):
            reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
            writer.write(b"abcd")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            assert [phase for phase, _why in told] == ["begin"]
            pod.breaks = False
            assert await said(forward, b"abcd") == b"ABCD"
            assert [phase for phase, _why in told] == ["begin", "end"]

    asyncio.run(run())


def test_a_connection_that_does_not_come_through_shuts_the_way_for_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many others come through beside it, nothing can be said of who asked by that one."""
    monkeypatch.setattr("harness.operator.forward._HANGS_S", 0.0)

    async def run() -> None:
        pod = Pod(hangs=asyncio.Event())
        async with forwarded(pod) as (forward, told):
            now = asyncio.get_running_loop().time() + 60
            assert not forward.sight.blind(now)
            waits = asyncio.create_task(said(forward, b"hello"))
            async with asyncio.timeout(5):
                await pod.dialled.wait()
            assert forward.sight.blind(now)
            assert pod.hangs is not None
            pod.hangs.set()
            assert await waits == b"HELLO"
            assert not forward.sight.blind(now)
            assert [phase for phase, _why in told] == ["slow"]

    asyncio.run(run())


def test_a_shut_forward_refuses_and_opens_on_its_port_again() -> None:
    """While there is no container nobody listens, as where there is no process."""

    async def run() -> None:
        async with forwarded(Pod()) as (forward, _told):
            forward.shut()
            with pytest.raises(ConnectionRefusedError):
                await said(forward, b"hello")
            await forward.open()
            await forward.open()
            assert await said(forward, b"hello") == b"HELLO"

    asyncio.run(run())


def test_a_taken_port_is_a_clear_error() -> None:
    """It is named."""

    async def run() -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            forward = Forward(holder.getsockname()[1], 8080, Pod().dial, Sight(lambda *_: None))  # type: ignore[arg-type]
            with pytest.raises(PlatformError, match=f"127.0.0.1:{forward.local_port}"):
                await forward.open()

    asyncio.run(run())
