"""The usual backend: `harness.cluster.embedded`, which has everything but real kubelets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cluster import capability
from harness.cluster.backend import EMBEDDED, BackendSpec
from harness.cluster.datastore import KINDS
from harness.cluster.embedded import EmbeddedCluster

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.shape import Shape
    from harness.errors import PlatformError
    from harness.toolchain import Toolchain

ABSENT = frozenset({capability.KUBELET, capability.CONTAINERS, capability.OPERATOR_POD, capability.RUNNING_OPERATOR})
"""What it lacks: whatever needs a kubelet, and anybody's operator."""


@dataclass(frozen=True, slots=True)
class EmbeddedBackend:
    """Control planes of plain processes, with simulated nodes."""

    name: str = EMBEDDED
    datastores: tuple[str, ...] = KINDS
    most_nodes: int | None = None
    control_plane: bool = True
    components: tuple[str, ...] = ()

    def capabilities(self) -> frozenset[str]:
        """All but `ABSENT`."""
        return frozenset(capability.MEANING) - ABSENT

    def obstacles(self) -> tuple[PlatformError, ...]:
        """None of its own: `harness doctor` looks at the machine and the toolchain anyway."""
        return ()

    async def start(self, toolchain: Toolchain, shape: Shape, *, parent: Path | None = None) -> EmbeddedCluster:
        """A control plane of processes on loopback."""
        return await EmbeddedCluster.start(toolchain, shape=shape, parent=parent)


def backend(spec: BackendSpec) -> EmbeddedBackend:
    """It has no settings."""
    del spec
    return EmbeddedBackend()
