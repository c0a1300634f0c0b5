"""The API proxy: a place between operator and API server where answers and watches are refused, held back or edited.

The operator is unmodified: its kubeconfig names the proxy's address, whose certificate is of the cluster's own
authority. It speaks HTTP/1.1 there (clients that can do HTTP/2 fall back). Who came with a client certificate is
connected on with the operator's own, which the run has on disk; bearer tokens pass as they are, and who showed nothing
shows nothing to the API server either. Heads and bodies pass byte for byte, large lists piece by piece, except that
watches are asked for in JSON where an operator would take protobuf as well. Connections to the API server are kept and
used again; `Connection: Upgrade` (exec) becomes a tunnel. When the API server cannot be reached or breaks off, so does
the operator's connection: no answer is made up but where a rule asks for it.

`python -m harness.cluster.apiproxy DIRECTORY` reads {"port", "upstream"} from `apiproxy.json` in that directory and
takes commands over `apiproxy.sock` there: {"do": "rule", "rule": {…}}, {"do": "clear", "id": …}, {"do": "stats"},
{"do": "calls", "open": true | false}, {"do": "ping"}. Rules are described in `harness.cluster.apirules`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
from asyncio import sslproto
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import aged, apirules, carry, http1
from harness.cluster.apicalls import WATCH, describe
from harness.cluster.apirules import ApiRule, Rules
from harness.cluster.apiwatch import CLIENT, WatchStream
from harness.cluster.control import serve_commands
from harness.cluster.footprint import Calls
from harness.cluster.http1 import Reader, answer_body, in_json, read_head, request_body
from harness.cluster.upstream import Upstreams
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.cluster.apirules import Active
    from harness.cluster.footprint import Record
    from harness.cluster.http1 import Body, Head
    from harness.cluster.upstream import Upstream

SOCKET = "apiproxy.sock"
CONFIG_FILE = "apiproxy.json"
TLS_BUFFER = 1 << 15
"""asyncio gives each TLS connection a buffer of 256 KiB, and a watch has two: two records' worth are enough here."""

_BACKLOG = 1024


@dataclass(slots=True, eq=False)
class _Operator:
    """One connection of the operator, and what it waits for."""

    reader: Reader
    writer: asyncio.StreamWriter
    certified: bool
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    upstream: Upstream | None = None
    watch: WatchStream | None = None

    def left(self) -> None:
        """It is gone: whatever it waited for is called off, up to the API server."""
        self.gone.set()
        self.wake.set()
        if self.watch is not None:
            self.watch.end(CLIENT)
        self.drop_upstream()

    def drop_upstream(self) -> None:
        """Break off the request that is under way, if one is."""
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None


@dataclass(slots=True)
class ApiProxy:
    """The proxy of one cluster."""

    upstreams: Upstreams
    rules: Rules = field(default_factory=Rules)
    calls: Calls = field(default_factory=Calls)
    _open: set[_Operator] = field(default_factory=set)

    async def listen(self, port: int, tls: ssl.SSLContext) -> asyncio.Server:
        """Listen on a loopback port; raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(Reader(), self._serve), "127.0.0.1", port, ssl=tls, backlog=_BACKLOG
        )

    def command(self, body: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; {"ok": true, …} or {"error": text}."""
        match body.get("do"):
            case "rule":
                try:
                    self.rules.set(ApiRule.from_json(body.get("rule") or {}))
                except UsageError as exc:
                    return {"error": str(exc)}
                self._rules_changed()
            case "clear":
                self.rules.clear(str(body.get("id")))
                self._rules_changed()
            case "stats":
                return {
                    "ok": True,
                    "rules": self.rules.counts(),
                    "watches": self.calls.open_watches(),
                    "refused": self.calls.refused(),
                    "answered": self.calls.answered,
                    "connections": len(self._open),
                    "opened": self.upstreams.opened,
                    "reused": self.upstreams.reused,
                }
            case "calls":
                return {
                    "ok": True,
                    "calls": self.calls.fetch(also_open=bool(body.get("open"))),
                    "lost": self.calls.lost,
                }
            case "ping":
                pass
            case other:
                return {"error": f"unknown command {other!r}"}
        return {"ok": True}

    def _rules_changed(self) -> None:
        for operator in list(self._open):
            operator.wake.set()
            if operator.watch is not None:
                operator.watch.ruled(self.rules.on_watch(operator.watch.call))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the operator, call after call."""
        assert isinstance(reader, Reader)
        operator = _Operator(reader, writer, certified=bool(writer.get_extra_info("peercert")))
        reader.on_end = operator.left
        self._open.add(operator)
        try:
            while (head := await read_head(reader)) is not None and await self._call(operator, head):
                pass
            writer.close()
        except OSError:
            pass  # one end broke off, or spoke no HTTP: so does the other
        finally:
            self._open.discard(operator)
            operator.drop_upstream()
            if not writer.is_closing():
                writer.transport.abort()

    async def _call(self, operator: _Operator, head: Head) -> bool:
        """Carry one call; whether the connection goes on."""
        record = self.calls.begin(describe(head.first[0], head.first[1]))
        try:
            return await self._ruled(operator, head, record)
        finally:
            self.calls.finish(record)
            operator.watch = None
            operator.drop_upstream()

    async def _ruled(self, operator: _Operator, head: Head, record: Record) -> bool:
        """Do to the call what the rules say, or pass it on."""
        body = request_body(head, operator.reader)
        active = self.rules.on_call(record.call)
        if active is None:
            return await self._pass_on(operator, head, body, record)
        action, record.rule = active.rule.action, active.rule.id
        cut = None
        match action.do:
            case apirules.RESET:
                http1.reset(operator.writer)
                return False
            case apirules.STATUS | apirules.GARBAGE | apirules.GONE:
                await body.whole()
                status, answer, content = apirules.made_up(action, record.call)
                record.answer(status)
                record.made_up = True
                operator.writer.write(answer if head.first[0] == "HEAD" else answer + content)
                await operator.writer.drain()
                return not head.closes
            case apirules.HANG | apirules.DELAY:
                await self._hold(operator, active)
            case apirules.TRUNCATE:
                cut = action.after_bytes
            case apirules.PAST:
                head = aged.moved(head, record.call, action.version)
                record.moved = active
        return not operator.gone.is_set() and await self._pass_on(operator, head, body, record, cut)

    async def _hold(self, operator: _Operator, active: Active) -> None:
        """Return when the rule lets the call go on, or is cleared, or the operator has given up."""
        now = asyncio.get_running_loop().time
        due = now() + active.rule.action.delay_s if active.do == apirules.DELAY else None
        while not operator.gone.is_set() and self.rules.holds(active) and (due is None or now() < due):
            operator.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(operator.wake.wait(), None if due is None else due - now())

    async def _pass_on(
        self, operator: _Operator, head: Head, body: Body, record: Record, cut: int | None = None
    ) -> bool:
        """Ask the API server and hand its answer over; `cut`: after so many bytes of its body break off."""
        # Only JSON can be edited, so watches are asked for in JSON where the operator takes it.
        upstream, answer = await self._ask(operator, in_json(head) if record.call.verb == WATCH else head, body)
        record.answer(answer.status)
        writer = operator.writer
        if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
            await carry.tunnel(operator.reader, operator.writer, upstream, answer)
            return False
        sent = answer_body(answer, upstream.reader, method=head.first[0])
        if cut is not None:
            await carry.part(writer, answer, sent, cut)
            return False
        if record.call.verb == WATCH and answer.status == HTTPStatus.OK and carry.is_readable(answer):
            await self._watch(operator, answer, sent, record)
        else:
            await carry.whole(writer, answer, sent)
        if operator.upstream is upstream and not (answer.closes or sent.to_the_end):
            operator.upstream = None
            self.upstreams.give(upstream)
        return not (head.closes or answer.closes or sent.to_the_end)

    async def _ask(self, operator: _Operator, head: Head, body: Body) -> tuple[Upstream, Head]:
        """Send the request and return the head of the answer; raises OSError when there is none.

        A kept connection may have been closed by the API server in this very moment: what can be asked again safely is
        asked once more, on a new one.
        """
        small = await body.whole() if body.small else None
        again = head.first[0] in {"GET", "HEAD"} and small == b""
        for fresh in (False, True):
            upstream = await self.upstreams.take(certified=operator.certified, fresh=fresh)
            operator.upstream = upstream
            if operator.gone.is_set():
                break
            try:
                await carry.request(upstream.writer, head, body, small)
                if (answer := await carry.final_head(upstream.reader, operator.writer)) is not None:
                    return upstream, answer
            except ConnectionError:
                if operator.gone.is_set() or not (again and upstream.reused):
                    raise
            operator.drop_upstream()
            if not (again and upstream.reused):
                break
        raise ConnectionError("the API server closed the connection without an answer")

    async def _watch(self, operator: _Operator, answer: Head, sent: Body, record: Record) -> None:
        """Hand a watch over event by event, with what rules make of them."""
        writer = operator.writer

        def send(data: bytes) -> None:
            writer.write(sent.framed(data))

        stream = WatchStream(record.call, send, operator.drop_upstream, record.began)
        if record.moved is not None:
            stream.repeats = (record.moved, int(record.call.version))
        operator.watch = record.watch = stream
        writer.write(answer.raw)
        stream.begin(self.rules.on_watch(record.call))
        try:
            async with contextlib.aclosing(sent.pieces()) as pieces:
                async for piece in pieces:
                    if stream.ended:
                        break
                    stream.feed(piece)
                    await writer.drain()
                    await stream.room.wait()
            stream.finish()
        except ConnectionError:
            if not stream.ended:
                raise
        await stream.done.wait()
        if stream.ended == CLIENT:
            raise ConnectionError("the operator has ended the watch")
        writer.write(sent.end())
        await writer.drain()


def configure(directory: Path, *, port: int, upstream: str) -> str:
    """Write what the process reads when it starts; returns the URL under which operators find it.

    `upstream`: the URL that the operator would be given otherwise.
    """
    config = {"port": port, "upstream": int(upstream.rpartition(":")[2])}
    (directory / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    return f"https://127.0.0.1:{port}"


def contexts(pki: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]:
    """TLS towards the operator, and towards the API server with the operator's certificate and without."""
    authority = str(pki / "ca.crt")
    near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    near.load_cert_chain(str(pki / "apiserver.crt"), str(pki / "apiserver.key"))
    near.load_verify_locations(authority)
    near.verify_mode = ssl.CERT_OPTIONAL
    near.set_alpn_protocols(["http/1.1"])
    certified, bare = (ssl.create_default_context(cafile=authority) for _ in range(2))
    certified.load_cert_chain(str(pki / "operator.crt"), str(pki / "operator.key"))
    return near, certified, bare


async def serve(directory: Path) -> None:
    """Run until the process is killed."""
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    config = json.loads((directory / CONFIG_FILE).read_text(encoding="utf-8"))
    near, certified, bare = contexts(directory / "pki")
    proxy = ApiProxy(Upstreams(config["upstream"], certified, bare))
    async with await proxy.listen(config["port"], near):
        control = await serve_commands(directory / SOCKET, proxy.command)
        await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
