"""`harness sweep`: removes what dead runs left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cluster import sweep as everything
from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
def sweep() -> None:
    """Remove what dead runs left: processes, directories, control groups, databases, containers, clusters, networks.

    Live runs are never touched.
    """
    swept = everything.sweep()
    for line in told(swept):
        click.echo(line)
    require_all(swept)
    if not (swept.runs.directories or swept.boxes.removed or swept.clusters or swept.networks.removed):
        click.echo("nothing to sweep")


def told(swept: everything.Swept) -> Iterator[str]:
    """What was removed, a line each."""
    yield from (f"ended process {pid} ({name})" for pid, name in swept.runs.processes)
    yield from (f"removed {name}" for name in swept.databases)
    yield from (f"removed control group {name}" for name in swept.groups)
    yield from (f"removed {name}" for name in swept.clusters)
    yield from (f"removed {path}" for path in swept.runs.directories)
    yield from (f"removed container {name}" for name in swept.boxes.removed)
    yield from (f"removed network {name}" for name in swept.networks.removed)


def require_all(swept: everything.Swept) -> None:
    """Raise PlatformError, with the way out, for what could not be removed or given back."""
    for path, why in swept.kept:
        raise PlatformError(
            f"what a dead run made could not be removed: {why}",
            hint=f"sweep again when that is over (a server that does not answer); to give it up, remove {path}",
        )
    if swept.boxes.kept:
        refused, names = _refused(swept.boxes.kept)
        raise PlatformError(
            f"Docker did not remove what a dead run left: {refused}", hint=f"docker rm --force --volumes {names}"
        )
    if swept.networks.kept:
        refused, names = _refused(swept.networks.kept)
        raise PlatformError(
            f"Docker did not remove networks of dead runs: {refused}", hint=f"docker network rm {names}"
        )
    if swept.settings:
        raise PlatformError(
            f"real kubelets changed settings of the kernel, which only root can undo: {', '.join(swept.settings)}",
            hint="; ".join(f"sudo sysctl -w {setting.replace('/', '.')}" for setting in swept.settings),
        )


def _refused(kept: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    return "; ".join(f"{name}: {why}" for name, why in kept), " ".join(name for name, _why in kept)
