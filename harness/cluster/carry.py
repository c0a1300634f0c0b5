"""How the API proxy carries requests and answers: whole, in part, or as a tunnel; byte for byte, as they come."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from harness.cluster import http1
from harness.cluster.http1 import read_head

if TYPE_CHECKING:
    from harness.cluster.http1 import Body, Head, Reader
    from harness.cluster.upstream import Upstream


async def request(writer: asyncio.StreamWriter, head: Head, body: Body, small: bytes | None) -> None:
    """Send a request; `small`: its body, where that was taken as one piece."""
    if small is not None:
        writer.write(head.raw + small)
    else:
        writer.write(head.raw)
        async for piece in body.pieces():
            writer.write(body.framed(piece))
            await writer.drain()
        writer.write(body.end())
    await writer.drain()


async def final_head(reader: Reader, writer: asyncio.StreamWriter) -> Head | None:
    """The head of the final answer; interim ones (100, 103) are handed over on the way."""
    while (answer := await read_head(reader)) is not None:
        if answer.status >= HTTPStatus.OK or answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return answer
        writer.write(answer.raw)
    return None


async def whole(writer: asyncio.StreamWriter, answer: Head, sent: Body) -> None:
    """Head and body, as they come."""
    if sent.small:
        writer.write(answer.raw + await sent.whole())
        await writer.drain()
        return
    out = bytearray(answer.raw)
    async with contextlib.aclosing(sent.pieces()) as pieces:
        async for piece in pieces:
            out += sent.framed(piece)
            # What came together leaves together: each write is a record of TLS and a system call.
            if not sent.reader.more or len(out) >= http1.PIECE:
                writer.write(bytes(out))
                out.clear()
                await writer.drain()
    writer.write(bytes(out) + sent.end())
    await writer.drain()


async def part(writer: asyncio.StreamWriter, answer: Head, sent: Body, cut: int) -> None:
    """The head, and no more than so many bytes of the body, never all of it."""
    if sent.length is not None:
        cut = min(cut, max(sent.length - 1, 0))
    writer.write(answer.raw)
    async with contextlib.aclosing(sent.pieces()) as pieces:
        async for piece in pieces:
            framed = sent.framed(piece)
            if len(piece) < cut:
                writer.write(framed)
                await writer.drain()
                cut -= len(piece)
                continue
            # What is announced is the whole piece: whoever reads it knows that some is missing.
            writer.write(framed[: framed.index(piece) + cut])
            await writer.drain()
            return


async def tunnel(reader: Reader, writer: asyncio.StreamWriter, upstream: Upstream, answer: Head) -> None:
    """Carry bytes both ways until either end has none left."""
    writer.write(answer.raw)
    there = asyncio.create_task(_copy(reader, upstream.writer))
    try:
        await _copy(upstream.reader, writer)
    finally:
        there.cancel()
        await asyncio.gather(there, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(http1.PIECE):
        writer.write(data)
        await writer.drain()


def is_readable(answer: Head) -> bool:
    """Whether the events of a watch are JSON, one a line."""
    return "content-encoding" not in answer.fields and answer.fields.get("content-type", "").startswith(http1.JSON)
