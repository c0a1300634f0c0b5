"""Clients of our own, many at once, that behave as a fault wants; and what the kernel says of their connections.

Each client is a task that owns its socket: when the task ends, the socket is closed. A crowd stands in `World.held`, so
that whoever ends a run ends it too.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import resource
import socket
import struct
import termios
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from harness.errors import FaultError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from harness.fault.base import World

HOST = "127.0.0.1"
AGAIN_S = 0.5
"""How long a client that was turned away waits before it comes back."""

_BATCH, _BATCH_PAUSE_S = 50, 0.05
"""A listener's queue holds 128 connections or more: all at once would overflow it and keep others out for a second."""

_FILES_ASIDE = 100
"""What this process has open beside its clients."""

_NUMBERS = itertools.count()


Client = Callable[["Crowd"], Coroutine[None, None, None]]
"""What one client does; it comes back when it has returned, or was turned away."""


@dataclass(slots=True)
class Crowd:
    """Clients of one port, and what they met.

    `connected`: connections made, ever; `sent`: bytes that the kernel took from them; `done`: how often a client
    reached what it was to do; `met`: how their connections ended.
    """

    port: int
    connected: int = 0
    sent: int = 0
    done: int = 0
    met: Counter[str] = field(default_factory=Counter)
    sockets: set[socket.socket] = field(default_factory=set)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def gather(self, count: int, client: Client) -> None:
        """Let `count` clients begin, in batches."""
        for number in range(1, count + 1):
            self.tasks.append(asyncio.create_task(self._again(client)))
            if number % _BATCH == 0:
                await interval(_BATCH_PAUSE_S)

    async def _again(self, client: Client) -> None:
        """Be a client, and come back after having been turned away."""
        while True:
            try:
                await client(self)
            except OSError as exc:
                self.met[exc.strerror or type(exc).__name__] += 1
            await interval(AGAIN_S)

    @asynccontextmanager
    async def connection(self, *, receive_bytes: int = 0) -> AsyncIterator[socket.socket]:
        """A connection to the port; `receive_bytes`: how much the kernel takes in for us (0: as usual)."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await asyncio.get_running_loop().sock_connect(sock, (HOST, self.port))
            self.connected += 1
            self.sockets.add(sock)
            try:
                yield sock
            finally:
                self.sockets.discard(sock)

    async def send(self, sock: socket.socket, data: bytes) -> None:
        """Send all of it, and count it."""
        await asyncio.get_running_loop().sock_sendall(sock, data)
        self.sent += len(data)

    def established(self) -> int:
        """How many of the connections the kernel calls established."""
        return sum(_established(sock) for sock in self.sockets)

    def accepted(self, pid: int) -> int:
        """How many of the connections are among the open files of the process `pid`."""
        pairs = {(self.port, sock.getsockname()[1]) for sock in self.sockets}
        with suppress(psutil.Error):
            listed = psutil.Process(pid).net_connections(kind="tcp")
            return sum((one.laddr[1], *one.raddr[1:]) in pairs for one in listed)
        return 0

    def waiting(self) -> list[int]:
        """How many bytes the kernel has received for each of the clients and nobody has read."""
        return [_unread(sock) for sock in self.sockets]

    def endings(self) -> str:
        """How connections ended, most frequent first."""
        return ", ".join(f"{what} ({number})" for what, number in self.met.most_common())

    def close(self) -> None:
        """Tell every client to end."""
        for task in self.tasks:
            task.cancel()

    async def gone(self) -> None:
        """End every client, and return when all their sockets are closed."""
        self.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def idle(crowd: Crowd) -> None:
    """Connect and do nothing, until the other side hangs up."""
    async with crowd.connection() as sock:
        await asyncio.get_running_loop().sock_recv(sock, 1)
    crowd.met["hung up"] += 1


def new_key(kind: str) -> str:
    """A name in `World.held` that no other fault has."""
    return f"{kind}-{next(_NUMBERS)}"


async def assemble(world: World, key: str, port: int, count: int, client: Client) -> None:
    """Let a crowd of `count` clients of the port begin, under that name."""
    crowd = Crowd(port)
    world.held[key] = crowd
    await crowd.gather(count, client)


def crowd_of(world: World, key: str) -> Crowd:
    """The crowd of that name; raises FaultError when it is not there."""
    crowd = world.held.get(key)
    if not isinstance(crowd, Crowd):
        raise FaultError(f"the clients of {key} are gone")
    return crowd


async def disperse(world: World, key: str) -> None:
    """End the crowd of that name, if it is still there."""
    crowd = world.held.pop(key, None)
    if isinstance(crowd, Crowd):
        await crowd.gone()


def require_files(count: int) -> None:
    """Raise FaultError when this process may not open that many sockets."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count + _FILES_ASIDE:
        raise FaultError(
            f"{count} connections are more than this process may open ({soft} files)",
            hint=f"ulimit -n {count + _FILES_ASIDE}",
        )


def _established(sock: socket.socket) -> bool:
    """The first byte of TCP_INFO is the state; 1 is TCP_ESTABLISHED (linux/tcp.h, net/tcp_states.h)."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1


def _unread(sock: socket.socket) -> int:
    waiting: int = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0]
    return waiting
