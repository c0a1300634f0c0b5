"""`harness toolchain`: brings the control plane's binaries and says where each one came from."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.toolchain import DEFAULT_KUBERNETES, OPTIONAL, Progress, Toolchain, components, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_EVERY_S = 15.0
"""In a log, a long build says that it lives this often."""


@click.command("toolchain")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
@click.option(
    "--assets",
    type=click.Path(path_type=Path),
    help="Directory of binaries to use first (default: KUBEBUILDER_ASSETS).",
)
@click.option("--mirror", help="Base URL in place of the official release hosts (default: INVENTORY_HARNESS_MIRROR).")
@click.option("--offline", is_flag=True, help="Neither download nor let Go download.")
@click.option("--no-build", is_flag=True, help="Do not build from source.")
@click.option(
    "--with", "also", type=click.Choice(sorted(OPTIONAL)), multiple=True, help="Bring this too; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
def toolchain(
    *,
    kubernetes: str,
    assets: Path | None,
    mirror: str | None,
    offline: bool,
    no_build: bool,
    also: tuple[str, ...],
    as_json: bool,
) -> None:
    """Bring kube-apiserver, kube-controller-manager, etcd, etcdctl and kwok, and show where each came from.

    `--with kine` brings kine as well, which SQL datastores need, and `--with kubectl` kubectl.
    """
    console = Console(stderr=as_json)
    tools = bring(
        kubernetes,
        also=also,
        console=console,
        live=not as_json,
        assets=assets,
        mirror=mirror,
        offline=offline,
        no_build=no_build,
    )
    if as_json:
        click.echo(json.dumps(as_data(tools), indent=2))
    elif console.is_interactive:
        console.print(summary(tools))
    else:
        for name, path in tools.paths.items():
            click.echo(f"{name} {tools.versions[name]} {tools.sources[name]} {path}")


def bring(
    kubernetes: str,
    *,
    also: Sequence[str] = (),
    console: Console | None = None,
    live: bool = True,
    **options: Any,
) -> Toolchain:
    """Resolve the toolchain and show its progress: a table on a terminal, lines elsewhere.

    `options` go to `resolve`.
    """
    console = console or Console(stderr=True)
    # A terminal of a CI system is a log in disguise: rich knows them by their environment.
    if console.is_interactive and live:
        board = _Board(tuple(component.name for component in components(also=also)))
        with Live(get_renderable=board.table, console=console, refresh_per_second=4, transient=True):
            return resolve(kubernetes=kubernetes, also=also, report=board.note, **options)
    return resolve(kubernetes=kubernetes, also=also, report=_Lines(console.file).note, **options)


def summary(tools: Toolchain) -> Table:
    """The table shown at the end on a terminal."""
    table = Table("component", "version", "source", "path")
    for name, path in tools.paths.items():
        table.add_row(name, tools.versions[name], tools.sources[name], Text(str(path), overflow="fold"))
    return table


def as_data(tools: Toolchain) -> dict[str, object]:
    """What `--json` prints: {"components": [{"name", "version", "source", "path", "sha256"}, …]}."""
    return {
        "components": [
            {
                "name": name,
                "version": tools.versions[name],
                "source": tools.sources[name],
                "path": str(path),
                "sha256": tools.sha256[name],
            }
            for name, path in tools.paths.items()
        ]
    }


@dataclass(slots=True)
class _Board:
    """The live table: what each component is at, and for how long."""

    names: tuple[str, ...]
    latest: dict[str, Progress] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def note(self, progress: Progress) -> None:
        self.latest[progress.component] = progress

    def table(self) -> Table:
        elapsed = time.monotonic() - self.started
        table = Table("component", "doing", "for", "detail", title=f"toolchain, {elapsed:.0f} s so far")
        for name in self.names:
            progress = self.latest.get(name)
            if progress is None:
                table.add_row(name, "to come", "", "")
            else:
                row = Text(progress.detail, overflow="ellipsis", no_wrap=True)
                table.add_row(name, progress.phase, f"{progress.seconds:.0f} s", row)
        return table


@dataclass(slots=True)
class _Lines:
    """Plain lines: one for each change, and one now and then while something long goes on."""

    stream: IO[str]
    phases: dict[str, str] = field(default_factory=dict)
    printed: dict[str, float] = field(default_factory=dict)

    def note(self, progress: Progress) -> None:
        if progress.phase == "ready":
            return  # the lines at the end say it with source and path
        name, now = progress.component, time.monotonic()
        changed = self.phases.get(name) != progress.phase
        if not changed and now - self.printed[name] < LINE_EVERY_S:
            return
        self.phases[name], self.printed[name] = progress.phase, now
        click.echo(f"{name}: {progress.phase}, {progress.seconds:.0f} s, {progress.detail}", file=self.stream)
