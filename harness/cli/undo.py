"""`harness undo`: what a killed harness left harmed on somebody's cluster is put right, from its journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from harness.cluster import allowed, external, leftbehind
from harness.cluster.kubeconfig import load
from harness.cluster.lease import HeldLease, holder
from harness.errors import UsageError
from harness.process import rundir
from harness.run.undo import Left, left_in, nodes_of, require_of, undo

ALL_UNDONE, SOME_LEFT = 0, 1


@click.command("undo")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--kubeconfig", type=click.Path(path_type=Path), required=True, metavar="FILE", help="As of the run.")
@click.option("--context", required=True, metavar="NAME", help="As of the run.")
@click.option("--dry-run", is_flag=True, help="Print what would be undone, and undo nothing.")
def undo_command(*, directory: Path, kubeconfig: Path, context: str, dry_run: bool) -> int:
    """Undo what the runs whose bundles are in DIRECTORY left harmed, and remove what they made; the rest is left alone.

    Only the nodes that a journal names are changed, and only what carries the harness's label is removed. Exit code: 0
    nothing is left, 1 something could not be undone, or would be with --dry-run, 3 it could not be tried.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is no directory", hint="give a bundle, or the --out of a campaign")
    found = left_in(directory)
    for one in found:
        click.echo(f"left: {one.text}")
    return SOME_LEFT if asyncio.run(_undo(found, kubeconfig, context, dry_run=dry_run)) else ALL_UNDONE


async def _undo(found: tuple[Left, ...], kubeconfig: Path, context: str, *, dry_run: bool) -> bool:
    """Whether something is left."""
    reached = await asyncio.to_thread(load, kubeconfig, context)
    nodes = tuple(sorted(set(nodes_of(found))))
    may = allowed.Allowed() if dry_run else allowed.Allowed(operator=True, nodes=nodes, drain=True, delete=True)
    held: list[HeldLease] = []
    async with reached.client(external.judge(may, held)) as client:
        listed, namespaces = await external.look(client, reached)
        require_of(found, await external.identify(client), context)
        before = leftbehind.labels_before(listed, namespaces)
        made = await leftbehind.made_by_runs(client, namespaces)
        for text in made:
            click.echo(f"made by a run: {text}")
        if dry_run or not (found or made):
            click.echo(f"{len(found)} harms are not undone, and {len(made)} objects are left of runs")
            return bool(found or made)
        run_dir = rundir.make()
        try:
            lease = HeldLease(client, holder("undo"), directory=run_dir.path)
            await lease.acquire()
            held.append(lease)
            try:
                failed = await undo(client, found, click.echo)
                await leftbehind.remove_ours(client, before)
            finally:
                await lease.release()
        finally:
            run_dir.remove()
        if made:
            click.echo("removed: what runs have made, and the labels of their operators")
        return bool(failed)
