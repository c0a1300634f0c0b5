"""Writing reports: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from harness.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path


def replace_text(path: Path, text: str) -> Path:
    """Write `text` to `path` so that a reader sees the old file or the new one, never half of it.

    Raises PlatformError naming the file when the disk is full or the place is not writable.
    """
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        draft.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise PlatformError(
            f"cannot write the report {path}: {exc.strerror or exc}",
            hint="free some space or choose a writable --out directory; the run's evidence is not touched",
        ) from exc
    return path
