"""A relay with one link on loopback, the servers behind it, and what can be heard at either end."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.relay import ANY, Link, Relay, Rule
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    End = tuple[asyncio.StreamReader, asyncio.StreamWriter]

QUIET_S = 0.2
"""How long nothing must arrive to count as held back."""

HANG_S = 30.0


@dataclass
class Wire:
    """A relay with one link, "it", and the servers behind it. `names`: who dials from a port; "stranger" by default."""

    relay: Relay
    link: Link
    port: int
    arrived: asyncio.Queue[End]
    names: dict[int, str] = field(default_factory=dict)
    looks: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def owners(self) -> dict[int, str]:
        """The names of who dials, by port."""
        self.looks += 1
        return {port: self.names.get(port, "stranger") for port in range(1 << 16)}

    async def dial(self, name: str = "") -> End:
        """A connection to the link's port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        if name:
            self.names[writer.get_extra_info("sockname")[1]] = name
        return reader, writer

    async def connect(self, name: str = "") -> tuple[End, End]:
        """A connection through the link: the end that dialled, and the one behind the link."""
        near = await self.dial(name)
        return near, await self.arrived.get()

    def set_rule(self, rule: Rule, source: str = ANY) -> None:
        """The rule from now on."""
        self.relay.set_rule("it", source, rule)


@asynccontextmanager
async def wired(servers: int, **options: Any) -> AsyncIterator[Wire]:
    """A link to so many servers, on any ports."""
    arrived: asyncio.Queue[End] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await arrived.put((reader, writer))

    listening = [await asyncio.start_server(accept, "127.0.0.1", 0) for _ in range(servers)]
    link = Link("it", 0, [port_of(server) for server in listening], **options)
    relay = Relay(dict)
    own = await relay.add(link)
    wire = Wire(relay, link, port_of(own), arrived, writers=writers)
    relay.owners = wire.owners
    try:
        yield wire
    finally:
        for server in (own, *listening):
            server.close()
        link.rules.clear()
        for connection in list(relay._open):
            connection.look_again()
            connection.abort()
        for writer in writers:
            writer.transport.abort()
        for task in relay._tasks:
            task.cancel()
        await until("the relay to be empty", none_open(relay), deadline_s=HANG_S)


def none_open(relay: Relay) -> Callable[[Progress], Awaitable[bool | None]]:
    """A condition: no connection is open."""

    async def look(progress: Progress) -> bool | None:
        progress.last = f"{len(relay._open)} open"
        return not relay._open or None

    return look


def port_of(server: asyncio.Server) -> int:
    """Where it listens."""
    return int(server.sockets[0].getsockname()[1])


def over(story: Callable[[Wire], Awaitable[Any]], *, servers: int = 1, **options: Any) -> Any:
    """Play the story over a link."""

    async def play() -> Any:
        async with asyncio.timeout(HANG_S), wired(servers, **options) as wire:
            return await story(wire)

    return asyncio.run(play())


async def quiet(reader: asyncio.StreamReader) -> bool:
    """Whether for QUIET_S neither a byte nor the end arrives."""
    try:
        await asyncio.wait_for(reader.read(1), QUIET_S)
    except TimeoutError:
        return True
    return False


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether the next that arrives is the end, or a reset."""
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other end is told of a reset, not of an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
