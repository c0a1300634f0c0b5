"""`harness shrink`: make a stored run smaller as long as it shows what it shows, and write a reproducer."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from harness.bundle import DATASTORE_VARIABLE
from harness.bundle.archive import pack
from harness.bundle.manifest import write_json
from harness.bundle.opened import opened
from harness.cli.place import make_out, usual_workers
from harness.cli.progress import Board
from harness.cli.replay import introduce
from harness.cli.toolchain import bring
from harness.cluster.datastore import DatastoreSpec
from harness.errors import HarnessError, PlatformError, UsageError
from harness.evidence import replay as replays
from harness.evidence.asking import Asking
from harness.evidence.job import Job
from harness.evidence.pool import Pool
from harness.evidence.reproducer import Reproduced, alone, command, file_text, issue
from harness.evidence.shrink import Shrinker, Step
from harness.fault.schedule import injected
from harness.run.choose import choose, optional_parts
from harness.run.preflight import preflight
from harness.toolchain import DEFAULT_KUBERNETES
from harness.visible import line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.evidence.replay import Original, Repetition
    from harness.run.plan import Plan
    from harness.scenario import Scenario

SMALLER, NOT_SHOWN = 0, 2
CHECKS = 3
"""How often the stored plan is repeated before anything is left out."""

RESULT_FILE, ISSUE_FILE, ARCHIVE_FILE = "shrink.json", "issue.md", "bundle.tar.zst"
REPRODUCER = "reproducer"
_SURE = 0.05
_MOST_TRIES = 5


@click.command("shrink")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--operator", default=None, metavar="PATH", help="'reference', or a binary [the bundle's, if reference].")
@click.option("--defect", default=None, metavar="NAME", help="Make the reference operator a saboteur.")
@click.option("--promise", "promises", multiple=True, metavar="ID", help="Keep findings of this promise alone.")
@click.option("--runs", "most", type=click.IntRange(1, 10_000), default=60, show_default=True, help="Runs at most.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=60, show_default=True, help="Minutes at most.")
@click.option("--confirm", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of what is left.")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=None, help="Runs at a time [as `harness run`].")
@click.option("--kubernetes", default="", metavar="VERSION", help="Version of the control plane [the bundle's].")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Bundles and the reproducer.")
def shrink(
    *,
    path: Path,
    operator: str | None,
    defect: str | None,
    promises: tuple[str, ...],
    most: int,
    minutes: int,
    confirm: int,
    workers: int | None,
    kubernetes: str,
    out: Path | None,
) -> int:
    """Reduce faults, nodes, pods, names and durations of a stored run to a minimal plan that still shows its finding.

    Writes one test file that fails alone, the text of an issue, and the bundle of the smallest run. Exit code: 0 when
    the finding was shown, 2 when it was not shown again and nothing could be left out, 3 when it could not be tried.
    """
    began = time.monotonic()
    with opened(path) as bundle:
        first = replays.original(bundle, promises)
        versions = bundle.versions
    if not first.findings:
        raise UsageError(f"{path} has no finding: its verdict is {first.verdict}", hint="there is nothing to keep")
    provider = replays.provider_of(first.plan)
    name, saboteur = replays.operator_of(first.operator, operator, defect)
    spec = choose(name, saboteur)
    console = Console()
    directory = make_out(out)
    version = kubernetes or first.plan.kubernetes or DEFAULT_KUBERNETES
    tools = bring(version, also=optional_parts([DatastoreSpec(first.plan.datastore)], [provider]))
    if spec.sha256:
        preflight(spec, tools)
    introduce(first, spec, console)

    def job(called: str, plan: Plan) -> Job:
        return Job(called, directory, plan, name, saboteur, version)

    with Board(directory, console) as board:
        pool = Pool(workers or usual_workers(), {DATASTORE_VARIABLE: ""}, board.refresh)
        asking = Asking(first, pool, job, most, began + 60 * minutes)
        checked = asking.times(first.plan.scenario, CHECKS)
        board.refresh()
        if all(run.error for run in checked):
            raise HarnessError(checked[0].error, hint="can the scenario be run at all? `harness replay` says more")
        if (kept := kept_promises(first, checked)) is None:
            console.print(Text(f"not shown in {CHECKS} runs: nothing can be left out of it", "yellow"))
            return NOT_SHOWN
        asking.first = replace(first, findings=frozenset(one for one in first.findings if one.promise in kept))
        asking.tries = tries(sum(1 for run in checked if asking.shows(run)), CHECKS)
        asking.restart(first.plan.scenario, checked)
        ordered = tuple(one for one in first.plan.scenario.promises if one in kept)
        console.print(Text(f"kept: {', '.join(ordered)}; a scenario has {asking.tries} tries"))

        def tell(step: Step) -> None:
            console.print(Text(f"smaller: {line(step.said)} ({asking.runs} runs)", "green"), soft_wrap=True)

        shrinker = Shrinker(first.plan, ordered, first.choices, asking, tell)
        whole = shrinker.run()
        best, runs = confirmed(shrinker, asking, confirm)
        board.refresh()
    shown = [run for run in runs if asking.shows(run)]
    if not shown:
        console.print(Text("what was left does not show it any more: it depends on chance", "yellow"))
        return NOT_SHOWN
    datastore = first.plan.datastore if first.plan.datastore in best.possible_on else best.possible_on[0]
    what = Reproduced(
        scenario=replace(best, seed=first.plan.seed),
        title=min(str(one) for one in shown[0].found if one.promise in kept),
        findings=findings_of(shown[0], ordered),
        shown=len(shown),
        times=len(runs),
        operator=spec.describe(),
        versions=versions,
        datastore=datastore,
        whole=whole,
    )
    place = write(directory, what, shown[0])
    write_json(
        directory / RESULT_FILE, {"steps": [step.said for step in shrinker.steps], "runs": asking.runs, "whole": whole}
    )
    _show(first.plan.scenario, what, place, asking.runs, time.monotonic() - began, console)
    return SMALLER


def kept_promises(first: Original, checked: Sequence[Repetition]) -> set[str] | None:
    """The promises that were broken alike in as many of the runs as any was; None where none was."""
    seen = dict.fromkeys({one.promise for one in first.findings}, 0)
    for run in checked:
        if not run.error and set(run.doubts) <= set(first.doubts):
            for one in run.shown:
                seen[one.promise] += one.alike
    most = max(seen.values())
    return {name for name, number in seen.items() if number == most} if most else None


def tries(shown: int, of: int) -> int:
    """How often to try a scenario, so that a finding of that rate is missed in one of twenty at most; five at most."""
    if shown >= of:
        return 1
    return min(_MOST_TRIES, math.ceil(math.log(_SURE) / math.log(1 - max(shown, 1) / of)))


def confirmed(shrinker: Shrinker, asking: Asking, number: int) -> tuple[Scenario, list[Repetition]]:
    """The smallest scenario that shows it in any of so many runs, from the last step back; and those runs."""
    trail = [*(step.scenario for step in reversed(shrinker.steps)), shrinker.plan.scenario]
    runs: list[Repetition] = []
    for scenario in trail[:3]:
        runs = asking.times(scenario, number)
        if any(asking.shows(run) for run in runs):
            return scenario, runs
    return trail[0], runs


def findings_of(run: Repetition, promises: Sequence[str]) -> dict[str, list[str]]:
    """What the run was found to break, as text, by promise."""
    with opened(run.bundle) as bundle:
        judged = {item["id"]: item for item in (bundle.verdicts or {}).get("promises", ())}
    return {name: [str(one["text"]) for one in judged[name]["findings"]] for name in promises if name in judged}


def write(directory: Path, what: Reproduced, run: Repetition) -> Path:
    """Write the reproducer; returns its directory. Raises PlatformError."""
    place = directory / REPRODUCER
    try:
        place.mkdir()
        (place / what.file_name).write_text(file_text(what), encoding="utf-8")
        (place / ISSUE_FILE).write_text(issue(what), encoding="utf-8")
    except OSError as exc:
        raise PlatformError(f"cannot write to {place}: {exc.strerror}", hint="free some space") from exc
    pack(run.bundle, place / ARCHIVE_FILE)
    return place


def _size(scenario: Scenario) -> str:
    parts = [
        _count(len(list(injected(*scenario.faults))), "fault"),
        _count(len(scenario.nodes), "node"),
        *([_count(len(scenario.pods), "standing pod")] if scenario.pods else []),
        f"{scenario.traffic.live} pods at most" if scenario.traffic is not None else "no traffic",
        _count(len(scenario.promises), "promise"),
    ]
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _show(before: Scenario, what: Reproduced, place: Path, runs: int, took_s: float, console: Console) -> None:
    end = "nothing more can be left out" if what.whole else "the runs or the time were spent"
    console.print(f"before: {_size(before)}")
    console.print(f"now:    {_size(what.scenario)}")
    console.print(
        f"shown in {what.shown} of {what.times} runs of what is left; {runs} runs, {took_s / 60:.1f} min; {end}"
    )
    for name in (what.file_name, ISSUE_FILE, ARCHIVE_FILE):
        console.print(str(place / name), markup=False, highlight=False, soft_wrap=True)
    console.print(Text(f"reproduce, in that directory: {command(what)}, or {alone(what)}"), soft_wrap=True)
