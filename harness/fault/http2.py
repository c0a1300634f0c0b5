"""As much of HTTP/2 as it takes to call a stream and stop reading (RFC 9113, RFC 7541, gRPC over HTTP/2).

A client library would go on reading below our feet; with frames of our own the window is what we say, and what was
received of it is known to the byte.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

WINDOW = 16
"""Bytes of a stream that are taken: less than any inventory with a node in it."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 2, 4
_EMPTY_MESSAGE = b"\0" * 5  # not compressed, no bytes: google.protobuf.Empty


async def call_and_stop(
    sock: socket.socket, send: Callable[[socket.socket, bytes], Awaitable[None]], path: str, authority: str
) -> str:
    """Call `path` with an empty message and read until the window is full: "" then, or how the call ended before."""
    fields = (
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    settings = struct.pack(">HIHI", _ENABLE_PUSH, 0, _INITIAL_WINDOW_SIZE, WINDOW)
    await send(sock, _PREFACE + _frame(_SETTINGS, 0, 0, settings))
    await send(sock, _frame(_HEADERS, _END_HEADERS, 1, b"".join(_literal(*field) for field in fields)))
    await send(sock, _frame(_DATA, _END_STREAM, 1, _EMPTY_MESSAGE))
    taken = 0
    while taken < WINDOW:
        kind, flags, payload = await _read_frame(sock)
        if kind in {_SETTINGS, _PING} and not flags & _ACK:
            await send(sock, _frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in {_RESET, _GOAWAY} or (kind == _HEADERS and flags & _END_STREAM):
            return "the call was ended"
        elif kind == _DATA:
            taken += len(payload)
    return ""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header field without index and without Huffman code (RFC 7541 section 6.2.2); both shorter than 127."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


async def _read_frame(sock: socket.socket) -> tuple[int, int, bytes]:
    head = await _read(sock, 9)
    return head[3], head[4], await _read(sock, int.from_bytes(head[:3], "big"))


async def _read(sock: socket.socket, size: int) -> bytes:
    """Exactly that many bytes; raises ConnectionResetError when there are fewer."""
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        if not more:
            raise ConnectionResetError("hung up")
        data += more
    return data
