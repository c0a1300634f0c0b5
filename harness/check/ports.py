"""RECOVER-3: a port that is taken when the operator starts is named in its log, and served as soon as it is free."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.check.base import Context, capped, checker
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import GRPC, REST, FaultWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.history.record import Record

TAKEN = "port-taken"
"""The kind of fault: a listener of another kind of fault may be kept from answering in ways that no log line names."""

TIME_TO_SAY_S = 3.0
"""How long a process has from its start to the error: an interpreter's on a busy machine, and our look at the log."""

_SOURCES = {REST: ("rest",), GRPC: ("query", "stream")}
_PORT = re.compile(r"\bport (\d+)")


@checker("RECOVER-3")
def recover_3(context: Context) -> PromiseVerdict:
    """A taken port is named by an error of the log, and once it is free its listener serves the inventory in time."""
    objective_s = context.objective("RECOVER-3")
    findings: list[Finding] = []
    examined = 0
    waits: list[float] = []
    for listener, sources in _SOURCES.items():
        for window in context.windows.affecting({listener}):
            if window.healed_s is None:
                continue
            for source in sources:
                if not context.answers.get(source):
                    continue
                examined += 1
                # The track, not the messages: a stream that is connected and has nothing new to say serves as well.
                track = context.tracks[source]
                low, high = track.indices(window.healed_s, context.end_s)
                first = track.t[low] if low <= high else None
                if first is not None:
                    waits.append(first - window.healed_s)
                if first is None or first - window.healed_s > objective_s:
                    findings.append(_unserved(context, window, source, first, objective_s))
    log = list(context.history.of("log"))
    taken = [window for window in context.windows.affecting({REST, GRPC}) if _is_taken(window)]
    owed = [window for window in taken if log and _owed(context, window)]
    unsaid = [window for window in owed if not _named(context, window, log)]
    findings += [_unsaid(context, window) for window in unsaid]
    measured = {"service_s": max(waits)} if waits else {}
    if owed:
        measured["errors_named"] = float(len(owed) - len(unsaid))
    unread = taken and not log
    return judge(
        "RECOVER-3",
        examined=examined + len(owed),
        unit="listeners and errors",
        findings=capped("RECOVER-3", findings),
        reasons=["the operator's log was not followed, so nobody knows whether it named the port"] if unread else [],
        measured=measured or None,
    )


def _is_taken(window: FaultWindow) -> bool:
    return window.kind == TAKEN and window.injected_s is not None and window.healed_s is not None


def _named(context: Context, window: FaultWindow, log: Iterable[Record]) -> bool:
    """Whether an error named one of the ports: who ends over the first cannot name the second."""
    until_s = window.end_s + context.objective("RECOVER-3")
    said = (record for record in log if window.inject_s <= float(record["t"]) <= until_s)
    return any(_ports(window) & set(record.get("ports", ())) for record in said)


def _owed(context: Context, window: FaultWindow) -> bool:
    """Whether an error is owed.

    Not by an operator that served all the same (the port of the other family of addresses was taken), nor by one that
    was not started early enough to say anything, unless it ended over it.
    """
    listeners = window.affects & _SOURCES.keys()
    if all(_served(context, window, listener) for listener in listeners):
        return False
    starts = [start for start in context.windows.starts if window.inject_s <= start < window.surely_until_s]
    ended = any(window.inject_s <= gone.t <= window.surely_until_s for gone in context.windows.exits)
    return ended or any(window.surely_until_s - start >= TIME_TO_SAY_S for start in starts)


def _served(context: Context, window: FaultWindow, listener: str) -> bool:
    """Whether the listener answered a request that began after the operator had been started with its port taken."""
    begun = min((start for start in context.windows.starts if start >= window.inject_s), default=window.end_s)
    return any(
        answer.ok and begun <= answer.t0 <= answer.t <= window.surely_until_s
        for source in _SOURCES[listener]
        for answer in context.answers.get(source, ())
    )


def _ports(window: FaultWindow) -> set[int]:
    return {int(number) for number in _PORT.findall(window.target)}


def _unsaid(context: Context, window: FaultWindow) -> Finding:
    return Finding(
        text=f"the operator was started while another program held its {window.target}, and no error in its log names "
        f"the port ({context.windows.when(window.end_s)})",
        object="operator log",
        expected=f"an error that names {_either(sorted(_ports(window)))}",
        reported="none",
        t_s=window.end_s,
    )


def _either(ports: Sequence[int]) -> str:
    return " or ".join(f"port {port}" for port in ports)


def _unserved(context: Context, window: FaultWindow, source: str, first: float | None, objective_s: float) -> Finding:
    healed = window.end_s
    reported = f"first answer after {first - healed:.2f} s" if first is not None else "no answer until the end"
    target = f" ({window.target})" if window.target else ""
    return Finding(
        text=f"{source}: {reported} since the heal of {window.kind}{target}, objective {objective_s:g} s",
        object=source,
        expected=f"service within {objective_s:g} s",
        reported=reported,
        t_s=min(healed + objective_s, context.end_s),
    )
