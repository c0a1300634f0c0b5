"""The datastore is slow, full, compacted, read-only or out of connections (RECOVER-1, AVAIL-1, TRUTH-1 to TRUTH-3).

Every request to it takes 0.3 s longer; etcd reaches its size limit and takes no writes; it forgets all history while
watches are open; a SQL server takes no writes, or no connections. Nothing known is dropped, nothing is made up, and
within RECOVER-1's 15 s after the heal all is true. Field reports: provider SIG #19 (SQL datastores), 192, 198.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("RECOVER-1", "TRUTH-1", "TRUTH-2", "TRUTH-3", "SURVIVE-1", "SHAPE-1")
PLAIN = Churn(plain=True)
ANYWHERE = ("etcd3", "etcd", "sqlite", "postgres", "mysql")
ETCD = ("etcd3", "etcd")


def harmed(name: str, fault: faults.Fault, datastores: tuple[str, ...], *promises: str, quota_mib: int = 0) -> Scenario:
    """The usual cluster, one fault on its datastore, under churn of plain pods."""
    return Scenario(
        id=f"chaos/{name}", promises=(*PROMISES, *promises), faults=(fault,), traffic=PLAIN, datastores=datastores,
        quota_mib=quota_mib,
    )  # fmt: skip


SLOWED = harmed("datastore-slowed", faults.DatastoreSlowed(), ANYWHERE)
# 32 MiB hold the small cluster with room to spare, and are filled within a second or two.
FULL = harmed("space-exhausted", faults.SpaceExhausted(), ETCD, quota_mib=32)
COMPACTED = harmed("compacted", faults.Compacted(), ETCD)
READ_ONLY = harmed("sql-read-only", faults.SqlReadOnly(), ("postgres", "mysql"))
NO_CONNECTIONS = harmed("connections-exhausted", faults.ConnectionsExhausted(), ("postgres", "mysql"), "AVAIL-1")

CASES = (
    pytest.param(SLOWED, id="slowed"),
    pytest.param(FULL, id="space-exhausted"),
    pytest.param(COMPACTED, id="compacted"),
    pytest.param(READ_ONLY, id="sql-read-only"),
)


@pytest.mark.datastore
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_datastore_in_trouble_changes_nothing_that_is_true(run: Run, scenario: Scenario) -> None:
    """The inventory stays true while the datastore is in trouble, and after."""
    result = run(scenario)

    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.datastore
@pytest.mark.promise("AVAIL-1", *PROMISES)
def test_a_server_out_of_connections_is_survived(run: Run) -> None:
    """The last known inventory is served while the SQL server takes no connections."""
    result = run(NO_CONNECTIONS)

    assert result["AVAIL-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-2"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
