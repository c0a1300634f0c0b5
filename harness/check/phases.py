"""What the configuration file said, and when: good, bad, empty or not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.model import config

if TYPE_CHECKING:
    from harness.history.reader import History

_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Phase:
    """What the file said from `begin_s` to `end_s`: `good`, or None with the `trouble`; an empty file is both."""

    begin_s: float
    end_s: float
    good: config.Config | None
    trouble: str = ""

    def __str__(self) -> str:
        return f"the configuration file is {self.trouble} since {self.begin_s:.2f} s" if self.trouble else ""


def phases_of(history: History, end_s: float) -> list[Phase]:
    """What the file said, one phase for each record of it."""
    records = list(history.of("config"))
    if not records:
        return []
    ends = [*(float(record["t"]) for record in records[1:]), end_s]
    return [_phase(record["body"], float(record["t"]), end) for record, end in zip(records, ends, strict=True)]


def _phase(body: Any, begin_s: float, end_s: float) -> Phase:
    if config.is_empty(body):
        return Phase(begin_s, end_s, config.DEFAULT, "empty")
    if body == {"raw": None}:
        return Phase(begin_s, end_s, None, "not there")
    try:
        return Phase(begin_s, end_s, config.parse(body))
    except config.ConfigError as exc:
        raw = isinstance(body, dict) and "raw" in body
        return Phase(begin_s, end_s, None, "bad (no YAML)" if raw else f"bad ({str(exc)[:_MOST_SHOWN]})")
