"""The cluster hiccups, and the inventory is empty until somebody bounces the pod (AVAIL-1, RECOVER-1, RECOVER-2).

Provider SIG #19. The API server is away for two seconds, then the datastore is; a SQL datastore fails over; of three
servers, each with a member of etcd as in K3s, one after another is lost, and with one of them the leader. While it
lasts the last known inventory or an error is served (AVAIL-1); the loss of one of three is not seen at all (RECOVER-2).
Within RECOVER-1's 15 s all is true again, by the same process (SURVIVE-1).
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

HICCUPS = ("AVAIL-1", "RECOVER-1", "TRUTH-1", "SURVIVE-1")
LEADERS = ("RECOVER-2", *HICCUPS)

CONTROL_PLANE = Scenario(
    id="regression/19-cluster-hiccups",
    promises=HICCUPS,
    faults=(faults.ApiServerKilled(for_s=2.0), faults.DatastoreStopped(for_s=2.0)),
    traffic=Churn(plain=True),
)

SQL = Scenario(
    id="regression/19-sql-datastore-fails-over",
    promises=HICCUPS,
    faults=(faults.LeaderLost(for_s=2.0),),
    traffic=Churn(plain=True),
    datastores=("sqlite", "postgres", "mysql"),
)

SERVERS = Scenario(
    id="regression/19-etcd-leader-lost",
    promises=LEADERS,
    faults=(
        faults.LeaderMoved(),
        *(faults.ServerKilled(which=f"server-{number}", for_s=2.0) for number in (1, 2, 3)),
    ),
    traffic=Churn(plain=True),
    datastores=("etcd3",),
    servers=3,
)


@pytest.mark.regression
@pytest.mark.promise(*HICCUPS)
def test_a_hiccup_does_not_empty_the_inventory(run: Run) -> None:
    """No healthy answer drops a node, and nobody has to bounce anything."""
    result = run(CONTROL_PLANE)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.datastore
@pytest.mark.regression
@pytest.mark.promise(*HICCUPS)
def test_a_sql_datastore_is_no_worse(run: Run) -> None:
    """A failover of the SQL server behind the cluster is survived as one of etcd is."""
    result = run(SQL)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.datastore
@pytest.mark.regression
@pytest.mark.promise(*LEADERS)
def test_a_new_etcd_leader_is_not_noticed(run: Run) -> None:
    """The operator lives through every change of leader, and so does its inventory."""
    result = run(SERVERS)

    assert result["RECOVER-2"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SURVIVE-1"] is PASS
