"""`harness gate`: is a candidate worse than a baseline? One exit code says it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from harness import seed as seeds
from harness.bundle import DATASTORE_VARIABLE
from harness.bundle.manifest import write_json
from harness.cli.collect import Asked, collected
from harness.cli.place import make_out, suite_environment, suite_root, usual_workers
from harness.cli.progress import Board
from harness.cli.toolchain import bring
from harness.cluster.datastore import DatastoreSpec, parse_many
from harness.errors import HarnessError, PlatformError, UsageError
from harness.evidence import known as knowns
from harness.evidence import rounds
from harness.evidence.gate import Compared, Gate, Outcome, compare, gate, tally
from harness.evidence.pool import Pool
from harness.evidence.rounds import BASELINE, CANDIDATE, SIDES, Operator, Rounds
from harness.names.naming import USUAL, parse
from harness.operator.supervisor import Supervision
from harness.run.choose import choose, named, optional_parts
from harness.run.engine import Setup, planned
from harness.run.preflight import preflight
from harness.toolchain import DEFAULT_KUBERNETES
from harness.visible import line, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.known import Known
    from harness.operator.base import OperatorSpec
    from harness.toolchain import Toolchain

COMPARISON_FILE = "comparison.json"
MARKDOWN_FILE, JUNIT_FILE, PAGE_FILE = "gate.md", "gate.xml", "gate.html"
_STYLES = {
    Outcome.REGRESSION: "bold red", Outcome.FLAKY: "magenta", Outcome.UNSURE: "yellow", Outcome.KNOWN: "cyan",
    Outcome.BETTER: "green", Outcome.SAME: "",
}  # fmt: skip


@click.command("gate")
@click.option("--candidate", required=True, metavar="PATH", help="A binary, 'reference', or 'reference+DEFECT'.")
@click.option("--baseline", required=True, metavar="PATH", help="What it must not be worse than; likewise.")
@click.option("-k", "expression", default="", metavar="EXPR", help="Only scenarios that match, as `harness run -k`.")
@click.option("-m", "marks", default="", metavar="MARKS", help="Only tests with these marks, such as quick.")
@click.option("--times", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs of each scenario.")
@click.option(
    "--known", "known_file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="What is known."
)
@click.option("--seed", type=int, default=None, metavar="N", help="Seed of every random choice, for both sides.")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=None, help="Runs at a time [as `harness run`].")
@click.option("--datastore", default="", metavar="KIND[,KIND]", help="As of `harness run`.")
@click.option("--names", default=USUAL, show_default=True, metavar="WORD", help="As of `harness run`.")
@click.option("--supervised", is_flag=True, help="As of `harness run`.")
@click.option("--liveness", "--as-deployed", "liveness", is_flag=True, help="As of `harness run`.")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Bundles; goes on there.",
)
@click.option("--markdown", type=click.Path(path_type=Path), default=None, metavar="FILE", help="For a pull request.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="For programs."
)
@click.option("--junit", type=click.Path(path_type=Path), default=None, metavar="FILE", help="For a CI system.")
@click.option("--same", is_flag=True, help="Allow candidate and baseline to be the same operator.")
def gate_command(
    *,
    candidate: str,
    baseline: str,
    expression: str,
    marks: str,
    times: int,
    known_file: Path | None,
    seed: int | None,
    workers: int | None,
    datastore: str,
    names: str,
    supervised: bool,
    liveness: bool,
    kubernetes: str,
    out: Path | None,
    markdown: Path | None,
    json_file: Path | None,
    junit: Path | None,
    same: bool,
) -> int:
    """Run scenarios with both operators and compare the verdicts, promise by promise.

    Exit code: 0 no worse, 1 a regression, 2 it cannot be said (something is UNKNOWN or flaky), 3 the gate itself could
    not be carried out.
    """
    sides = {CANDIDATE: _side(candidate), BASELINE: _side(baseline)}
    refuse_the_same(*(spec for _operator, spec in sides.values()), allowed=same)
    known = () if known_file is None else knowns.read(known_file)
    asked = Asked(expression, marks, datastore, parse(names).word, Supervision(supervised, liveness))
    console = Console()
    made, tools = begun(sides, asked, seed=seed, kubernetes=kubernetes, out=out)
    for _operator, spec in sides.values():
        if spec.sha256:
            console.print(f"looking at the operator {spec.name} (sha256 {spec.sha256[:12]}…)")
            preflight(spec, tools)
    carry_out(made, times, workers or usual_workers(), datastore, console)
    result, directory = compared(made, times, known), made.out
    write_json(directory / COMPARISON_FILE, as_json(made, times, result))
    _render(directory)
    show(result, console)
    console.print(
        f"reports: {directory / MARKDOWN_FILE}, {directory / PAGE_FILE}", markup=False, highlight=False, soft_wrap=True
    )
    for name, target in ((COMPARISON_FILE, json_file), (MARKDOWN_FILE, markdown), (JUNIT_FILE, junit)):
        if target is not None:
            _copy(directory / name, target)
    return result.exit_code


def _side(text: str) -> tuple[Operator, OperatorSpec]:
    asked, defect = named(text)
    spec = choose(asked, defect)
    path = spec.command[0] if spec.sha256 else asked  # a resumed gate may be called from elsewhere
    return Operator.of(path, defect, spec), spec


def refuse_the_same(candidate: OperatorSpec, baseline: OperatorSpec, *, allowed: bool) -> None:
    """Raise UsageError where both sides are one operator and that was not meant."""
    if candidate.describe() | {"name": ""} != baseline.describe() | {"name": ""} or allowed:
        return
    which = f"sha256 {candidate.sha256[:16]}…" if candidate.sha256 else candidate.name
    raise UsageError(
        f"candidate and baseline are the same operator ({which})", hint="was one built twice? --same if it is meant"
    )


def begun(
    sides: Mapping[str, tuple[Operator, OperatorSpec]],
    asked: Asked,
    *,
    seed: int | None,
    kubernetes: str,
    out: Path | None,
) -> tuple[Rounds, Toolchain]:
    """The gate that is to be carried out: the one that was begun in `out`, or a new one; with the binaries it needs."""
    operators = {name: operator for name, (operator, _spec) in sides.items()}
    if out is not None and (body := rounds.stored(out.resolve())) is not None:
        made = rounds.resumed(out.resolve(), body, operators, asked.selection, seed)
        needed = [DatastoreSpec(plan.datastore) for plan in made.plans]
        return made, bring(made.kubernetes, also=optional_parts(needed))
    number = seeds.fresh() if seed is None else seeds.check(seed)
    scenarios = collected(asked)
    directory = make_out(out)
    tools = bring(kubernetes, also=optional_parts([DatastoreSpec(kind) for _scenario, kind in scenarios]))
    setup = Setup(tools, sides[CANDIDATE][1], directory, number, names=asked.names, supervision=asked.supervision)
    plans = tuple(planned(scenario, replace(setup, datastore=DatastoreSpec(kind))) for scenario, kind in scenarios)
    version = tools.versions["kube-apiserver"]
    made = Rounds(directory, operators[CANDIDATE], operators[BASELINE], number, version, asked.selection, plans)
    made.write()
    return made, tools


def carry_out(made: Rounds, times: int, workers: int, datastore: str, console: Console) -> None:
    """Make every run that has not been made, showing how it goes."""
    jobs = list(made.jobs(times))
    waiting = rounds.left(jobs)
    if len(waiting) < len(jobs):
        console.print(f"{len(jobs) - len(waiting)} of {len(jobs)} runs have been made already")
    urls = {store.kind: store.url for store in (parse_many(datastore) if datastore else ())}
    by_store: dict[str, list[Any]] = {}
    for job in waiting:
        by_store.setdefault(job.plan.datastore, []).append(job)
    with Board(made.out, console) as board:
        for kind, listed in by_store.items():
            Pool(workers, {DATASTORE_VARIABLE: urls.get(kind) or kind}, board.refresh).run(listed)
            board.refresh()


def compared(made: Rounds, times: int, known: Sequence[Known]) -> Gate:
    """Compare what both sides said."""
    cells: list[Compared] = []
    for plan in made.plans:
        said = {side: [rounds.judged(made.job(side, number, plan)) for number in range(1, times + 1)] for side in SIDES}
        cells += compare(plan.label, said[CANDIDATE], said[BASELINE], known)
    return gate(cells, known)


def as_json(made: Rounds, times: int, result: Gate) -> dict[str, Any]:
    """comparison.json: what was compared, and what came out."""
    return {
        "verdict": result.word,
        "exit_code": result.exit_code,
        "candidate": dict(made.candidate.described),
        "baseline": dict(made.baseline.described),
        "seed": made.seed,
        "times": times,
        "kubernetes": made.kubernetes,
        "selection": dict(made.selection),
        "compared": [one.as_json() for one in result.compared],
        "known_unused": list(result.unused),
    }


def _render(directory: Path) -> None:
    """Let the suite's renderers write the reports; raises HarnessError with what they said when they cannot."""
    suite = suite_root()
    done = subprocess.run(
        [sys.executable, "-m", "reports.gate", str(directory)], cwd=suite, env=suite_environment(), check=False,
        capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode:
        raise HarnessError(f"the gate's reports cannot be written: {done.stderr.strip()[-2000:]}")


def show(result: Gate, console: Console) -> None:
    """What came out, worst first; what is the same is only counted."""
    for outcome in (Outcome.REGRESSION, Outcome.FLAKY, Outcome.UNSURE, Outcome.KNOWN, Outcome.BETTER):
        for one in result.of(outcome):
            _show(one, console)
    for one in result.of(Outcome.SAME):
        if one.flaky:
            _show(one, console)
    same = result.of(Outcome.SAME)
    broken = sum(1 for one in same if "FAIL" in map(str, one.candidate))
    console.print(f"no worse: {len(same)} of {len(result.compared)} compared, {broken} of them broken in both")
    for text in result.unused:
        console.print(Text(f"known and not needed: {line(text)}"), soft_wrap=True)
    console.print(Text(result.word.upper(), {0: "bold green", 1: "bold red", 2: "bold yellow"}[result.exit_code]))


def _show(one: Compared, console: Console) -> None:
    sides = f"candidate {tally(one.candidate)}, baseline {tally(one.baseline)}"
    flaky = f"; flaky: {' and '.join(one.flaky)}" if one.flaky else ""
    head = f"{str(one.outcome).upper():11} {line(one.scenario)} {one.promise}: {sides}{flaky}"
    console.print(Text(head, _STYLES[one.outcome]), soft_wrap=True)
    for text in (*([f"known: {one.why}"] if one.why else []), *one.findings, *one.reasons):
        console.print(Text(f"    {shortened(text)}"), soft_wrap=True)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as exc:
        raise PlatformError(f"cannot write {target}: {exc.strerror}") from exc
