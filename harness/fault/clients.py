"""Clients that misbehave: they hold connections, send without end, or never read.

They are no excuse for anything: an operator has many clients, and one of them must not keep the others from being
answered (AVAIL-2), nor end the process (SURVIVE-1). What it does with the misbehaving one is its own affair: any answer
is right, and so is none, and so is to hang up.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from harness.fault import http2
from harness.fault.base import BITE_DEADLINE_S, REST, State, World
from harness.fault.crowd import HOST, Crowd, assemble, crowd_of, disperse, idle, new_key, require_files
from harness.wait import Progress, interval, until

DRIP, DEAF = "drip", "deaf"

_INVENTORY = f"GET /v1/inventory HTTP/1.1\r\nHost: {HOST}\r\n".encode()
_DRIP_S = 0.1
_DRIPPED = 10
"""After so many bytes from each, slowness is shown."""

_REQUESTS = 3000
_FEW_BYTES = 4096
"""So many inventories are more than the kernel keeps for a connection (some 3 MB on the side of the sender when it is
this on ours), even where one node has a KiB: the operator has to wait for its reader."""

_HEADER = b"X-Filler: " + b"y" * 1012 + b"\r\n"  # 1 KiB, shorter than any usual limit of one line
_BLOCK = 64 * len(_HEADER)
_PATIENCE_S = 2.0
_STREAM = "/akash.inventory.v1.ClusterRPC/StreamCluster"


@dataclass(frozen=True, slots=True)
class SlowClients:
    """Clients of the REST port send a byte at a time, or many requests and read no answer, for `for_s` seconds.

    `how`: drip (a request that never ends) | deaf (nothing is read).
    """

    how: str = DRIP
    count: int = 20
    for_s: float = 6.0
    kind: ClassVar[str] = "slow-clients"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The port's number."""
        return _prepared(self.kind, REST, world.operator.rest_port, self.count)

    async def inject(self, world: World, state: State) -> None:
        """Connect, and be slow."""
        await assemble(world, state["key"], state["port"], self.count, _drip if self.how == DRIP else _deaf)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel took the bytes from us; or it holds answers that nobody reads."""
        crowd = crowd_of(world, state["key"])

        async def slow(progress: Progress) -> str | None:
            progress.last = said = f"{_told(world, crowd)}; {crowd.sent} bytes of requests were sent"
            if self.how == DRIP:
                return f"{said}, one at a time" if crowd.sent >= self.count * _DRIPPED else None
            waiting = crowd.waiting()
            progress.last = said = f"{said}, and {sum(waiting)} bytes of answers wait unread"
            # One answer that waits is enough: an operator that serves one client at a time never answers the others.
            return said if len(waiting) == self.count and any(waiting) else None

        return await until("the slow clients to be served", slow, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Hang up."""
        await disperse(world, state["key"])

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the operator has to notice."""


@dataclass(frozen=True, slots=True)
class IdleConnections:
    """Connections to the REST port are opened and left alone for `for_s` seconds: nothing is ever asked on them."""

    count: int = 500
    for_s: float = 6.0
    kind: ClassVar[str] = "idle-connections"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The port's number."""
        return _prepared(self.kind, REST, world.operator.rest_port, self.count)

    async def inject(self, world: World, state: State) -> None:
        """Connect, again and again."""
        await assemble(world, state["key"], state["port"], self.count, idle)

    async def bitten(self, world: World, state: State) -> str:
        """All of them were established, as the kernel says."""
        crowd = crowd_of(world, state["key"])

        async def there(progress: Progress) -> str | None:
            progress.last = said = _told(world, crowd)
            return said if crowd.connected >= self.count else None

        return await until(f"{self.count} connections", there, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Hang up."""
        await disperse(world, state["key"])

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the operator has to notice."""


@dataclass(frozen=True, slots=True)
class HalfOpenStreams:
    """Clients call StreamCluster, each on a connection of its own, and stop reading for `for_s` seconds.

    They grant the stream a window of a few bytes and never more (HTTP/2 flow control, RFC 9113 section 5.2), as a
    client that hangs does in the end: the operator is left with a message that it cannot finish.
    """

    count: int = 100
    for_s: float = 8.0
    kind: ClassVar[str] = "half-open-streams"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The port's number."""
        return _prepared(self.kind, "grpc", world.operator.grpc_port, self.count)

    async def inject(self, world: World, state: State) -> None:
        """Call, read the few bytes, and stop."""
        await assemble(world, state["key"], state["port"], self.count, _stream)

    async def bitten(self, world: World, state: State) -> str:
        """Every stream's window is full: the operator began a message, and cannot go on with it."""
        crowd = crowd_of(world, state["key"])

        async def full(progress: Progress) -> str | None:
            said = f"{crowd.done} streams have filled their window of {http2.WINDOW} bytes"
            progress.last = said = f"{said}; {_told(world, crowd)}"
            return said if crowd.done >= self.count else None

        return await until(f"{self.count} streams to be full", full, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Hang up."""
        await disperse(world, state["key"])

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the operator has to notice."""


@dataclass(frozen=True, slots=True)
class HugeHeaders:
    """Clients send requests with `size_kib` KiB of headers to the REST port, again and again for `for_s` seconds."""

    count: int = 4
    size_kib: int = 1024
    for_s: float = 5.0
    kind: ClassVar[str] = "huge-headers"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The port's number."""
        return _prepared(self.kind, REST, world.operator.rest_port, self.count)

    async def inject(self, world: World, state: State) -> None:
        """Connect, and send."""

        async def talk(crowd: Crowd) -> None:
            await _boast(crowd, self.size_kib)

        await assemble(world, state["key"], state["port"], self.count, talk)

    async def bitten(self, world: World, state: State) -> str:
        """Every client sent its headers until it was answered or cut off; the kernel took the bytes."""
        crowd = crowd_of(world, state["key"])

        async def sent(progress: Progress) -> str | None:
            ended = sum(crowd.met.values())
            said = f"{crowd.sent} bytes of headers were sent in {ended} requests of {self.size_kib} KiB"
            progress.last = said = f"{said}, which met: {crowd.endings()}"
            return said if ended >= self.count and crowd.sent >= self.count * len(_HEADER) else None

        return await until("huge headers to be sent", sent, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Hang up."""
        await disperse(world, state["key"])

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited."""


def _prepared(kind: str, listener: str, port: int, count: int) -> State:
    require_files(count)
    return {"target": f"{listener} port {port}", "port": port, "key": new_key(kind)}


def _told(world: World, crowd: Crowd) -> str:
    pid = world.operator.pid
    accepted = crowd.accepted(pid) if pid else 0
    return f"{crowd.established()} connections to port {crowd.port} are established, {accepted} of them accepted"


async def _drip(crowd: Crowd) -> None:
    async with crowd.connection() as sock:
        for byte in _INVENTORY:
            await crowd.send(sock, bytes([byte]))
            await interval(_DRIP_S)
        while True:
            for byte in b"X: y\r\n":
                await crowd.send(sock, bytes([byte]))
                await interval(_DRIP_S)


async def _deaf(crowd: Crowd) -> None:
    async with crowd.connection(receive_bytes=_FEW_BYTES) as sock:
        for _ in range(_REQUESTS):
            await crowd.send(sock, _INVENTORY + b"\r\n")
        await asyncio.Event().wait()


async def _stream(crowd: Crowd) -> None:
    async with crowd.connection() as sock:
        ended = await http2.call_and_stop(sock, crowd.send, _STREAM, f"{HOST}:{crowd.port}")
        if not ended:
            crowd.done += 1
            await asyncio.Event().wait()
        crowd.met[ended] += 1


async def _boast(crowd: Crowd, size_kib: int) -> None:
    """One request; how it ended is noted: a status, hung up, an error, or no answer in time."""
    loop = asyncio.get_running_loop()
    async with crowd.connection() as sock:
        try:
            await crowd.send(sock, _INVENTORY)
            for _ in range(0, size_kib << 10, _BLOCK):
                await crowd.send(sock, _HEADER * (_BLOCK // len(_HEADER)))
            await crowd.send(sock, b"\r\n")
            async with asyncio.timeout(_PATIENCE_S):
                answer = await loop.sock_recv(sock, 64)
        except TimeoutError:
            crowd.met["no answer in time"] += 1
            return
    crowd.met[answer[:12].decode(errors="replace") or "hung up"] += 1
