"""The API server shows another certificate, and the operator's token expires (RECOVER-1, AVAIL-1, SURVIVE-1).

Certificates are renewed and tokens refreshed all the time in life. The API server is restarted with another serving
certificate by the same authority: an operator trusts the authority, not the certificate. Meanwhile what it knew or an
error is served; within RECOVER-1's 15 s all is true.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("RECOVER-1", "AVAIL-1", "AVAIL-2", "SURVIVE-1", "SHAPE-1")

CERTIFICATE = Scenario(
    id="chaos/certificate-replaced",
    promises=PROMISES,
    faults=(faults.CertificateReplaced(),),
    traffic=Churn(plain=True),
)


@pytest.mark.library
@pytest.mark.promise(*PROMISES)
def test_a_renewed_certificate_is_trusted(run: Run) -> None:
    """The operator connects to an API server with another certificate, and lives and is true again."""
    result = run(CERTIFICATE)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
