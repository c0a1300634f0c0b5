"""`harness capture`: is what an operator reports of a user's cluster true, and a plan that makes that cluster again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.bundle.archive import SUFFIX
from harness.capture import anonymous
from harness.capture import operator as operators
from harness.capture.captured import Capture
from harness.capture.foreign import Foreign
from harness.capture.operator import Answers
from harness.capture.picture import written
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict
from harness.cli.rejudge import STYLES
from harness.errors import PlatformError, UsageError
from harness.visible import line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.capture.looks import Seen
    from harness.check.agreement import Difference

TRUE, FALSE, CANNOT_SAY = 0, 1, 2
_WORDS = {PASS: "the inventory is true", FAIL: "the inventory is not true", UNKNOWN: "it cannot be said"}
_CODES = {PASS: TRUE, FAIL: FALSE, UNKNOWN: CANNOT_SAY}


@click.command("capture")
@click.option("--kubeconfig", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Of the cluster.")
@click.option("--context", default="", metavar="NAME", help="Of the kubeconfig [its current one].")
@click.option("--namespace", default=operators.NAMESPACE, show_default=True, help="Where the operator's service is.")
@click.option("--rest", default="", metavar="URL", help="Where it answers REST [its service, by the API server].")
@click.option("--grpc", default="", metavar="HOST:PORT", help="Where it answers gRPC [it is not asked].")
@click.option("--config", default="", metavar="WHAT", help="A file, NAMESPACE/NAME[/KEY], or none [the chart's].")
@click.option("--registry", default="", metavar="WHAT", help="GPU registry: a URL or a file [GPUs are not judged].")
@click.option(
    "--patience", type=click.IntRange(5, 3600), default=60, show_default=True, help="Seconds until it cannot be said."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help=f"A bundle: …{SUFFIX}.")
def capture(
    *,
    kubeconfig: Path,
    context: str,
    namespace: str,
    rest: str,
    grpc: str,
    config: str,
    registry: str,
    patience: int,
    out: Path,
) -> int:
    """Judge the inventory of a user's cluster, and write a plan that makes that cluster again. Reads only.

    What identifies the cluster does not get into the bundle. Exit code: 0 the inventory is true, 1 it is not, 2 it
    cannot be said, 3 it could not be asked.
    """
    check_target(out)
    console = Console()
    cluster = Foreign(kubeconfig, context)
    cluster.open()
    document = operators.configuration(cluster, config, namespace)
    content = anonymous.registry(raw) if (raw := operators.registry(registry)) is not None else None
    if registry and content is None:
        raise UsageError(f"--registry {registry}: it is not in the documented shape", hint="see docs/contract.md")
    answers = Answers(rest, grpc) if rest or grpc else operators.found_by_service(cluster, namespace)
    taking = Capture(cluster, answers, document, content, lambda text: console.print(Text(text, "dim")))
    picture, notes = asyncio.run(taking.take(patience))
    judgement = written(picture, out)
    verdict = said(picture.seen, judgement.verdict)
    show(verdict, picture.seen, [one.promise for one in judgement.promises], notes, console)
    console.print(f"the bundle: {out}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"make it again: harness replay {out} --operator PATH", markup=False, highlight=False, soft_wrap=True)
    return _CODES[verdict]


def said(seen: Seen, judged: Verdict) -> Verdict:
    """What is said of the inventory: what stands is not true; else what was judged, once there is nothing to wait for.

    A node of which one figure stands and another moves is not in the picture that was judged.
    """
    if seen.standing:
        return FAIL
    return judged if seen.settled else UNKNOWN


def check_target(out: Path) -> None:
    """Raise UsageError or PlatformError where the bundle cannot be written, before anything is asked."""
    if not out.name.endswith(SUFFIX):
        raise UsageError(f"--out {out}: it is an archive", hint=f"give a name that ends in {SUFFIX}")
    if out.exists():
        raise UsageError(f"--out {out} exists already", hint="nothing is overwritten: give another name")
    if not out.resolve().parent.is_dir():
        raise PlatformError(f"--out {out}: there is no directory {out.parent}", hint="make it, or name another")


def show(verdict: Verdict, seen: Seen, promises: Iterable[str], notes: Iterable[str], console: Console) -> None:
    """The table of what is not true, what could not be judged, and the verdict."""
    if seen.standing:
        table = Table("figure", "node", "expected", "reported", "by")
        for (node, field, expected, reported), by in grouped(seen.standing):
            table.add_row(*(Text(shortened(text, 120)) for text in (field, node, expected, reported, by)))
        console.print(table)
    if seen.moving:
        console.print(f"{len({one.node for one in seen.moving})} nodes or classes were changing, and are left out")
    for note in notes:
        console.print(Text(f"note: {line(note)}"), soft_wrap=True)
    console.print(Text(f"judged: {', '.join(promises)}"), soft_wrap=True)
    console.print(Text(_WORDS[verdict], STYLES[verdict]))


def grouped(found: Iterable[Difference]) -> list[tuple[tuple[str, str, str, str], str]]:
    """Each difference once: (node, field, expected, reported), and the sources that show it."""
    by: dict[tuple[str, str, str, str], list[str]] = {}
    for one in sorted(found, key=lambda one: (one.node, one.field, one.source)):
        by.setdefault((one.node, one.field, one.expected, one.reported), []).append(one.source or "the Node")
    return [(key, ", ".join(sources)) for key, sources in by.items()]
