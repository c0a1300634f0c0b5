"""The REST face: inventory, health, readiness and profile (contract.md part A, "REST")."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from harness.reference import profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.behaviour import Behaviour
    from harness.reference.publisher import Publisher
    from harness.reference.visibility import Visibility

# A client that does not read must not hold up the end of the process.
_SHUTDOWN_S = 0.2


@dataclass(frozen=True, slots=True)
class Rest:
    """Answers from the latest snapshot; nothing here waits for the cluster (AVAIL-2)."""

    publisher: Publisher
    visibility: Visibility
    behaviour: Behaviour
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def runner(self) -> web.AppRunner:
        """The application, ready to be bound to a port."""
        app = web.Application()
        app.router.add_get("/v1/inventory", self._inventory)
        app.router.add_get("/metrics/health", self._health)
        app.router.add_get("/metrics/ready", self._ready)
        app.router.add_get("/debug/pprof/goroutine", self._profile)
        return web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)

    async def _inventory(self, request: web.Request) -> web.Response:
        if self.behaviour.rest_waits_while_away:
            await self.visibility.returned.wait()
        snapshot = self.publisher.current
        if snapshot is None:
            return _error(503, "the first inventory is not complete yet")
        document: Callable[[], dict[str, Any]] = lambda: snapshot.document  # noqa: E731 - made only when needed
        if self.visibility.away:
            changed = self.behaviour.document_while_away(document())
            if changed is not snapshot.document:
                return web.json_response(changed)
        if "pretty" in request.query:
            return web.json_response(text=json.dumps(document(), indent=2))
        response = web.Response(body=snapshot.text, content_type="application/json")
        if self.behaviour.rest_takes_turns:
            async with self.turn:
                await response.prepare(request)
                await response.write_eof()
        return response

    async def _health(self, _: web.Request) -> web.Response:
        trouble = "" if self.behaviour.always_healthy else self.visibility.trouble()
        return _error(500, trouble) if trouble else web.json_response({"status": "ok"})

    async def _ready(self, _: web.Request) -> web.Response:
        if self.publisher.current is None:
            return _error(503, "the first inventory is not complete yet")
        return web.json_response({"status": "ready"})

    async def _profile(self, _: web.Request) -> web.Response:
        return web.Response(text=profile.text())


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status)
