"""From the cause to the truth, as tables: for one run, and for all runs of a campaign together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.freshness import KINDS, ORDER, shares, weighted_quantile
from reports.visible import line, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.campaign import Campaign, Run

WORDS: Mapping[str, str] = {
    "nodes": "nodes", "cpu": "cpu", "memory": "memory", "gpu": "gpu", "ephemeral_storage": "ephemeral storage",
    "cpu.info": "CPU info", "gpu.info": "GPU info", "storage": "storage",
}  # fmt: skip
COLUMNS = ("p50", "p90", "p99", "max")
SHARES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One resource: how many causes the operator could see, and how long until they were true (SHARES of them, s).

    `away`: the same of those that it could not see, or was not there for (the longest); `never`: how many of all never
    became true; `untrue`: for how long REST was untrue, and how; `node`: the one that it is about, "" for all.
    """

    resource: str
    seen: int
    quantiles: tuple[float | None, ...]
    away_seen: int
    away: float | None
    never: int
    untrue: str
    node: str = ""


def of_run(run: Run) -> list[Row]:
    """The rows of one run; empty where nothing was measured."""
    return [_row(name, [entry]) for name, entry in _by_resource(run)]


def by_node(run: Run) -> list[Row]:
    """A row for each resource of each node that is told of by itself; `seen`: all causes."""
    return [
        Row(
            resource=WORDS[entry["resource"]],
            seen=entry["causes"],
            quantiles=tuple(entry[f"{name}_s"] for name in COLUMNS),
            away_seen=int(entry["away_max_s"] is not None),
            away=entry["away_max_s"],
            never=entry["never"],
            untrue=_untrue(entry["untrue_s"]),
            node=line(entry["node"]),
        )
        for entry in run.by_node
        if entry["resource"] in WORDS
    ]


def of_campaign(campaign: Campaign) -> list[Row]:
    """The rows of all runs together."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for run in campaign.judged:
        for name, entry in _by_resource(run):
            found.setdefault(name, []).append(entry)
    return [_row(name, found[name]) for name in ORDER if name in found]


def cell(run: Run, resource: str) -> str:
    """A run's quantiles of one resource on a line: "40 ms / 110 ms / 180 ms / 180 ms, 1 never"."""
    row = next((row for row in of_run(run) if row.resource == WORDS[resource]), None)
    if row is None:
        return "-"
    times = " / ".join(seconds(value) for value in row.quantiles) if row.seen else "-"
    return f"{times}, {row.never} never" if row.never else times


def measured(campaign: Campaign) -> list[str]:
    """The resources that anything was measured of, in order."""
    known = {name for run in campaign.judged for name, _entry in _by_resource(run)}
    return [name for name in ORDER if name in known]


def as_json(campaign: Campaign) -> list[dict[str, Any]]:
    """summary.json's `freshness`: an object for each resource, times in seconds, null where none is known."""
    return [
        {
            "resource": row.resource,
            "seen": row.seen,
            **dict(zip((f"{name}_s" for name in COLUMNS), row.quantiles, strict=True)),
            "away_seen": row.away_seen,
            "away_max_s": row.away,
            "never": row.never,
        }
        for row in of_campaign(campaign)
    ]


def _by_resource(run: Run) -> Iterable[tuple[str, Mapping[str, Any]]]:
    entries = {str(entry.get("resource")): entry for entry in run.freshness}
    return [(name, entries[name]) for name in ORDER if name in entries]


def _row(name: str, entries: Sequence[Mapping[str, Any]]) -> Row:
    ordered = shares(entry for entry in entries if entry["delays"])
    away = [float(delay) for entry in entries for delay in entry["away"]]
    untrue = {kind: sum(float(entry["untrue_s"].get(kind, 0.0)) for entry in entries) for kind in KINDS}
    return Row(
        resource=WORDS[name],
        seen=sum(int(entry["seen"]) for entry in entries),
        quantiles=tuple(weighted_quantile(ordered, share) for share in SHARES),
        away_seen=sum(int(entry["away_seen"]) for entry in entries),
        away=max(away, default=None),
        never=sum(int(entry["never"]) for entry in entries),
        untrue=_untrue(untrue),
    )


def _untrue(untrue_s: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {seconds(total)}" for kind, total in untrue_s.items() if total)
