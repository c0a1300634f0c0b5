"""The operator's ports in a pod, reached at ports of loopback, through the API server and the kubelet.

Each connection to the local port becomes a connection of its own to the pod that is the operator at that moment: a new
pod needs nothing but to be there, and one connection that hangs holds up no other. A pod that refuses is told from an
API server that does not answer: the first is the operator's doing and is passed on as a reset; the second is our own
blindness, during which nothing about the operator can be said (`Sight`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import ApiError, ApiUnavailableError, ClusterError, PlatformError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from harness.cluster.client import KubeClient, Tunnel

LOOPBACK = "127.0.0.1"
_SIGN_S = 2.0
"""How long the API server may take to show that it lives before the way through it counts as shut."""

_HANGS_S = 0.5
"""How long a connection may take to come through, many times what it takes: who waits for longer meets a shut way."""

_AGAIN_S = 1.0
"""How long a client of ours may take to come again after a connection that broke (`harness.operator.api`, twice)."""

_BLOCK = 2**16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset, which nobody takes for the end of an answer."""


@dataclass(slots=True)
class Sight:
    """When the way to the operator was shut by something else than the operator.

    `note` is told of each begin and end: (phase, why, since), with phase "begin" or "end", and the monotonic second
    until which the way was surely open, or shut. Our ignorance begins with the last sign that it was open. With phase
    "slow" it is told of a single connection that was begun at that second and has come through by now.
    """

    note: Callable[[str, str, float], None]
    since: float | None = None
    last_end: float = float("-inf")
    last_open: float = field(default_factory=time.monotonic)
    dials: dict[object, float] = field(default_factory=dict)

    def lost(self, why: str, *, began: float | None = None) -> None:
        """The way is shut; `began`: to a connection that was begun then, whatever came through beside it."""
        if self.since is None:
            self.since = self.last_open if began is None else min(began, self.last_open)
            self.note("begin", why, self.since)

    def back(self) -> None:
        """The way is open: a connection came through, or was refused at its other end."""
        self.last_open = time.monotonic()
        if self.since is not None:
            self.since, self.last_end = None, self.last_open
            self.note("end", "connections come through again", self.last_open)

    def came(self, began: float) -> None:
        """A connection that was begun then has come through.

        For whoever waited for one that hung the way was shut until now: a client of gRPC's tells of an attempt that it
        gave up in its answer to the next request.
        """
        now = time.monotonic()
        if now - began >= _HANGS_S:
            self.last_end = now
            self.note("slow", f"a connection took {now - began:.2f} s to come through", began)
        self.back()

    def blind(self, t0: float) -> bool:
        """Whether something asked at `t0` (monotonic seconds), and answered by now, may have met a shut way.

        That is one that is shut, or was until a moment before, or one to which a connection has not come through yet.
        """
        hangs = any(time.monotonic() - began >= _HANGS_S for began in self.dials.values())
        return hangs or self.since is not None or t0 <= self.last_end + _AGAIN_S


async def follow(client: KubeClient, sight: Sight) -> None:
    """Ask the API server for a sign of life, for ever: one that hangs refuses nothing."""
    while True:
        try:
            await client.get("/livez", timeout_s=_SIGN_S)
        except ApiUnavailableError as exc:
            sight.lost(exc.what)
        except ApiError:
            sight.back()
        else:
            sight.back()
        await interval(_SIGN_S / 2)


@dataclass(slots=True)
class Forward:
    """One local port that leads to one port of the operator's pod."""

    local_port: int
    port: int
    dial: Callable[[int], AbstractAsyncContextManager[Tunnel]]
    sight: Sight
    carried: int = 0
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen, if it does not; raises PlatformError when the local port is taken."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.local_port)
        except OSError as exc:
            raise PlatformError(f"cannot listen on {LOOPBACK}:{self.local_port}: {exc.strerror}") from exc

    def shut(self) -> None:
        """Stop listening: from now on connections are refused, as they are where no process listens."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self.shut()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._connections.add(task)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            _reset(writer)  # of ours (`close`); asyncio's own callback would complain of it
        finally:
            self._connections.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the connection until either end ends it."""
        began, key = time.monotonic(), object()
        self.sight.dials[key] = began
        try:
            async with self.dial(self.port) as tunnel:
                del self.sight.dials[key]
                self.sight.came(began)
                self.carried += 1
                if not await _both_ways(reader, writer, tunnel):
                    self.sight.lost("a connection broke on the way")
                    _reset(writer)
                elif tunnel.refused:
                    _reset(writer)
        except ApiUnavailableError as exc:
            self.sight.lost(exc.what, began=began)
            _reset(writer)
        except ApiError as exc:
            # The API server speaks for a kubelet that it cannot reach with 5xx; for a pod that is gone with 404.
            (self.sight.lost(exc.what) if exc.status >= 500 else self.sight.back())
            _reset(writer)
        except ClusterError:
            _reset(writer)
        finally:
            self.sight.dials.pop(key, None)


async def _both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tunnel: Tunnel) -> bool:
    """Carry bytes until either end ends; False: neither did, the tunnel broke."""
    tasks = [asyncio.create_task(_outwards(reader, tunnel)), asyncio.create_task(_homewards(writer, tunnel))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:  # the client may have hung up meanwhile
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                raise outcome
    return not any(outcome is False for outcome in outcomes)


async def _outwards(reader: asyncio.StreamReader, tunnel: Tunnel) -> bool:
    """Carry what the client sends until it ends; False: the tunnel broke."""
    while data := await reader.read(_BLOCK):
        try:
            await tunnel.send(data)
        except ConnectionError:
            return False
    return True


async def _homewards(writer: asyncio.StreamWriter, tunnel: Tunnel) -> bool:
    """Carry what the pod sends until it ends; False: the tunnel broke."""
    received = tunnel.received()
    while True:
        try:
            data = await anext(received)
        except StopAsyncIteration:
            return True
        except ConnectionError:
            return False
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the client see that this is no orderly end."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):  # closed already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
