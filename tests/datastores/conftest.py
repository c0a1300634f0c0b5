"""Each test's run directories are in a place of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rundirs import own_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where they are."""
    with own_runs(monkeypatch) as place:
        yield place
