"""Keeps the GPU registry's content fresh; on any error the old content stays (contract.md part A)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp

from harness.errors import ApiUnavailableError
from harness.reference.hardware import Registry, parse_registry
from harness.reference.log import LOG
from harness.reference.pause import backoff, pause

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# A registry that is late must not make GPU info late by more than a fraction of TRUTH-5's 10 s.
_RETRY_MOST_S = 2.0
_CONTENT_BYTES = 16 << 20


async def follow(
    url: str,
    *,
    timeout_s: float,
    period_s: float,
    apply: Callable[[Registry], None],
    tried: asyncio.Event,
    again: bool = True,
) -> None:
    """Ask `url` for `/devices/gpus` until cancelled: often until it answers, then every `period_s`.

    `tried` is set after the first attempt, however it ended. `again` is False only in a saboteur, which does not ask
    again where it got no answer.
    """
    if not url:
        LOG.warning("registry: no --provider-configs-url, so no GPU has a name")
        tried.set()
        return
    address = url.rstrip("/") + "/devices/gpus"
    waits = backoff(0.2, _RETRY_MOST_S)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        while True:
            try:
                registry = await _query(session, address)
            except ApiUnavailableError as exc:
                LOG.warning("couldn't query inventory registry: %s", exc.what)
                if not again:
                    tried.set()
                    return
                wait_s = min(next(waits), period_s)
            else:
                apply(registry)
                waits = backoff(0.2, _RETRY_MOST_S)
                wait_s = period_s
            tried.set()
            await pause(wait_s)


async def _query(session: aiohttp.ClientSession, address: str) -> Registry:
    try:
        async with session.get(address) as response:
            if response.status != 200:
                raise ApiUnavailableError(f"{address} answered {response.status}")
            text = bytearray()
            async for chunk in response.content.iter_any():
                text += chunk
                if len(text) > _CONTENT_BYTES:
                    raise ApiUnavailableError(f"{address} answered more than {_CONTENT_BYTES} bytes")
            return parse_registry(json.loads(text))
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        # Not its repr: that of too many redirects holds every answer on the way.
        raise ApiUnavailableError(f"no answer from {address}: {type(exc).__name__} {str(exc)[:160]}") from exc
    except (ValueError, RecursionError) as exc:  # the latter: brackets nested by the thousand
        raise ApiUnavailableError(f"{address} answered no registry: {str(exc)[:160]}") from exc
