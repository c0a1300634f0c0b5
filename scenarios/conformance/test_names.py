"""Every node name that Kubernetes accepts works (NAMES-1).

A discovery pod's name is made of 38 characters and the node's name: 25 makes 63 (a DNS label's limit), 26 passes it,
215 makes 253 (a DNS subdomain's limit), 216 passes it; 1, 63 and 253 are the limits of the node's name itself. The
node joins a cluster that is running well: a name that is too long must not harm the others. Objective as without:
TRUTH-1's 5 s. Field reports: SIG #19 and 233.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

LENGTHS = (1, 25, 26, 63, 215, 216, 253)


def named(length: int) -> Scenario:
    """A node whose name has that many characters joins one of usual name."""
    name = nodes.name_of_length(length)
    joins = faults.NodesJoin(nodes=((name, nodes.NodeProfile(cpus=8)),))
    return Scenario(
        id=f"conformance/name-of-{length}",
        promises=("NAMES-1", "TRUTH-1", "TRUTH-3", "SURVIVE-1"),
        nodes=nodes.named("usual"),
        faults=(joins,),
        names=(name,),
        traffic=Churn(plain=True),
    )


@pytest.mark.parametrize("scenario", [named(length) for length in LENGTHS], ids=[f"of-{length}" for length in LENGTHS])
@pytest.mark.promise("NAMES-1", "TRUTH-1", "TRUTH-3", "SURVIVE-1")
def test_a_node_name_of_any_length_is_reported(run: Run, scenario: Scenario) -> None:
    """The node with that name is reported with true figures, and so is its neighbour."""
    result = run(scenario)

    assert result["NAMES-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
