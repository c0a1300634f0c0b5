"""Node names that make the discovery pod's name too long (NAMES-1).

Report 233, and provider SIG #19. The name of a discovery pod has 38 characters before the node's. Nodes with names of
25 and 26 characters (63 and 64 in all), of 63, of 215 and 216 (253 and 254 in all) and of 253 join at once: each is
reported under its whole name within TRUTH-1's 5 s, whatever its discovery pod is called.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes

NAMES = tuple(nodes.name_of_length(length) for length in (25, 26, 63, 215, 216, 253))

LONG = Scenario(
    id="regression/233-node-names",
    promises=("NAMES-1", "TRUTH-1", "SURVIVE-1"),
    nodes=nodes.named("usual"),
    faults=(faults.NodesJoin(nodes=tuple((name, nodes.NodeProfile(cpus=8)) for name in NAMES)),),
    names=NAMES,
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*LONG.promises)
def test_a_long_node_name_is_a_name(run: Run) -> None:
    """Nodes are reported whatever is made from their names."""
    result = run(LONG)

    assert result["NAMES-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS
