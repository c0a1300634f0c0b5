"""Each module's run directories are in a place of its own; the stand-in and the real binaries that it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.backends import programs
from tests.rundirs import own_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.toolchain import Toolchain


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """The control plane's binaries, and kine."""
    return programs.toolchain()


@pytest.fixture(scope="session")
def k3s(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's program."""
    return programs.program(tmp_path_factory.mktemp("program"), toolchain)


@pytest.fixture(scope="module", autouse=True)
def runs() -> Iterator[Path]:
    """Where the run directories of a module are."""
    with pytest.MonkeyPatch.context() as patch, own_runs(patch) as place:
        yield place
