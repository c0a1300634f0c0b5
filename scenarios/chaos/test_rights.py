"""The operator loses rights, and has them back (AVAIL-1, AVAIL-2, RECOVER-1, RECOVER-4, LABEL-1, TRUTH-1, SURVIVE-1).

A verb on a resource, or all of them, is taken out of its ClusterRole for some seconds; the API server answers 403.
Who may not list or watch serves the last known inventory or an error, and is true again within RECOVER-1's 15 s of
having the right back. While a node joins, rights that its discovery, its labels or a closer look need are missing: it
is reported within TRUTH-1's 5 s all the same, and by a name (15 s where no discovery pod can be made, 6 s of them the
harm: by design an operator may publish a node only once its pod runs); labels follow within RECOVER-1's 15 s (LABEL-1
allows 10 s at any time, and is not counted while they cannot be written), hardware within RECOVER-4's 30 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

BLIND = ("AVAIL-1", "AVAIL-2", "RECOVER-1", "SURVIVE-1", "SHAPE-1")
JOINS = ("TRUTH-1", "TRUTH-2", "LABEL-1", "RECOVER-1", "SURVIVE-1", "SHAPE-1")
DISCOVERS = ("TRUTH-1", "TRUTH-2", "LABEL-1", "RECOVER-4", "SURVIVE-1", "SHAPE-1")
LATE = (("late", nodes.NodeProfile(cpus=8, memory_mib=16384)),)
"""Without GPUs: what their info and labels need beyond discovery is for other scenarios."""


NO_POD_S = {"TRUTH-1": 15.0}
"""Where a node joins and no discovery pod can be made: 6 s of harm, TRUTH-1's 5 s, and 4 s until the next attempt."""


def harmed(
    name: str, fault: faults.Fault, promises: tuple[str, ...], objectives: dict[str, float] | None = None
) -> Scenario:
    """The usual cluster under plain churn, and one fault."""
    return Scenario(
        id=f"chaos/rights-{name}", promises=promises, faults=(fault,), traffic=Churn(plain=True),
        objectives=objectives or {},
    )  # fmt: skip


def joins(verb: str, resource: str, *, for_s: float) -> faults.Together:
    """A node joins while the operator lacks the right, which it has back `for_s` seconds after it had needed it."""
    return faults.Together(faults.RightsRevoked(verb, resource, for_s=for_s), faults.NodesJoin(nodes=LATE, for_s=0.5))


SEES = tuple(
    pytest.param(harmed(name, faults.RightsRevoked(verb, resource), BLIND), id=name)
    for name, verb, resource in (
        ("list-nodes", "list", "nodes"),
        ("list-pods", "list", "pods"),
        ("watch-nodes", "watch", "nodes"),
        ("watch-pods", "watch", "pods"),
        ("all", "", ""),
    )
)

LABELS = tuple(
    pytest.param(harmed(f"{verb}-{resource}", joins(verb, resource, for_s=6.0), JOINS), id=f"{verb}-{resource}")
    for verb, resource in (("patch", "nodes"), ("get", "nodes"))
)

HARDWARE = tuple(
    pytest.param(harmed(name, fault, DISCOVERS, objectives), id=name)
    for name, fault, objectives in (
        ("create-pods", joins("create", "pods", for_s=6.0), NO_POD_S),
        ("proxy-pods", joins("get", "pods/proxy", for_s=6.0), None),
        (
            "delete-pods",
            faults.Together(
                faults.RightsRevoked("delete", "pods", for_s=4.0), faults.DiscoveryPodEnds(node="worker-1")
            ),
            None,
        ),
    )
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", SEES)
@pytest.mark.promise(*BLIND)
def test_what_may_not_be_seen_is_not_taken_for_gone(run: Run, scenario: Scenario) -> None:
    """The operator serves what it knew or an error, lives, and is true again soon after it may see."""
    result = run(scenario)

    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", LABELS)
@pytest.mark.promise(*JOINS)
def test_a_node_joins_while_nodes_are_forbidden(run: Run, scenario: Scenario) -> None:
    """The node is reported under its name, and labelled once that is allowed."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", HARDWARE)
@pytest.mark.promise(*DISCOVERS)
def test_hardware_is_learned_once_discovery_is_allowed(run: Run, scenario: Scenario) -> None:
    """Nodes are reported, and their hardware info is true soon after the right is back."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["RECOVER-4"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
