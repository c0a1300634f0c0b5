"""One watch on its way through the API proxy: its events, line by line, and what rules do to them.

Events leave in the order in which they came, whatever holds them back; only `watch-reorder` changes it. A watch that
no rule concerns is passed on without its JSON being read.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.apirules import (
    BOOKMARKS,
    CLOSE,
    DROP,
    DUPLICATE,
    ERROR,
    FREEZE,
    GONE,
    LATE,
    REORDER,
    collection,
    error_event,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.cluster.apicalls import Call
    from harness.cluster.apirules import Active

HELD_MOST = 1 << 22
"""Bytes held back on one watch before the API server is made to wait: beyond what two sockets' buffers would hold."""

BOOKMARK = "BOOKMARK"
_NO_OBJECT = ("", "")
_ERROR = b'{"type":"ERROR"'
"""How the API server begins the line of an ERROR event."""

SERVER, CLIENT, RULE = "server", "client", "rule"
"""Who ended a watch."""


@dataclass(slots=True, eq=False)
class WatchStream:
    """The events of one watch between API server and operator.

    `send` writes to the operator, `stop` breaks off the request to the API server. `events` counts what was sent.
    `done` is set once nothing more will be sent: `ended` then says by whom. `room` is clear while so much is held back
    that no more should be read. `refused`: the code of the ERROR event that the API server sent, 0 when it sent none.
    `repeats`: the rule that made it begin in the past, and the version from which its client had asked for it.
    """

    call: Call
    send: Callable[[bytes], None]
    stop: Callable[[], None]
    opened: float
    events: int = 0
    ended: str = ""
    refused: int = 0
    repeats: tuple[Active, int] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    _rules: Sequence[Active] = ()
    _spent: set[Active] = field(default_factory=set)  # rules that have had their one turn at this watch
    _rest: bytes = b""
    _held: deque[tuple[float, bytes]] = field(default_factory=deque)  # with the time at which each came
    _bytes: int = 0
    _over: bool = False
    _swapped: tuple[Any, bytes] | None = None  # waits for its neighbour; what it is about
    _timer: asyncio.TimerHandle | None = None

    def begin(self, rules: Sequence[Active]) -> None:
        """The watch is open, and these rules concern it."""
        self._spent = {active for active in rules if _only_open(active) and self.opened >= active.since}
        self.ruled(rules)

    def ruled(self, rules: Sequence[Active]) -> None:
        """These rules concern it from now on."""
        self._rules = [active for active in rules if active not in self._spent]
        if not any(active.do == REORDER for active in rules):
            self._let_go()
        self._flush()

    def feed(self, data: bytes) -> None:
        """Take what the API server sent; a line that is not whole waits for its rest."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(_ERROR):
                self.refused = _code(line)
        if not self._rules and not self._held and self.repeats is None:
            self._send(lines)
            return
        for line in lines:
            for event in self._edited(line):
                self._hold(event)
        self._flush()

    def finish(self) -> None:
        """The API server has ended the watch: it ends here too, once all that is held back was sent."""
        self._let_go()
        self._over = True
        self._flush()

    def end(self, by: str) -> None:
        """Nothing more is sent, and nothing more is wanted."""
        if self.ended:
            return
        self.ended = by
        self._held.clear()
        self._no_timer()
        self.room.set()
        self.done.set()
        if by != SERVER:
            self.stop()

    def _edited(self, line: bytes) -> list[bytes]:
        """What becomes of one event."""
        event = _event(line)
        found = [line]
        self._count_repeat(event)
        for active in self._rules:
            if active.do in {DROP, DUPLICATE, BOOKMARKS} and _is_about(active, event) and active.turn():
                if active.do == DUPLICATE:
                    found = [*found, line]
                else:
                    found = []
                    active.harmed.add(self.call)
        return self._swap(event, found)

    def _swap(self, event: Mapping[str, Any], found: list[bytes]) -> list[bytes]:
        """Let two neighbours change places, where a rule wants it and they are about different objects."""
        if self._swapped is not None and found:
            (what, first), self._swapped = self._swapped, None
            return [first, *found] if _object(event) in {what, _NO_OBJECT} else [*found, first]
        for active in self._rules:
            if active.do == REORDER and found and _is_about(active, event) and active.turn():
                self._swapped = (_object(event), b"\n".join(found))
                return []
        return found

    def _count_repeat(self, event: Mapping[str, Any]) -> None:
        if self.repeats is None:
            return
        active, asked = self.repeats
        if _version(event) <= asked:
            active.acted += 1
        else:
            self.repeats = None

    def _hold(self, line: bytes) -> None:
        self._held.append((asyncio.get_running_loop().time(), line))
        self._bytes += len(line)
        for active in self._rules:
            if active.do in {FREEZE, LATE}:
                active.turn()

    def _let_go(self) -> None:
        """No neighbour is awaited any longer."""
        if self._swapped is not None:
            self._hold(self._swapped[1])
            self._swapped = None

    def _flush(self) -> None:
        """Do what is due now, and see to it that the rest is looked at when it is due."""
        if self.done.is_set():
            return
        self._no_timer()
        now = asyncio.get_running_loop().time()
        at = [at for active in self._rules if (at := self._breaks_off(active, now)) is not None]
        if self.done.is_set():
            return
        if not any(active.do == FREEZE for active in self._rules):
            at += self._send_due(now)
            if self._over and not self._held:
                self.end(SERVER)
                return
        if self._bytes > HELD_MOST:
            self.room.clear()
        else:
            self.room.set()
        if at:
            self._timer = asyncio.get_running_loop().call_at(min(at), self._flush)

    def _breaks_off(self, active: Active, now: float) -> float | None:
        """End the watch if this rule wants it now; otherwise the time at which it will."""
        if active.do not in {CLOSE, ERROR, GONE} or active in self._spent or self.done.is_set():
            return None
        due = self.opened + active.rule.action.after_s
        if due > now:
            return due
        self._spent.add(active)
        if active.turn():
            if active.do == ERROR:
                self.events += 1
                self.send(error_event(active.rule.action.status, self.call))
            if active.do == GONE:
                active.debts[collection(self.call)] = active
            self.end(RULE)
        return None

    def _send_due(self, now: float) -> list[float]:
        """Send what is late enough; returns when the next one will be, if any is left."""
        delay_s = max((active.rule.action.delay_s for active in self._rules if active.do == LATE), default=0.0)
        lines: list[bytes] = []
        while self._held and self._held[0][0] + delay_s <= now:
            lines.append(self._held.popleft()[1])
        self._bytes -= sum(map(len, lines))
        self._send(lines)
        return [self._held[0][0] + delay_s] if self._held else []

    def _send(self, lines: Sequence[bytes]) -> None:
        if lines:
            self.events += len(lines)
            self.send(b"\n".join(lines) + b"\n")

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _event(line: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _only_open(active: Active) -> bool:
    return active.do == GONE or active.rule.action.open_only


def _meta(event: Mapping[str, Any]) -> Mapping[str, Any]:
    item = event.get("object")
    meta = item.get("metadata") if isinstance(item, dict) else None
    return meta if isinstance(meta, dict) else {}


def _object(event: Mapping[str, Any]) -> tuple[Any, Any]:
    meta = _meta(event)
    return meta.get("namespace", ""), meta.get("name", "")


def _version(event: Mapping[str, Any]) -> int:
    found = str(_meta(event).get("resourceVersion", ""))
    return int(found) if found.isdigit() else 0


def _code(line: bytes) -> int:
    item = _event(line).get("object")
    code = item.get("code") if isinstance(item, dict) else None
    return code if isinstance(code, int) else 0


def _is_about(active: Active, event: Mapping[str, Any]) -> bool:
    kind, item = event.get("type"), event.get("object")
    wanted = active.rule.action.types
    if kind is None or (kind not in wanted if wanted else kind == BOOKMARK):
        return False
    return active.rule.match.picks(item if isinstance(item, dict) else {})
