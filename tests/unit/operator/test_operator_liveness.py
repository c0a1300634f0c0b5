"""The chart's liveness script, as we decide it, and the probe that follows it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.operator.api import ERROR, OK, REFUSED, TIMEOUT, Answer
from harness.operator.liveness import Liveness, failure
from harness.process.ports import Ports

if TYPE_CHECKING:
    from harness.operator.process import OperatorProcess


def node(name: str, capacity: Any = "4", info: Any = None) -> dict[str, Any]:
    """A node with as many GPUs, and that GPU info."""
    return {"name": name, "resources": {"gpu": {"quantity": {"capacity": capacity}, "info": info}}}


def answered(body: Any) -> Answer:
    """An answer with that body."""
    return Answer("rest", 0.0, 0.1, OK, "200", body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"nodes": [], "storage": []}, "no nodes reported"),
        ({"nodes": None}, "no nodes reported"),
        ({}, "no nodes reported"),
        ({"nodes": {}}, "no nodes reported"),
        ({"nodes": [node("b"), node("a")]}, "GPUs without GPU info on a, b"),
        ({"nodes": [node(f"n{i}") for i in range(5)]}, "GPUs without GPU info on n0, n1, n2 and 2 more"),
        ({"nodes": [node("a", "0"), node("b", "2", [{"name": "a100"}])]}, ""),
        ({"nodes": [node("a", info=[])]}, ""),
        ({"nodes": [node("a", 0)]}, "GPUs without GPU info on a"),
        ({"nodes": [{"name": "a"}]}, "GPUs without GPU info on a"),
        ({"nodes": "abc"}, ""),
        ({"raw": "hello"}, ""),
        ([], ""),
    ],
    ids=str,
)
def test_the_script_is_decided_as_it_decides(body: Any, why: str) -> None:
    """The chart's own script (19.0.2, with bash, curl and jq) ended with 1 over just these bodies."""
    assert failure(answered(body)) == why


@pytest.mark.parametrize(("outcome", "why"), [(REFUSED, ""), (ERROR, ""), (TIMEOUT, "no answer within 30 s")])
def test_no_inventory_counts_as_no_gpus(outcome: str, why: str) -> None:
    """The script passes where curl fails; where curl hangs, the probe's time limit fails it."""
    assert failure(Answer("rest", 0.0, 30.0, outcome)) == why


class Child:
    """A process that was started long ago, or just now."""

    running = True

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at


class Process:
    """An operator's process; `restart` tells who waits for it."""

    def __init__(self, port: int, started_at: float) -> None:
        self.rest_url = f"http://127.0.0.1:{port}"
        self.child = Child(started_at)
        self.restarted: asyncio.Future[tuple[str, float]] = asyncio.get_running_loop().create_future()

    async def restart(self, why: str, *, grace_s: float) -> int:
        """It is another process from now on, and too young to be probed."""
        self.child = Child(float("inf"))
        self.restarted.set_result((why, grace_s))
        return 0


def test_one_failure_ends_the_process() -> None:
    """The probe asks for the inventory, notes what it found, and has the operator restarted over it."""
    ports = Ports()
    port = ports.take()
    body = json.dumps({"nodes": []}).encode()
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def go() -> tuple[tuple[str, float], list[dict[str, Any]]]:
        noted: list[dict[str, Any]] = []
        process = Process(port, float("-inf"))
        probes = Liveness(cast("OperatorProcess", process), lambda **fields: noted.append(fields), 0.01)
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            running = asyncio.create_task(probes.run())
            told = await process.restarted
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return told, noted

    told, noted = asyncio.run(go())
    ports.release()

    assert told == ("no nodes reported", 5.0)
    assert asked[0].startswith(b"GET /v1/inventory ")
    assert [(note["passed"], note["why"]) for note in noted] == [(False, "no nodes reported")]
