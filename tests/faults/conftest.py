"""What the stories of all faults share; each has its run directories in a place of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster.datastore import DatastoreSpec
from harness.run.choose import optional_parts
from harness.toolchain import Toolchain, resolve
from tests.rundirs import own_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """The control plane's binaries, and kine."""
    return resolve(also=optional_parts([DatastoreSpec("postgres")]))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the run directories of this test are."""
    with own_runs(monkeypatch) as place:
        yield place
