"""`harness scoreboard`: run every saboteur, and print which promise caught which, how soon, and what nobody caught."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import seed as seeds
from harness.cli.place import make_out, suite_root
from harness.cli.toolchain import bring
from harness.cluster import datastore as datastores
from harness.errors import PlatformError
from harness.run import saboteurs, scoreboard
from harness.run.choose import optional_parts
from harness.run.crew import Crew, Task, launch
from harness.run.engine import versions
from harness.run.saboteurs import CAUGHT, NOT_RUN, SEED, Score
from harness.run.scoreboard import STORED, Scoreboard
from harness.toolchain import DEFAULT_KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.run.saboteurs import Row

ALL_CAUGHT, ESCAPED, CANNOT_RUN = 0, 1, 3
DEADLINE_S = 300.0
"""How long one saboteur may take; the longest takes 150 s, twice as long on a machine with other work to do."""

_END_DEADLINE_S = 30.0
_STYLES = {CAUGHT: "green", NOT_RUN: "magenta"}


@click.command("scoreboard")
@click.option("-k", "words", multiple=True, metavar="WORD", help="Only saboteurs whose name, test or promise matches.")
@click.option(
    "-n", "workers", type=click.IntRange(1, 64), default=None, help="Saboteurs at a time [two for each core]."
)
@click.option("--seed", type=int, default=SEED, show_default=True, metavar="N", help="Seed of every random choice.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write it here as well."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Scores are kept there; whoever was caught there is not run again [a new one below reports/out].",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="A stored scoreboard: whoever was caught must be caught again [the suite's own].",
)
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
def scoreboard_command(
    *,
    words: tuple[str, ...],
    workers: int | None,
    seed: int,
    json_file: Path | None,
    out: Path | None,
    against: Path | None,
    kubernetes: str,
) -> int:
    """Run the reference operator with each of its defects through the scenario that is to catch it.

    Exit code: 0 all caught by the promises that the table names, 1 one was not, 3 one could not be run.
    """
    console = Console()
    suite = suite_root()
    rows = saboteurs.chosen(saboteurs.load(suite), words)
    before = _before(against, suite)
    seeds.check(seed)
    directory = (out or make_out(None)).resolve()
    scores = scoreboard.known(directory, rows, seed)
    waiting = [row for row in rows if row.name not in scores]
    kinds = sorted({row.datastore for row in waiting if row.datastore})
    tools = bring(kubernetes, also=optional_parts(datastores.parse_many(",".join(kinds)) if kinds else ()))
    if scores:
        console.print(f"{len(scores)} of {len(rows)} saboteurs have a score in {directory} already", highlight=False)
    for score in _Workshop(suite, directory, seed, workers or _usual(), waiting).run():
        scores[score.name] = score
        console.print(_said(score), soft_wrap=True)
    found = Scoreboard(tuple(scores[row.name] for row in rows), versions(tools), _machine())
    print_scoreboard(found, console)
    gone = scoreboard.lost(before, found.scores) if before is not None else []
    for one in gone:
        console.print(
            Text(f"lost: {one.name} was caught by {', '.join(one.by)}, and is {one.now} now", style="bold red")
        )
    if json_file is not None:
        _write(json_file, scoreboard.merged(before, found, saboteurs.load(suite)) if before and words else found)
    return exit_code(found, lost=bool(gone))


def exit_code(found: Scoreboard, *, lost: bool) -> int:
    """1 when a saboteur escaped, or one that was caught before is no longer; 3 when one could not be run."""
    outcomes = {score.outcome for score in found.scores}
    if lost or outcomes - {CAUGHT, NOT_RUN}:
        return ESCAPED
    return CANNOT_RUN if NOT_RUN in outcomes or not outcomes else ALL_CAUGHT


def print_scoreboard(found: Scoreboard, console: Console) -> None:
    """Who was caught by what and how soon, whom each promise has caught, and who escaped."""
    table = Table(pad_edge=False, show_edge=False)
    table.add_column("saboteur", no_wrap=True)
    table.add_column("caught by", overflow="fold")
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("wall", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for score in found.scores:
        table.add_row(
            Text(score.name), Text(", ".join(score.by)), Text(seconds(score.found_s)), Text(seconds(score.wall_s)),
            Text("" if score.outcome == CAUGHT else score.outcome, style=_STYLES.get(score.outcome, "bold red")),
        )  # fmt: skip
    console.print(table)
    for promise, caught in found.by_promise().items():
        names = ", ".join(score.name for score in caught) or "nobody"
        console.print(Text(f"{promise}: {names}"), soft_wrap=True)
    console.print(Text(f"{found.caught} of {len(found.scores)} saboteurs caught"))
    for score in found.escaped:
        console.print(Text(f"{score.name}: {score.outcome}: {score.why}"), soft_wrap=True)


def seconds(value: float | None) -> str:
    """A time for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.1f} s"


@dataclass(slots=True)
class _Workshop:
    """Runs rows, some at a time, each in a process that dies with this thread."""

    suite: Path
    directory: Path
    seed: int
    workers: int
    rows: Sequence[Row]

    def run(self) -> Iterator[Score]:
        """A score for each row, as they end; it is on disk by then. An interrupt ends what runs, in order."""
        for task in Crew(self._begin, self._room, _END_DEADLINE_S).run(self.rows):
            why = f"it took longer than {DEADLINE_S:g} s"
            found = saboteurs.not_run(task.item, self.seed, why) if task.late else self._scored(task.item)
            if found.outcome != NOT_RUN:  # what could not be run is run again the next time
                scoreboard.keep(self.directory, found)
            yield found

    def _room(self, _row: Row, running: Sequence[Row]) -> bool:
        return len(running) < self.workers

    def _begin(self, row: Row) -> Task[Row]:
        place = self._place(row)
        try:
            if place.exists():  # what a run left that was cut off
                shutil.rmtree(place)
            place.mkdir(parents=True)
            log = (place.parent / f"{row.name}.log").open("wb")
        except OSError as exc:
            raise PlatformError(f"cannot write to {place}: {exc.strerror}", hint="choose a writable --out") from exc
        with log:
            return Task(row, launch(row.argv(self.suite, place, self.seed), self.suite, log), DEADLINE_S)

    def _scored(self, row: Row) -> Score:
        found = saboteurs.scored(row, self._place(row), self.seed)
        if found.outcome == CAUGHT:  # the evidence of what went as it should is of no more use
            shutil.rmtree(self._place(row), ignore_errors=True)
        return found

    def _place(self, row: Row) -> Path:
        return self.directory / "runs" / row.name


def _usual() -> int:
    return 2 * len(os.sched_getaffinity(0))


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_mib": round(psutil.virtual_memory().total / 2**20),
        "arch": platform.machine(),
    }


def _before(given: Path | None, suite: Path) -> Scoreboard | None:
    """The scoreboard to compare with: the one that was named, or the suite's own where there is one."""
    if given is not None:
        return scoreboard.read(given)
    return scoreboard.read(suite / STORED) if (suite / STORED).is_file() else None


def _said(score: Score) -> Text:
    what = f"by {', '.join(score.by)} after {seconds(score.found_s)}" if score.by else score.why
    return Text(f"{score.outcome:<16} {score.name}  {what}", style=_STYLES.get(score.outcome, "bold red"))


def _write(path: Path, found: Scoreboard) -> None:
    try:
        path.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    except OSError as exc:
        raise PlatformError(f"cannot write {path}: {exc.strerror}") from exc
