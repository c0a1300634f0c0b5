"""`harness faults`: what harm can be done, how it is proven, and which scenarios do it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.place import suite_root
from harness.run.described import describe, scenarios_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.run.described import Described

NONE = "-"


@click.command("faults")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead.")
def faults(*, as_json: bool) -> None:
    """List every kind of fault: what it harms, needs and proves, and which promises and scenarios it is for."""
    found = describe(scenarios_of(suite_root()))
    console = Console()
    if as_json:
        click.echo(json.dumps([fault.as_json() for fault in found], indent=2))
    elif console.is_interactive:
        console.print(_table(found))
    else:
        click.echo(plain(found))


def plain(found: Iterable[Described]) -> str:
    """A paragraph for each fault."""
    return "\n\n".join(
        "\n".join((fault.name, *(f"  {name + ':':<10} {text}" for name, text in _rows(fault)))) for fault in found
    )


def _rows(fault: Described) -> tuple[tuple[str, str], ...]:
    return (
        ("harms", fault.harms),
        ("radius", ", ".join(fault.radius)),
        ("needs", ", ".join(fault.needs) or NONE),
        ("proves", fault.proves),
        ("threatens", ", ".join(fault.threatens) or NONE),
        ("scenarios", ", ".join(fault.scenarios) or NONE),
    )


def _table(found: Iterable[Described]) -> Table:
    table = Table("fault", "harms", "radius", "needs", "proves", "threatens", "scenarios", show_lines=True)
    for fault in found:
        # Text, because docstrings may hold what rich would read as markup.
        table.add_row(*(Text(text, overflow="fold") for text in (fault.name, *(text for _name, text in _rows(fault)))))
    return table
