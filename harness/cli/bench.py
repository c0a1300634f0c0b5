"""`harness bench`: how fast and how heavy the harness is on this machine."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from harness.errors import PlatformError
from harness.run import bench as measuring
from harness.run import bench_datastores as stores
from harness.toolchain import DEFAULT_KUBERNETES, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 100


@click.command("bench")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    help="How often each start is measured; the median counts.",
)
@click.option("--datastores", is_flag=True, help="Measure every datastore and three servers as well.")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
def bench(*, target: Path | None, rounds: int, datastores: bool, kubernetes: str) -> None:
    """Measure start-up times, reaction to a hundred nodes, overhead and memory; a slow machine is no failure."""
    if target is not None:
        _write(target, "")  # an unwritable place is said before minutes of measuring, not after
    tools = resolve(kubernetes=kubernetes, also=("kine",) if datastores else ())
    body = measuring.measure(tools, rounds=rounds, report=_say)
    if datastores:
        more = stores.measure(tools, rounds=rounds, report=_say)
        body |= {name: round(statistics.median(values), 3) for name, values in more.items()}
        body["samples"] |= {name: [round(value, 3) for value in values] for name, values in more.items()}
        body["targets"] |= {figure.name: figure.target for figure in stores.FIGURES}
    if target is not None:
        _write(target, json.dumps(body, indent=1) + "\n")
    Console(width=WIDTH).print(table(body))


def table(body: Mapping[str, Any]) -> Table:
    """The figures beside their targets; `body` is what `measuring.measure` returns."""
    machine = body["machine"]
    size = f"{machine['cores']} cores, {machine['memory_mib']} MiB, Linux {machine['kernel']}"
    shown = Table("figure", "measured", "target", "", "samples", title=f"{size}, load before {machine['load_before']}")
    for figure in (*measuring.FIGURES, *stores.FIGURES):
        if figure.name not in body:
            continue
        value, limit = body[figure.name], figure.target
        samples = body["samples"][figure.name]
        shown.add_row(
            figure.name,
            f"{value:.{figure.digits}f}",
            "" if limit is None else f"at most {limit:g}",
            "" if limit is None else ("met" if value <= limit else "missed"),
            " ".join(f"{sample:.{figure.digits}f}" for sample in samples),
        )
    return shown


def _say(text: str) -> None:
    click.echo(text, err=True)


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise PlatformError(f"cannot write {target}: {exc.strerror}", hint="give --json a writable file") from exc
