"""What simulated nodes are made of (public names; the code is in `harness.cluster.hardware` and `harness.scenario`)."""

from __future__ import annotations

from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.scenario import name_of_length, named, simulated, two_sizes

__all__ = ["GPU_MODELS", "NodeProfile", "name_of_length", "named", "simulated", "two_sizes"]
