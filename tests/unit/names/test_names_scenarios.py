"""Every limit of a name has its scenarios."""

from __future__ import annotations

from pathlib import Path

from harness.cluster.hardware import GPU_MODELS
from harness.names.limits import FAR, LIMITS, NODE, SUBDOMAIN, interesting, of_model
from harness.run.described import scenarios_of

ROOT = Path(__file__).resolve().parents[3]


def ids() -> set[str]:
    """The ids of all scenarios."""
    return {scenario.id for scenario in scenarios_of(ROOT)}


def test_every_interesting_length_of_a_node_has_a_scenario() -> None:
    """Whoever adds a limit adds scenarios."""
    lengths = interesting(LIMITS[NODE], most=SUBDOMAIN)

    assert {f"conformance/name-of-{length}" for length in lengths} <= ids()


def test_every_interesting_length_of_a_model_has_a_scenario() -> None:
    """Those of an a100, and one far beyond."""
    product = GPU_MODELS["a100"]
    limits = of_model(product.vendor, interface=product.interface, memory_size=product.memory_size)

    assert {f"conformance/model-of-{length}" for length in interesting(limits, most=FAR)} <= ids()
