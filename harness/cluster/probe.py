"""Asking a loopback port one small HTTP question, without a client library."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

    from harness.wait import Progress

_TIMEOUT_S = 2.0


async def http_ok(url: str, progress: Progress, *, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a GET of `url` is answered with 200; `progress` learns what was seen otherwise."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
            try:
                host = f"{parts.hostname}:{parts.port}"
                writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                head = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as exc:
        progress.last = f"{url}: {exc!r}"
        return False
    progress.last = f"{url}: {head.decode(errors='replace').strip()}"
    return b" 200 " in head
