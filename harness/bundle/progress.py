"""What each run of a campaign is doing: a line for every step, appended whole by whoever makes it, for who shows it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from harness.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path


def note(path: Path, scenario: str, phase: str) -> None:
    """Append what a run is doing now; raises PlatformError when the disk does not take it."""
    line = json.dumps({"scenario": scenario, "phase": phase}) + "\n"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)
    except OSError as exc:
        raise PlatformError(
            f"cannot write {path}: {exc.strerror}", hint="free some space or choose another --out"
        ) from exc
