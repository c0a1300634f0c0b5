"""`harness track-record`: what was found, and how often it has been seen since."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.bundle.manifest import read_json
from harness.cli.place import suite_root
from harness.cli.rejudge import write_result
from harness.errors import UsageError
from harness.evidence import trackrecord
from harness.visible import shortened

if TYPE_CHECKING:
    from harness.evidence.trackrecord import Finding

_LONGEST = 100


@click.command("track-record")
@click.option(
    "--replayed", "counts", multiple=True, metavar="NUMBER=FILE",
    help="Add what `harness replay --json` has counted of a finding.",
)  # fmt: skip
@click.option(
    "--json", "target", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the findings."
)
def track_record(*, counts: tuple[str, ...], target: Path | None) -> None:
    """List the findings: promise, what was seen, when, how often since, and the command that shows it.

    TRACK_RECORD.md is made from the same data: `python -m ci.track_record_page`.
    """
    stored = suite_root() / trackrecord.STORED
    findings = trackrecord.read(stored)
    for given in counts:
        number, file = parsed(given)
        findings = trackrecord.replayed(findings, number, read_json(file), dt.datetime.now(dt.UTC).date())
    if counts:
        trackrecord.write(stored, findings)
    show(findings, Console())
    if target is not None:
        write_result(target, {"findings": [as_json(one) for one in findings]})


def parsed(given: str) -> tuple[int, Path]:
    """NUMBER=FILE in two; raises UsageError."""
    number, equals, file = given.partition("=")
    if not (number.isdigit() and equals and Path(file).is_file()):
        raise UsageError(f"--replayed {given}: it is no NUMBER=FILE", hint="like 3=counts.json, a file that is there")
    return int(number), Path(file)


def as_json(one: Finding) -> dict[str, object]:
    """A finding for programs: the record's fields, and the command in words."""
    return {
        "number": one.number, "operator": one.operator, "promises": list(one.promises), "seen": one.seen,
        "why": one.why, "scenarios": list(one.scenarios), "found": one.found.on, "recorded": one.recorded,
        "affected": list(one.affected), "fixed": one.fixed, "last_seen": str(one.again[-1]) if one.again else "",
        "command": one.command.words(),
    }  # fmt: skip


def show(findings: tuple[Finding, ...], console: Console) -> None:
    """The table."""
    table = Table("#", "promise", "what was seen", "found", "last seen again", "command")
    for one in findings:
        last = str(one.again[-1]) if one.again else ""
        cells = (str(one.number), ", ".join(one.promises), shortened(one.seen, _LONGEST), one.found.on, last)
        table.add_row(*map(Text, cells), Text(one.command.words()))
    console.print(table)
