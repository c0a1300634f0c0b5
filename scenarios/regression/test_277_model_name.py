"""A GPU's name makes a label too long, and then there are no labels at all (LABEL-1, NAMES-1).

Report 277. The registry calls a product by 13 characters: with them the key for its interface has 64, one more than
Kubernetes takes, and the two others fit. The node carries every label that can be, the model is reported by its whole
name (TRUTH-5), and only the label that cannot be is missing. Objectives as without.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, nodes

LONG = Scenario(
    id="regression/277-model-name",
    promises=("LABEL-1", "NAMES-1", "TRUTH-5"),
    models={"a100": nodes.name_of_length(13)},
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*LONG.promises)
def test_a_label_that_cannot_be_costs_no_other(run: Run) -> None:
    """All labels are there but the one that Kubernetes refuses."""
    result = run(LONG)

    assert result["LABEL-1"] is PASS
    assert result["NAMES-1"] is PASS
    assert result["TRUTH-5"] is PASS
