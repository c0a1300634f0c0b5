"""Binding the ports: a taken one is named on stderr and tried again until it is free (RECOVER-3)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from harness.reference.log import LOG
from harness.reference.pause import pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# RECOVER-3 gives 5 s after the release.
_RETRY_S = 0.5
# Said again only from time to time: one line for each attempt would bury the rest of the log.
_SAY_EVERY = 20
_OUT_OF_FILES = "socket.accept() out of system resource"
_SAY_AGAIN_S = 5.0


async def listen(
    name: str, address: str, port: int, start: Callable[[], Awaitable[None]], *, retries: bool, names_port: bool
) -> None:
    """Start a listener, now or as soon as its port is free. `start` raises OSError when the port is taken.

    Two saboteurs have one of the flags False: who does not retry stays without this listener, silently; who does not
    name the port says that something went wrong, and not with what.
    """
    attempt = 0
    while True:
        try:
            await start()
        except OSError as exc:
            if not retries:
                await asyncio.Event().wait()
            if attempt % _SAY_EVERY == 0 and not names_port:
                LOG.error("%s cannot listen: %s; trying again every %.1f s", name, exc.strerror or exc, _RETRY_S)
            elif attempt % _SAY_EVERY == 0:
                LOG.error(
                    "%s cannot listen on %s:%d: %s; trying again every %.1f s (free port %d, or change --%s-port)",
                    *(name, address, port, exc.strerror or exc, _RETRY_S, port, name),
                )
            attempt += 1
            await pause(_RETRY_S)
        else:
            LOG.info('%s listening on "%s:%d"', name, address, port)
            return


def complain_rarely(loop: asyncio.AbstractEventLoop) -> None:
    """Say from time to time that no connection can be accepted: asyncio would, with a traceback, 129 times a second.

    It tries again by itself, so connections are accepted soon after the process may open files again.
    """
    said_at: list[float] = []

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != _OUT_OF_FILES:
            loop.default_exception_handler(context)
        elif not said_at or loop.time() - said_at[-1] >= _SAY_AGAIN_S:
            said_at[:] = [loop.time()]
            LOG.error("cannot accept a connection: %s (is the limit on open files too low?)", context.get("exception"))

    loop.set_exception_handler(handle)


def check_free(address: str, port: int) -> None:
    """Raise OSError when the port is taken: gRPC's own failure to bind says neither port nor reason."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((address, port))
        trial.listen(1)
