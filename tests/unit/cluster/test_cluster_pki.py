from __future__ import annotations

import base64
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from harness.cluster.controlplane import credentials
from harness.cluster.pki import Authority, KeyPair, kubeconfig, write_private
from harness.errors import PlatformError


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """A real TLS handshake over a socket pair; what the server learned of the client's certificate."""
    one, other = socket.socketpair()
    learned: list[dict[str, object]] = []

    def serve() -> None:
        try:
            with server.wrap_socket(one, server_side=True) as tls:
                learned.append(dict(tls.getpeercert() or {}))
                tls.recv(1)
        except ssl.SSLError:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(other, server_hostname=name) as tls:
            tls.send(b"x")
    finally:
        other.close()
        thread.join(timeout=10)
    return learned[0] if learned else {}


def contexts(authority: Authority, serving: KeyPair, pair: KeyPair) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that asks for client certificates of the authority, and a client that verifies the server."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(str(serving.cert), str(serving.key))
    client = ssl.create_default_context(cafile=str(authority.cert))
    client.load_cert_chain(str(pair.cert), str(pair.key))
    return server, client


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A new certificate authority."""
    return Authority(tmp_path)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_both_sides_verify_each_other(authority: Authority, name: str) -> None:
    """Server and client certificates verify against the authority, by DNS name and by address."""
    serving = authority.server("server", hosts=("127.0.0.1", "localhost"))
    pair = authority.client("op", user="operator-inventory", groups=("g",))

    learned = handshake(*contexts(authority, serving, pair), name)

    assert ((("commonName", "operator-inventory"),)) in learned["subject"]  # type: ignore[operator]


def test_a_name_that_is_not_in_the_certificate_is_refused(authority: Authority) -> None:
    """The client does not talk to a server of another name."""
    serving = authority.server("server", hosts=("127.0.0.1",))

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(*contexts(authority, serving, authority.client("c", user="u")), "localhost")


def test_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    """A cluster's client does not trust another cluster's server."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    server, _ = contexts(other, other.server("server", hosts=("localhost",)), other.client("c", user="u"))
    _, client = contexts(authority, authority.server("s", hosts=("x",)), authority.client("c", user="u"))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "localhost")


def test_user_and_groups_are_where_kubernetes_reads_them(authority: Authority) -> None:
    """The common name is the user, each organization a group."""
    pair = authority.client("admin", user="harness-admin", groups=("system:masters", "others"))

    subject = x509.load_pem_x509_certificate(pair.cert.read_bytes()).subject

    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["harness-admin"]
    assert {a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)} == {"system:masters", "others"}


def test_all_files_of_a_cluster_are_private(tmp_path: Path) -> None:
    """Every file that credentials are written to is 0600, in a directory that is 0700."""
    credentials(tmp_path / "pki", operator_user="op")

    files = list((tmp_path / "pki").iterdir())

    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    assert len(files) >= 13
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_no_two_clusters_share_a_key(tmp_path: Path) -> None:
    """Credentials are made new each time."""
    first, second = (credentials(tmp_path / name, operator_user="op") for name in "ab")

    assert first.admin.key.read_bytes() != second.admin.key.read_bytes()
    assert first.authority.pem != second.authority.pem


def test_the_service_account_key_signs_for_its_public_key(authority: Authority) -> None:
    """`cert` of a signing key is the bare public key of `key`."""
    pair = authority.signing_key("sa")
    private = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)

    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert public == pair.cert.read_bytes()


def test_a_kubeconfig_stands_on_its_own(authority: Authority, tmp_path: Path) -> None:
    """Certificates are inside it, the one context is the current one, and only the owner can read it."""
    pair = authority.client("op", user="op")

    path = kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", ca=authority.cert, pair=pair, user="op")

    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert body["current-context"] == body["contexts"][0]["name"]
    assert body["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert base64.b64decode(body["clusters"][0]["cluster"]["certificate-authority-data"]) == authority.pem
    assert base64.b64decode(body["users"][0]["user"]["client-key-data"]) == pair.key.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_is_named() -> None:
    """The error says which file did not fit."""
    with pytest.raises(PlatformError, match="cannot write /dev/full: No space left"):
        write_private(Path("/dev/full"), b"x")
