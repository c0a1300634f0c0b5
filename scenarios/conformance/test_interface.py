"""How the operator is told things, and what it does with them (TRUTH-1, CONFIG-1, RECOVER-1, AVAIL-3).

Its settings come by environment variables, or its configuration as a text in the place of a file: it does as with flags
and files. The file changes as in a ConfigMap volume, and turns bad: within CONFIG-1's 5 s the new one is in force, and
a bad one is not. It is ended by SIGINT and started again: within RECOVER-1's 15 s all is true. Health follows what it
can see of the cluster within AVAIL-3's 5 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, faults

TOLD = ("TRUTH-1", "TRUTH-5", "LABEL-1", "SURVIVE-1")
PLAIN = Churn(plain=True)
LEFT_OUT = ("^worker-3$",)

BY_ENVIRONMENT = Scenario(id="conformance/told-by-environment", promises=TOLD, traffic=PLAIN, by_environment=True)
BY_TEXT = Scenario(
    id="conformance/told-by-text", promises=TOLD, traffic=PLAIN, config=Configuration(exclude=LEFT_OUT, inline=True)
)
SWAPPED = Scenario(
    id="conformance/configuration-swapped",
    promises=("CONFIG-1", "TRUTH-1"),
    config=Configuration(exclude=LEFT_OUT, volume=True),
    faults=(faults.ConfigChanged(exclude=("-[12]$",), how="configmap-swap"),),
    traffic=PLAIN,
)
BAD = Scenario(
    id="conformance/configuration-turns-bad",
    promises=("CONFIG-1", "TRUTH-1"),
    config=Configuration(exclude=LEFT_OUT),
    faults=(faults.ConfigBroken("unknown-key"), faults.ConfigBroken("bad-regex")),
    traffic=PLAIN,
)
INTERRUPTED = Scenario(
    id="conformance/interrupted",
    promises=("RECOVER-1", "TRUTH-1"),
    faults=(faults.OperatorInterrupted(for_s=1.0),),
    traffic=PLAIN,
)
HEALTH = Scenario(
    id="conformance/health", promises=("AVAIL-3",), faults=(faults.ApiServerKilled(for_s=7.0),), traffic=PLAIN
)


@pytest.mark.library
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(BY_ENVIRONMENT, id="by-environment", marks=pytest.mark.clause("A-PROCESS-2")),
        pytest.param(BY_TEXT, id="by-text", marks=pytest.mark.clause("A-CONFIGURATION-3")),
    ],
)
@pytest.mark.promise(*TOLD)
def test_it_is_told_in_other_ways(run: Run, scenario: Scenario) -> None:
    """The inventory and the labels are as when flags and a file say it."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-5"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(SWAPPED, id="swapped", marks=pytest.mark.clause("A-CONFIGURATION-6")),
        pytest.param(BAD, id="bad", marks=pytest.mark.clause("A-CONFIGURATION-7")),
    ],
)
@pytest.mark.promise("CONFIG-1", "TRUTH-1")
def test_a_configuration_is_followed_while_it_is_good(run: Run, scenario: Scenario) -> None:
    """What a ConfigMap volume says is in force soon, and what is no configuration never is."""
    result = run(scenario)

    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*INTERRUPTED.promises)
@pytest.mark.clause("A-PROCESS-5")
def test_it_ends_in_order_and_starts_again(run: Run) -> None:
    """After SIGINT and a start the inventory is true."""
    result = run(INTERRUPTED)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*HEALTH.promises)
@pytest.mark.clause("A-REST-5")
def test_health_is_what_it_can_see(run: Run) -> None:
    """Health turns bad when the API server is lost, and good again after."""
    result = run(HEALTH)

    assert result["AVAIL-3"] is PASS
