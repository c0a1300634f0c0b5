"""`harness rejudge`: judge stored runs by today's checkers, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from harness.bundle.opened import found, opened
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict, worst
from harness.errors import HarnessError, PlatformError
from harness.evidence.rejudge import Rejudged, rejudge
from harness.visible import line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_CODES = {PASS: 0, FAIL: 1, UNKNOWN: 2}
CANNOT_READ = 3
STYLES = {PASS: "green", FAIL: "bold red", UNKNOWN: "yellow"}
_SHOWN = 3


@click.command("rejudge")
@click.argument("paths", nargs=-1, required=True, metavar="BUNDLE…", type=click.Path(path_type=Path))
@click.option(
    "--json", "target", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the verdicts there."
)
def rejudge_command(*, paths: tuple[Path, ...], target: Path | None) -> int:
    """Judge bundles (directories, archives, or all below a campaign's directory) by today's checkers.

    Says where the verdicts differ from the stored ones. Exit code as of `harness run`, by today's verdicts: 0 all PASS,
    1 a FAIL, 2 an UNKNOWN, 3 when a bundle cannot be read (the others are judged all the same).
    """
    console = Console()
    judged: list[Rejudged] = []
    unreadable: list[HarnessError] = []
    for path in found(paths):
        try:
            with opened(path) as one:
                judged.append(rejudge(one))
        except HarnessError as exc:
            unreadable.append(exc)
            click.echo(f"harness: {line(exc.what)}" + (f"\n  hint: {exc.hint}" if exc.hint else ""), err=True)
        else:
            show(judged[-1], console, path)
    _total(judged, len(unreadable), console)
    if target is not None:
        write_result(
            target, {"bundles": [one.as_json() for one in judged], "unreadable": [exc.what for exc in unreadable]}
        )
    return code_of((one.verdict for one in judged), unreadable=bool(unreadable))


def code_of(verdicts: Iterable[Verdict], *, unreadable: bool) -> int:
    """FAIL outranks what could not be read, which outranks UNKNOWN, as with `harness run`."""
    verdict = worst(verdicts)
    return CANNOT_READ if unreadable and verdict is not FAIL else EXIT_CODES[verdict]


def show(one: Rejudged, console: Console, path: Path) -> None:
    """A bundle's verdicts, the reasons for what is not PASS, and what was said otherwise then."""
    head = (f"{one.verdict!s:8}", STYLES[one.verdict])
    console.print(Text.assemble(head, line(one.name), (f"  {line(str(path))}", "dim")), soft_wrap=True)
    for promise in one.judgement.promises:
        if promise.verdict is PASS:
            continue
        said = [*(finding.text for finding in promise.findings), *promise.reasons]
        more = f" (and {len(said) - _SHOWN} more)" if len(said) > _SHOWN else ""
        console.print(Text(f"  {promise.promise} {promise.verdict}{more}"), soft_wrap=True)
        for text in said[:_SHOWN]:
            console.print(Text(f"    {shortened(text)}"), soft_wrap=True)
    for difference in one.differences:
        console.print(Text(f"  differs: {shortened(difference)}", "cyan"), soft_wrap=True)
    for note in one.notes:
        console.print(Text(f"  note: {line(note)}"), soft_wrap=True)


def _total(judged: list[Rejudged], unreadable: int, console: Console) -> None:
    counts = {verdict: sum(1 for one in judged if one.verdict is verdict) for verdict in (FAIL, UNKNOWN, PASS)}
    differing = sum(1 for one in judged if one.differences)
    told = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    told += [f"{unreadable} not readable"] if unreadable else []
    console.print(Text(f"{', '.join(told)}; {differing} of {len(judged)} differ from what was judged then"))


def write_result(target: Path, body: dict[str, Any]) -> None:
    """Write what `--json` asks for; raises PlatformError naming the file."""
    try:
        target.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    except OSError as exc:
        raise PlatformError(f"cannot write {target}: {exc.strerror}", hint="give --json a writable file") from exc
