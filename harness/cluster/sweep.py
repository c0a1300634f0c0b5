"""Everything that dead runs left: processes, directories, control groups, databases, containers, whole clusters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster import containers, dockernet, k3sleft, kernel, kindmade, sqlmade
from harness.errors import HarnessError
from harness.process import cell, rundir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed, and what it could not.

    `kept` has (the run's directory, why) for databases, groups and clusters of kind or K3s; `settings`: of the kernel,
    that real kubelets changed and only root can give back, as "vm/overcommit_memory=0".
    """

    runs: rundir.Swept
    boxes: containers.Swept
    databases: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    kept: tuple[tuple[Path, str], ...] = ()
    networks: containers.Swept = field(default_factory=containers.Swept)


@dataclass(slots=True)
class _Outside:
    """What lies outside of the directories of dead runs."""

    databases: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    kept: list[tuple[Path, str]] = field(default_factory=list)

    def remove(self, directory: Path) -> bool:
        """Whether the directory can go: its files are all that tells where a database, or a group, is."""
        try:
            group = cell.remove_left(directory)
            self.groups += [group] if group else []
            cluster = kindmade.remove_left(directory)
            node = k3sleft.sweep(directory)
            self.clusters += [made for made in (cluster, node) if made]
            made = asyncio.run(sqlmade.remove(directory))
        except HarnessError as exc:
            self.kept.append((directory, exc.what))
            return False
        self.databases += [made] if made else []
        return True


def sweep(parent: Path | None = None) -> Swept:
    """Remove what dead runs left behind; live runs are never touched. Not to be called where an event loop runs."""
    outside = _Outside()
    runs = rundir.sweep(parent, first=outside.remove)
    clusters = (*outside.clusters, *kindmade.sweep())
    return Swept(
        runs, containers.sweep(), tuple(outside.databases), tuple(outside.groups), clusters, kernel.restore(),
        tuple(outside.kept), dockernet.sweep(),
    )  # fmt: skip
