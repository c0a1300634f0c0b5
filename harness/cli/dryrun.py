"""`harness run --dry-run`: what runs on somebody's cluster would change, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from harness.cli.collect import collected
from harness.cluster import external
from harness.cluster.backend import EXTERNAL, operator_place
from harness.errors import UsageError
from harness.run import dryrun
from harness.run.engine import not_applicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cli.collect import Asked
    from harness.cluster.backend import BackendSpec

DRY_RUN = "dry-run"
_LEFT_OUT_SHOWN = 8


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
    why = {scenario.id: not_applicable(scenario, spec) for scenario in found}
    applicable = [scenario for scenario in found if not why[scenario.id]]
    left_out = [f"  {name}: {reason}" for name, reason in why.items() if reason]
    if not applicable:
        raise UsageError(
            f"none of {len(found)} scenarios is applicable:\n" + "\n".join(left_out[:_LEFT_OUT_SHOWN]),
            hint="choose others, or allow more by --allow-destructive",
        )
    chosen = external.backend(spec)
    place = operator_place(chosen, spec.operator_in)
    changes = asyncio.run(dryrun.tell(chosen, applicable, seed, click.echo, place))
    for text in left_out:
        click.echo(f"not applicable:{text}")
    click.echo(f"{changes} changes told, none made; {len(left_out)} scenarios are not applicable")
