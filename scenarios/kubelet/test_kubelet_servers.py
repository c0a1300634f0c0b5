"""The machine of one of three servers loses its power, any one's or that of etcd's leader (RECOVER-2, AVAIL-2).

API server, etcd member and kubelet of that server are gone at once; the others are a majority. The operator, on another
node, loses connections and nothing else: the report must stay complete and true for every other node, and the server's
own node, which the cluster misses, must be out of it and back within 30 s of being Ready again. Requests to an operator
in a pod go through the very servers of which one is lost, which may hold up one of them.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "RECOVER-1", "RECOVER-2", "AVAIL-2", "SHAPE-1", "SURVIVE-1")


def lost(role: str) -> Scenario:
    """Three servers and a worker, a little traffic, and one server's machine without power."""
    return Scenario(
        id=f"kubelet/server-lost-{role}", promises=PROMISES, servers=3, machines=1, datastores=("etcd3",),
        faults=(faults.ServerMachineKilled(role=role),), objectives={"RECOVER-1": 30.0, "AVAIL-2": 10.0},
        traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
    )  # fmt: skip


CASES = [pytest.param(lost(role), id=role) for role in ("any", "leader")]


@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_the_loss_of_a_server_is_not_seen_in_the_inventory(run: Run, scenario: Scenario) -> None:
    """What the other servers can tell is reported all the time."""
    result = run(scenario)

    assert result["TRUTH-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-2"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
