"""Fault windows, the operator's own exits, and time spoken of relative to them.

A fault window lasts from phase `inject` to phase `healed` of one fault id; one that was never healed lasts to the end
of the run and beyond. What a window excuses depends on what the fault affects, never on the fault's kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from harness.history.reader import History

Span = tuple[float, float]

API, OPERATOR, REST, GRPC = "api", "operator", "rest", "grpc"
WATCH = "watch"
MEMBER = "member"
DISCOVERY, REGISTRY = "discovery", "registry"
LABELLING = "labelling"
POOLS = "pools"

_SHOWN = 4
"""Lines of a process's last words that fit into a finding; of a traceback its end, which says what was wrong."""


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """One injection of one fault. Times are seconds since the run began, None for a phase that never came."""

    id: str
    kind: str
    affects: frozenset[str]
    inject_s: float
    target: str = ""
    injected_s: float | None = None
    heal_s: float | None = None
    healed_s: float | None = None
    bit: bool | None = None
    failed: bool = False
    evidence: str = ""

    @property
    def surely_until_s(self) -> float:
        """Until when the harm surely lasted: the heal's begin. It may be over before the heal is seen to be done."""
        return self.end_s if self.heal_s is None else self.heal_s

    @property
    def end_s(self) -> float:
        """When it was healed; infinity when it never was."""
        return math.inf if self.healed_s is None else self.healed_s


@dataclass(frozen=True, slots=True)
class SelfExit:
    """The operator's process ended by itself at `t`; `until_s` is when the next process started (infinity: never)."""

    t: float
    until_s: float
    code: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class LivenessRestart:
    """The liveness script failed, and the operator was told to end at `t`; it ended at `gone_s` (infinity: not seen).

    `until_s` is when the next process started; `why` says what the script found.
    """

    t: float
    gone_s: float
    until_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Windows:
    """All that happened to the operator in one run: what was done to it, and what it did to itself.

    `starts`: when a process of it was started.
    """

    faults: tuple[FaultWindow, ...]
    exits: tuple[SelfExit, ...]
    restarts: tuple[LivenessRestart, ...] = ()
    starts: tuple[float, ...] = ()
    _events: tuple[tuple[float, str], ...] = field(default=())

    def affecting(self, affects: Collection[str]) -> list[FaultWindow]:
        """The windows of faults that affect any of these."""
        return [window for window in self.faults if not window.affects.isdisjoint(affects)]

    def spans(self, affects: Collection[str], *, grace_s: float) -> list[Span]:
        """When such faults were open or healed less than `grace_s` ago, merged.

        A process that is away by its own exit counts as affecting "operator": the exit itself is SURVIVE-1's to judge,
        and the start after it is a start like any other. So does one that was ended over its liveness.
        """
        found = [(window.inject_s, window.end_s + grace_s) for window in self.affecting(affects)]
        if OPERATOR in affects:
            found += [(gone.t, gone.until_s + grace_s) for gone in self.exits]
            found += [(restart.t, restart.until_s + grace_s) for restart in self.restarts]
        return merged(found)

    def when(self, t: float) -> str:
        """The time, with the distance to the nearest fault event before: "at 31.20 s, 2.31 s after inject of …"."""
        near = [(at, what) for at, what in self._events if at <= t]
        text = f"at {t:.2f} s"
        return f"{text}, {t - near[-1][0]:.2f} s after {near[-1][1]}" if near else text


def read_windows(history: History, *, end_s: float) -> Windows:
    """The windows of a history, by time of injection. Exits after `end_s` belong to the tear-down."""
    faults: dict[str, FaultWindow] = {}
    for record in history.of("fault"):
        key = str(record["id"])
        faults[key] = _with(faults.get(key), record)
    ordered = tuple(sorted(faults.values(), key=lambda window: (window.inject_s, window.id)))
    events = [(window.inject_s, f"inject of {window.kind}") for window in ordered]
    events += [(window.healed_s, f"heal of {window.kind}") for window in ordered if window.healed_s is not None]
    starts = tuple(float(record["t"]) for record in history.of("process") if record["event"] == "started")
    exits, restarts = _exits(history, starts, end_s), _restarts(history, starts, end_s)
    events += [(restart.t, "liveness restart") for restart in restarts]
    return Windows(ordered, exits, restarts, starts, tuple(sorted(events)))


def _with(window: FaultWindow | None, record: Mapping[str, Any]) -> FaultWindow:
    t, phase = float(record["t"]), record["phase"]
    old = window or FaultWindow(
        id=str(record["id"]),
        kind=str(record["fault"]),
        affects=frozenset(record.get("affects") or ()),
        inject_s=t,
        target=_shown(record.get("target")),
    )
    return FaultWindow(
        id=old.id,
        kind=old.kind,
        affects=old.affects | frozenset(record.get("affects") or ()),
        inject_s=min(old.inject_s, t),
        target=old.target or _shown(record.get("target")),
        injected_s=t if phase == "injected" else old.injected_s,
        heal_s=t if phase == "heal" else old.heal_s,
        healed_s=t if phase == "healed" else old.healed_s,
        bit=bool(record.get("bit")) if phase == "injected" else old.bit,
        failed=old.failed or phase == "failed",
        evidence=str(record.get("evidence") or "") or old.evidence,
    )


def _shown(target: Any) -> str:
    return target if isinstance(target, str) else "" if target is None else str(target)


def _exits(history: History, starts: Sequence[float], end_s: float) -> tuple[SelfExit, ...]:
    found: list[SelfExit] = []
    for record in history.of("process"):
        t = float(record["t"])
        if record["event"] == "exited" and record.get("cause") == "self" and t <= end_s:
            found.append(SelfExit(t, _next(starts, t), record.get("code"), _last_words(record.get("detail"))))
    return tuple(found)


def _restarts(history: History, starts: Sequence[float], end_s: float) -> tuple[LivenessRestart, ...]:
    records = [record for record in history.of("process") if record.get("cause") == "liveness"]
    gone = [float(record["t"]) for record in records if record["event"] == "exited"]
    told = [(float(record["t"]), record) for record in records if record["event"] == "terminating"]
    return tuple(
        LivenessRestart(t, _next(gone, t), _next(starts, t), _shown(record.get("detail")))
        for t, record in told
        if t <= end_s
    )


def _next(times: Sequence[float], t: float) -> float:
    """The first of the times that is not before `t`; infinity when there is none."""
    return min((time for time in times if time >= t), default=math.inf)


def _last_words(detail: Any) -> str:
    """The last words of a process, on one line: from where it began to die (`harness.process.child.last_words`)."""
    lines = detail if isinstance(detail, list) else str(detail or "").splitlines()
    said = [str(line).strip() for line in lines if str(line).strip()]
    shown = [said[0], said[-1]] if len(said) > _SHOWN and said[0].startswith("Traceback") else said[:_SHOWN]
    return " | ".join(shown)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times as spans that neither touch nor overlap, oldest first."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def without(span: Span, holes: Sequence[Span]) -> list[Span]:
    """What is left of `span` when the holes (merged) are taken out; pieces of no length are dropped."""
    pieces: list[Span] = []
    begin, end = span
    for low, high in holes:
        if high <= begin or low >= end:
            continue
        if low > begin:
            pieces.append((begin, low))
        begin = max(begin, high)
    if begin < end:
        pieces.append((begin, end))
    return pieces


def touches(spans: Sequence[Span], t0: float, t1: float) -> bool:
    """Whether any span shares a moment with [t0, t1], ends included."""
    return any(begin <= t1 and end >= t0 for begin, end in spans)
