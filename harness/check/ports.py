"""RECOVER-3: a port that is taken when the operator starts is named in its log, and served as soon as it is free."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.base import Context, capped, checker
from harness.check.verdict import Finding, PromiseVerdict, judge
from harness.check.windows import GRPC, REST, FaultWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

TAKEN = "port-taken"
"""The kind of fault: a listener of another kind of fault may be kept from answering in ways that no log line names."""

TIME_TO_SAY_S = 3.0
"""How long a process has from its start to the error: an interpreter's on a busy machine, and our look at the log."""

_SOURCES = {REST: ("rest",), GRPC: ("query", "stream")}
_PORT = re.compile(r"\bport (\d+)")


@dataclass(frozen=True, slots=True)
class Told:
    """Whether the operator had to name a taken port, and did. `at_s`: when it was seen to, None: it was not."""

    owed: bool
    at_s: float | None


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
    taken = [window for window in context.windows.affecting({REST, GRPC}) if _is_taken(window)]
    told = [(window, _told(context, window)) for window in taken]
    owed = [(window, one) for window, one in told if one.owed]
    findings += [_unsaid(context, window) for window, one in owed if one.at_s is None]
    measured = {"service_s": max(waits)} if waits else {}
    if owed:
        measured["errors_named"] = float(sum(one.at_s is not None for _window, one in owed))
    unread = taken and not any(True for _record in context.history.of("log"))
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


def _told(context: Context, window: FaultWindow) -> Told:
    """What is owed for one window.

    Nothing is by an operator that served all the same (the port of the other family of addresses was taken), nor by one
    that was not started early enough to say anything, unless it ended over it.
    """
    until_s = window.end_s + context.objective("RECOVER-3")
    # One line for several ports is enough: who ends over the first cannot name the second.
    named = [
        float(record["t"])
        for record in context.history.of("log")
        if window.inject_s <= float(record["t"]) <= until_s and set(record.get("ports", ())) & _ports(window)
    ]
    return Told(_owed(context, window), min(named, default=None))


def _owed(context: Context, window: FaultWindow) -> bool:
    if not any(True for _record in context.history.of("log")):
        return False
    kept_from = [
        listener for listener in _SOURCES if listener in window.affects and not _served(context, window, listener)
    ]
    if not kept_from:
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
