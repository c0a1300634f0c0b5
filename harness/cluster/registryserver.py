"""The GPU registry alone, for clusters whose nodes are real: nothing else is answered in anybody's place there.

`python -m harness.cluster.registryserver DIRECTORY ADDRESS PORT` serves it there and takes the commands "registry",
"stats" and "ping" of the sidecar (`harness.cluster.sidecar`) over `control.sock` in the directory.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from harness.cluster.control import serve_commands
from harness.cluster.sidecar import Registry

SOCKET = "control.sock"


def command(registry: Registry, body: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command; {"ok": true, …} or {"error": text}."""
    match body.get("do"):
        case "registry":
            registry.change(body)
        case "stats":
            return {"ok": True, "served": {}, "registry": registry.served, "registry_now": registry.counts()}
        case "ping":
            pass
        case other:
            return {"error": f"unknown command {other!r}"}
    return {"ok": True}


async def serve(directory: Path, *, address: str, port: int) -> None:
    """Run until the process is killed."""
    registry = Registry()
    app = web.Application()
    app.router.add_get("/devices/gpus", registry.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    control = await serve_commands(directory / SOCKET, lambda body: command(registry, body))
    await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), address=sys.argv[2], port=int(sys.argv[3])))
