"""Asking the operator, all the time, and writing down every answer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.operator.api import OK, REFUSED, TIMEOUT, Answer, GrpcReader, RestReader
from harness.operator.streams import CALLED, ENDED, OPERATOR, Crowd
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history.writer import HistoryWriter
    from harness.operator.streams import Streams

PERIOD_S = 0.1
HEALTH_PERIOD_S = 0.5
TIMEOUT_S = 6.0
"""Longer than the API timeout (3 s) that AVAIL-2 judges, so that a late answer is told from none."""

HEALTH_PATHS = ("/metrics/health", "/metrics/ready")


@dataclass(slots=True)
class Polling:
    """The pollers of one run; `last` holds the latest body of each source (None while it does not answer).

    `blind`: whether something asked at that moment (monotonic seconds) may be without an answer for a reason that lies
    between us and the operator. It is then not recorded at all: nothing can be said about the operator from it.
    """

    history: HistoryWriter
    rest_url: str
    grpc_target: str
    last: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    ever_answered: bool = False
    blind: Callable[[float], bool] = lambda _since: False
    _ids: dict[int, tuple[Any, str]] = field(default_factory=dict)

    async def rest(self) -> None:
        """Poll /v1/inventory for ever, every other time on a new connection.

        On a kept one nobody notices that the operator accepts no more; on new ones alone, that it hangs up.
        """
        async with RestReader(self.rest_url, TIMEOUT_S) as reader:
            for fresh in itertools.cycle((False, True)):
                self._record(await reader.get(fresh=fresh))
                await interval(PERIOD_S)

    async def query(self) -> None:
        """Poll QueryCluster for ever."""
        async with GrpcReader(self.grpc_target, TIMEOUT_S) as reader:
            while True:
                self._record(await reader.query())
                await interval(PERIOD_S)

    async def stream(self) -> None:
        """Follow StreamCluster for ever; an ended call is made again."""
        async with GrpcReader(self.grpc_target, TIMEOUT_S) as reader:
            for call in itertools.count():
                self.history.add("stream", client=0, call=call, event=CALLED)
                status = ""
                async for answer in reader.stream():
                    self._record(answer)
                    status = answer.status
                self.history.add("stream", client=0, call=call, event=ENDED, by=OPERATOR, status=status)
                await interval(PERIOD_S)

    async def streams(self, wanted: Streams) -> None:
        """Be many clients of StreamCluster, for ever."""

        def note(*, at: float, **fields: Any) -> None:
            self.history.add("stream", at=self._at(at), **fields)

        await Crowd(self.grpc_target, wanted, note, self.history.snapshot).run()

    async def health(self) -> None:
        """Poll health and readiness for ever."""
        async with RestReader(self.rest_url, TIMEOUT_S) as reader:
            while True:
                for path in HEALTH_PATHS:
                    answer = await reader.get(path)
                    if self._unseen(answer):
                        continue
                    self.history.add(
                        "health", at=self._at(answer.t), path=path, t0=self._at(answer.t0), outcome=answer.outcome,
                        status=answer.status,
                    )  # fmt: skip
                await interval(HEALTH_PERIOD_S)

    def _at(self, monotonic: float) -> float:
        return round(monotonic - self.history.clock.origin, 6)

    def _unseen(self, answer: Answer) -> bool:
        return answer.outcome in {REFUSED, TIMEOUT} and self.blind(answer.t0)

    def _record(self, answer: Answer) -> None:
        if self._unseen(answer):
            self.last[answer.source] = None
            return
        fields: dict[str, Any] = {"t0": self._at(answer.t0), "outcome": answer.outcome, "status": answer.status}
        if answer.outcome == OK:
            fields["snapshot"] = self._snapshot(answer.body)
            self.last[answer.source] = answer.body
            self.answers[answer.source] = self.answers.get(answer.source, 0) + 1
        else:
            fields["error"] = answer.error
            self.last[answer.source] = None
        self.ever_answered = self.ever_answered or answer.outcome in {"ok", "error"}
        self.history.add("report", at=self._at(answer.t), source=answer.source, **fields)

    def _snapshot(self, body: Any) -> str:
        """The id of a body; the readers hand over the same object while the bytes are the same."""
        known = self._ids.get(id(body))
        if known is not None and known[0] is body:
            return known[1]
        key = self.history.snapshot(body)
        if len(self._ids) > 16:
            self._ids.clear()
        self._ids[id(body)] = (body, key)
        return key
