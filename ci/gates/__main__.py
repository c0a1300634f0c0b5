"""`python -m ci.gates`: every saboteur through a real gate, and the reference operator against itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ci.gates.wanted import AS_WANTED, NOT_RUN, Gates, Shown, of_rows, of_the_same
from ci.gates.workshop import Workshop
from harness import seed as seeds
from harness.bundle.manifest import write_json
from harness.cli.place import make_out, usual_workers
from harness.cli.scoreboard import seconds
from harness.cli.toolchain import bring
from harness.cluster.datastore import parse_many
from harness.errors import HarnessError, UsageError
from harness.run import saboteurs
from harness.run.choose import optional_parts
from harness.run.saboteurs import SEED
from harness.toolchain import DEFAULT_KUBERNETES
from harness.visible import shortened, visible

ROOT = Path(__file__).resolve().parents[2]
CANNOT_RUN, INTERRUPTED = 3, 130
_STYLES = {AS_WANTED: "green", NOT_RUN: "magenta"}


@click.command()
@click.option("-k", "words", multiple=True, metavar="WORD", help="Only saboteurs whose name, test or promise matches.")
@click.option("--saboteurs/--no-saboteurs", "with_rows", default=True, show_default=True, help="A gate for each.")
@click.option(
    "--same", "same", type=click.IntRange(0, 1000), default=0, metavar="N", help="Also the reference against itself."
)
@click.option("-m", "marks", default="quick", show_default=True, metavar="MARKS", help="The scenarios of --same.")
@click.option("--seed", type=int, default=SEED, show_default=True, metavar="N", help="Seed of the saboteurs' gates.")
@click.option(
    "--first-seed", type=int, default=1, show_default=True, metavar="N", help="Seed of the first --same; one more each."
)
@click.option("-n", "workers", type=click.IntRange(1, 64), default=None, help="Runs at a time [as `harness run`].")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
    help="A place for each gate; what is there is not done again [a new one below reports/out].",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="For programs."
)
def gates(
    *,
    words: tuple[str, ...],
    with_rows: bool,
    same: int,
    marks: str,
    seed: int,
    first_seed: int,
    workers: int | None,
    out: Path | None,
    json_file: Path | None,
) -> int:
    """Let `harness gate` find each saboteur against the reference operator, and find nothing in the reference itself.

    Exit code: 0 every gate said what it should, 1 one did not, 3 one could not be carried out.
    """
    if words and not with_rows:
        raise UsageError(f"-k {words[0]}: it chooses among saboteurs", hint="drop --no-saboteurs or -k")
    if not marks:
        raise UsageError("-m: no marks", hint="the marks of a tier, such as quick")
    for number in (seed, first_seed, first_seed + same):
        seeds.check(number)
    rows = saboteurs.chosen(saboteurs.load(ROOT), words) if with_rows else ()
    wanted = (*of_rows(rows, seed), *of_the_same(same, first_seed, marks))
    if not wanted:
        raise UsageError("no gate was asked for", hint="drop --no-saboteurs, or give --same N")
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise UsageError(f"--json {json_file}: there is no such directory", hint="make it first")
    console = Console()
    workshop = Workshop(ROOT, (out or make_out(None)).resolve(), workers or usual_workers())
    shown = workshop.before(wanted)
    if shown:
        console.print(f"{len(shown)} of {len(wanted)} gates have been carried out already", highlight=False)
    waiting = [gate for gate in wanted if gate.name not in shown]
    kinds = sorted({gate.scenarios["--datastore"] for gate in waiting if "--datastore" in gate.scenarios})
    if waiting:  # what has to be built is built once, and in no gate's time
        bring(DEFAULT_KUBERNETES, also=optional_parts(parse_many(",".join(kinds)) if kinds else ()))
    for one in workshop.run(waiting):
        shown[one.name] = one
        console.print(said(one), soft_wrap=True)
    found = Gates(tuple(shown[gate.name] for gate in wanted))
    show(found, console)
    console.print(f"each gate's reports: {workshop.directory}", markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        write_json(json_file, found.as_json())
    return found.exit_code


def said(one: Shown) -> Text:
    """The line of a gate that has ended."""
    what = ", ".join(one.by) if one.by else ""
    head = "  ".join(filter(None, [f"{one.outcome:12}", one.name, one.verdict, what, seconds(one.wall_s)]))
    return Text("\n".join([head, *(f"    {shortened(text)}" for text in one.wrong)]), _STYLES.get(one.outcome, "red"))


def show(found: Gates, console: Console) -> None:
    """All gates, and what was wrong with those that were not as they should be."""
    table = Table(pad_edge=False, show_edge=False)
    table.add_column("gate", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("shown by", overflow="fold")
    table.add_column("wall", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in found.shown:
        style = _STYLES.get(one.outcome, "bold red")
        last = Text("" if one.outcome == AS_WANTED else one.outcome, style)
        table.add_row(Text(one.name), Text(one.verdict), Text(", ".join(one.by)), Text(seconds(one.wall_s)), last)
    console.print(table)
    for one in found.shown:
        for text in one.wrong:
            console.print(Text(f"{one.name}: {one.outcome}: {shortened(text)}"), soft_wrap=True)
    console.print(Text(f"{len(found.of(AS_WANTED))} of {len(found.shown)} gates said what they should"))


def main() -> None:
    """Run the command; every expected failure is one clear message and exit code 3."""
    try:
        code = gates.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(CANNOT_RUN)
    except HarnessError as exc:
        click.echo(f"ci.gates: {visible(str(exc))}", err=True)
        sys.exit(CANNOT_RUN)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
