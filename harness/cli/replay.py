"""`harness replay`: repeat a stored run, and count how often it shows what it showed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.bundle import DATASTORE_VARIABLE
from harness.bundle.opened import opened
from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.cli.place import make_out, usual_workers
from harness.cli.progress import Board
from harness.cli.rejudge import STYLES, code_of, write_result
from harness.cli.toolchain import bring
from harness.cluster.datastore import parse_many
from harness.errors import UsageError
from harness.evidence import replay as replays
from harness.evidence.job import Job
from harness.evidence.pool import Pool
from harness.run.choose import choose, optional_parts
from harness.run.preflight import preflight
from harness.toolchain import DEFAULT_KUBERNETES
from harness.visible import line, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cluster.datastore import DatastoreSpec
    from harness.evidence.replay import Original, Repetition
    from harness.operator.base import OperatorSpec

_SHOWN_FINDINGS = 5


@click.command("replay")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--operator", default=None, metavar="PATH", help="'reference', or a binary [the bundle's, if reference].")
@click.option("--defect", default=None, metavar="NAME", help="Make the reference operator a saboteur.")
@click.option("--times", type=click.IntRange(1, 1000), default=1, show_default=True, help="How often it is repeated.")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=None, help="Runs at a time [as `harness run`].")
@click.option("--promise", "promises", multiple=True, metavar="ID", help="Look for findings of this promise alone.")
@click.option("--datastore", default="", metavar="KIND", help="On another datastore: a kind, or a SQL server's URL.")
@click.option("--audit", is_flag=True, help="Let API servers write an audit log into each bundle.")
@click.option("--kubernetes", default="", metavar="VERSION", help="Version of the control plane [the bundle's].")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Bundles of the repetitions.")
@click.option(
    "--json", "target", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the counts."
)
def replay(
    *,
    path: Path,
    operator: str | None,
    defect: str | None,
    times: int,
    workers: int | None,
    promises: tuple[str, ...],
    datastore: str,
    audit: bool,
    kubernetes: str,
    out: Path | None,
    target: Path | None,
) -> int:
    """Repeat the run of a bundle: the same scenario, seed, targets, names and triggers.

    Prints in how many of the runs its findings were seen again. Exit code as of `harness run`, over all repetitions.
    """
    with opened(path) as bundle:
        first = replays.original(bundle, promises)
    store, provider = _datastore(datastore, first), replays.provider_of(first.plan)
    name, saboteur = replays.operator_of(first.operator, operator, defect)
    spec = choose(name, saboteur)
    console = Console()
    directory = make_out(out)
    version = kubernetes or first.plan.kubernetes or DEFAULT_KUBERNETES
    tools = bring(version, also=optional_parts([store], [provider]))
    if spec.sha256:
        preflight(spec, tools)
    introduce(first, spec, console)
    command = " ".join(["harness", "replay", shlex.quote(str(path)), *_options(operator, defect)])
    jobs = [
        Job(f"run-{number:02d}", directory, first.plan, name, saboteur, version, audit=audit, reproduce=command)
        for number in range(1, times + 1)
    ]
    runs = carry_out(jobs, workers or usual_workers(), first, console, store)
    show(first, runs, console)
    console.print(f"bundles: {directory}", markup=False, highlight=False, soft_wrap=True)
    if target is not None:
        write_result(target, as_json(first, spec, runs))
    judged = [run for run in runs if not run.error]
    return code_of((run.verdict for run in judged), unreadable=len(judged) < len(runs))


def _datastore(given: str, first: Original) -> DatastoreSpec:
    specs = parse_many(given or first.plan.datastore)
    if len(specs) != 1:
        raise UsageError(f"--datastore {given}: a run is repeated on one", hint="one kind, or one URL")
    if specs[0].kind not in first.plan.scenario.possible_on:
        raise UsageError(
            f"{first.name} is not possible on {specs[0].kind}",
            hint=f"it is on {', '.join(first.plan.scenario.possible_on)}",
        )
    return specs[0]


def _options(operator: str | None, defect: str | None) -> list[str]:
    given = [("--operator", operator), ("--defect", defect)]
    return [word for option, value in given if value is not None for word in (option, shlex.quote(value))]


def introduce(first: Original, spec: OperatorSpec, console: Console) -> None:
    """Say what is repeated, and what is looked for."""
    console.print(Text(f"{line(first.name)}, seed {first.plan.seed}, on operator {line(spec.name)}"), soft_wrap=True)
    for note in first.notes:
        console.print(Text(f"note: {line(note)}"), soft_wrap=True)
    stored = first.operator.get("sha256", "")
    if spec.sha256 != stored:
        of = f"the bundle is of {first.operator.get('name', 'an unknown operator')} sha256 {stored[:12] or 'none'}"
        console.print(Text(f"note: another operator: {line(of)}"), soft_wrap=True)
    if not first.findings:
        console.print(Text(f"note: the bundle has no finding; its verdict is {first.verdict}"))
    for one in sorted(first.findings)[:_SHOWN_FINDINGS]:
        console.print(Text(f"looked for: {line(str(one))}"), soft_wrap=True)
    if len(first.findings) > _SHOWN_FINDINGS:
        console.print(Text(f"looked for: … and {len(first.findings) - _SHOWN_FINDINGS} more"))


def carry_out(
    jobs: Sequence[Job], workers: int, first: Original, console: Console, store: DatastoreSpec
) -> list[Repetition]:
    """Make the runs, showing how they go; what came of each, in order."""
    environment = {DATASTORE_VARIABLE: store.url or store.kind}
    with Board(jobs[0].out, console) as board:
        Pool(workers, environment, board.refresh).run(jobs)
        board.refresh()
    return [replays.repetition(job, first) for job in jobs]


def show(first: Original, runs: Sequence[Repetition], console: Console) -> None:
    """The counts, and why runs do not count."""
    total = len(runs)
    for run in runs:
        if run.error:
            console.print(Text(f"{run.name}: {shortened(run.error)}", "magenta"), soft_wrap=True)
        elif run.verdict is UNKNOWN:
            console.print(
                Text(f"{run.name}: {shortened('; '.join(run.reasons) or 'UNKNOWN')}", "yellow"), soft_wrap=True
            )
        elif not run.same_choices and run.verdict is not PASS:
            console.print(Text(f"{run.name}: harmed something else than the bundle's run"), soft_wrap=True)
    if first.findings:
        table = Table("promise", "the same finding", "alike (another object)", "broken at all")
        for count in replays.counts(first, runs):
            table.add_row(
                count.promise, *(f"{number} of {total}" for number in (count.same, count.alike, count.broken))
            )
        console.print(table)
        number = replays.reproduced(runs)
        style = STYLES[FAIL] if number else STYLES[UNKNOWN]
        console.print(Text(f"{number} of {total} showed it", style))
    verdicts = [run.verdict for run in runs if not run.error]
    told = [f"{verdicts.count(one)} {one}" for one in (FAIL, UNKNOWN, PASS) if one in verdicts]
    told += [f"{total - len(verdicts)} could not be run"] if len(verdicts) < total else []
    console.print(Text(f"verdicts: {', '.join(told)}"))


def as_json(first: Original, spec: OperatorSpec, runs: Sequence[Repetition]) -> dict[str, Any]:
    """What `--json` writes."""
    return {
        "scenario": first.name,
        "seed": first.plan.seed,
        "operator": spec.describe(),
        "original_operator": dict(first.operator),
        "times": len(runs),
        "reproduced": replays.reproduced(runs),
        "promises": [
            {"id": count.promise, "same": count.same, "alike": count.alike, "broken": count.broken}
            for count in replays.counts(first, runs)
        ],
        "runs": [run.as_json() for run in runs],
    }
