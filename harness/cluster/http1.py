"""HTTP/1.1 as a proxy needs it: heads as they were written, bodies piece by piece, over asyncio's streams.

Nothing is interpreted that a proxy need not know: where a head ends, how long a body is, and whether the connection
goes on. A head is passed on byte for byte. Whatever cannot be framed for certain (two lengths, a bad chunk) raises
ConnectionError: such a connection cannot be used any further, and guessing would mix up requests.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

LIMIT = 1 << 18
"""The longest head, and what a stream buffers before its sender has to wait. Go's servers take heads of 1 MiB."""

PIECE = 1 << 16
JSON = "application/json"
_ACCEPT = re.compile(rb"\r\naccept:[^\r\n]*", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset


@dataclass(frozen=True, slots=True)
class Head:
    """A request's or an answer's first line and fields; `fields`: lower-case name -> value, the last one of a name."""

    raw: bytes
    first: tuple[str, str, str]
    fields: dict[str, str]

    @property
    def status(self) -> int:
        """An answer's status."""
        return int(self.first[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends after this message."""
        named = {word.strip().lower() for word in self.fields.get("connection", "").split(",")}
        return "close" in named or ("HTTP/1.0" in (self.first[0], self.first[2]) and "keep-alive" not in named)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None when the connection has ended before its first byte. Raises ConnectionError."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        if exc.partial.strip():
            raise ConnectionError("the connection ended in the middle of a head") from exc
        return None
    except asyncio.LimitOverrunError as exc:
        raise ConnectionError(f"a head of more than {LIMIT} bytes") from exc
    lines = raw[:-4].decode("latin-1").split("\r\n")
    first = lines[0].split(" ", 2)
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if not colon or not name or name[-1] in " \t":
            raise ConnectionError(f"a head with the line {line[:80]!r}")
        if name in {"content-length", "transfer-encoding"} and fields.get(name, value) != value:
            raise ConnectionError(f"a head with two fields {name}")
        fields[name] = value
    if len(first) < 2:
        raise ConnectionError(f"a head that begins with {lines[0][:80]!r}")
    return Head(raw, (first[0], first[1], first[2] if len(first) > 2 else ""), fields)


class Reader(asyncio.StreamReader):
    """A stream that says at once when its other end is gone, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=LIMIT)
        self.on_end: Callable[[], None] | None = None

    @property
    def more(self) -> bool:
        """Whether more has arrived than was read."""
        return bool(self._buffer)  # type: ignore[attr-defined]

    def feed_eof(self) -> None:
        """The other end says no more."""
        super().feed_eof()
        if self.on_end is not None:
            self.on_end()

    def set_exception(self, exc: BaseException) -> None:
        """The connection is broken."""
        super().set_exception(exc)  # type: ignore[arg-type]
        if self.on_end is not None:
            self.on_end()


def in_json(head: Head) -> Head:
    """The request with what it accepts narrowed to JSON, where JSON is among it; otherwise as it is.

    client-go's typed clients accept protobuf and JSON, in this order, and read what they get by its Content-Type.
    """
    accepted = [word.strip() for word in head.fields.get("accept", "").split(",")]
    readable = [word for word in accepted if word.partition(";")[0].strip() == JSON]
    if not readable or readable == accepted:
        return head
    value = ", ".join(readable)
    line = b"\r\nAccept: " + value.encode("latin-1")
    raw = _ACCEPT.sub(lambda _match: line, head.raw)
    return replace(head, raw=raw, fields={**head.fields, "accept": value})


@dataclass(slots=True)
class Body:
    """What follows a head. `length`: bytes, or None: chunked, or (`to_the_end`) up to the connection's end."""

    reader: Reader
    length: int | None = 0
    to_the_end: bool = False
    trailer: bytes = b""

    @property
    def chunked(self) -> bool:
        """Whether it comes in chunks."""
        return self.length is None and not self.to_the_end

    @property
    def small(self) -> bool:
        """Whether it is short enough to be taken as one piece."""
        return self.length is not None and self.length <= PIECE

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its content as it arrives; raises ConnectionError when it does not arrive whole."""
        if self.chunked:
            while size := await self._size():
                async for piece in self._exactly(size):
                    size -= len(piece)
                    # The chunk's end comes with its last piece: left unread it would look as if there were more.
                    if not size and await self._take(2) != b"\r\n":
                        raise ConnectionError("a chunk that is longer than it says")
                    yield piece
            while (line := await self._line()) != b"\r\n":
                self.trailer += line
        elif self.length is not None:
            async for piece in self._exactly(self.length):
                yield piece
        else:
            while piece := await self.reader.read(PIECE):
                yield piece

    async def whole(self) -> bytes:
        """All of it."""
        if self.small:
            return await self._take(self.length or 0)
        return b"".join([piece async for piece in self.pieces()])

    def framed(self, piece: bytes) -> bytes:
        """A piece (not an empty one) as it goes over the wire."""
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece

    def end(self) -> bytes:
        """What follows the last piece."""
        return b"0\r\n" + self.trailer + b"\r\n" if self.chunked else b""

    async def _exactly(self, size: int) -> AsyncGenerator[bytes, None]:
        while size:
            piece = await self.reader.read(min(size, PIECE))
            if not piece:
                raise ConnectionError(f"the connection ended {size} bytes too early")
            size -= len(piece)
            yield piece

    async def _take(self, size: int) -> bytes:
        try:
            return await self.reader.readexactly(size) if size else b""
        except asyncio.IncompleteReadError as exc:
            raise ConnectionError("the connection ended in the middle of a body") from exc

    async def _line(self) -> bytes:
        try:
            return await self.reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
            raise ConnectionError("no end of a line in a chunked body") from exc

    async def _size(self) -> int:
        line = await self._line()
        found = _SIZE.fullmatch(line)
        if found is None:
            raise ConnectionError(f"a chunk that begins with {line[:40]!r}")
        return int(found[1], 16)


def request_body(head: Head, reader: Reader) -> Body:
    """The body that follows a request's head; raises ConnectionError when its length cannot be told."""
    return Body(reader, _length(head) or 0) if not _chunked(head) else Body(reader, None)


def answer_body(head: Head, reader: Reader, *, method: str) -> Body:
    """The body that follows an answer's head; raises ConnectionError when its length cannot be told."""
    if method == "HEAD" or head.status < 200 or head.status in {204, 304}:
        return Body(reader)
    if _chunked(head):
        return Body(reader, None)
    length = _length(head)
    return Body(reader, length, to_the_end=length is None)


def _chunked(head: Head) -> bool:
    coding = head.fields.get("transfer-encoding")
    if coding is None:
        return False
    if coding.lower() != "chunked" or "content-length" in head.fields:
        raise ConnectionError(f"a body in {coding!r}, content-length {head.fields.get('content-length')}")
    return True


def _length(head: Head) -> int | None:
    given = head.fields.get("content-length")
    if given is None:
        return None
    if not _LENGTH.fullmatch(given):
        raise ConnectionError(f"a body of {given!r} bytes")
    return int(given)


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off with a TCP reset: what is under way is lost."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
