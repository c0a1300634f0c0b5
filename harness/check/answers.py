"""What the operator answered, parsed once for each distinct content.

Two snapshots that follow each other mostly differ in a node or two, so nodes whose JSON did not change are taken from
the snapshot before instead of being parsed again. A snapshot with any problem is parsed as a whole, so that the paths
of its problems are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.model.reported import Reported, ReportedNode, ShapeProblem, parse

if TYPE_CHECKING:
    from harness.history.reader import History

SOURCES = ("rest", "query", "stream")
OK, ERROR, TIMEOUT = "ok", "error", "timeout"


@dataclass(frozen=True, slots=True)
class Answer:
    """One `report` or `health` record: request sent at `t0`, answered (or given up) at `t`, seconds.

    `status`: HTTP status or gRPC code as text, "" when there was none.
    """

    source: str
    t0: float
    t: float
    outcome: str
    status: str = ""
    snapshot: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it carries an inventory."""
        return self.outcome == OK

    @property
    def answered(self) -> bool:
        """Whether somebody answered at all: an error is an answer, a refusal or a timeout is not."""
        return self.outcome in {OK, ERROR}


@dataclass(frozen=True, slots=True)
class Parsed:
    """One snapshot: the inventory that could be read of it, and what is wrong with its shape."""

    reported: Reported
    problems: tuple[ShapeProblem, ...]

    @property
    def readable(self) -> bool:
        """Whether there was a list of nodes at all; if not, the answer says nothing about any node."""
        return not any(problem.path in {"$", "nodes"} for problem in self.problems)


def read_answers(history: History) -> dict[str, tuple[Answer, ...]]:
    """The answers of each source, by time."""
    found: dict[str, list[Answer]] = {source: [] for source in SOURCES}
    for record in history.of("report"):
        found.setdefault(record["source"], []).append(_answer(record["source"], record))
    return {source: tuple(sorted(answers, key=_order)) for source, answers in found.items()}


def read_health(history: History) -> dict[str, tuple[Answer, ...]]:
    """The health probes of each path, by time."""
    found: dict[str, list[Answer]] = {}
    for record in history.of("health"):
        found.setdefault(record["path"], []).append(_answer(record["path"], record))
    return {path: tuple(sorted(answers, key=_order)) for path, answers in found.items()}


def _answer(source: str, record: Mapping[str, Any]) -> Answer:
    t = float(record["t"])
    return Answer(
        source=source,
        t0=float(record.get("t0", t)),
        t=t,
        outcome=record["outcome"],
        status=str(record.get("status") or ""),
        snapshot=record.get("snapshot") or "",
        error=str(record.get("error") or ""),
    )


def _order(answer: Answer) -> tuple[float, float, str, str, str]:
    # Everything takes part, so that records of the same instant are judged alike in whatever order they were written.
    return (answer.t, answer.t0, answer.outcome, answer.snapshot, answer.error)


def parse_snapshots(
    history: History, answers: Mapping[str, Iterable[Answer]], excepted: frozenset[str] = frozenset()
) -> dict[str, Parsed]:
    """Every snapshot that an ok answer refers to, parsed, by id. Raises KeyError naming an id that is not stored.

    `excepted`: fields that the gate let pass untrue; they are left out.
    """
    parsed: dict[str, Parsed] = {}
    for source_answers in answers.values():
        known: dict[str, tuple[Any, ReportedNode]] = {}
        for answer in source_answers:
            if answer.ok and answer.snapshot not in parsed:
                parsed[answer.snapshot] = _parse(history.snapshots[answer.snapshot], known, excepted)
    return parsed


def _parse(body: Any, known: dict[str, tuple[Any, ReportedNode]], excepted: frozenset[str]) -> Parsed:
    quick = _reuse(body, known, excepted)
    if quick is not None:
        return Parsed(quick, ())
    reported, problems = parse(body, excepted)
    return Parsed(reported, problems)


def _reuse(body: Any, known: dict[str, tuple[Any, ReportedNode]], excepted: frozenset[str]) -> Reported | None:
    """The inventory, with unchanged nodes from `known`; None when anything about its shape needs a closer look."""
    if not isinstance(body, Mapping) or not isinstance(body.get("nodes"), list):
        return None
    frame, problems = parse({**body, "nodes": []})
    if problems:
        return None
    nodes: dict[str, ReportedNode] = {}
    for raw in body["nodes"]:
        name = raw.get("name") if isinstance(raw, Mapping) else None
        if not isinstance(name, str) or name in nodes:
            return None
        cached = known.get(name)
        if cached is None or cached[0] != raw:
            alone, problems = parse({"nodes": [raw], "storage": []}, excepted)
            if problems or name not in alone.nodes:
                return None
            cached = known[name] = (raw, alone.nodes[name])
        nodes[name] = cached[1]
    return Reported(nodes, frame.storage)
