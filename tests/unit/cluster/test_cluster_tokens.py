"""Tokens of service accounts: what they say, and that the cluster's public key vouches for it."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness.cluster.pki import Authority, kubeconfig
from harness.cluster.tokens import ISSUER, LEEWAY_S, TokenFile, signed
from harness.errors import PlatformError
from harness.reference.kubeconfig import load

if TYPE_CHECKING:
    from pathlib import Path


def decoded(part: str) -> bytes:
    """One part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, public: Path) -> dict[str, Any]:
    """The claims of a token whose signature is good; raises InvalidSignature."""
    said, _, signature = token.rpartition(".")
    head, _, claims = said.partition(".")
    assert json.loads(decoded(head)) == {"alg": "ES256", "typ": "JWT"}
    numbers = decoded(signature)
    assert len(numbers) == 64
    key = serialization.load_pem_public_key(public.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    pair = (int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big"))
    key.verify(encode_dss_signature(*pair), said.encode(), ec.ECDSA(hashes.SHA256()))
    found: dict[str, Any] = json.loads(decoded(claims))
    return found


def test_a_token_says_who_it_is_for_and_until_when(tmp_path: Path) -> None:
    """The claims are those that an API server checks, and it is taken for as long as was asked for."""
    keys = Authority(tmp_path).signing_key("accounts")
    file = TokenFile(tmp_path / "token", keys.key, "ns", "operator", "u-1")
    before = time.time()

    file.write(life_s=20.0)

    claims = verified(file.path.read_text(), keys.cert)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, [ISSUER], "system:serviceaccount:ns:operator")
    assert claims["kubernetes.io"] == {"namespace": "ns", "serviceaccount": {"name": "operator", "uid": "u-1"}}
    assert claims["nbf"] == claims["iat"] < claims["exp"]
    assert before + 19 <= claims["exp"] + LEEWAY_S <= time.time() + 20


def test_a_token_that_was_altered_is_none(tmp_path: Path) -> None:
    """The signature is of what it says."""
    keys = Authority(tmp_path).signing_key("accounts")
    head, _, signature = signed(keys.key, {"sub": "a"}).split(".")

    with pytest.raises(InvalidSignature):
        verified(f"{head}.{base64.urlsafe_b64encode(b'{}').rstrip(b'=').decode()}.{signature}", keys.cert)


def test_a_token_is_replaced_at_once(tmp_path: Path) -> None:
    """The file is never half-written, and only its owner reads it."""
    keys = Authority(tmp_path).signing_key("accounts")
    file = TokenFile(tmp_path / "token", keys.key, "ns", "operator", "u-1")
    file.write(life_s=1.0)
    first = file.path.read_text()

    file.write(life_s=99.0)

    assert file.path.read_text() != first
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("token")) == ["token"]


def test_what_is_not_writable_is_said(tmp_path: Path) -> None:
    """The error names the file."""
    keys = Authority(tmp_path).signing_key("accounts")

    with pytest.raises(PlatformError, match="token"):
        TokenFile(tmp_path / "nowhere" / "token", keys.key, "ns", "operator", "u-1").write(life_s=1.0)


def test_an_operator_reads_its_token_anew_for_each_request(tmp_path: Path) -> None:
    """The kubeconfig names the file and holds no certificate; a saboteur keeps what it read first."""
    authority = Authority(tmp_path)
    token = tmp_path / "token"
    token.write_text("one")
    path = kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", ca=authority.cert, pair=token, user="o")

    access = load(path)
    kept = access.kept()
    token.write_text("two")

    assert yaml.safe_load(path.read_text())["users"] == [{"name": "o", "user": {"tokenFile": str(token)}}]
    assert access.all_headers() == {"Authorization": "Bearer two"}
    assert kept.all_headers() == {"Authorization": "Bearer one"}
