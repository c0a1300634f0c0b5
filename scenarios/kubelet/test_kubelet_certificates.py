"""The serving certificates of all API servers are renewed, one server after the other (RECOVER-1, AVAIL-1, SURVIVE-1).

As whoever runs a cluster by kubeadm does once a year: `kubeadm certs renew`, and the API server is started again. The
new certificate is by the same authority, which is what an operator trusts. With one server nothing can be seen of the
cluster until its kubelet has started it again; with three the others go on, and not even an error is to be seen
(RECOVER-2). All is true within 15 s of the last server's being ready: watches and tokens are as good as before.
Requests to an operator in a pod go through the very API servers that are started again, which may hold up one of them.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("TRUTH-1", "RECOVER-1", "AVAIL-1", "AVAIL-2", "SHAPE-1", "SURVIVE-1")

THROUGH_THEM = {"AVAIL-2": 10.0}

ROTATED = Scenario(
    id="kubelet/certificates-rotated", promises=PROMISES, machines=1, faults=(faults.ServerCertificatesRotated(),),
    objectives=THROUGH_THEM, traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
)  # fmt: skip

IN_TURN = Scenario(
    id="kubelet/certificates-rotated-in-turn", promises=(*PROMISES, "RECOVER-2"), servers=3, machines=1,
    datastores=("etcd3",), faults=(faults.ServerCertificatesRotated(),),
    objectives=THROUGH_THEM, traffic=Churn(plain=True, labels=False), gate_deadline_s=60.0,
)  # fmt: skip


@pytest.mark.promise(*PROMISES)
def test_a_renewed_certificate_is_trusted(run: Run) -> None:
    """The operator connects to an API server with another certificate, and lives and is true again."""
    result = run(ROTATED)

    assert result["TRUTH-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*PROMISES, "RECOVER-2")
def test_certificates_renewed_in_turn_are_not_seen_in_the_inventory(run: Run) -> None:
    """While any server answers the report is complete and true, whichever certificate that one shows."""
    result = run(IN_TURN)

    assert result["TRUTH-1"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["RECOVER-2"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
