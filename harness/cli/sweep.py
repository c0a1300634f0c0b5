"""`harness sweep`: removes what dead runs left behind."""

from __future__ import annotations

import click

from harness.cluster import sweep as everything
from harness.errors import PlatformError


@click.command()
def sweep() -> None:
    """Remove what dead runs left: processes, directories, control groups, databases, containers, kind clusters.

    Live runs are never touched.
    """
    swept = everything.sweep()
    runs, boxes = swept.runs, swept.boxes
    for pid, name in runs.processes:
        click.echo(f"ended process {pid} ({name})")
    for name in swept.databases:
        click.echo(f"removed {name}")
    for name in swept.groups:
        click.echo(f"removed control group {name}")
    for name in swept.clusters:
        click.echo(f"removed {name}")
    for path in runs.directories:
        click.echo(f"removed {path}")
    for name in boxes.removed:
        click.echo(f"removed container {name}")
    for path, why in swept.kept:
        raise PlatformError(
            f"what a dead run made could not be removed: {why}",
            hint=f"sweep again when that is over (a server that does not answer); to give it up, remove {path}",
        )
    if boxes.kept:
        told = "; ".join(f"{name}: {why}" for name, why in boxes.kept)
        names = " ".join(name for name, _why in boxes.kept)
        raise PlatformError(
            f"Docker did not remove what a dead run left: {told}", hint=f"docker rm --force --volumes {names}"
        )
    if swept.settings:
        raise PlatformError(
            f"real kubelets changed settings of the kernel, and only root can give them back: {swept.settings}",
            hint="; ".join(f"sudo sysctl -w {setting.replace('/', '.')}" for setting in swept.settings),
        )
    if not (runs.directories or boxes.removed or swept.clusters):
        click.echo("nothing to sweep")
