"""The gRPC face: QueryCluster and StreamCluster, with reflection (contract.md part A, "gRPC")."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from grpc_reflection.v1alpha import reflection

from harness.operator.proto import QUERY_CLUSTER, SERVICE, STREAM_CLUSTER
from harness.reference.listeners import check_free

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from harness.reference.behaviour import Behaviour
    from harness.reference.publisher import Publisher

_OPTIONS = (
    # Without this two processes can share a port, and a taken one would look free.
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(slots=True)
class Rpc:
    """Serves the latest snapshot; a slow reader of the stream gets the newest one and skips those in between."""

    publisher: Publisher
    behaviour: Behaviour
    _server: Any = None
    _calls: int = 0

    async def start(self, address: str, port: int) -> None:
        """Bind and serve; raises OSError when the port is taken."""
        check_free(address, port)
        server = grpc.aio.server(options=_OPTIONS)
        handlers = {
            QUERY_CLUSTER: grpc.unary_unary_rpc_method_handler(
                self._query, request_deserializer=empty_pb2.Empty.FromString
            ),
            STREAM_CLUSTER: grpc.unary_stream_rpc_method_handler(
                self._stream, request_deserializer=empty_pb2.Empty.FromString
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            server.add_insecure_port(target)
        except RuntimeError as exc:
            raise OSError(f"cannot bind {target}: {exc}") from exc
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """End all streams and close the port."""
        if self._server is not None:
            await self._server.stop(0.2)

    async def _query(self, _: empty_pb2.Empty, context: Any) -> bytes:
        if self.publisher.current is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the first inventory is not complete yet")
            raise AssertionError  # abort never returns
        return self.publisher.current.message

    async def _stream(self, _: empty_pb2.Empty, context: Any) -> AsyncIterator[bytes]:
        if self.publisher.current is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the first inventory is not complete yet")
            raise AssertionError  # abort never returns
        self._calls += 1
        async with aclosing(self.behaviour.stream_messages(self.publisher, self._calls)) as messages:
            async for message in messages:
                yield message
