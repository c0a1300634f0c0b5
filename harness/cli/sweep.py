"""`harness sweep`: removes what dead runs left behind."""

from __future__ import annotations

import click

from harness.cluster import containers
from harness.errors import PlatformError
from harness.process import rundir


@click.command()
def sweep() -> None:
    """Remove run directories and containers, and end processes, of runs that are dead. Live runs are never touched."""
    swept = rundir.sweep()
    for pid, name in swept.processes:
        click.echo(f"ended process {pid} ({name})")
    for path in swept.directories:
        click.echo(f"removed {path}")
    boxes = containers.sweep()
    for name in boxes.removed:
        click.echo(f"removed container {name}")
    if boxes.kept:
        told = "; ".join(f"{name}: {why}" for name, why in boxes.kept)
        names = " ".join(name for name, _why in boxes.kept)
        raise PlatformError(
            f"Docker did not remove what a dead run left: {told}", hint=f"docker rm --force --volumes {names}"
        )
    if not (swept.directories or boxes.removed):
        click.echo("nothing to sweep")
