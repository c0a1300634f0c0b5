"""Reading what the operator reports: REST, QueryCluster, StreamCluster, health.

Each answer becomes an `Answer` with the moment it was asked for and the moment it came. Bodies of gRPC answers are
turned into the shape of the REST document, so that one reader serves all three. Nothing here judges.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from harness.operator.proto import QUERY_CLUSTER, SERVICE, STREAM_CLUSTER
from harness.operator.proto import inventory_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

QUERY = f"/{SERVICE}/{QUERY_CLUSTER}"
STREAM = f"/{SERVICE}/{STREAM_CLUSTER}"
OK, ERROR, TIMEOUT, REFUSED = "ok", "error", "timeout", "refused"

GRPC_OPTIONS = (
    # The default reconnect back-off grows to two minutes, which would be our blindness, not the operator's.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 2**28),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the lack of one.

    `t0`, `t`: monotonic seconds when asked and when answered (given up); `outcome`: ok | error | timeout | refused;
    `status`: HTTP status or gRPC code name; `body`: the REST-shaped document when ok ({"raw": text} when it is not
    JSON).
    """

    source: str
    t0: float
    t: float
    outcome: str
    status: str = ""
    body: Any = None
    error: str = ""


@dataclass(slots=True)
class _Decoded:
    """Remembers the last body by its bytes: an inventory rarely changes between two polls."""

    decode: Callable[[bytes], Any]
    digest: bytes = b""
    body: Any = None

    def __call__(self, raw: bytes) -> Any:
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if digest != self.digest:
            self.digest, self.body = digest, self.decode(raw)
        return self.body


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, numbers of thousands of digits, depth without end
        return {"raw": raw[:2000].decode(errors="replace")}


@dataclass(slots=True)
class RestReader:
    """GETs on the REST port: on one kept-alive connection where the operator allows it, or each on its own."""

    base_url: str
    timeout_s: float
    _session: aiohttp.ClientSession | None = None
    _newcomer: aiohttp.ClientSession | None = None
    _decode: _Decoded = field(default_factory=lambda: _Decoded(_json))

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self._newcomer = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for session in (self._session, self._newcomer):
            if session is not None:
                await session.close()

    async def get(self, path: str = "/v1/inventory", *, fresh: bool = False) -> Answer:
        """One GET, `fresh`: on a new connection that is closed afterwards; never raises."""
        session = self._newcomer if fresh else self._session
        if session is None:
            raise RuntimeError("RestReader is used outside of its 'async with' block")
        t0 = time.monotonic()
        try:
            async with session.get(self.base_url + path) as response:
                raw = await response.read()
                status = response.status
        except TimeoutError:
            return Answer("rest", t0, time.monotonic(), TIMEOUT, error=f"no answer within {self.timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as exc:
            return Answer("rest", t0, time.monotonic(), REFUSED, error=f"{type(exc).__name__}: {exc}")
        t = time.monotonic()
        if status == 200:
            return Answer("rest", t0, t, OK, "200", self._decode(raw) if path == "/v1/inventory" else None)
        return Answer("rest", t0, t, ERROR, str(status), error=raw[:300].decode(errors="replace"))


@dataclass(slots=True)
class GrpcReader:
    """QueryCluster and StreamCluster on one channel."""

    target: str
    timeout_s: float
    _channel: grpc.aio.Channel | None = None
    _query: Callable[..., Any] | None = None
    _stream: Callable[..., Any] | None = None
    _decode_query: _Decoded = field(default_factory=lambda: _Decoded(cluster_document))
    _decode_stream: _Decoded = field(default_factory=lambda: _Decoded(cluster_document))

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self.target, options=GRPC_OPTIONS)
        self._query = self._channel.unary_unary(QUERY, None, None)
        self._stream = self._channel.unary_stream(STREAM, None, None)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._channel is not None:
            await self._channel.close(grace=0)

    async def query(self) -> Answer:
        """One QueryCluster; never raises."""
        if self._query is None:
            raise RuntimeError("GrpcReader is used outside of its 'async with' block")
        t0 = time.monotonic()
        try:
            raw = await self._query(b"", timeout=self.timeout_s)
        except grpc.aio.AioRpcError as exc:
            return _grpc_failure("query", t0, exc)
        return Answer("query", t0, time.monotonic(), OK, "OK", self._decode_query(raw))

    async def stream(self) -> AsyncIterator[Answer]:
        """The messages of one StreamCluster call, then one last answer that says how it ended; never raises."""
        if self._stream is None:
            raise RuntimeError("GrpcReader is used outside of its 'async with' block")
        t0 = time.monotonic()
        call = self._stream(b"")
        try:
            async for raw in call:
                now = time.monotonic()
                yield Answer("stream", now, now, OK, "OK", self._decode_stream(raw))
        except grpc.aio.AioRpcError as exc:
            yield _grpc_failure("stream", t0, exc)
        else:
            now = time.monotonic()
            yield Answer("stream", now, now, ERROR, "OK", error="the operator ended the stream")
        finally:
            call.cancel()


def _grpc_failure(source: str, t0: float, exc: grpc.aio.AioRpcError) -> Answer:
    code = exc.code().name
    outcome = {"DEADLINE_EXCEEDED": TIMEOUT}.get(code, ERROR)
    details = exc.details() or ""
    if code == "UNAVAILABLE" and _never_reached(details):
        outcome = REFUSED
    return Answer(source, t0, time.monotonic(), outcome, code, error=details[:300])


def _never_reached(details: str) -> bool:
    """Whether UNAVAILABLE came from our own side of the connection (the operator may answer UNAVAILABLE as well)."""
    words = (
        "failed to connect",
        "connection refused",
        "socket closed",
        "connection reset",
        "recvmsg",
        "goaway",
        "broken pipe",
    )
    return any(word in details.lower() for word in words)


def cluster_document(raw: bytes) -> Any:
    """An `akash.inventory.v1.Cluster` message as the REST document; {"raw": …} when the bytes are not one."""
    try:
        cluster = pb.Cluster.FromString(raw)
    except DecodeError as exc:
        return {"raw": f"not a Cluster message: {exc}"}
    return {
        "nodes": [_node(node) for node in cluster.nodes],
        "storage": [
            {
                "quantity": _pair(item, "quantity"),
                "info": {"class": getattr(item.info, "class"), "iops": item.info.iops},
            }
            for item in cluster.storage
        ],
    }


def _node(node: pb.Node) -> dict[str, Any]:
    resources = node.resources
    return {
        "name": node.name,
        "resources": {
            "cpu": {"quantity": _pair(resources.cpu, "quantity"), "info": _infos(resources.cpu.info, _CPU)},
            "memory": {"quantity": _pair(resources.memory, "quantity"), "info": None},
            "gpu": {"quantity": _pair(resources.gpu, "quantity"), "info": _infos(resources.gpu.info, _GPU)},
            "ephemeral_storage": _pair(resources, "ephemeral_storage"),
            "volumes_attached": _pair(resources, "volumes_attached"),
            "volumes_mounted": _pair(resources, "volumes_mounted"),
        },
        "capabilities": {"storage_classes": list(node.capabilities.storage_classes)},
    }


_CPU = {"id": "id", "vendor": "vendor", "model": "model", "vcores": "vcores"}
_GPU = {
    "vendor": "vendor", "vendor_id": "vendor_id", "name": "name", "model_id": "modelid", "interface": "interface",
    "memory_size": "memory_size",
}  # fmt: skip


def _infos(items: Any, fields: dict[str, str]) -> list[dict[str, Any]] | None:
    """Info lists are null when empty, as in REST."""
    return [{key: getattr(item, name) for key, name in fields.items()} for item in items] or None


def _pair(holder: Any, name: str) -> dict[str, str] | None:
    """A ResourcePair; null when the message lacks it, a figure missing in it stays missing."""
    if not holder.HasField(name):
        return None
    pair = getattr(holder, name)
    return {key: getattr(pair, key).string for key in ("allocatable", "allocated", "capacity") if pair.HasField(key)}
