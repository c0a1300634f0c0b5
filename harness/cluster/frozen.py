"""Processes that were left frozen, which nothing can end.

A container runtime freezes a container's processes for the moments in which it changes their limits. One that is killed
in such a moment, as a node's is with its node, leaves them frozen. The kernel then waits for ever for their end, and so
does Docker, which "did not receive an exit event" of the node.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")
"""Where control groups are: those of version 1 by controller, those of version 2 in one tree."""

PLACES = ("freezer/docker/{}", "freezer/system.slice/docker-{}.scope", "docker/{}", "system.slice/docker-{}.scope")
"""Where Docker puts a container's, by its driver."""

STATES = (("freezer.state", "THAWED"), ("cgroup.freeze", "0"))
"""The file that says whether a group is frozen, in either version, and what it says when it is not."""


def thaw(container: str) -> int:
    """Let go on what is frozen in a container of that full id; how many groups that were.

    Nothing is done where we may not, or where it is gone meanwhile.
    """
    return sum(1 for file, thawed in _states(container) if _thawed(file, thawed))


def _states(container: str) -> Iterator[tuple[Path, str]]:
    for place in PLACES:
        for name, thawed in STATES:
            for file in (ROOT / place.format(container)).rglob(name):
                yield file, thawed


def _thawed(file: Path, thawed: str) -> bool:
    with contextlib.suppress(OSError):
        if file.read_text(encoding="ascii").strip() != thawed:
            file.write_text(thawed, encoding="ascii")
            return True
    return False
