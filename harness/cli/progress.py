"""What a campaign is doing, on a terminal as a live table, in a log as plain lines."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from harness.bundle import ERROR_FILE, PROGRESS_FILE, VERDICTS_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_STYLES = {"PASS": "green", "FAIL": "bold red", "UNKNOWN": "yellow", "ERROR": "magenta"}


@dataclass(slots=True)
class Board:
    """Follows progress.jsonl and the bundles of a campaign's directory."""

    out: Path
    console: Console
    phases: dict[str, tuple[str, float]] = field(default_factory=dict)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    _offset: int = 0
    _live: Live | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, transient=True, refresh_per_second=4, get_renderable=self._table)
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        """Read what is new; in a log, print a line for each scenario that has ended."""
        self._read()
        for scenario in [name for name in self.phases if name not in self.done]:
            ended = self._ended(scenario)
            if ended is not None:
                self.done[scenario] = ended
                # A line for each ended scenario stays on screen, above the live table.
                self.console.print(_line(scenario, ended), highlight=False, soft_wrap=True)

    def _read(self) -> None:
        try:
            with (self.out / PROGRESS_FILE).open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            body = json.loads(line)
            self.phases[body["scenario"]] = (body["phase"], time.monotonic())

    def _ended(self, scenario: str) -> dict[str, Any] | None:
        bundle = self.out / scenario
        for name in (VERDICTS_FILE, ERROR_FILE):
            try:
                body: dict[str, Any] = json.loads((bundle / name).read_text(encoding="utf-8"))
            except (FileNotFoundError, json.JSONDecodeError):
                continue  # not there yet, or being written
            return body
        return None

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for scenario, (phase, since) in self.phases.items():
            if scenario not in self.done:
                table.add_row("…", escape(scenario), escape(phase), f"{time.monotonic() - since:.0f} s")
        return table


def _line(scenario: str, body: dict[str, Any]) -> str:
    verdict = str(body.get("verdict", "ERROR"))
    broken = [p["id"] for p in body.get("promises", ()) if p["verdict"] != "PASS"]
    recovery = body.get("recovery_s")
    notes = [
        f"[{_STYLES[verdict]}]{verdict:8}[/]",
        f"{escape(scenario):42}",
        f"true again after {recovery:.2f} s" if recovery is not None else "",
        escape(", ".join(broken) or str(body.get("error", ""))),
    ]
    return "  ".join(note for note in notes if note).rstrip()
