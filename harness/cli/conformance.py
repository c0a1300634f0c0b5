"""`harness conformance`: run the conformance suite, print a verdict on each promise, keep the evidence in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from harness import seed as seeds
from harness.bundle import DATASTORE_VARIABLE
from harness.cli import dryrun
from harness.cli.backend import asked, at_once, backend_options, bring_for
from harness.cli.backend import words as backend_words
from harness.cli.conformance_tables import print_tables
from harness.cli.place import make_out, suite_root
from harness.cli.run import (
    AN_UNKNOWN,
    CANNOT_RUN,
    LOG_FILE,
    conclude,
    follow,
    pytest_arguments,
    read_summary,
)
from harness.cluster import backend as backends
from harness.cluster import capability
from harness.cluster import datastore as datastores
from harness.errors import PlatformError, UsageError
from harness.operator.base import REFERENCE
from harness.operator.supervisor import Supervision
from harness.run import conformance as tables
from harness.run import conformance_bundle, sealed
from harness.run.choose import choose
from harness.run.preflight import preflight
from harness.run.suite import CONFORMANCE, OWN_DATASTORES, clauses_of, suite_tests
from harness.toolchain import DEFAULT_KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHERWISE = 4
"""Exit code of --verify when today's checkers come to other verdicts than the bundle says."""

BUNDLE, TABLE = "conformance.zip", "conformance.md"


@click.command()
@click.option("--operator", default=REFERENCE, show_default=True, metavar="PATH", help="As of `harness run`.")
@click.option("--defect", default=None, metavar="NAME", help="As of `harness run`.")
@click.option("-k", "expression", default="", metavar="EXPR", help="Only some scenarios; the rest is UNKNOWN then.")
@click.option("--seed", type=int, default=None, metavar="N", help="Seed of every random choice [a new one].")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=None, help="Scenarios at a time.")
@click.option(
    "--datastore",
    default="",
    envvar=DATASTORE_VARIABLE,
    metavar="KIND[,KIND]",
    help="As of `harness run` [each scenario's own: one etcd member, three, or SQLite].",
)
@click.option("--liveness", "--as-deployed", "liveness", is_flag=True, help="As the chart deploys it.")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR", help="As of `harness run`.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help=f"Where the conformance bundle goes [{BUNDLE} in --out].",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the tables here."
)
@backend_options
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
@click.option(
    "--verify",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Judge a conformance bundle again, offline; nothing is run.",
)
def conformance(
    *,
    operator: str,
    defect: str | None,
    expression: str,
    seed: int | None,
    workers: int | None,
    datastore: str,
    liveness: bool,
    out: Path | None,
    bundle: Path | None,
    json_file: Path | None,
    kubernetes: str,
    verify: Path | None,
    **of_backends: Any,
) -> int:
    """Run the conformance suite and print what is kept of the contract, promise by promise.

    Exit code: 0 all PASS, 1 a FAIL, 2 an UNKNOWN, 3 the harness itself could not run, or the bundle is damaged, 4 a
    bundle is judged otherwise today.
    """
    console = Console()
    if verify is not None:
        return _verify(verify, console, json_file)
    spec = choose(operator, defect)
    number = seeds.check(seed) if seed is not None else seeds.fresh()
    stores = datastores.parse_many(datastore) if datastore else ()
    named = str(of_backends["backend"])
    specs = asked(of_backends, spec)
    if dryrun.wanted(specs):
        raise UsageError("--dry-run is of `harness run`", hint="harness run --dry-run -k conformance")
    workers = at_once(specs, workers)
    choice = not specs or all(capability.DATASTORES in backends.make(one).capabilities() for one in specs)
    suite = suite_root()
    clauses = clauses_of(test for test in suite_tests(suite) if test.conformance)
    if bundle is not None:
        _check_target(bundle)
    directory = make_out(out)
    target = bundle if bundle is not None else directory / BUNDLE
    own = datastores.parse_many(",".join(OWN_DATASTORES)) if choice else ()
    tools = bring_for(specs, kubernetes, stores or own)
    if spec.sha256:
        console.print(f"looking at the operator {spec.name} (sha256 {spec.sha256[:12]}…)")
    preflight(spec, tools, specs, console.print)
    arguments = pytest_arguments(
        suite, operator, number, directory, kubernetes, workers=workers, parts=CONFORMANCE, expression=expression,
        marks="promise", defect=defect,
        more=(
            *(("--own-datastores",) if choice and not stores else ()), *Supervision(liveness=liveness).options(),
            *backend_words(specs, named),
        ),
    )  # fmt: skip
    status = follow(arguments, suite, directory, console, datastore)
    code = conclude(status, directory, None, console)
    summary = read_summary(directory)
    if summary is None:  # `conclude` has said why
        return CANNOT_RUN
    results = conformance_bundle.results(summary, clauses)
    checksum = sealed.seal(target, conformance_bundle.files(directory, results, log=directory / LOG_FILE))
    lines = _show(results["runs"], console, json_file)
    _write(directory / TABLE, tables.as_markdown(lines))
    console.print(f"bundle: {target} (sha256 {checksum})", highlight=False, markup=False, soft_wrap=True)
    return code or _code(lines)


def _verify(path: Path, console: Console, json_file: Path | None) -> int:
    """Judge the stored histories with today's checkers; raises HistoryError when the bundle cannot be believed."""
    judged = conformance_bundle.judge_again(path)
    console.print(f"{path} (sha256 {judged.sha256})", highlight=False, markup=False, soft_wrap=True)
    for text in judged.told():
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    lines = _show(judged.runs, console, json_file)
    for one in judged.differences:
        text = f"{one.run}: {one.promise} is {one.today} today, and {one.stored} in the bundle"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if judged.differences:
        return OTHERWISE
    console.print(f"{len(judged.runs)} runs judged again from their histories: every verdict as stored")
    return judged.code or _code(lines)


def _show(runs: Sequence[dict[str, Any]], console: Console, json_file: Path | None) -> tuple[tables.PromiseLine, ...]:
    lines, clauses = tables.promise_lines(runs), tables.clause_lines(runs)
    print_tables(lines, clauses, console)
    if json_file is not None:
        _write(json_file, json.dumps(tables.as_json(lines, clauses), indent=1, ensure_ascii=False) + "\n")
    return lines


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise PlatformError(f"cannot write {path}: {exc.strerror}") from exc


def _code(lines: Sequence[tables.PromiseLine]) -> int:
    """A promise that nothing was examined for is no reason to be green, where all that was run is."""
    return 0 if all(line.verdict is None or str(line.verdict) == "PASS" for line in lines) else AN_UNKNOWN


def _check_target(target: Path) -> None:
    """Before anything is run: raises UsageError when the bundle could not be written there."""
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise UsageError(f"--bundle {target} cannot be written", hint="give a file in a directory that is there")
