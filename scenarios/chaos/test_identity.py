"""The API server shows another certificate, and the operator's token expires (RECOVER-1, AVAIL-1, SURVIVE-1).

Certificates are renewed and tokens refreshed all the time in life. The API server is restarted with another serving
certificate by the same authority: an operator trusts the authority, not the certificate. The token in the operator's
file expires while nobody refreshes it, 15 s after its start, and the API server answers 401; 5 s later there is a
fresh one in the file. Meanwhile what it knew or an error is served. Within RECOVER-1's 15 s all is true; after the
token within 65 s, because client-go goes on with a token that it has read for 50 s, whatever the API server says of
it.
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

TOKEN = Scenario(
    id="chaos/token-expired",
    promises=PROMISES,
    faults=(faults.TokenExpired(life_s=15.0, for_s=5.0),),
    traffic=Churn(plain=True),
    objectives={"RECOVER-1": 65.0},
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


@pytest.mark.library
@pytest.mark.promise(*PROMISES)
def test_a_fresh_token_is_picked_up(run: Run) -> None:
    """The operator whose token expired reads the fresh one from the file, and lives and is true again."""
    result = run(TOKEN)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
