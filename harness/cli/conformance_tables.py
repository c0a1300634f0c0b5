"""The tables of `harness conformance` on a terminal. Everything shown is `Text`: a name cannot steer a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.verdict import Verdict
    from harness.run.conformance import ClauseLine, PromiseLine

_STYLES = {"PASS": "green", "FAIL": "bold red", "UNKNOWN": "yellow"}
_LEAST_WIDTH = 120
"""A log has no width, and a narrow terminal can be scrolled; a table of words one below the other cannot be read."""

_MOST = 150
"""Characters of a finding in the table; the whole one is in the reports and in the bundle."""


def print_tables(lines: Sequence[PromiseLine], clauses: Sequence[ClauseLine], console: Console) -> None:
    """The promises, one row each; of the clauses those that are not PASS, and how many are."""
    wide = console if console.width >= _LEAST_WIDTH else Console(file=console.file, width=_LEAST_WIDTH, no_color=True)
    wide.print(promises(lines))
    console.print()
    for text in said_of_clauses(clauses):
        console.print(Text(text), soft_wrap=True)


def promises(lines: Sequence[PromiseLine]) -> Table:
    """A row for each promise: id, text, verdict, how many scenarios, how much was examined, the worst finding."""
    table = Table(expand=False, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("promise", no_wrap=True)
    table.add_column("text", overflow="fold", ratio=3)
    table.add_column("verdict", no_wrap=True)
    table.add_column("scenarios", justify="right", no_wrap=True)
    table.add_column("examined", justify="right", no_wrap=True)
    table.add_column("worst finding", overflow="fold", ratio=4)
    for line in lines:
        table.add_row(
            Text(line.id), Text(line.text), word(line.verdict), Text(line.counted), Text(str(line.examined)),
            Text(_finding(line)),
        )  # fmt: skip
    return table


def said_of_clauses(clauses: Sequence[ClauseLine]) -> list[str]:
    """How many clauses of the interface are PASS, those that are not, and how many no scenario judges."""
    judged = [clause for clause in clauses if clause.verdict is not None]
    passed = [clause for clause in judged if str(clause.verdict) == "PASS"]
    others = [clause for clause in judged if str(clause.verdict) != "PASS" and clause.scenarios]
    unseen = [clause.id for clause in judged if not clause.scenarios]
    told = [f"interface: {len(passed)} of {len(judged)} clauses PASS; {len(clauses) - len(judged)} are not judged"]
    told += [
        f"  {clause.id} {clause.verdict}: {clause.text} "
        f"({', '.join(clause.judged_by)} in {', '.join(clause.scenarios)})"
        for clause in others
    ]
    return [*told, *([f"  no scenario was about {', '.join(unseen)}"] if unseen else [])]


def word(verdict: Verdict | None) -> Text:
    """The verdict in its colour; a dash where there is none."""
    return Text("-", style="dim") if verdict is None else Text(str(verdict), style=_STYLES[str(verdict)])


def _finding(line: PromiseLine) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in " ".join(line.worst.split()))
    shown = text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
    return f"{line.where}: {shown}" if line.where else shown
