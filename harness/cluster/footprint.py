"""What the operator asks of the API server through the API proxy: one record for each call, kept until fetched."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.cluster.apicalls import Call
    from harness.cluster.apirules import Active
    from harness.cluster.apiwatch import WatchStream

KEPT_MOST = 100_000
"""Calls kept while nobody fetches them: minutes of the busiest operator; the oldest are lost, and counted."""


@dataclass(slots=True, eq=False)
class Record:
    """One call. Times are monotonic seconds, as every process of this machine reads them.

    `status`: 0 while or where there was no answer; `answered`: when its head came; `rule`: the rule that acted on it;
    `made_up`: the answer is the rule's own; `moved`: the rule that moved it into the past.
    """

    call: Call
    began: float
    status: int = 0
    answered: float | None = None
    finished: float | None = None
    rule: str = ""
    watch: WatchStream | None = None
    made_up: bool = False
    moved: Active | None = None

    @property
    def refused(self) -> int:
        """The status by which the API server itself refused it, a watch also by an ERROR event; 0 when it did not."""
        if self.watch is not None:
            return self.watch.refused
        return self.status if self.status >= HTTPStatus.BAD_REQUEST and not self.made_up else 0

    def answer(self, status: int) -> None:
        """An answer has begun."""
        self.status, self.answered = status, time.monotonic()

    def as_json(self) -> dict[str, Any]:
        """{"began", "finished" (None: still open), "status", "latency_s", "rule", the call's fields}.

        The latency of a watch is that of its head, of any other call that of its last byte. A watch has `events`,
        `ended` ("": still open, else server, client or rule) and `error` (the code of the server's ERROR event) too.
        """
        now = time.monotonic()
        body = {
            **self.call.as_json(),
            "began": self.began,
            "finished": self.finished,
            "status": self.status,
            "rule": self.rule,
        }
        if self.watch is None:
            return {**body, "latency_s": round((self.finished or now) - self.began, 6)}
        head = self.answered or self.finished or now
        return {
            **body,
            "latency_s": round(head - self.began, 6),
            "events": self.watch.events,
            "ended": self.watch.ended,
            "error": self.watch.refused,
        }


@dataclass(slots=True)
class Calls:
    """The calls that are under way, and those that have ended and were not fetched yet.

    `answered`: how many of each kind have ended with an answer, by "verb resource" or "verb resource/subresource".
    """

    lost: int = 0
    _refused: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)
    answered: dict[str, int] = field(default_factory=dict)
    _open: set[Record] = field(default_factory=set)
    _ended: deque[Record] = field(default_factory=deque)

    def begin(self, call: Call) -> Record:
        """A call has arrived."""
        record = Record(call, time.monotonic())
        self._open.add(record)
        return record

    def finish(self, record: Record) -> None:
        """It is over."""
        record.finished = time.monotonic()
        self._open.discard(record)
        if record.refused:
            self._refused[record.call.verb, record.call.resource, record.call.subresource, record.refused] += 1
        if record.answered is not None:
            name = record.call.what
            self.answered[name] = self.answered.get(name, 0) + 1
        if len(self._ended) == KEPT_MOST:
            self._ended.popleft()
            self.lost += 1
        self._ended.append(record)

    def fetch(self, *, also_open: bool) -> list[dict[str, Any]]:
        """What has ended since the last time, in order, and if asked for what is under way."""
        found = [record.as_json() for record in self._ended]
        self._ended.clear()
        if also_open:
            found += [record.as_json() for record in sorted(self._open, key=lambda record: record.began)]
        return found

    def refused(self) -> list[dict[str, Any]]:
        """How often the API server itself refused what: {"verb", "resource", "subresource", "status", "count"} each."""
        names = ("verb", "resource", "subresource", "status")
        return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in self._refused.items()]

    def open_watches(self) -> dict[str, int]:
        """Resource -> watches that are open."""
        counts: dict[str, int] = {}
        for record in self._open:
            if record.watch is not None:
                counts[record.call.resource] = counts.get(record.call.resource, 0) + 1
        return counts
