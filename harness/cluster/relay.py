"""TCP relays between the parts of a control plane, where a network can be slow, cut or silent without root.

A *link* listens on a loopback port and hands bytes on to one target, or to one of several. Each connection is subject
to a `Rule`, by default the link's own, or one for connections from a given *source*: a member of the datastore dials
its peers at the one address they advertise, so what lies between two members can only be told by who dials. The kernel
knows: the owner of the other end of the connection is looked up among the cluster's processes.

- `delay_s`: every byte arrives that much later, in both directions, in order (latency, not bandwidth).
- `stall`: nothing arrives, and nothing says so, as behind a router that drops packets. What was sent meanwhile is held
  back and arrives when the rule is lifted.
- `cut`: open connections are reset and new ones closed at once.

A *balanced* link asks the targets' /readyz and gives new connections to those that are ready, in turn; open ones stay
where they are, as behind a Kubernetes service.

One process serves all links of a cluster, so that the harness's judging never delays them:
`python -m harness.cluster.relay DIRECTORY` reads the links from `relay.json` in that directory and is told of rules
over `relay.sock` there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import struct
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from harness.cluster.control import serve_commands
from harness.cluster.probe import http_ok
from harness.wait import Progress, interval

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

SOCKET = "relay.sock"
LINKS_FILE = "relay.json"
ANY = "*"
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset."""

_CHUNK = 1 << 16
_HELD_MOST = 1 << 22
"""Bytes held back on one connection before its sender is made to wait: beyond what two sockets' buffers would hold."""

_CHECK_PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to the bytes of a connection."""

    delay_s: float = 0.0
    stall: bool = False
    cut: bool = False


PASS = Rule()


@dataclass(slots=True)
class Link:
    """One listening port and where it leads.

    `targets`: ports on `host`; `by_source`: whether it matters who dials; `health`: the path that a balanced link asks
    of its targets, "" for one that is not balanced; `drops`: whether a balanced link also resets the connections to a
    target that is no longer ready, as a load balancer for our own use may.
    """

    name: str
    port: int
    targets: list[int]
    by_source: bool = False
    host: str = "127.0.0.1"
    health: str = ""
    drops: bool = False
    rules: dict[str, Rule] = field(default_factory=dict)
    ready: set[int] = field(default_factory=set)
    accepted: int = 0
    refused: int = 0
    bytes: int = 0
    late: int = 0
    _turn: int = 0

    def rule(self, source: str) -> Rule:
        """The rule for connections from `source`."""
        return self.rules.get(source) or self.rules.get(ANY) or PASS

    def candidates(self) -> list[int]:
        """The targets that the next connection may go to, in the order in which they are tried."""
        open_ones = [port for port in self.targets if not self.health or port in self.ready]
        self._turn += 1
        turn = self._turn % len(open_ones) if open_ones else 0
        return open_ones[turn:] + open_ones[:turn]


def describe(links: Sequence[Link]) -> str:
    """The content of LINKS_FILE."""
    names = ("name", "port", "targets", "by_source", "host", "health", "drops")
    return json.dumps([{name: getattr(link, name) for name in names} for link in links])


@dataclass(slots=True)
class _Flow:
    """One direction of one connection: what was read and is not yet written, each piece with its time of arrival."""

    pieces: deque[tuple[float, bytes]] = field(default_factory=deque)
    held: int = 0
    ended: bool = False
    broken: OSError | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Connection:
    """Two sockets and what is under way between them."""

    link: Link
    dialler: int
    target: int
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    far: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    source: str = ""
    flows: list[_Flow] = field(default_factory=list)

    async def carry(self) -> None:
        """Move bytes both ways until both directions have ended, or one broke."""
        work: list[asyncio.Task[None]] = []
        for reader, writer in ((self.near[0], self.far[1]), (self.far[0], self.near[1])):
            flow = _Flow()
            flow.room.set()
            self.flows.append(flow)
            work += [asyncio.create_task(_read(reader, flow)), asyncio.create_task(self._write(writer, flow))]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    def look_again(self) -> None:
        """The rule has changed: cut, or let what waits look at it."""
        if self.link.rule(self.source).cut:
            self.reset()
        for flow in self.flows:
            flow.wake.set()

    def reset(self) -> None:
        """Break off both ends by a TCP reset, as a peer that is gone does: what is under way is lost."""
        for _reader, writer in (self.near, self.far):
            with contextlib.suppress(OSError):  # closed already
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.abort()

    def abort(self) -> None:
        """Close both ends at once."""
        for _reader, writer in (self.near, self.far):
            with contextlib.suppress(RuntimeError):
                writer.transport.abort()

    async def _write(self, writer: asyncio.StreamWriter, flow: _Flow) -> None:
        while True:
            flow.wake.clear()
            rule = self.link.rule(self.source)
            if rule.stall or not flow.pieces:
                if flow.ended and not flow.pieces and not rule.stall:
                    if flow.broken is not None:
                        raise flow.broken
                    with contextlib.suppress(OSError, RuntimeError):
                        writer.write_eof()
                    return
                await flow.wake.wait()
                continue
            due = flow.pieces[0][0] + rule.delay_s - time.monotonic()
            if due > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(flow.wake.wait(), timeout=due)
                continue
            _arrived, piece = flow.pieces.popleft()
            flow.held -= len(piece)
            flow.room.set()
            self.link.bytes += len(piece)
            self.link.late += rule.delay_s > 0
            writer.write(piece)
            await writer.drain()


async def _read(reader: asyncio.StreamReader, flow: _Flow) -> None:
    try:
        while piece := await reader.read(_CHUNK):
            flow.pieces.append((time.monotonic(), piece))
            flow.held += len(piece)
            flow.wake.set()
            if flow.held > _HELD_MOST:
                flow.room.clear()
                await flow.room.wait()
    except OSError as exc:
        flow.broken = exc  # a reset waits behind the bytes, and passes a stalled link no more than they do
    flow.ended = True
    flow.wake.set()


async def _dial(link: Link) -> tuple[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None:
    """The first target that accepts a connection, and the connection."""
    for target in link.candidates():
        try:
            return target, await asyncio.open_connection(link.host, target)
        except OSError:
            continue
    return None


@dataclass(slots=True)
class Relay:
    """All links of a cluster. `owners`: the name of the process at the other end of each connection, by local port."""

    owners: Callable[[], Mapping[int, str]]
    tls: ssl.SSLContext | None = None
    links: dict[str, Link] = field(default_factory=dict)
    _open: set[_Connection] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def add(self, link: Link) -> asyncio.Server:
        """Listen for the link, and return its listener; raises OSError when its port is taken."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._accept(link, reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", link.port, backlog=256)
        self.links[link.name] = link
        if link.health:
            task = asyncio.create_task(self._watch_health(link))
            self._tasks.add(task)
        return server

    def set_rule(self, name: str, source: str, rule: Rule) -> None:
        """Set the rule of a link for a source (ANY: for all that have none of their own)."""
        link = self.links[name]
        if source != ANY:
            self._identify(self._open)
        link.rules[source] = rule
        if rule == PASS:
            link.rules.pop(source)
        for connection in list(self._open):
            if connection.link is link:
                connection.look_again()

    def _identify(self, connections: Collection[_Connection]) -> None:
        """Find out who dialled; one look takes many milliseconds, so it is one for all, where a rule asks for it."""
        unknown = [each for each in connections if each.link.by_source and not each.source]
        owners = self.owners() if unknown else {}
        for connection in unknown:
            connection.source = owners.get(connection.dialler, ANY)

    async def _accept(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await _dial(link)
        if found is None:
            link.refused += 1
            writer.transport.abort()
            return
        target, far = found
        connection = _Connection(link, writer.get_extra_info("peername")[1], target, (reader, writer), far)
        if any(source != ANY for source in link.rules):
            self._identify([connection])
        if link.rule(connection.source).cut:
            link.refused += 1
            connection.reset()
            return
        link.accepted += 1
        self._open.add(connection)
        try:
            await connection.carry()
        except OSError:
            pass  # one end broke: so does the other
        finally:
            self._open.discard(connection)
            connection.abort()

    async def _watch_health(self, link: Link) -> None:
        while True:
            results = await asyncio.gather(*(self._ready(link, port) for port in link.targets))
            link.ready = {port for port, ready in zip(link.targets, results, strict=True) if ready}
            if link.drops:
                for connection in list(self._open):
                    if connection.link is link and connection.target not in link.ready:
                        connection.abort()
            await interval(_CHECK_PERIOD_S)

    async def _ready(self, link: Link, port: int) -> bool:
        return await http_ok(f"https://127.0.0.1:{port}{link.health}", Progress(), tls=self.tls)

    def command(self, body: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; {"ok": true, …} or {"error": text}."""
        match body.get("do"):
            case "rule":
                if body["name"] not in self.links:
                    return {"error": f"no link {body['name']!r} (there are {', '.join(self.links) or 'none'})"}
                self.set_rule(body["name"], body["source"], Rule(**body["rule"]))
            case "stats":
                return {"ok": True, "links": {name: self._stats(link) for name, link in self.links.items()}}
            case "ping":
                pass
            case other:
                return {"error": f"unknown command {other!r}"}
        return {"ok": True}

    def _stats(self, link: Link) -> dict[str, Any]:
        sources = sorted({c.source for c in self._open if c.link is link and c.source})
        return {
            "accepted": link.accepted,
            "refused": link.refused,
            "bytes": link.bytes,
            "late": link.late,
            "rules": {source: asdict(rule) for source, rule in link.rules.items()},
            "open": sum(1 for c in self._open if c.link is link),
            "sources": sources,
            "ready": sorted(link.ready),
        }


def owners_by_socket() -> dict[int, str]:
    """The names (etcd's --name) of the sibling processes by the local ports of their loopback sockets."""
    found: dict[int, str] = {}
    for process in psutil.Process(os.getppid()).children():
        try:
            names = [word.removeprefix("--name=") for word in process.cmdline() if word.startswith("--name=")]
            if names:
                found |= {c.laddr[1]: names[0] for c in process.net_connections(kind="tcp4")}
        except psutil.Error:
            continue  # it ended between two looks
    return found


async def serve(directory: Path) -> None:
    """Run until the process is killed."""
    pki = directory / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
    relay = Relay(owners_by_socket, context)
    for link in json.loads((directory / LINKS_FILE).read_text(encoding="utf-8")):
        await relay.add(Link(**link))
    server = await serve_commands(directory / SOCKET, relay.command)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
