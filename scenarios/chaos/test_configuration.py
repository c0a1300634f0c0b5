"""The configuration file changes, turns bad, or is gone (CONFIG-1, SURVIVE-1).

It changes in each way in which such files change: an editor empties it and writes it in pieces, a program writes over
it or renames a new one over it, a kubelet swaps the `..data` link of a ConfigMap volume. One node is excluded and 8 s
later included again, then two by one expression; each shows within CONFIG-1's 5 s. While the file is bad or gone, for
7 s, the operator goes on with the last good configuration, by which one node is excluded from the start: no node comes
or goes, the process does not exit, and its log is not silent.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, faults

PROMISES = ("CONFIG-1", "TRUTH-1", "LABEL-1", "SURVIVE-1")
PLAIN, MOUNTED = Configuration(exclude=("^worker-2$",)), Configuration(exclude=("^worker-2$",), volume=True)


def harmed(name: str, *listed: faults.Fault, config: Configuration = PLAIN) -> Scenario:
    """The usual cluster under plain churn, and these changes of the file."""
    return Scenario(
        id=f"chaos/config-{name}", promises=PROMISES, faults=listed, config=config, traffic=Churn(plain=True)
    )


def changed(name: str, how: str, config: Configuration) -> Scenario:
    """One more node is excluded, then the two others by one expression; the first node is included meanwhile."""
    one, two = ("^worker-1$", "^worker-2$"), ("^work.*-[13]$",)
    faulty = (faults.ConfigChanged(exclude=one, how=how), faults.ConfigChanged(exclude=two, how=how))
    return harmed(name, *faulty, config=config)


def restarted(name: str, how: str, config: Configuration) -> Scenario:
    """Changed for good while the operator is dead; changed again when it has had RECOVER-1's 15 s."""
    while_dead = faults.ConfigChanged(exclude=("^worker-1$",), how=how, restart_operator=True, for_good=True, for_s=0.5)
    return Scenario(
        id=f"chaos/config-{name}",
        promises=(*PROMISES, "RECOVER-1"),
        faults=(while_dead, faults.ConfigChanged(how=how)),
        config=config,
        traffic=Churn(plain=True),
        pause_s=16.0,
    )


CHANGES = tuple(
    pytest.param(changed(name, how, config), id=name)
    for name, how, config in (
        ("written-in-place", "in-place", PLAIN),
        ("written-over", "overwrite", PLAIN),
        ("renamed-over", "rename", PLAIN),
        ("swapped", "configmap-swap", MOUNTED),
    )
)

RESTARTS = tuple(
    pytest.param(restarted(f"{name}-at-restart", how, config), id=f"{name}-at-restart")
    for name, how, config in (("renamed-over", "rename", PLAIN), ("swapped", "configmap-swap", MOUNTED))
)

BROKEN = tuple(
    pytest.param(harmed(what, faults.ConfigBroken(what=what, how="configmap-swap"), config=MOUNTED), id=what)
    for what in (
        "not-yaml", "unknown-key", "bad-regex", "empty-regex", "unknown-class", "wrong-type", "cut-off", "empty"
    )
)  # fmt: skip

LOST = tuple(
    pytest.param(scenario, id=scenario.id.removeprefix("chaos/config-"))
    for scenario in (
        harmed("written-over-badly", faults.ConfigBroken(what="cut-off", how="overwrite")),
        harmed("written-badly-in-place", faults.ConfigBroken(what="bad-regex", how="in-place")),
        harmed("renamed-over-badly", faults.ConfigBroken(what="wrong-type", how="rename")),
        harmed("deleted", faults.ConfigDeleted(how="rename")),
        harmed("key-removed", faults.ConfigDeleted(how="configmap-swap"), config=MOUNTED),
    )
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CHANGES)
@pytest.mark.promise(*PROMISES)
def test_a_changed_configuration_applies_live(run: Run, scenario: Scenario) -> None:
    """Nodes are excluded and included in time, in whichever way the file was changed."""
    result = run(scenario)

    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", RESTARTS)
@pytest.mark.promise(*PROMISES, "RECOVER-1")
def test_a_configuration_that_changes_at_a_restart_applies(run: Run, scenario: Scenario) -> None:
    """The operator starts with the new content, and follows the next change while it runs."""
    result = run(scenario)

    assert result["RECOVER-1"] is PASS
    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", [*BROKEN, *LOST])
@pytest.mark.promise(*PROMISES)
def test_a_bad_configuration_changes_nothing(run: Run, scenario: Scenario) -> None:
    """No node comes or goes while the file is bad or gone, the log is not silent, and the process lives."""
    result = run(scenario)

    assert result["CONFIG-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
