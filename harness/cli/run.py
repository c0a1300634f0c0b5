"""`harness run`: run scenarios, show how they go, print verdicts, and say them by the exit code."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from harness import seed as seeds
from harness.bundle import DATASTORE_VARIABLE, SUMMARY_FILE, SUMMARY_TEXT_FILE
from harness.cli import dryrun
from harness.cli.backend import asked, at_once, backend_options, bring_for
from harness.cli.backend import words as backend_words
from harness.cli.bundle import pack_all
from harness.cli.collect import Asked
from harness.cli.place import has_room, make_out, suite_environment, suite_root, usual_workers
from harness.cli.progress import Board
from harness.cluster import datastore as datastores
from harness.cluster.sweep import sweep
from harness.errors import HarnessError, PlatformError, UsageError
from harness.names.naming import USUAL, WORDS, parse
from harness.operator.base import REFERENCE
from harness.operator.supervisor import DEFAULT_SCALE, Supervision
from harness.process.shim import command
from harness.run.choose import choose
from harness.run.preflight import preflight
from harness.toolchain import DEFAULT_KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

ALL_PASS, A_FAIL, AN_UNKNOWN, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 3, 130
_PYTEST_INTERRUPTED, _PYTEST_NO_TESTS = 2, 5
_END_DEADLINE_S = 30.0
LOG_FILE = "pytest.log"
_LEFT_OUT_SHOWN = 8
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FIXTURES = ("fixtures.options", "fixtures.campaign", "fixtures.runs", "fixtures.outcome", "fixtures.select")
"""What conftest.py registers."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
@click.option(
    "-k", "expression", default="", metavar="EXPR", help="Only scenarios whose id or test name matches (as pytest -k)."
)
@click.option("-m", "marks", default="", metavar="MARKS", help="Only tests with these marks, such as quick.")
@click.option(
    "--operator", default=REFERENCE, show_default=True, metavar="PATH", help="'reference', or an operator's binary."
)
@click.option(
    "--defect", default=None, metavar="NAME", help="Make the reference operator a saboteur (docs/saboteurs.md)."
)
@click.option(
    "--seed", type=int, default=None, metavar="N", help="Seed of every random choice; the default is a new one."
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Write the summary here too.",
)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=None,
    help="Scenarios at a time [two for each core, at most 8, fewer where memory is short].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Bundles and reports [reports/out/<run>].",
)
@click.option(
    "--datastore",
    default="",
    envvar=DATASTORE_VARIABLE,
    metavar="KIND[,KIND]",
    help="etcd, etcd3, sqlite, postgres, mysql, the URL of a SQL server, or all [the scenarios usual on etcd].",
)
@click.option(
    "--names",
    default=USUAL,
    show_default=True,
    metavar="WORD",
    help=f"How nodes, namespaces, pods and GPU models are named: {', '.join(WORDS)}, or a number of characters.",
)
@click.option(
    "--supervised", is_flag=True, help="Start the operator again when it exits, with a kubelet's back-off, everywhere."
)
@click.option(
    "--liveness", "--as-deployed", "liveness", is_flag=True,
    help="As the chart deploys it: --supervised, and restarted when the chart's liveness script fails.",
)  # fmt: skip
@click.option(
    "--backoff-scale",
    type=float,
    default=None,
    metavar="SCALE",
    help=f"The supervisor's waits as a share of a kubelet's [{DEFAULT_SCALE:g}].",
)
@backend_options
@click.option("--audit", is_flag=True, help="Let API servers write an audit log into each bundle.")
@click.option("--archive", is_flag=True, help="Also write each bundle as one .tar.zst file.")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
def run(
    *,
    files: tuple[Path, ...],
    expression: str,
    marks: str,
    operator: str,
    defect: str | None,
    seed: int | None,
    json_file: Path | None,
    workers: int | None,
    out: Path | None,
    datastore: str,
    names: str,
    supervised: bool,
    liveness: bool,
    backoff_scale: float | None,
    audit: bool,
    archive: bool,
    kubernetes: str,
    **of_backends: Any,
) -> int:
    """Run scenarios on a real control plane and judge the operator's promises; with FILEs, only theirs.

    Exit code: 0 all PASS, 1 a FAIL, 2 an UNKNOWN, 3 the harness itself could not run.
    """
    spec = choose(operator, defect)
    number = seeds.check(seed) if seed is not None else seeds.fresh()
    naming = parse(names)
    stores = datastores.parse_many(datastore) if datastore else ()
    supervision = Supervision(supervised, liveness, backoff_scale)
    named = str(of_backends["backend"])
    specs = asked(of_backends, spec)
    workers = at_once(specs, workers)
    if dryrun.wanted(specs):
        dryrun.dry_run(specs[0], Asked(expression, marks, "", naming.word, supervision), number)
        return ALL_PASS
    suite = suite_root()
    tests = [str(suite / "scenarios")] if not files else _tests(files)
    console = Console()
    directory = make_out(out)
    (directory / LOG_FILE).touch()
    tools = bring_for(specs, kubernetes, stores)
    if spec.sha256:
        console.print(f"looking at the operator {spec.name} (sha256 {spec.sha256[:12]}…)")
    preflight(spec, tools, specs, console.print)
    arguments = pytest_arguments(
        suite, operator, number, directory, kubernetes, workers=workers, tests=tests, expression=expression,
        marks=marks, defect=defect,
        more=(
            f"--names={naming.word}", *supervision.options(), *(["--audit"] if audit else []),
            *backend_words(specs, named),
        ),
    )  # fmt: skip
    status = follow(arguments, suite, directory, console, datastore)
    code = conclude(status, directory, json_file, console)
    if archive:
        for path in pack_all([directory]):
            console.print(f"packed {path}", markup=False, highlight=False, soft_wrap=True)
    return code


def pytest_arguments(
    suite: Path,
    operator: str,
    seed: int,
    out: Path,
    kubernetes: str,
    *,
    workers: int | None = None,
    parts: tuple[str, ...] = (),
    tests: Sequence[str] = (),
    expression: str = "",
    marks: str = "",
    defect: str | None = None,
    more: tuple[str, ...] = (),
) -> list[str]:
    """The command line of a campaign: of `tests`, or of `parts`, directories of scenarios/; of all without any."""
    places = [*tests] or [str(suite / "scenarios" / part) for part in parts] or [str(suite / "scenarios")]
    return [
        sys.executable, "-m", "pytest", *places, f"--rootdir={suite}", "-c", str(suite / "tox.ini"),
        "-q", "-n", str(workers or usual_workers()), "--dist=worksteal", f"--operator={operator}", f"--seed={seed}",
        f"--out={out}", f"--kubernetes={kubernetes}", "-p", "no:cacheprovider",
        *(["-k", expression] if expression else []),
        *(["-m", marks] if marks else []),
        *([f"--defect={defect}"] if defect else []),
        *more,
    ]  # fmt: skip


def _tests(files: tuple[Path, ...]) -> list[str]:
    """The named files for pytest, with the suite's fixtures, which a file elsewhere does not find by itself."""
    if missing := [path for path in files if not path.is_file()]:
        raise UsageError(f"{missing[0]}: there is no such file", hint="name test files; scenarios are chosen by -k")
    return [*(str(path.resolve()) for path in files), *(word for name in FIXTURES for word in ("-p", name))]


def follow(arguments: list[str], suite: Path, out: Path, console: Console, datastore: str) -> int:
    """Run pytest and show its progress until it ends; an interrupt is handed on, and its end awaited."""
    environment = {**suite_environment(), DATASTORE_VARIABLE: datastore}
    if console.is_terminal:
        environment["FORCE_COLOR"] = "1"
    with (out / LOG_FILE).open("wb") as log:
        child = subprocess.Popen(
            command(arguments), cwd=suite, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Board(out, console) as board:
            while (status := _wait(child)) is None:
                board.refresh()
            board.refresh()
    except KeyboardInterrupt:
        _end(child)
        sweep()
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    return status


def _wait(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(timeout=0.25)
    except subprocess.TimeoutExpired:
        return None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let pytest tear down in order; after a while kill it: its children die with it."""
    child.send_signal(signal.SIGTERM)  # pytest hands it on to its workers (fixtures.campaign), a SIGINT it would not
    try:
        child.wait(timeout=_END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def conclude(status: int, out: Path, json_file: Path | None, console: Console) -> int:
    """Print what the campaign wrote, copy its summary, and turn both into the exit code."""
    summary = read_summary(out)
    if summary is None or not (summary["scenarios"] or summary.get("errors")):
        log = _COLOURS.sub("", (out / LOG_FILE).read_text(encoding="utf-8", errors="replace"))
        if status == _PYTEST_NO_TESTS and summary is not None and summary["not_applicable"]:
            raise UsageError(
                "nothing of what was asked for is applicable:\n" + "\n".join(_left_out(summary)[:_LEFT_OUT_SHOWN]),
                hint="choose other scenarios, or another --backend; docs/backends.md says what each can do",
            )
        if status == _PYTEST_NO_TESTS:
            raise UsageError(
                "no scenario matches",
                hint="see the names with: pytest scenarios --collect-only -q; some need --datastore etcd3, or all",
            )
        if not has_room(out):
            raise PlatformError(
                f"no scenario could be run: no space is left on the disk of {out}",
                hint="free some space or choose another --out",
            )
        raise HarnessError(
            f"no scenario could be run (pytest ended with {status}):\n{log[-3000:]}",
            hint=f"the whole log is {out / LOG_FILE}",
        )
    text = out / SUMMARY_TEXT_FILE
    if text.is_file():
        console.file.write(text.read_text(encoding="utf-8"))
        console.file.flush()
    if json_file is not None:
        try:
            shutil.copyfile(out / SUMMARY_FILE, json_file)
        except OSError as exc:
            raise PlatformError(f"cannot write {json_file}: {exc.strerror}") from exc
    return exit_code(status, summary)


def _left_out(summary: dict[str, Any]) -> list[str]:
    """A line for each scenario that is not applicable somewhere, and why."""
    return [f"  {item['test']} on {item['backend']}: {item['why']}" for item in summary["not_applicable"]]


def read_summary(out: Path) -> dict[str, Any] | None:
    """The summary of a campaign; None where it wrote none. Raises PlatformError when it cannot be read."""
    try:
        body: dict[str, Any] = json.loads((out / SUMMARY_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, json.JSONDecodeError) as exc:
        raise PlatformError(f"cannot read {out / SUMMARY_FILE}: {exc}") from exc
    return body


def exit_code(status: int, summary: dict[str, Any]) -> int:
    """0 all PASS, 1 a FAIL, 2 an UNKNOWN, 3 the harness itself could not run all of it, 130 interrupted.

    `status` is pytest's. A run that pytest calls failed although every verdict is PASS is the harness's own failure.
    Different final inventories of one scenario on several datastores are a FAIL, and so are different verdicts on
    several backends; where it cannot be said whether they are the same, and all else is well, that is an UNKNOWN.
    """
    verdicts = {scenario["verdict"] for scenario in summary["scenarios"]}
    several = [item for item in summary.get("differential", ()) if len(item["datastores"]) > 1]
    compared = {item["same_verdicts"] if "same_verdicts" in item else item["same_inventory"] for item in several}
    if status == _PYTEST_INTERRUPTED:
        return INTERRUPTED
    if "FAIL" in verdicts or False in compared:
        return A_FAIL
    if summary.get("errors") or status not in {0, 1}:
        return CANNOT_RUN
    if "UNKNOWN" in verdicts or not verdicts:
        return AN_UNKNOWN
    if status:
        return CANNOT_RUN
    return AN_UNKNOWN if None in compared else ALL_PASS
