"""Each test's run directories are in a place of its own: another run's sweep cannot take what a test counts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_run_directories(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = Path(tempfile.mkdtemp(prefix="ihd-"))
    # PostgreSQL does not run as root: its user passes through what is above its data.
    place.chmod(0o711)
    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(place))
    yield
    shutil.rmtree(place)
