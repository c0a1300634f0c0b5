"""What the tests of kind share: the kind command, one event loop, and one cluster with two workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.cluster.backend import BackendSpec, make
from harness.cluster.shape import Shape
from harness.toolchain import Toolchain, resolve
from tests.rundirs import own_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.cluster.base import Cluster


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """With kind."""
    return resolve(also=("kind",))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the run directories of a test are that counts what is left."""
    with own_runs(monkeypatch) as place:
        yield place


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """The loop on which the shared cluster's client lives."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def cluster(toolchain: Toolchain, loop: asyncio.Runner) -> Iterator[Cluster]:
    """A control plane and two workers, as a run has them."""
    made = loop.run(make(BackendSpec("kind")).start(toolchain, Shape(machines=2)))
    yield made
    loop.run(made.stop())
