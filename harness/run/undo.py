"""Undoing what a killed harness left harmed on somebody's cluster, from the journal that it wrote before it acted.

A cluster that the harness made ends with the harness. On one that goes on a node would stay cordoned, tainted, or
away. The journal lies in the run's bundle, each entry with all that the undo needs, whoever does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from harness.cluster.base import Ground
from harness.errors import HarnessError
from harness.fault import catalog
from harness.fault.journal import FILE_NAME, Journal, pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.fault.base import World
    from harness.fault.journal import Entry


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


async def undo(client: KubeClient, listed: tuple[Left, ...], say: Callable[[str], None]) -> tuple[Left, ...]:
    """Undo each and note it in its journal; those that could not be undone are returned, and told with the reason."""
    failed = []
    for left in listed:
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


def nodes_of(listed: tuple[Left, ...]) -> Iterator[str]:
    """The nodes that are still harmed."""
    for left in listed:
        if "node" in left.entry.fault:
            yield str(left.entry.state.get("target", ""))


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
