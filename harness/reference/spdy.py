"""A command in a container, over SPDY/3.1: the way that needs no right but to create pods/exec.

A WebSocket would be asked for with GET, which takes the right to *get* pods/exec as well; the contract does not list
it. Of SPDY only what an exec takes is here: three streams that are read to their end. Header blocks are written without
the preset dictionary, which zlib allows; those of the answers are not looked at.

Frames: "SPDY Protocol, Draft 3.1"; streams and the status: Kubernetes' remote command protocol, v4.channel.k8s.io.
"""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from harness.errors import ApiError, ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.reference.kubeconfig import Access

_PROTOCOL = "v4.channel.k8s.io"
_CONTROL, _VERSION = 0x8000, 3
_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_FIN = 0x01
_MOST_BYTES = 8 << 20
_STREAMS = {1: "error", 3: "stdout", 5: "stderr"}
"""Streams that a client opens have odd numbers, in order."""


@dataclass(slots=True)
class _Output:
    """What has been read of each stream, and which are at their end."""

    data: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in _STREAMS.values()})
    ended: set[str] = field(default_factory=set)


async def execute(
    access: Access, *, namespace: str, pod: str, container: str, command: Sequence[str], deadline_s: float
) -> bytes:
    """What the command prints.

    Raises ApiError when it is refused, or fails, and ApiUnavailableError when there is no answer within the deadline.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
    what = f"exec of {' '.join(command)} in {namespace}/{pod}"
    try:
        async with asyncio.timeout(deadline_s):
            output = await _converse(access, f"{path}?{urlencode(query)}", what)
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
        raise ApiUnavailableError(f"{what}: {type(exc).__name__}: {exc}") from exc
    _judge(what, output)
    return bytes(output.data["stdout"])


async def _converse(access: Access, target: str, what: str) -> _Output:
    url = urlsplit(access.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    reader, writer = await asyncio.open_connection(url.hostname, port, ssl=access.tls)
    try:
        writer.write(_request(access, url.netloc, target))
        await writer.drain()
        await _upgraded(reader, what)
        writer.write(_opening())
        await writer.drain()
        return await _read(reader, writer)
    finally:
        writer.transport.abort()


def _request(access: Access, host: str, target: str) -> bytes:
    headers = {
        "Host": host,
        **access.all_headers(),
        "User-Agent": "reference-inventory",
        "Content-Length": "0",
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": _PROTOCOL,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


async def _upgraded(reader: asyncio.StreamReader, what: str) -> None:
    """Return when the connection speaks SPDY; raises ApiError with the API server's answer when it does not."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = head[0].split(" ")[1:2]
    if status == ["101"]:
        return
    length = next((line.partition(":")[2] for line in head if line.lower().startswith("content-length:")), "0")
    text = await reader.readexactly(min(int(length), 4096))
    raise ApiError(f"{what} was answered {head[0]}: {text[:200]!r}", status=int(status[0]) if status else 0)


def _opening() -> bytes:
    """The frames that open the three streams."""
    deflate = zlib.compressobj()
    frames = b""
    for number, name in _STREAMS.items():
        pair = (b"streamtype", name.encode())
        block = struct.pack("!I", 1) + b"".join(struct.pack("!I", len(part)) + part for part in pair)
        packed = deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
        frames += _control(_SYN_STREAM, struct.pack("!IIBB", number, 0, 0, 0) + packed)
    return frames


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHI", _CONTROL | _VERSION, kind, len(body)) + body


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Output:
    """All that comes until the status is complete, or the other end closes."""
    output = _Output()
    total = 0
    while "error" not in output.ended:
        try:
            head = await reader.readexactly(8)
        except asyncio.IncompleteReadError:
            break
        first, rest = struct.unpack("!II", head)
        flags, length = rest >> 24, rest & 0xFFFFFF
        total += length
        if total > _MOST_BYTES:
            raise ConnectionError(f"more than {_MOST_BYTES} bytes")
        body = await reader.readexactly(length)
        if first >> 31:
            kind = first & 0xFFFF
            if kind == _GOAWAY:
                break
            if kind == _PING:
                writer.write(_control(_PING, body))
            elif kind == _RST_STREAM and len(body) >= 4:
                # Kubelets end their streams so, once all is said; whether it was, the status tells.
                output.ended.add(_STREAMS.get(struct.unpack("!I", body[:4])[0], ""))
            continue
        name = _STREAMS.get(first)
        if name is not None:
            output.data[name] += body
            if flags & _FIN:
                output.ended.add(name)
    return output


def _judge(what: str, output: _Output) -> None:
    """Raise unless the status says that the command has ended well."""
    try:
        status = json.loads(bytes(output.data["error"]))
        ended_well = status["status"] == "Success"
        message = str(status.get("message", ""))
    except (ValueError, TypeError, KeyError) as exc:
        raise ApiUnavailableError(f"{what}: it was cut off before its end") from exc
    if not ended_well:
        said = bytes(output.data["stderr"])[:200]
        raise ApiError(f"{what} failed: {message} {said!r}", status=0)
