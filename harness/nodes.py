"""What simulated nodes are made of (public names; the code is in `harness.cluster.hardware`, `.names`, `.scenario`)."""

from __future__ import annotations

from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.names.naming import name_of_length, names_alike
from harness.scenario import named, simulated, two_sizes

__all__ = ["GPU_MODELS", "NodeProfile", "name_of_length", "named", "names_alike", "simulated", "two_sizes"]
