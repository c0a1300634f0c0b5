"""The configuration excludes a node for some seconds, on whatever nodes there are (CONFIG-1, TRUTH-1, LABEL-1).

The file changes as a ConfigMap volume does, by the swap of its `..data` link. The node leaves the report, and loses its
labels, within CONFIG-1's 5 s of the swap, and is back within 5 s of the next one, without a restart. On a cluster with
one node nothing is reported meanwhile, which is what the configuration says.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, faults

EXCLUDED = Scenario(
    id="shared/configuration-changed",
    promises=("CONFIG-1", "TRUTH-1", "LABEL-1", "SURVIVE-1"),
    machines=1,
    config=Configuration(volume=True),
    faults=(faults.ConfigChanged(exclude=("^worker-1$",), how="configmap-swap"),),
    traffic=Churn(plain=True, labels=False),
)


@pytest.mark.promise(*EXCLUDED.promises)
def test_a_changed_configuration_applies_live(run: Run) -> None:
    """The excluded node goes and comes with the file, and the process stays."""
    result = run(EXCLUDED)

    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
