"""A history that is closed whatever a test does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.clock import RunClock
from harness.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryWriter]:
    """An empty history on disk."""
    writer = HistoryWriter(tmp_path, RunClock())
    yield writer
    writer.close()
