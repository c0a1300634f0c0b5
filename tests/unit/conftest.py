"""Property tests have no deadline: how long an example takes says something about the machine, not about the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from harness.clock import RunClock
from harness.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryWriter]:
    """An empty history on disk."""
    writer = HistoryWriter(tmp_path, RunClock())
    yield writer
    writer.close()
