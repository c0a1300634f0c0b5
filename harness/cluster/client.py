"""A small asynchronous client of the Kubernetes API.

Why not the official Python client here: its watch lists again by itself when a watch breaks and it retries quietly, and
an oracle that does not see its own gaps cannot tell what was true. This one does one request for one call, maps every
failure to an error of ours, and hands each watch event over with the moment it arrived.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from harness.errors import ApiError, ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from harness.cluster.pki import KeyPair

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
REQUEST_TIMEOUT_S = 10.0
_MAX_LINE = 2**24  # one watch event; objects may be 1.5 MiB and more in etcd, far more as JSON with escapes


_EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
"""The first byte of a message says which stream it is of."""


_HEARTBEAT_S = 3.0
"""How often a tunnel's other end is asked whether it is there, and twice what it may take to answer. A server whose
machine was lost says nothing; requests have to break before they are given up (`harness.operator.api`)."""

_FORWARD_PROTOCOLS = ("v4.channel.k8s.io",)
_DATA, _ERROR = 0, 1
_PORT_BYTES = 2
"""Of each channel the first message is the number of the port; none carries data."""

_ORDERLY = (aiohttp.WSCloseCode.OK, aiohttp.WSCloseCode.GOING_AWAY)


@dataclass(slots=True)
class Tunnel:
    """Bytes to and from a port of a pod. `refused`: what the kubelet said when the port did not take the connection."""

    socket: aiohttp.ClientWebSocketResponse
    refused: str = ""

    async def send(self, data: bytes) -> None:
        """Send bytes to the port."""
        await self.socket.send_bytes(bytes((_DATA,)) + data)

    async def received(self) -> AsyncIterator[bytes]:
        """What the port sends, until it or the kubelet ends the connection."""
        opened: set[int] = set()
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, body = message.data[0], message.data[1:]
            if channel not in opened:
                opened.add(channel)
                body = body[_PORT_BYTES:]
            if channel == _ERROR and body:
                self.refused = body.decode(errors="replace").strip()
                return
            if channel == _DATA and body:
                yield body
        # Whoever ends a connection in order says so; without that word it broke somewhere on the way.
        if self.socket.close_code not in _ORDERLY:
            raise ConnectionError(f"the connection broke (code {self.socket.close_code})")


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch: `type` ADDED | MODIFIED | DELETED | BOOKMARK, and the object as the server sent it."""

    type: str
    object: Mapping[str, Any]


Gate = Callable[[str, str, Any, "Mapping[str, str] | None"], Any]
"""Called with method, path, body and parameters before each request.

None: it may be made. Anything else is its answer, and nothing is asked.
"""


class KubeClient:
    """Requests to one API server, or to one load balancer in front of several.

    Every method raises ApiError for an answer that is not success and ApiUnavailableError when there is no answer.
    """

    _limit = 64
    """Of connections at a time; 0: none."""

    def __init__(
        self,
        server: str,
        *,
        ca: Path | None = None,
        pair: KeyPair | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        gate: Gate | None = None,
    ) -> None:
        """With the certificates of a cluster of ours, or `tls` and `headers` in which credentials of any kind are.

        `gate` is asked before each request; what it raises is not done.
        """
        self.server = server.rstrip("/")
        self._ssl = ssl.create_default_context(cafile=None if ca is None else str(ca)) if tls is None else tls
        if pair is not None:
            self._ssl.load_cert_chain(str(pair.cert), str(pair.key))
        self._headers = dict(headers or {})
        self._gate = gate
        self._session: aiohttp.ClientSession | None = None

    def unlimited(self) -> KubeClient:
        """Another one with the same identity and connections of its own, as many as it likes; not open yet."""
        other = copy.copy(self)
        other._limit, other._session = 0, None  # noqa: SLF001 - of this very class
        return other

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=self._limit)
        self._session = aiohttp.ClientSession(connector=connector, read_bufsize=2**18, headers=self._headers)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout_s: float = REQUEST_TIMEOUT_S,
        as_user: str = "",
    ) -> Any:
        """One request; the decoded JSON answer (or text, when the server answers text). `as_user`: impersonated."""
        if self._gate is not None:
            made_up = self._gate(method, path, body, params)
            if made_up is not None:
                return made_up
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        if as_user:
            headers["Impersonate-User"] = as_user
        try:
            async with self._open.request(
                method, self.server + path, data=data, params=params, headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:  # fmt: skip
                text = await response.text()
                if response.status >= 400:
                    raise _api_error(method, path, response.status, text)
                return json.loads(text) if response.content_type == "application/json" else text
        except (aiohttp.ClientError, TimeoutError, ConnectionError, json.JSONDecodeError) as exc:
            raise _unavailable(method, path, exc) from exc

    async def get(
        self, path: str, *, params: Mapping[str, str] | None = None, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Any:
        """GET an object or a list."""
        return await self.request("GET", path, params=params, timeout_s=timeout_s)

    async def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST an object to a collection."""
        return await self.request("POST", path, body=body)

    async def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """POST an object; one that exists already is left as it is."""
        try:
            await self.create(path, body)
        except ApiError as exc:
            if exc.status != 409:
                raise

    async def patch(self, path: str, body: Any, *, content_type: str = MERGE_PATCH) -> Any:
        """PATCH an object (merge patch unless said otherwise)."""
        return await self.request("PATCH", path, body=body, content_type=content_type)

    async def delete(self, path: str, *, grace_s: int | None = None) -> None:
        """DELETE an object; one that is gone already is no error."""
        body = None if grace_s is None else {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace_s}
        try:
            await self.request("DELETE", path, body=body)
        except ApiError as exc:
            if exc.status != 404:
                raise

    async def execute(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> str:
        """What a command in a container prints, through the API server's exec.

        Raises ApiError when it ends with another code than 0.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", c) for c in command)]
        said: dict[int, bytearray] = {channel: bytearray() for channel in (_STDOUT, _STDERR, _STATUS)}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._open.ws_connect(
                    self.server + path, params=query, protocols=_EXEC_PROTOCOLS, max_msg_size=_MAX_LINE
                ) as socket,
            ):
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.BINARY and message.data and message.data[0] in said:
                        said[message.data[0]] += message.data[1:]
            status = json.loads(bytes(said[_STATUS]))
        except aiohttp.WSServerHandshakeError as exc:
            raise ApiError(f"EXEC {path}: {exc.status} {exc.message}", status=exc.status) from exc
        except (aiohttp.ClientError, TimeoutError, ConnectionError, json.JSONDecodeError) as exc:
            raise _unavailable("EXEC", path, exc) from exc
        if status.get("status") != "Success":
            words = bytes(said[_STDERR]).decode(errors="replace").strip()
            raise ApiError(f"EXEC {path}: {status.get('message', '')}: {words}", status=int(status.get("code") or 500))
        return bytes(said[_STDOUT]).decode(errors="replace")

    async def watch(self, path: str, *, resource_version: str, idle_s: float) -> AsyncGenerator[WatchEvent, None]:
        """The events after `resource_version`, until the server closes the watch (then the iteration ends).

        Bookmarks are asked for; where no byte arrives for `idle_s` seconds the server counts as unavailable. An ERROR
        event is raised as ApiError with its status (410: the version is too old).
        """
        params = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=idle_s)
        try:
            async with self._open.get(
                self.server + path, params=params, timeout=timeout, headers={"Accept": "application/json"}
            ) as response:
                if response.status >= 400:
                    raise _api_error("WATCH", path, response.status, await response.text())
                async for line in _lines(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise _api_error("WATCH", path, int(status.get("code", 500)), json.dumps(status))
                    yield WatchEvent(event["type"], event["object"])
        except (aiohttp.ClientError, TimeoutError, ConnectionError, json.JSONDecodeError) as exc:
            raise _unavailable("WATCH", path, exc) from exc

    async def text(self, path: str, *, params: Mapping[str, str], idle_s: float) -> AsyncGenerator[bytes, None]:
        """What a long answer brings, as it comes, until the server ends it: a log that is followed.

        Where nothing arrives for `idle_s` seconds the server counts as unavailable.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=idle_s)
        try:
            async with self._open.get(self.server + path, params=params, timeout=timeout) as response:
                if response.status >= 400:
                    raise _api_error("GET", path, response.status, await response.text())
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            raise _unavailable("GET", path, exc) from exc

    @asynccontextmanager
    async def tunnel(self, namespace: str, pod: str, port: int) -> AsyncIterator[Tunnel]:
        """One connection to a port of a pod, through the API server and the kubelet (`portforward`).

        Raises ApiError when either refuses, ApiUnavailableError when the API server does not answer, or the connection
        breaks. The port itself may refuse later: then the tunnel ends, with what the kubelet said.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            async with (
                asyncio.timeout(REQUEST_TIMEOUT_S) as limit,
                self._open.ws_connect(
                    self.server + path, params={"ports": str(port)}, protocols=_FORWARD_PROTOCOLS,
                    max_msg_size=_MAX_LINE, heartbeat=_HEARTBEAT_S,
                ) as socket,
            ):  # fmt: skip
                limit.reschedule(None)
                yield Tunnel(socket)
        except aiohttp.WSServerHandshakeError as exc:
            raise ApiError(f"FORWARD {path}: {exc.status} {exc.message}", status=exc.status) from exc
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            raise _unavailable("FORWARD", path, exc) from exc

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("KubeClient is used outside of its 'async with' block")
        return self._session


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length up to _MAX_LINE (the stream reader's own readline gives up at its buffer size)."""
    buffer = bytearray()
    async for chunk in stream.iter_any():
        buffer += chunk
        if b"\n" not in chunk:
            if len(buffer) > _MAX_LINE:
                raise ConnectionError(f"a watch event of more than {_MAX_LINE} bytes")
            continue
        *whole, rest = bytes(buffer).split(b"\n")
        buffer = bytearray(rest)
        for line in whole:
            if line:
                yield line


def _api_error(method: str, path: str, status: int, text: str) -> ApiError:
    reason, message = "", text[:300]
    try:
        body = json.loads(text)
        reason, message = str(body.get("reason", "")), str(body.get("message", message))
    except (json.JSONDecodeError, AttributeError):
        pass
    return ApiError(f"{method} {path}: {status} {reason}: {message}", status=status, reason=reason)


def _unavailable(method: str, path: str, exc: Exception) -> ApiUnavailableError:
    what = (
        "no answer in time" if isinstance(exc, TimeoutError | asyncio.TimeoutError) else f"{type(exc).__name__}: {exc}"
    )
    return ApiUnavailableError(f"{method} {path}: {what}")
