"""Faults meet each other, at moments that the operator itself brings about (RECOVER-1, AVAIL-1, TRUTH-1, SURVIVE-1).

The API server dies right after the operator's first patch of a node, or hangs at the second LIST after its start; a
node is deleted while the API server says nothing to the operator; the watches stay frozen until traffic has done much;
leadership moves between the flaps of a node; discovery pods vanish one soon after another (RECOVER-4, 30 s).
Whatever comes together, what was known stays known and the operator lives; RECOVER-1's 15 s count from the last heal.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults, nodes, schedules

PROMISES = ("RECOVER-1", "AVAIL-1", "TRUTH-1", "SURVIVE-1", "SHAPE-1", "TRUTH-4")
PLAIN = Churn(plain=True)
LATE = tuple(nodes.named("late-1").items())
FIRST_PATCH = schedules.OperatorCalls("patch", "nodes")
SECOND_LIST = schedules.OperatorCalls("list", "*", count=2)

# A node that joins while the API server goes away waits for it, then for its discovery pod.
JOINING_S = {"TRUTH-1": 10.0}

AFTER_PATCH = Scenario(
    id="chaos/api-server-killed-after-patch",
    promises=PROMISES,
    faults=(
        schedules.Parallel(
            (
                faults.NodesJoin(LATE, for_s=1.0),
                schedules.After(FIRST_PATCH, faults.ApiServerKilled(for_s=4.0)),
            )
        ),
    ),
    traffic=PLAIN,
    objectives=JOINING_S,
)
AT_SECOND_LIST = Scenario(
    id="chaos/api-server-hung-at-second-list",
    promises=PROMISES,
    faults=(
        schedules.Parallel((
            faults.OperatorKilled(for_s=0.5),
            schedules.After(SECOND_LIST, faults.ApiServerHung(for_s=5.0)),
        )),
    ),
    traffic=PLAIN,
)  # fmt: skip
UNSEEN = Scenario(
    id="chaos/node-deleted-while-api-hangs",
    promises=PROMISES,
    faults=(
        schedules.Parallel((
            faults.ApiHangs(for_s=8.0),
            schedules.Once(faults.NodeDeleted(node="worker-2", for_s=1.0), after_s=2.0),
        )),
    ),
    traffic=PLAIN,
)  # fmt: skip
FROZEN = Scenario(
    id="chaos/watches-frozen-until-traffic",
    promises=PROMISES,
    faults=(schedules.Until(faults.WatchFrozen(), schedules.TrafficDone(operations=40)),),
    traffic=PLAIN,
)
IN_TURN = Scenario(
    id="chaos/leader-moved-between-flaps",
    promises=PROMISES,
    faults=(
        schedules.Alternate(
            faults.LeaderMoved(), faults.NodeFlaps("cordon", times=6, every_s=0.2, for_s=2.0, node="worker-2")
        ),
    ),
    traffic=PLAIN,
)  # fmt: skip
STAGGERED = Scenario(
    id="chaos/discovery-pods-staggered",
    promises=("RECOVER-4", "TRUTH-1", "TRUTH-2", "SURVIVE-1"),
    faults=(
        schedules.Stagger(tuple(faults.DiscoveryPodDeleted(node=f"worker-{number}") for number in (1, 2, 3))),
    ),
    traffic=PLAIN,
)  # fmt: skip

CASES = (
    pytest.param(AFTER_PATCH, id="after-first-patch"),
    pytest.param(AT_SECOND_LIST, id="at-second-list"),
    pytest.param(UNSEEN, id="deletion-unseen"),
    pytest.param(FROZEN, id="frozen-until"),
    pytest.param(IN_TURN, id="in-turn", marks=pytest.mark.datastore),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_faults_that_meet_are_survived(run: Run, scenario: Scenario) -> None:
    """What was known stays known, the operator lives, and all is true again soon after the last heal."""
    result = run(scenario)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-4"] is PASS


@pytest.mark.library
@pytest.mark.promise(*STAGGERED.promises)
def test_discovery_pods_that_vanish_one_soon_after_another_are_replaced(run: Run) -> None:
    """The new hardware of each node is reported, and no node is lost meanwhile."""
    result = run(STAGGERED)

    assert result["RECOVER-4"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["SURVIVE-1"] is PASS
