"""Where the API server's connections to pods and nodes arrive, and what answers them.

The API server is told (EgressSelectorConfiguration, name `cluster`, HTTPConnect over a unix socket) to send
everything that is meant for a pod or node to our socket: first `CONNECT <pod IP>:<port>`, then, inside, the plain
HTTP request, with `X-Forwarded-Uri: /api/v1/namespaces/<ns>/pods/<pod>:8081/proxy/<path>`. Which node is meant is
read from the pod itself. So any number of nodes has a hardware discovery API without root and without network
namespaces, and every byte passes through a place where discovery faults can act (`Behaviour`). What is meant for a
node's kubelet (an exec) is handed on as it is to whoever plays kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from harness.wait import interval

_URI = re.compile(r"^/api/v1/namespaces/(?P<ns>[^/]+)/pods/(?:https?:)?(?P<pod>[^/:]+)(?::\d+)?/proxy(?P<path>/[^?]*)?")
_MAX_HEAD = 65536
_HEAD_TIMEOUT_S = 30.0

KUBELET_PORT = 10250
"""Where the API server looks for a kubelet whose Node names no other port."""

_CHUNK = 1 << 16

NodeOfPod = Callable[[str, str], Awaitable[str | None]]
"""(namespace, pod name) -> the node the pod runs on, or None when there is no such pod."""


FAULTY = ("refuse", "hang", "error", "garbage", "late", "empty", "half", "types", "huge")
"""The modes of a discovery API that misbehaves.

`error` is a 500; `garbage` no JSON; `late` the truth after the delay; `empty` 200 without a body; `half` a body that is
cut in the middle with its connection; `types` JSON of the right names and wrong types; `huge` the truth behind
HUGE_BYTES of padding in a field that nobody knows.
"""

UNSETTLED = "unsettled"
"""The mode of a discovery API that answers as its machine and as another in turn, whatever it is asked for."""

HUGE_BYTES = 32 << 20
_PADDING = b"x" * (1 << 18)
_JSON, _TEXT = "application/json", "text/plain"
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a node's discovery API answers: `mode` is "answer", UNSETTLED or one of FAULTY; `delay_s` comes first.

    `others`: the other machine of each node, for UNSETTLED.
    """

    mode: str = "answer"
    delay_s: float = 0.0
    others: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Egress:
    """The discovery APIs of all simulated nodes.

    `kubelet`: the loopback port of whoever plays kubelet for all nodes; 0: nobody does.

    `hardware` maps a node to {"cpu": …, "gpu": …, "memory": …}; a node without an entry refuses connections, as a
    machine that runs no discovery server does. `served` counts answers for each node, `misbehaved` the requests that
    met a faulty behaviour, `turns` for each node the answers of its own and of the other machine since it is unsettled:
    evidence that discovery happened, and that a fault of it bit.
    """

    node_of_pod: NodeOfPod
    hardware: dict[str, Any] = field(default_factory=dict)
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    misbehaved: int = 0
    turns: dict[str, list[int]] = field(default_factory=dict)
    kubelet: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One CONNECT tunnel, from its first byte to its end."""
        self._open.add(writer)
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_S):
                request, _ = await _head(reader)
            if not request.startswith("CONNECT "):
                await _send(writer, 405, "text/plain", b"only CONNECT is served here\n")
                return
            if request.split(" ")[1].rpartition(":")[2] == str(KUBELET_PORT):
                await self._to_kubelet(reader, writer)
                return
            writer.write(_ESTABLISHED)
            await writer.drain()
            while await self._request(reader, writer):
                pass
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the API server went away (killed by a fault, or its client did): nothing is left to answer
        finally:
            self._open.discard(writer)
            writer.close()

    async def _to_kubelet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand bytes on in both directions until either end closes; what is inside is TLS, and none of our business."""
        if not self.kubelet:
            await _send(writer, 502, _TEXT, b"no kubelet is at work here\n")
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.kubelet)
        try:
            writer.write(_ESTABLISHED)
            ways = [
                asyncio.ensure_future(_carry(reader, far_writer)), asyncio.ensure_future(_carry(far_reader, writer)),
            ]  # fmt: skip
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            far_writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request inside the tunnel; False when the tunnel is to be closed."""
        try:
            request, headers = await _head(reader)
        except asyncio.IncompleteReadError:
            return False
        parts = request.split(" ")
        found = _URI.match(headers.get("x-forwarded-uri", ""))
        path = parts[1] if len(parts) > 1 else "/"
        node = await self.node_of_pod(found["ns"], found["pod"]) if found else None
        if node is None or node not in self.hardware:
            return False  # as a refused connection looks to the API server: 503 from its proxy
        behaviour = self.behaviour.get(node) or self.behaviour.get("*") or Behaviour()
        if behaviour.mode != "answer":
            self.misbehaved += 1  # before the delay: who gives up waiting has met the fault as well
        if behaviour.delay_s:
            await interval(behaviour.delay_s)
        path = path.split("?")[0]
        hardware = self.hardware.get(node, {})  # it may have gone during the delay
        if behaviour.mode == UNSETTLED:
            hardware = self._turn(node, behaviour.others.get(node, hardware))
        if behaviour.mode in {"answer", "late", UNSETTLED}:
            await self._answer(writer, node, path, hardware)
            return True
        return await _misbehave(writer, behaviour.mode, hardware.get(path.strip("/"), hardware))

    def behave(self, node: str, behaviour: Behaviour) -> None:
        """Answer like that from now on, for a node or ("*") for all; whoever is being answered is cut off."""
        self.behaviour[node] = behaviour
        self.turns.clear()
        self.drop()

    def _turn(self, node: str, other: Any) -> Any:
        """The node's hardware and the other's in turn, its own first.

        Who asks for two parts each time is told of both machines each time, and the next time the other way round.
        """
        turns = self.turns.setdefault(node, [0, 0])
        own = sum(turns) % 4 in {0, 3}
        turns[0 if own else 1] += 1
        return self.hardware.get(node, {}) if own else other

    async def _answer(self, writer: asyncio.StreamWriter, node: str, path: str, hardware: Any) -> None:
        part = path.strip("/")
        if part and part not in hardware:
            await _send(writer, 404, _TEXT, f"no such part: {path}\n".encode())
            return
        self.served[node] = self.served.get(node, 0) + 1
        await _send(writer, 200, _JSON, json.dumps(hardware[part] if part else hardware).encode())

    def drop(self) -> None:
        """Cut every open tunnel (part of making a discovery fault bite at once)."""
        for writer in list(self._open):
            with contextlib.suppress(RuntimeError):
                writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """The request line and the headers (names in lower case) of one HTTP/1.1 request; its body, if any, is skipped."""
    raw = await reader.readuntil(b"\r\n\r\n")
    if len(raw) > _MAX_HEAD:
        raise ConnectionError("request head too large")
    lines = raw.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0") or 0)
    if length:
        await reader.readexactly(length)
    return lines[0], headers


async def _misbehave(writer: asyncio.StreamWriter, mode: str, truth: Any) -> bool:
    """Answer in a faulty mode what should be `truth`; False when the tunnel is to be closed."""
    body = json.dumps(truth).encode()
    match mode:
        case "refuse":
            return False
        case "hang":
            await asyncio.Event().wait()
        case "error":
            await _send(writer, 500, _TEXT, b"discovery failed\n")
        case "garbage":
            await _send(writer, 200, _JSON, b'{"total_cores": "many", "processors": 7')
        case "empty":
            await _send(writer, 200, _JSON, b"")
        case "half":
            writer.write(_status(200, _JSON, len(body)) + body[: len(body) // 2])
            return False  # what was written still leaves, then the tunnel is closed
        case "types":
            await _send(writer, 200, _JSON, json.dumps(mistyped(truth)).encode())
        case "huge":
            await _send_huge(writer, body)
        case _:
            await _send(writer, 500, _TEXT, f"no such mode: {mode}\n".encode())
    return True


def mistyped(value: Any) -> Any:
    """The same document with numbers as text and lists as objects; null, which stands for no list, is an empty one."""
    if isinstance(value, dict):
        return {name: mistyped(item) for name, item in value.items()}
    if value is None or isinstance(value, list):
        return {str(index): mistyped(item) for index, item in enumerate(value or ())}
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


async def _send_huge(writer: asyncio.StreamWriter, truth: bytes) -> None:
    """The truth after HUGE_BYTES of padding, piece by piece: several such answers at once must not fill our memory."""
    first, last = b'{"padding": "', b'"' + (b"}" if truth == b"{}" else b", " + truth[1:])
    writer.write(_status(200, _JSON, len(first) + HUGE_BYTES + len(last)) + first)
    for _ in range(HUGE_BYTES // len(_PADDING)):
        writer.write(_PADDING)
        await writer.drain()
    writer.write(last)
    await writer.drain()


async def _send(writer: asyncio.StreamWriter, status: int, content_type: str, body: bytes) -> None:
    writer.write(_status(status, content_type, len(body)) + body)
    await writer.drain()


def _status(status: int, content_type: str, length: int) -> bytes:
    """The head of an answer."""
    reason = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode()
