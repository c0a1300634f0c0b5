"""`harness undo`: what a killed harness left harmed on somebody's cluster is put right, from its journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from harness.cluster import allowed, external
from harness.cluster.kubeconfig import load
from harness.cluster.lease import HeldLease, holder
from harness.errors import UsageError
from harness.run.undo import Left, left_in, nodes_of, undo

ALL_UNDONE, SOME_LEFT = 0, 1


@click.command("undo")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--kubeconfig", type=click.Path(path_type=Path), required=True, metavar="FILE", help="As of the run.")
@click.option("--context", required=True, metavar="NAME", help="As of the run.")
@click.option("--dry-run", is_flag=True, help="Print what would be undone, and undo nothing.")
def undo_command(*, directory: Path, kubeconfig: Path, context: str, dry_run: bool) -> int:
    """Undo what the runs whose bundles are in DIRECTORY left harmed; harms that were undone are left alone.

    Only the nodes that a journal names are changed. Exit code: 0 nothing is left, 1 something could not be undone, 3 it
    could not be tried.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is no directory", hint="give a bundle, or the --out of a campaign")
    found = left_in(directory)
    for one in found:
        click.echo(f"left: {one.text}")
    if dry_run or not found:
        click.echo(f"{len(found)} harms are not undone")
        return ALL_UNDONE if not found else SOME_LEFT
    failed = asyncio.run(_undo(found, kubeconfig, context))
    return SOME_LEFT if failed else ALL_UNDONE


async def _undo(found: tuple[Left, ...], kubeconfig: Path, context: str) -> tuple[Left, ...]:
    reached = await asyncio.to_thread(load, kubeconfig, context)
    may = allowed.Allowed(operator=True, nodes=tuple(sorted(set(nodes_of(found)))), drain=True, delete=True)
    held: list[HeldLease] = []
    async with reached.client(external.judge(may, held)) as client:
        await external.look(client, reached)
        lease = HeldLease(client, holder("undo"))
        await lease.acquire()
        held.append(lease)
        try:
            return await undo(client, found, click.echo)
        finally:
            await lease.release()
