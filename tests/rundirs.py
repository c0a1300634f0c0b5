"""Run directories in a place of a test's own: another run's sweep cannot take what the test counts."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def own_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """INVENTORY_HARNESS_RUNS, with a path that is short enough for sockets."""
    place = Path(tempfile.mkdtemp(prefix="ihd-"))
    # PostgreSQL does not run as root: its user passes through what is above its data.
    place.chmod(0o711)
    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(place))
    yield place
    shutil.rmtree(place)
