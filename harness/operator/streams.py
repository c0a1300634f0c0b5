"""Many clients of StreamCluster that behave: some stay, and some hang up and come back.

Each has a connection of its own, as in life. A message is known by its bytes: an operator that sends many clients the
same inventory costs us one decoding.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from harness.errors import UsageError
from harness.operator.api import GRPC_OPTIONS, STREAM, cluster_document
from harness.wait import interval

AGAIN_S = 0.2
"""How long a client that was hung up on waits before it calls again."""

_REMEMBERED = 512

CALLED, TOLD, ENDED = "called", "told", "ended"
US, OPERATOR = "us", "operator"
"""Who ended a call."""

Note = Callable[..., Any]
"""Called with at= (monotonic seconds), client=, call=, event=, and what goes with the event, for each step."""


@dataclass(frozen=True, slots=True)
class Streams:
    """How many clients there are beside the one that is always there.

    Every other one hangs up `comes_back_s` seconds after it called, and calls again at once (0: all of them stay).
    """

    clients: int = 12
    comes_back_s: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.clients <= 500 or not (self.comes_back_s == 0 or 0.2 <= self.comes_back_s <= 60):
            raise UsageError(
                f"streams: clients={self.clients}, comes_back_s={self.comes_back_s:g} is out of range",
                hint="1 to 500 clients; 0.2 to 60 seconds, or 0",
            )


@dataclass(slots=True)
class Crowd:
    """The clients of one run; `note` writes down what each is told, `snapshot` keeps a body and returns its id."""

    target: str
    wanted: Streams
    note: Note
    snapshot: Callable[[Any], str]
    _known: dict[bytes, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Be all clients, for ever; they come one after another, from 1 on."""
        async with asyncio.TaskGroup() as group:
            for number in range(1, self.wanted.clients + 1):
                stays_s = self.wanted.comes_back_s if number % 2 == 0 else 0.0
                group.create_task(self._client(number, stays_s or None))

    async def _client(self, number: int, stays_s: float | None) -> None:
        async with grpc.aio.insecure_channel(self.target, options=GRPC_OPTIONS) as channel:
            stream = channel.unary_stream(STREAM, None, None)
            for call in itertools.count():
                self._tell(number, call, CALLED)
                try:
                    async with asyncio.timeout(stays_s):
                        status = await self._follow(stream(b""), number, call)
                except TimeoutError:
                    self._tell(number, call, ENDED, by=US, status="")
                    continue
                self._tell(number, call, ENDED, by=OPERATOR, status=status)
                await interval(AGAIN_S)

    async def _follow(self, call: Any, number: int, which: int) -> str:
        """Take messages until the call ends; how it did."""
        try:
            async for raw in call:
                self._tell(number, which, TOLD, snapshot=self._id(raw))
        except grpc.aio.AioRpcError as exc:
            return str(exc.code().name)
        finally:
            call.cancel()
        return "OK"

    def _id(self, raw: bytes) -> str:
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if digest not in self._known:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[digest] = self.snapshot(cluster_document(raw))
        return self._known[digest]

    def _tell(self, client: int, call: int, event: str, **more: str) -> None:
        self.note(at=time.monotonic(), client=client, call=call, event=event, **more)
