"""Undoing what a killed harness left harmed on somebody's cluster, from the journal that it wrote before it acted.

A cluster that the harness made ends with the harness. On one that goes on a node would stay cordoned, tainted, or
away. The journal lies in the run's bundle, each entry with all that the undo needs, whoever does it. What was harmed of
the harness's own, its operator, role and pods, is over with the run, and what is left of it is removed as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from harness.cluster import capability
from harness.cluster.base import Ground
from harness.errors import HarnessError, UsageError
from harness.fault import catalog
from harness.fault.journal import FILE_NAME, Journal, pending
from harness.fault.needs import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.fault.base import World
    from harness.fault.journal import Entry


_LASTING = frozenset({
    capability.NODE_MARKING, capability.NODE_DRAIN, capability.NODE_REJOIN, capability.NODE_DELETE
})  # fmt: skip
"""What a fault needs that changes a node of somebody's."""


@dataclass(frozen=True, slots=True)
class Left:
    """An injection that was not undone, and the directory of the journal that says so."""

    directory: Path
    entry: Entry

    @property
    def text(self) -> str:
        """What it is about."""
        return f"{self.entry.fault} of {self.entry.state.get('target') or 'the cluster'} ({self.directory.name})"


def left_in(directory: Path) -> tuple[Left, ...]:
    """What stands open in the journals of a bundle, or of all bundles below a directory, latest first in each."""
    return tuple(
        Left(path.parent, entry) for path in sorted(directory.rglob(FILE_NAME)) for entry in reversed(pending(path))
    )


def require_of(listed: tuple[Left, ...], cluster: str, context: str) -> None:
    """Raise UsageError for a harm that was done to another cluster than this: a node of the same name is not the same.

    `cluster`: as its journal tells it (`external.identify`).
    """
    for left in listed:
        if not left.entry.cluster:
            raise UsageError(
                f"{left.text} was done to a cluster that the harness had made, which has ended with it",
                hint="there is nothing to undo; harness sweep removes what dead runs left on this machine",
            )
        if left.entry.cluster != cluster:
            raise UsageError(
                f"{left.text} was done to another cluster than context {context!r} leads to",
                hint="give the kubeconfig and the context of the run",
            )


async def undo(client: KubeClient, listed: tuple[Left, ...], say: Callable[[str], None]) -> tuple[Left, ...]:
    """Undo each and note it in its journal; those that could not be undone are returned, and told with the reason."""
    failed = []
    for left in listed:
        if not lasts(left.entry):
            Journal(left.directory).close(left.entry.id)
            say(f"over with its run: {left.text}")
            continue
        try:
            await _heal(client, left.entry)
        except HarnessError as exc:
            say(f"could not be undone: {left.text}: {exc}")
            failed.append(left)
            continue
        Journal(left.directory).close(left.entry.id)
        say(f"undone: {left.text}")
    return tuple(failed)


async def _heal(client: KubeClient, entry: Entry) -> None:
    fault = catalog.from_json(entry.plan)
    world = cast("World", _World(_Cluster(client), _Operator()))
    await fault.heal(world, entry.state)
    await fault.healed(world, entry.state)


def lasts(entry: Entry) -> bool:
    """Whether a harm outlives the harness and all that is its own."""
    return bool(needs(catalog.from_json(entry.plan)) & _LASTING)


def nodes_of(listed: tuple[Left, ...]) -> Iterator[str]:
    """The nodes that are still harmed, by themselves or beside something else."""
    for left in listed:
        if lasts(left.entry):
            yield from _targets(left.entry.state)


def _targets(state: Any) -> Iterator[str]:
    if isinstance(state, dict):
        for key, value in state.items():
            if key == "target" and isinstance(value, str):
                yield value
            else:
                yield from _targets(value)


@dataclass(frozen=True, slots=True)
class _Cluster:
    client: KubeClient
    ground: Ground = field(default_factory=lambda: Ground(simulated=False))
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class _Operator:
    """It ended with the harness, and is not started again: there is nothing to be undone to it."""

    supervised: bool = True
    pid: int = 1


@dataclass(slots=True)
class _World:
    cluster: _Cluster
    operator: _Operator
    profiles: dict[str, Any] = field(default_factory=dict)
    held: dict[Any, Any] = field(default_factory=dict)
