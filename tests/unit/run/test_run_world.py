"""What faults do to a run's world, where the run has a say in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from harness import seed
from harness.cluster.hardware import registry
from harness.run.world import RunWorld

if TYPE_CHECKING:
    from harness.cluster.embedded import EmbeddedCluster
    from harness.run.observe import LiveTruth
    from harness.run.world import RunControl


class _Noting:
    """A cluster and a truth that keep what they are told."""

    def __init__(self) -> None:
        self.served: Any = None
        self.truth: Any = None

    async def set_registry(self, body: Any) -> None:
        """What the registry answers from now on."""
        self.served = body

    def record(self, _kind: str, *, body: Any) -> None:
        """What is true from now on."""
        self.truth = body


def test_a_changed_registry_calls_models_as_the_scenario_does() -> None:
    """It is served so, and recorded so: faults know the usual names alone."""
    noting = _Noting()
    world = RunWorld(
        cast("EmbeddedCluster", noting), cast("RunControl", None), seed.stream(1, "world"), {},
        cast("LiveTruth", noting), models={"a100-80g": "renamed"},
    )  # fmt: skip

    asyncio.run(world.set_registry(registry(names={"a100": "a100-80g"})))

    assert noting.served == registry(names={"a100": "renamed"})
    assert noting.truth == noting.served
