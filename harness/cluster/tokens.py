"""Tokens of service accounts, as the API server takes them, signed by us with the cluster's key.

A token is a JSON Web Token (RFC 7519) by ES256. The API server checks issuer, audience, times and the private claim
`kubernetes.io`: namespace, and name and uid of a ServiceAccount that exists (kubernetes, pkg/serviceaccount/claims.go).
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from harness.cluster.pki import write_private
from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ISSUER = "https://kubernetes.default.svc"
LEEWAY_S = 60
"""An API server takes a token for so much longer than it says (the leeway of its JWT library, go-jose)."""

LONG_S = 3600.0
"""Longer than any run: a token is as good as refreshed all the time."""

_NUMBER = 32


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Where a client finds its token. `uid`: that of the ServiceAccount."""

    path: Path
    key: Path
    namespace: str
    account: str
    uid: str

    def write(self, *, life_s: float) -> None:
        """Put a new token there, at once, that is taken for so long; raises PlatformError when the disk does not."""
        now = time.time()
        account = {"name": self.account, "uid": self.uid}
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{self.namespace}:{self.account}",
            "iat": int(now) - 2 * LEEWAY_S,
            "nbf": int(now) - 2 * LEEWAY_S,
            "exp": int(now + life_s) - LEEWAY_S,
            "kubernetes.io": {"namespace": self.namespace, "serviceaccount": account},
        }
        fresh = write_private(self.path.with_suffix(".new"), signed(self.key, claims).encode())
        try:
            fresh.replace(self.path)  # as a kubelet does: whoever reads sees the old one or the new one
        except OSError as exc:
            raise PlatformError(f"cannot write {self.path}: {exc.strerror}") from exc


def signed(key: Path, claims: Mapping[str, Any]) -> str:
    """The token of these claims, signed with an elliptic-curve key (P-256)."""
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise PlatformError(f"{key} is no elliptic-curve key")
    said = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims))
    numbers = decode_dss_signature(private.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{said}.{_encoded(b''.join(number.to_bytes(_NUMBER, 'big') for number in numbers))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
