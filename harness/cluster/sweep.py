"""Everything that dead runs left: processes, directories, databases on somebody's server, containers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster import containers, sqlmade
from harness.errors import HarnessError
from harness.process import rundir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed, and what it could not: `kept` has (the run's directory, why) for databases."""

    runs: rundir.Swept
    boxes: containers.Swept
    databases: tuple[str, ...] = ()
    kept: tuple[tuple[Path, str], ...] = ()


@dataclass(slots=True)
class _Databases:
    removed: list[str] = field(default_factory=list)
    kept: list[tuple[Path, str]] = field(default_factory=list)

    def remove(self, directory: Path) -> bool:
        """Whether the directory can go: its file is all that tells where a database is."""
        try:
            made = asyncio.run(sqlmade.remove(directory))
        except HarnessError as exc:
            self.kept.append((directory, exc.what))
            return False
        self.removed += [made] if made else []
        return True


def sweep(parent: Path | None = None) -> Swept:
    """Remove what dead runs left behind; live runs are never touched. Not to be called where an event loop runs."""
    databases = _Databases()
    runs = rundir.sweep(parent, first=databases.remove)
    return Swept(runs, containers.sweep(), tuple(databases.removed), tuple(databases.kept))
