"""Commands to a helper process of the cluster: one JSON line each way over a unix socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINE_LIMIT = 2**26
"""The hardware of thousands of nodes in one command."""

_TIMEOUT_S = 20.0


class ControlSocket:
    """The harness's end of a helper's control socket; `who` names the helper in errors."""

    def __init__(self, path: Path, who: str) -> None:
        self.path = path
        self.who = who
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def command(self, **body: Any) -> dict[str, Any]:
        """Send one command and return its answer; raises ClusterError when the helper does not take it."""
        async with self._lock:
            try:
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(self.path, limit=LINE_LIMIT)
                reader, writer = self._streams
                writer.write(json.dumps(body).encode() + b"\n")
                await writer.drain()
                # Not by wait_for: that of Python 3.11 loses a cancellation that comes with the answer.
                async with asyncio.timeout(_TIMEOUT_S):
                    line = await reader.readline()
                answer: dict[str, Any] = json.loads(line)
            except (OSError, TimeoutError, json.JSONDecodeError) as exc:
                self.close()
                raise ClusterError(f"{self.who} does not answer ({body.get('do')}): {exc!r}") from exc
            except asyncio.CancelledError:
                self.close()  # its answer is still to come: the next command must not take it for its own
                raise
        if "error" in answer:
            raise ClusterError(f"{self.who} refused {body.get('do')}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def change_registry(helper: ControlSocket, body: Any | None, *, mode: str, delay_s: float | None) -> None:
    """Give the GPU registry of a helper another content and delay (None: as they were) and this behaviour.

    Raises ClusterError, as `ControlSocket.command`; the other end is `harness.cluster.sidecar.Registry.change`.
    """
    extra = {} if body is None else {"body": body}
    if delay_s is not None:
        extra["delay_s"] = delay_s
    await helper.command(do="registry", mode=mode, **extra)


async def serve_commands(path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> asyncio.Server:
    """The helper's end: a listener at `path` that writes, for each command, what `answer` makes of it."""

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the harness went away; so will we
        finally:
            writer.close()

    return await asyncio.start_unix_server(control, path, limit=LINE_LIMIT)
