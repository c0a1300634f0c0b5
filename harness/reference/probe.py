"""`tools psutil`: the discovery API of the machine it runs on, over HTTP (`serve`), or one part of it printed (`list`).

The interface is contract.md part A's: GET `/cpu`, `/gpu`, `/memory`, `/pci`, and `/` for all of it; a part that
cannot be read is a 500 with the reason as text, in `/` an entry of `errors`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import web

from harness.errors import UsageError
from harness.reference import machine, pci
from harness.reference.listeners import check_free
from harness.reference.log import LOG
from harness.reference.machine import ROOT, MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

API_PORT = 8081
PARTS: dict[str, Callable[[Path], Any]] = {
    "cpu": machine.cpu,
    "gpu": lambda root: {"cards": pci.cards(root)},
    "memory": machine.memory,
    "pci": lambda root: {"Devices": pci.devices(root)},
}
"""What is served, by the last part of its path. (`Devices` is upstream's spelling.)"""

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the API server reaches a pod from outside
_HINT = "python -m harness.reference tools psutil serve --api-port 8081"
_LINGER_S = 0.5
"""The grace period of a discovery pod is 1 s."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=_HINT)


def main(arguments: Sequence[str], root: Path = ROOT) -> None:
    """Carry out what follows `tools psutil`; raises UsageError."""
    parser = _Parser(prog="python -m harness.reference tools psutil", description="What this machine is made of.")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="serve it over HTTP")
    server.add_argument("--api-port", type=int, default=API_PORT, help=f"default {API_PORT}")
    lister = commands.add_parser("list", help="print one part")
    lister.add_argument("part", choices=sorted(PARTS))
    given = parser.parse_args(arguments)
    if given.command == "list":
        sys.stdout.write(json.dumps(read(given.part, root), indent=2) + "\n")
        return
    if not 0 < given.api_port < 1 << 16:
        raise UsageError(f"--api-port {given.api_port} is not a port", hint="a number from 1 to 65535")
    try:
        check_free(_EVERYWHERE, given.api_port)
    except OSError as exc:
        raise UsageError(
            f"cannot listen on port {given.api_port}: {exc.strerror}", hint="free it, or give another --api-port"
        ) from exc
    LOG.info("psutil listening on :%d", given.api_port)
    web.run_app(application(root), port=given.api_port, print=None, shutdown_timeout=_LINGER_S, access_log=None)


def read(part: str, root: Path = ROOT) -> Any:
    """One part; raises UsageError when this machine does not let it be read."""
    try:
        return PARTS[part](root)
    except MachineError as exc:
        raise UsageError(str(exc), hint="are /proc and /sys those of a Linux kernel?") from exc


def application(root: Path = ROOT) -> web.Application:
    """The server's routes. Reading takes milliseconds on large machines, so it is done beside the loop."""
    app = web.Application()

    async def everything(_request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(_everything, root))

    app.router.add_get("/", everything)
    for name in PARTS:
        app.router.add_get(f"/{name}", _handler(name, root))
    return app


def _handler(name: str, root: Path) -> Callable[[web.Request], Any]:
    async def handle(_request: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(PARTS[name], root))
        except MachineError as exc:
            return web.Response(status=500, text=f"{exc}\n")

    return handle


def _everything(root: Path) -> dict[str, Any]:
    """All parts that can be read, and why others cannot."""
    found: dict[str, Any] = {}
    errors: list[str] = []
    for name, of in PARTS.items():
        try:
            found[name] = of(root)
        except MachineError as exc:
            errors.append(str(exc))
    return {"errors": errors or None, **found}
