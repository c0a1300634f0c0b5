"""One of three etcd members is harmed, or the majority is (RECOVER-2, RECOVER-1, AVAIL-1, TRUTH-1 to -3, SURVIVE-1).

Leadership is moved; the leader or a follower is killed, hangs, is cut off from its peers, or is slow; a member is
replaced by a fresh one; two of three are lost at once. The loss of one is not visible outside as an empty or wrong
inventory, nor is that of a server which the operator does not talk to; without a majority the last known inventory is
served. Within RECOVER-1's 15 s after the heal all is true.
Field report: provider SIG #19.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("RECOVER-1", "AVAIL-1", "TRUTH-1", "TRUTH-2", "TRUTH-3", "SURVIVE-1")


def harmed(name: str, fault: faults.Fault, *promises: str, servers: int = 1) -> Scenario:
    """The usual cluster on three etcd members, one fault, under churn of plain pods."""
    return Scenario(
        id=f"chaos/{name}", promises=(*PROMISES, *promises), faults=(fault,), traffic=Churn(plain=True),
        datastores=("etcd3",), servers=servers,
    )  # fmt: skip


ONE_OF_THREE = tuple(
    pytest.param(harmed(name, fault, "RECOVER-2"), id=name)
    for name, fault in (
        ("leader-moved", faults.LeaderMoved()),
        ("leader-killed", faults.MemberKilled(role="leader")),
        ("leader-paused", faults.MemberPaused(role="leader")),
        ("leader-partitioned", faults.MemberPartitioned(role="leader")),
        ("leader-slowed", faults.MemberSlowed(role="leader")),
        ("follower-killed", faults.MemberKilled(role="follower")),
        ("follower-paused", faults.MemberPaused(role="follower")),
        ("follower-partitioned", faults.MemberPartitioned(role="follower")),
        ("follower-slowed", faults.MemberSlowed(role="follower")),
        ("member-replaced", faults.MemberReplaced()),
    )
)

SERVERS = tuple(
    pytest.param(harmed(name, fault, "RECOVER-2", servers=3), id=name)
    for name, fault in (
        ("leader-server-killed", faults.ServerKilled()),
        ("leader-server-paused", faults.ServerPaused()),
    )
)

EACH_IN_TURN = Scenario(
    id="chaos/servers-killed-in-turn", promises=(*PROMISES, "RECOVER-2"), traffic=Churn(plain=True),
    faults=tuple(faults.ServerKilled(which=f"server-{number}", for_s=2.0) for number in (1, 2, 3)),
    datastores=("etcd3",), servers=3,
)  # fmt: skip

ANOTHER_SERVER = Scenario(
    id="chaos/another-server-killed", promises=(*PROMISES, "RECOVER-2"), traffic=Churn(plain=True),
    faults=(faults.ServerKilled(which="server-2"),),
    datastores=("etcd3",), servers=3, pinned=True,
)  # fmt: skip

QUORUM_LOST = harmed("quorum-lost", faults.QuorumLost())


@pytest.mark.datastore
@pytest.mark.parametrize("scenario", [*ONE_OF_THREE, *SERVERS, pytest.param(EACH_IN_TURN, id="servers-killed-in-turn")])
@pytest.mark.promise("RECOVER-2", *PROMISES)
def test_one_of_three_is_not_missed(run: Run, scenario: Scenario) -> None:
    """The loss of one member, or of one server, shows neither as an empty nor as a wrong inventory."""
    result = run(scenario)

    assert result["RECOVER-2"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.datastore
@pytest.mark.promise("RECOVER-2", *PROMISES)
def test_the_loss_of_a_server_that_is_not_talked_to_is_not_noticed(run: Run) -> None:
    """The operator, given the address of the first server alone, tells the truth while the second is away."""
    result = run(ANOTHER_SERVER)

    assert result["RECOVER-2"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.datastore
@pytest.mark.promise(*PROMISES)
def test_without_a_majority_the_last_known_is_served(run: Run) -> None:
    """The operator keeps its last inventory while no majority is there, and is true again soon after."""
    result = run(QUORUM_LOST)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
