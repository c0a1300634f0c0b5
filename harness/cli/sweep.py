"""`harness sweep`: removes what dead runs left behind."""

from __future__ import annotations

import click

from harness.process import rundir


@click.command()
def sweep() -> None:
    """Remove run directories, and end processes, of runs that are dead. Live runs are never touched."""
    swept = rundir.sweep()
    for pid, name in swept.processes:
        click.echo(f"ended process {pid} ({name})")
    for path in swept.directories:
        click.echo(f"removed {path}")
    if not swept.directories:
        click.echo("nothing to sweep")
