"""Many clients of a stream, against a small server in the test."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from harness.errors import UsageError
from harness.operator.proto import SERVICE, STREAM_CLUSTER
from harness.operator.proto import inventory_pb2 as pb
from harness.operator.streams import CALLED, ENDED, OPERATOR, TOLD, US, Crowd, Streams
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@asynccontextmanager
async def served(stream: Callable[[Any, Any], AsyncIterator[bytes]]) -> AsyncIterator[str]:
    """A gRPC server with that StreamCluster."""
    server = grpc.aio.server()
    handlers = {STREAM_CLUSTER: grpc.unary_stream_rpc_method_handler(stream)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def followed(
    stream: Callable[[Any, Any], AsyncIterator[bytes]], wanted: Streams, enough: Callable[[list[Any]], bool]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """What is noted until it is enough, and the bodies that were kept."""
    noted: list[dict[str, Any]] = []
    bodies: list[Any] = []

    def keep(body: Any) -> str:
        bodies.append(body)
        return f"id-{len(bodies)}"

    async def play() -> None:
        async with served(stream) as target:
            task = asyncio.create_task(Crowd(target, wanted, lambda **fields: noted.append(fields), keep).run())

            async def there(progress: Progress) -> bool | None:
                progress.last = f"{len(noted)} notes, the last {noted[-1:]}"
                return enough(noted) or None

            await until("enough notes", there, deadline_s=20.0)
            task.cancel()
            await asyncio.wait({task})

    asyncio.run(play())
    return noted, bodies


def message(*names: str) -> bytes:
    """An inventory with these nodes."""
    return bytes(pb.Cluster(nodes=[pb.Node(name=name) for name in names]).SerializeToString())


def test_every_client_is_noted_and_one_body_is_kept_once() -> None:
    """Four clients are told the same bytes: four notes with one id; every other client hangs up and comes back."""

    async def stream(_request: Any, _context: Any) -> AsyncIterator[bytes]:
        yield message("a")
        await asyncio.Event().wait()

    noted, bodies = followed(
        stream, Streams(clients=4, comes_back_s=0.3), lambda notes: sum(n["event"] == TOLD for n in notes) >= 10
    )

    told = [note for note in noted if note["event"] == TOLD]
    assert {note["snapshot"] for note in told} == {"id-1"}
    assert [node["name"] for node in bodies[0]["nodes"]] == ["a"]
    assert {note["client"] for note in told} == {1, 2, 3, 4}
    ended = Counter((note["client"], note["by"]) for note in noted if note["event"] == ENDED)
    assert set(ended) == {(2, US), (4, US)}
    assert {note["call"] for note in told if note["client"] in {1, 3}} == {0}


def test_a_client_that_is_hung_up_on_calls_again() -> None:
    """The operator ends each call, in order or with an error: noted with its status, and called again."""
    calls = 0

    async def stream(_request: Any, context: Any) -> AsyncIterator[bytes]:
        nonlocal calls
        calls += 1
        yield message("a", str(calls))
        if calls % 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    noted, bodies = followed(
        stream, Streams(clients=1, comes_back_s=0), lambda notes: sum(n["event"] == ENDED for n in notes) >= 3
    )

    ends = [(note["by"], note["status"]) for note in noted if note["event"] == ENDED]
    assert ends[:2] == [(OPERATOR, "UNAVAILABLE"), (OPERATOR, "OK")]
    assert [note["call"] for note in noted if note["event"] == CALLED][:3] == [0, 1, 2]
    assert len(bodies) >= 3


def test_what_is_no_inventory_is_kept_as_it_is() -> None:
    """Bytes that are no message say so, for SHAPE-1 to find."""

    async def stream(_request: Any, _context: Any) -> AsyncIterator[bytes]:
        yield b"\xff\xff"
        await asyncio.Event().wait()

    _noted, bodies = followed(
        stream, Streams(clients=1, comes_back_s=0), lambda notes: notes[-1:] != [] and notes[-1]["event"] == TOLD
    )

    assert "not a Cluster message" in bodies[0]["raw"]


@pytest.mark.parametrize(("clients", "comes_back_s"), [(0, 1.0), (501, 1.0), (5, -1.0), (5, 0.1), (5, 61.0)])
def test_numbers_out_of_range_are_refused(clients: int, comes_back_s: float) -> None:
    """With the value and what is possible."""
    with pytest.raises(UsageError, match=f"clients={clients}, comes_back_s={comes_back_s:g}"):
        Streams(clients=clients, comes_back_s=comes_back_s)
