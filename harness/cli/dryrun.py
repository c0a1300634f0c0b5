"""`harness run --dry-run`: what runs on somebody's cluster would change, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from harness.cli.collect import collected
from harness.cluster import external
from harness.cluster.backend import EXTERNAL
from harness.errors import UsageError
from harness.run import dryrun
from harness.run.engine import not_applicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cli.collect import Asked
    from harness.cluster.backend import BackendSpec

DRY_RUN = "dry-run"


def wanted(specs: Sequence[BackendSpec]) -> bool:
    """Whether nothing is to be done but to tell; raises UsageError where other backends were named as well."""
    if not any(DRY_RUN in spec.settings for spec in specs):
        return False
    if others := [spec.name for spec in specs if spec.name != EXTERNAL]:
        raise UsageError(f"--dry-run is for clusters of somebody, and {others[0]} is named", hint="--backend external")
    return True


def dry_run(spec: BackendSpec, asked: Asked, seed: int) -> None:
    """Tell what would be changed; raises UsageError where no run would be made."""
    found = [scenario for scenario, _kind in collected(asked)]
    applicable = [scenario for scenario in found if not not_applicable(scenario, spec)]
    if not applicable:
        raise UsageError(
            f"none of {len(found)} scenarios is applicable: {not_applicable(found[0], spec)}",
            hint="choose others, or allow more by --allow-destructive",
        )
    changes = asyncio.run(dryrun.tell(external.backend(spec), applicable, seed, click.echo))
    click.echo(f"{changes} changes told, none made; {len(found) - len(applicable)} scenarios are not applicable")
