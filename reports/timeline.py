"""What happened in a run, as lanes over time. Pure: a history in, plain data out; `reports.plot` draws it.

Times are seconds since the run began. Texts are raw; whoever shows them escapes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.check.windows import FaultWindow, read_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.history.reader import History
    from harness.history.record import Record

MARK_WORDS = {
    "gate-passed": "gate passed",
    "gate-failed": "gate failed",
    "traffic-begin": "traffic begins",
    "final-heal": "final heal",
    "traffic-end": "traffic ends",
    "converged": "true and stable",
    "not-converged": "not converged",
    "end": "end",
}
HEALTH_LANES = (("/metrics/health", "health"), ("/metrics/ready", "ready"))
EXIT_WORDS = {"self": "by itself", "liveness": "as its liveness failed"}
SOURCE_LANES = (("rest", "REST"), ("query", "QueryCluster"), ("stream", "StreamCluster"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a lane in one state; `count` is how many records it stands for."""

    begin_s: float
    end_s: float
    state: str
    text: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: `about` says in a sentence what its states mean."""

    key: str
    name: str
    about: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a moment; `what` is mark | fault | operator | truth."""

    t_s: float
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole run; `begin_s` is when the first thing happened to the operator, after the cluster's own start."""

    begin_s: float
    end_s: float
    marks: tuple[tuple[float, str], ...]
    faults: tuple[FaultWindow, ...]
    heals: dict[str, float]
    lanes: tuple[Lane, ...]
    events: tuple[Event, ...]
    answers: int
    operations: int
    torn: bool


def build(history: History) -> Timeline:
    """The timeline of a history."""
    end = history.mark("end")
    last_s = max((float(record["t"]) for record in history.records), default=0.0)
    end_s = max(float(end["t"]) if end is not None else last_s, 0.001)
    return Timeline(
        begin_s=min(_first(history), end_s - 0.001),
        end_s=end_s,
        marks=tuple((float(r["t"]), MARK_WORDS[r["mark"]]) for r in history.of("mark") if r["mark"] in MARK_WORDS),
        faults=read_windows(history, end_s=end_s).faults,
        heals={str(r["id"]): float(r["t"]) for r in history.of("fault") if r["phase"] == "heal"},
        lanes=tuple(_lanes(history, end_s)),
        events=tuple(sorted(_events(history), key=lambda event: event.t_s)),
        answers=sum(1 for record in history.of("report") if record.get("outcome") == "ok"),
        operations=sum(1 for record in history.of("op") if record.get("phase") == "ok"),
        torn=history.torn,
    )


def _first(history: History) -> float:
    shown = history.of("process", "report", "fault", "gap", "mark")
    first_s = min((min(float(record["t"]), float(record.get("t0", math.inf))) for record in shown), default=0.0)
    return max(0.0, first_s - 0.2)


def _lanes(history: History, end_s: float) -> Iterable[Lane]:
    yield Lane("operator", "operator", "whether the operator's process runs", tuple(_process(history, end_s)))
    reports: dict[str, list[Record]] = {}
    for record in history.of("report"):
        reports.setdefault(str(record["source"]), []).append(record)
    for source, name in SOURCE_LANES:
        listed = reports.get(source, [])
        stretches = _stream(listed, end_s) if source == "stream" else _polled(listed)
        yield Lane(source, name, f"what {name} answered", tuple(_cut(stretches, end_s)))
    probes: dict[str, list[Record]] = {}
    for record in history.of("health"):
        probes.setdefault(str(record["path"]), []).append(record)
    for path, name in HEALTH_LANES:
        yield Lane(name, name, f"what {path} answered", tuple(_cut(_polled(probes.get(path, [])), end_s)))
    gaps = tuple(_gaps(history, end_s))
    if gaps:
        yield Lane("gap", "truth not seen", "when the harness itself could not watch the cluster", gaps)


def _polled(records: Sequence[Record]) -> list[Stretch]:
    """Answers in a row with one outcome are one stretch, from the first request to the last answer."""
    found: list[Stretch] = []
    for record in records:
        t, t0 = float(record["t"]), float(record.get("t0", record["t"]))
        state, text = _outcome(record)
        before = found[-1] if found else None
        if before is not None and before.state == state:
            found[-1] = replace(before, end_s=max(before.end_s, t), count=before.count + 1)
        else:
            found.append(Stretch(max(t0, before.end_s if before else 0.0), max(t, t0), state, text))
    return found


def _stream(records: Sequence[Record], end_s: float) -> list[Stretch]:
    """A stream is ok from a message until something else is recorded: its last message stands."""
    found: list[Stretch] = []
    for number, record in enumerate(records):
        t, t0 = float(record["t"]), float(record.get("t0", record["t"]))
        state, text = _outcome(record)
        # A failed call's t0 is when the call was made, which may be long before its messages stopped.
        until = end_s if number + 1 == len(records) else float(records[number + 1]["t"])
        before = found[-1].end_s if found else 0.0
        begin, end = (t, max(t, until)) if state == "ok" else (min(t, max(t0, before)), t)
        if found and found[-1].state == state:
            found[-1] = replace(found[-1], end_s=max(found[-1].end_s, end), count=found[-1].count + 1)
        else:
            found.append(Stretch(begin, end, state, text))
    return found


def _outcome(record: Record) -> tuple[str, str]:
    state = str(record.get("outcome"))
    status, error = record.get("status"), record.get("error")
    said = " ".join(str(part) for part in (status, error) if part not in {None, ""})
    return (state if state in {"ok", "error", "timeout", "refused"} else "error"), said


def _cut(stretches: Iterable[Stretch], end_s: float) -> Iterable[Stretch]:
    for stretch in stretches:
        if stretch.begin_s <= end_s:
            yield replace(stretch, end_s=min(stretch.end_s, end_s))


def _process(history: History, end_s: float) -> Iterable[Stretch]:
    """Up from a start to the exit; down after it, and by whose doing."""
    since, state, text = 0.0, "", ""
    for record in history.of("process"):
        t = min(float(record["t"]), end_s)
        if record["event"] == "started":
            if state:
                yield Stretch(since, t, state, text)
            since, state, text = t, "up", f"pid {record.get('pid')}"
        elif record["event"] == "exited":
            if state:
                yield Stretch(since, t, state, text)
            own = record.get("cause") == "self"
            since, state = t, "died" if own else "stopped"
            text = _exit(record)
    if state and since < end_s:
        yield Stretch(since, end_s, state, text)


def _exit(record: Record) -> str:
    code = record.get("code")
    how = f"signal {-code}" if isinstance(code, int) and code < 0 else f"exit code {code}"
    cause = str(record.get("cause"))
    # Last words of an exit of its own are many; why we ended it is one sentence.
    return _joined(
        f"{how}, {EXIT_WORDS.get(cause, 'by the harness')}", cause not in EXIT_WORDS and record.get("detail")
    )


def _gaps(history: History, end_s: float) -> Iterable[Stretch]:
    opened: dict[str, tuple[float, str]] = {}
    for record in history.of("gap"):
        resource = str(record["resource"])
        if record["phase"] == "begin":
            opened.setdefault(resource, (float(record["t"]), str(record.get("why", ""))))
        elif resource in opened:
            begin, why = opened.pop(resource)
            yield Stretch(begin, min(float(record["t"]), end_s), "gap", f"{resource}: {why}")
    for resource, (begin, why) in opened.items():
        if begin < end_s:
            yield Stretch(begin, end_s, "gap", f"{resource}: {why}")


def _events(history: History) -> Iterable[Event]:
    """Every moment worth a line, for those who read instead of looking."""
    for record in history.of("mark", "fault", "process", "gap", "probe"):
        t, kind = float(record["t"]), record["k"]
        if kind == "mark":
            yield Event(t, "mark", _joined(MARK_WORDS.get(record["mark"], str(record["mark"])), record.get("detail")))
        elif kind == "fault":
            yield Event(t, "fault", _fault(record))
        elif kind == "process":
            text = f"started, pid {record.get('pid')}" if record["event"] == "started" else str(record["event"])
            text = f"exited: {_exit(record)}" if record["event"] == "exited" else text
            text = f"told to end: {record.get('detail')}" if record["event"] == "terminating" else text
            yield Event(t, "operator", text)
        elif kind == "probe":
            if not record.get("passed"):
                yield Event(t, "operator", f"liveness script failed: {record.get('why')}")
        else:
            text = "not watched" if record["phase"] == "begin" else "watched again"
            text = _joined(f"{record['resource']} {text}", record.get("why"))
            yield Event(t, "truth", text)


def _fault(record: Record) -> str:
    phase = str(record["phase"])
    if phase == "injected":
        phase = "it bit" if record.get("bit") else "it did not show that it bit"
    target = f" on {record['target']}" if record.get("target") else ""
    return _joined(f"{record['fault']}{target}: {phase}", record.get("evidence"))


def _joined(text: str, detail: Any) -> str:
    return f"{text} ({detail})" if detail else text


def numbered(times: Sequence[float]) -> list[tuple[float, int]]:
    """Findings' times with their numbers, in order of time; times that are no number come first, at 0."""
    found = [(t if math.isfinite(t) else 0.0, number) for number, t in enumerate(times, start=1)]
    return sorted(found)
