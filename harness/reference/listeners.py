"""Binding the ports: a taken one is named on stderr and tried again until it is free (RECOVER-3)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from harness.reference.log import LOG
from harness.reference.pause import pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# RECOVER-3 gives 5 s after the release.
_RETRY_S = 0.5
# Said again only from time to time: one line for each attempt would bury the rest of the log.
_SAY_EVERY = 20


async def listen(name: str, address: str, port: int, start: Callable[[], Awaitable[None]], *, retries: bool) -> None:
    """Start a listener, now or as soon as its port is free. `start` raises OSError when the port is taken.

    `retries` is False only in a saboteur, which then stays without this listener, silently.
    """
    attempt = 0
    while True:
        try:
            await start()
        except OSError as exc:
            if not retries:
                await asyncio.Event().wait()
            if attempt % _SAY_EVERY == 0:
                LOG.error(
                    "%s cannot listen on %s:%d: %s; trying again every %.1f s (free port %d, or change --%s-port)",
                    *(name, address, port, exc.strerror or exc, _RETRY_S, port, name),
                )
            attempt += 1
            await pause(_RETRY_S)
        else:
            LOG.info('%s listening on "%s:%d"', name, address, port)
            return


def check_free(address: str, port: int) -> None:
    """Raise OSError when the port is taken: gRPC's own failure to bind says neither port nor reason."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((address, port))
        trial.listen(1)
