"""A command in a container over SPDY, against a server that speaks as a kubelet does."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness.errors import ApiError, ApiUnavailableError
from harness.reference.kubeconfig import Access
from harness.reference.spdy import execute

FIN = 1
Talk = Callable[["Kubelet"], Awaitable[None]]


def control(kind: int, body: bytes) -> bytes:
    """A control frame."""
    return struct.pack("!HHI", 0x8003, kind, len(body)) + body


def data(stream: int, body: bytes, flags: int = 0) -> bytes:
    """A data frame."""
    return struct.pack("!II", stream, flags << 24 | len(body)) + body


class Kubelet:
    """The other end of one exec: what was asked, and the streams that were opened, by what they carry."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""
        self.streams: dict[str, int] = {}

    async def upgrade(self) -> None:
        """Take the request, and the three streams."""
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        inflate = zlib.decompressobj()
        for _ in range(3):
            first, rest = struct.unpack("!II", await self.reader.readexactly(8))
            assert first == 0x80030001
            body = await self.reader.readexactly(rest & 0xFFFFFF)
            block = inflate.decompress(body[10:])
            count, name, value = struct.unpack("!I", block[:4])[0], *_pair(block[4:])
            assert (count, name) == (1, "streamtype")
            (self.streams[value],) = struct.unpack("!I", body[:4])

    def say(self, stream: str, text: str | bytes, *, end: bool = False) -> None:
        """Send on a stream."""
        body = text.encode() if isinstance(text, str) else text
        self.writer.write(data(self.streams[stream], body, FIN if end else 0))

    def status(self, **fields: Any) -> None:
        """The status, after which nothing comes."""
        self.say("error", json.dumps({"kind": "Status", "status": "Success", **fields}), end=True)


def _pair(block: bytes) -> tuple[str, str]:
    (length,) = struct.unpack("!I", block[:4])
    name, rest = block[4 : 4 + length].decode(), block[4 + length :]
    return name, rest[4:].decode()


def run(talk: Talk, *, deadline_s: float = 5.0) -> tuple[bytes, Kubelet]:
    """One exec against a kubelet that talks like this."""
    seen: list[Kubelet] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(Kubelet(reader, writer))
        try:
            await talk(seen[-1])
            await writer.drain()
        finally:
            writer.close()

    async def play() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        access = Access(f"http://127.0.0.1:{port}", None, {"Authorization": "Bearer secret"})
        async with server:
            return await execute(
                access, namespace="rook-ceph", pod="tools", container="box", command=("ceph", "df"),
                deadline_s=deadline_s,
            )  # fmt: skip

    return asyncio.run(play()), seen[0]


def test_a_command_prints() -> None:
    """Its output comes in pieces between frames that ask for nothing; a ping is answered."""
    pongs: list[bytes] = []

    async def talk(kubelet: Kubelet) -> None:
        await kubelet.upgrade()
        kubelet.writer.write(control(4, b"\0\0\0\0") + control(2, struct.pack("!I", 1) + b"anything"))
        kubelet.say("stdout", '{"pools"')
        kubelet.say("stderr", "a warning")
        kubelet.writer.write(control(6, b"\0\0\0\2"))
        pongs.append(await kubelet.reader.readexactly(12))
        kubelet.say("stdout", ": []}", end=True)
        kubelet.status()

    printed, kubelet = run(talk)

    assert printed == b'{"pools": []}'
    assert pongs == [control(6, b"\0\0\0\2")]
    first, *lines = kubelet.head.split("\r\n")
    assert first.startswith("POST /api/v1/namespaces/rook-ceph/pods/tools/exec?container=box&")
    assert "command=ceph&command=df" in first
    assert "Authorization: Bearer secret" in lines
    assert sorted(kubelet.streams) == ["error", "stderr", "stdout"]


def test_streams_may_be_reset_when_all_is_said() -> None:
    """As kubelets end them, in any order."""

    async def talk(kubelet: Kubelet) -> None:
        await kubelet.upgrade()
        kubelet.say("stdout", "{}")
        kubelet.say("error", '{"status": "Success"}')
        for name in ("stderr", "stdout", "error"):
            kubelet.writer.write(control(3, struct.pack("!II", kubelet.streams[name], 5)))

    assert run(talk)[0] == b"{}"


def test_a_command_that_fails_is_an_error() -> None:
    """The error says how it ended and what it said."""

    async def talk(kubelet: Kubelet) -> None:
        await kubelet.upgrade()
        kubelet.say("stderr", "no cluster")
        kubelet.status(status="Failure", message="exit code 1")

    with pytest.raises(ApiError, match=r"exit code 1.*no cluster"):
        run(talk)


def test_a_refusal_is_an_error_with_its_status() -> None:
    """What the API server says instead of switching protocols."""

    async def talk(kubelet: Kubelet) -> None:
        await kubelet.reader.readuntil(b"\r\n\r\n")
        kubelet.writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden")

    with pytest.raises(ApiError, match="forbidden") as caught:
        run(talk)
    assert caught.value.status == 403


async def _cut_off(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    kubelet.say("stdout", "half")


async def _resets(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    kubelet.say("stdout", "whole", end=True)
    kubelet.writer.write(control(3, struct.pack("!II", kubelet.streams["error"], 5)))


async def _goes_away(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    kubelet.writer.write(control(7, bytes(8)))
    await kubelet.reader.read()


async def _in_the_frame(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    kubelet.writer.write(data(3, b"whole")[:-2])


async def _nonsense(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    kubelet.say("error", "no JSON", end=True)


async def _too_much(kubelet: Kubelet) -> None:
    await kubelet.upgrade()
    for _ in range(3):
        kubelet.say("stdout", bytes(4 << 20))


async def _hangs_up(kubelet: Kubelet) -> None:
    kubelet.writer.close()


@pytest.mark.parametrize("talk", [_cut_off, _resets, _goes_away, _in_the_frame, _nonsense, _too_much, _hangs_up])
def test_what_is_no_answer_is_unavailable(talk: Talk) -> None:
    """An exec that is cut off, given up, out of shape or endless tells nothing."""
    with pytest.raises(ApiUnavailableError):
        run(talk)


def test_a_command_that_hangs_is_given_up() -> None:
    """At the deadline, with no answer."""

    async def talk(kubelet: Kubelet) -> None:
        await kubelet.upgrade()
        await kubelet.reader.read()

    with pytest.raises(ApiUnavailableError, match="TimeoutError"):
        run(talk, deadline_s=0.3)
