"""The API proxy's connections to the API server: opened when needed, kept, and used again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster.http1 import Reader

if TYPE_CHECKING:
    import ssl

IDLE_S = 30.0
"""An API server closes a connection that was idle for 90 s; one that may be about to be closed is not used again."""


@dataclass(slots=True, eq=False)
class Upstream:
    """One connection to the API server. `reused`: it has carried a request before."""

    reader: Reader
    writer: asyncio.StreamWriter
    certified: bool
    reused: bool = False
    idle_since: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it can carry another request."""
        return not (self.reader.at_eof() or self.reader.exception() or self.writer.is_closing())

    def abort(self) -> None:
        """Break it off: the API server learns that nobody waits any more."""
        with contextlib.suppress(RuntimeError):
            self.writer.transport.abort()


@dataclass(slots=True)
class Upstreams:
    """The connections to one address, for those who showed a certificate and for those who did not."""

    port: int
    certified: ssl.SSLContext
    bare: ssl.SSLContext
    opened: int = 0
    reused: int = 0
    _idle: dict[bool, list[Upstream]] = field(default_factory=lambda: {True: [], False: []})

    async def take(self, *, certified: bool, fresh: bool = False) -> Upstream:
        """A connection of that kind; raises OSError when the API server cannot be reached."""
        idle = self._idle[certified]
        while idle and not fresh:
            kept = idle.pop()  # the latest: what is left of a crowd grows old and is closed
            if kept.usable and time.monotonic() - kept.idle_since < IDLE_S:
                self.reused += 1
                kept.reused = True
                return kept
            kept.abort()
        loop = asyncio.get_running_loop()
        reader = Reader()
        transport, protocol = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(reader),
            "127.0.0.1",
            self.port,
            ssl=self.certified if certified else self.bare,
        )
        self.opened += 1
        return Upstream(reader, asyncio.StreamWriter(transport, protocol, reader, loop), certified)

    def give(self, upstream: Upstream) -> None:
        """Keep a connection whose last answer was taken whole."""
        if upstream.usable:
            upstream.idle_since = time.monotonic()
            self._idle[upstream.certified].append(upstream)
        else:
            upstream.abort()

    def close(self) -> None:
        """Close all that are idle."""
        for idle in self._idle.values():
            for upstream in idle:
                upstream.abort()
            idle.clear()
