"""Names at every limit that something made from them meets, and of every shape (NAMES-1).

Nodes of the lengths that `test_names.py` leaves out, two at a time that differ in their last character alone, so that
whoever cuts a name takes one for the other; with dots, with dashes, of digits alone. Namespaces and pods as long, as
short and as odd as Kubernetes accepts. GPU models whose label keys have 63 characters, or more: of those keys that
Kubernetes refuses none is wanted, and all others are (LABEL-1). Objectives as without. Field reports: 233, 277.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

NODE_LENGTHS = (24, 62, 64, 164, 165, 166, 214, 252)
ALIKE = (26, 64, 215, 216, 253)
SHAPES = {
    "dotted": ("10.0.0.12", "ip-10-0-0-12.eu-west-1.compute.internal"),
    "dashed": ("a--b", "x-----y.z--0"),
    "digits": ("0", "007"),
}
PLAIN = nodes.NodeProfile(cpus=8)
JOINED = ("NAMES-1", "TRUTH-1", "TRUTH-3", "SURVIVE-1")


def joins(name: str, *names: str) -> Scenario:
    """Nodes of these names join one of usual name."""
    newcomers = faults.NodesJoin(nodes=tuple((node, PLAIN) for node in names))
    return Scenario(
        id=f"conformance/{name}", promises=JOINED, nodes=nodes.named("usual"), faults=(newcomers,), names=names,
        traffic=Churn(plain=True),
    )  # fmt: skip


NODES = (
    *(joins(f"name-of-{length}", nodes.name_of_length(length)) for length in NODE_LENGTHS),
    *(joins(f"names-alike-of-{length}", *nodes.names_alike(length)) for length in ALIKE),
    *(joins(f"names-{shape}", *names) for shape, names in SHAPES.items()),
)

TENANTS = tuple(
    Scenario(
        id=f"conformance/tenants-{word}",
        promises=("TRUTH-3", "TRUTH-4", "SHAPE-2", "SURVIVE-1"),
        nodes=nodes.simulated(1),
        traffic=Churn(rate=12.0, live=12, least=40, named=word),
        observe_s=5.0,
    )
    for word in ("shortest", "longest", "dotted", "dashed", "digits")
)

GROWS = Scenario(
    id="conformance/model-grows",
    promises=("NAMES-1", "LABEL-1", "TRUTH-5", "SURVIVE-1"),
    faults=(faults.RegistryChanged(names=(("a100", nodes.name_of_length(27)),), for_s=12.0), faults.RegistryChanged()),
    traffic=Churn(plain=True),
)

# An a100 has the keys MODEL, MODEL.ram.80Gi and MODEL.interface.sxm: 63 characters with names of 26, 17 and 12.
MODELS = (
    GROWS,
    *(
        Scenario(
            id=f"conformance/model-of-{length}",
            promises=("NAMES-1", "LABEL-1", "TRUTH-5", "SURVIVE-1"),
            models={"a100": nodes.name_of_length(length)},
            traffic=Churn(plain=True),
        )
        for length in (1, 11, 12, 13, 16, 17, 18, 25, 26, 27, 200)
    ),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", NODES, ids=[scenario.id for scenario in NODES])
@pytest.mark.promise(*JOINED)
def test_nodes_of_any_name_are_reported(run: Run, scenario: Scenario) -> None:
    """Each node is reported with true figures under its whole name, and so is its neighbour."""
    result = run(scenario)

    assert result["NAMES-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", TENANTS, ids=[scenario.id for scenario in TENANTS])
@pytest.mark.promise("TRUTH-3", "TRUTH-4", "SHAPE-2", "SURVIVE-1")
def test_pods_of_any_name_are_counted(run: Run, scenario: Scenario) -> None:
    """Sums are right whatever tenants call their namespaces and pods."""
    result = run(scenario)

    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", MODELS, ids=[scenario.id for scenario in MODELS])
@pytest.mark.promise("NAMES-1", "LABEL-1", "TRUTH-5", "SURVIVE-1")
def test_a_model_of_any_name_costs_only_the_labels_that_cannot_be(run: Run, scenario: Scenario) -> None:
    """The model is reported by its whole name, and the node carries each label that Kubernetes accepts."""
    result = run(scenario)

    assert result["NAMES-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["SURVIVE-1"] is PASS
