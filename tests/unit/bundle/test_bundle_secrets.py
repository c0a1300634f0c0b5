"""No credential stays in a bundle, whatever file it was written to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bundle.archive import pack, unpacked
from harness.bundle.manifest import evidence
from harness.bundle.secrets import scrub, without_secrets
from harness.cluster.pki import Authority, kubeconfig
from harness.cluster.tokens import signed
from harness.errors import HistoryError
from harness.history import reader
from tests.unit.bundle.written import begun, told, whole

if TYPE_CHECKING:
    from pathlib import Path

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBhKpcU5\nAwEHoUQDQgAE7v==\n-----END EC PRIVATE KEY-----"
CASES = {
    "token": (f"got {JWT} from the server", JWT),
    "bearer": ("Authorization: Bearer 0123456789abcdef0123", "0123456789abcdef0123"),
    "key": (f"read\n{PEM}\ndone", "MHcCAQEEIBhKpcU5"),
    "key in JSON": (json.dumps({"said": PEM, "next": "kept"}), "MHcCAQEEIBhKpcU5"),
    "key cut off": ("-----BEGIN RSA PRIVATE KEY-----\nMHcCAQEEIBhKpcU5\nAwEHoUQDQg", "AwEHoUQDQg"),
    "kubeconfig": ("  user:\n    client-key-data: c2VjcmV0LXNlY3JldA==\n", "c2VjcmV0LXNlY3JldA"),
    "kubeconfig token": ("user: {token: abcdef.0123456789abcdef}", "0123456789abcdef"),
    "url": ("dialing postgres://me:tell-nobody@db:5432/kine", "tell-nobody"),
    "dsn": ("dialing me:tell-nobody@tcp(db:3306)/kine", "tell-nobody"),
    "parameter": ("host=db user=me password=tell-nobody dbname=kine", "tell-nobody"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_credential_is_taken_out_by_its_form(case: str) -> None:
    """What is secret is gone, the rest of the text is there, and doing it again changes nothing."""
    text, secret = CASES[case]

    clean = without_secrets(text)

    assert secret not in clean
    assert "removed: a" in clean
    assert without_secrets(clean) == clean
    if text.startswith("{"):
        assert json.loads(clean)["next"] == "kept"


@pytest.mark.parametrize(
    "text",
    [
        "rest listening on :8080, token expired, password file: none, basic auth is off",
        "image discovery.invalid/provider@sha256:0123456789abcdef0123456789abcdef",
        "GET https://127.0.0.1:6443/api/v1/nodes?watch=true as user@host",
        '{"resourceVersion":"12","token":"continue"}',
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    """Evidence is not changed for words that credentials are spoken of with."""
    assert without_secrets(text) == text


@given(st.text())
def test_cleaning_ends_and_is_done_once(text: str) -> None:
    """Any text is cleaned in one go."""
    assert without_secrets(without_secrets(text)) == without_secrets(text)


def test_every_file_of_a_bundle_is_cleaned(tmp_path: Path) -> None:
    """Real keys, tokens and kubeconfigs are found in none of its files afterwards; the history still reads as whole."""
    (tmp_path / "pki").mkdir()
    authority = Authority(tmp_path / "pki")
    pair = authority.client("operator", user="operator")
    config = kubeconfig(tmp_path / "kubeconfig", server="https://127.0.0.1:1", ca=authority.cert, pair=pair, user="o")
    key = authority.signing_key("accounts").key
    token = signed(key, {"sub": "operator"})
    secrets = f"{pair.key.read_text()}\n{config.read_text()}\nbearer {token}\n{key.read_text()}"
    bundle = begun(tmp_path / "out")
    told(bundle, dies=True, said=f"panic: {secrets}")
    for name in ("operator.stderr.log", "kube-apiserver.audit.jsonl"):
        (bundle / "logs" / name).write_text(f"before {secrets} after", encoding="utf-8")
    (bundle / "journal.jsonl").write_text(json.dumps({"id": "0", "state": secrets}) + "\n", encoding="utf-8")

    changed = scrub(bundle)

    assert set(changed) == {
        "history.jsonl", "journal.jsonl", "logs/kube-apiserver.audit.jsonl", "logs/operator.stderr.log",
    }  # fmt: skip
    found = "".join((bundle / name).read_text(encoding="utf-8") for name in evidence(bundle))
    assert not re.search(r"PRIVATE KEY-----|eyJ[\w-]+\.[\w-]+\.|client-key-data\S*\s*\S*[A-Za-z0-9+/]{40}", found)
    assert token not in found
    history = reader.read(bundle / "history.jsonl")
    assert "removed: a private key" in next(r["detail"] for r in history.of("process") if r["event"] == "exited")
    assert scrub(bundle) == []


def test_a_cut_off_bundle_is_cleaned_when_it_is_packed(tmp_path: Path) -> None:
    """A harness that was killed could not clean what it left; whoever packs it does, and the directory stays."""
    bundle = begun(tmp_path / "out")
    told(bundle, ends=False)
    log = bundle / "logs" / "operator.stderr.log"
    log.write_text(f"Authorization: Bearer {JWT}", encoding="utf-8")
    with (bundle / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"n":999,"t":10.0,"k":"report","error":"{JWT}')

    with unpacked(pack(bundle, tmp_path / "x.tar.zst")) as copy:
        assert JWT not in (copy / "logs" / "operator.stderr.log").read_text(encoding="utf-8")
        assert JWT not in (copy / "history.jsonl").read_text(encoding="utf-8")
        assert reader.read(copy / "history.jsonl").torn

    assert JWT in log.read_text(encoding="utf-8")


def test_a_sealed_bundle_is_left_alone(tmp_path: Path) -> None:
    """Its checksums would be wrong afterwards."""
    with pytest.raises(HistoryError, match="is sealed"):
        scrub(whole(tmp_path))
