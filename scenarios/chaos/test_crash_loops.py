"""The operator cannot start, again and again, until somebody sets it right (RECOVER-1, SURVIVE-1, CONFIG-1).

The kernel kills it for its memory, as in a container whose limit is too low; or its configuration file is bad when it
starts, over which it exits non-zero and says why (contract, part A). Its supervisor starts it again with a kubelet's
back-off, ten times faster. Such exits are no findings; a panic over anything else is. Once the limit, or the file, is
right, all is true within RECOVER-1's 15 s, the wait of the supervisor and the start included. An operator that stays
over a bad file must not report what the last good one excludes.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, faults

MEMORY = Scenario(
    id="chaos/memory-limited",
    promises=("RECOVER-1", "SURVIVE-1", "SHAPE-1", "TRUTH-1", "TRUTH-3"),
    faults=(faults.MemoryLimited(),),
    supervised=True,
    traffic=Churn(plain=True),
)
PROMISES = ("CONFIG-1", "RECOVER-1", "SURVIVE-1", "TRUTH-1", "LABEL-1")
CASES = tuple(
    pytest.param(
        Scenario(
            id=f"chaos/config-{what}-at-start",
            promises=PROMISES,
            faults=(faults.ConfigBadAtStart(what=what),),
            config=Configuration(exclude=("^worker-2$",)),
            supervised=True,
            traffic=Churn(plain=True),
        ),
        id=what,
    )
    for what in ("not-yaml", "unknown-key", "bad-regex", "wrong-type")
)


@pytest.mark.library
@pytest.mark.promise(*MEMORY.promises)
def test_an_operator_without_memory_is_well_again_when_it_has_some(run: Run) -> None:
    """It is killed and started as often as that happens, and is true soon after the limit is gone."""
    result = run(MEMORY)

    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_configuration_that_is_bad_at_the_start_is_told_of(run: Run, scenario: Scenario) -> None:
    """The operator says so and serves nothing false, and works as soon as the file is good and it is started again."""
    result = run(scenario)

    assert result["CONFIG-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
