"""A certificate authority for one cluster, made new each time.

Elliptic-curve keys (P-256), valid for a day; files are 0600 in a 0700 directory; nothing outlives the run directory.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIFETIME = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path


def write_private(path: Path, data: bytes) -> Path:
    """Write a file that only its owner can read; raises PlatformError when the disk does not take it."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    except OSError as exc:
        raise PlatformError(f"cannot write {path}: {exc.strerror}") from exc
    return path


class Authority:
    """The cluster's own CA: issues server and client certificates into one directory."""

    def __init__(self, directory: Path, name: str = "inventory-harness") -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder(self._subject)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._certificate = certificate
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.cert = write_private(directory / "ca.crt", self.pem)

    def server(self, name: str, *, hosts: Sequence[str]) -> KeyPair:
        """A serving certificate for DNS names and IP addresses."""
        return self._issue(name, self._common_name(name), ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def client(self, name: str, *, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A client certificate; Kubernetes reads the common name as user and the organizations as groups."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._issue(name, subject, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def signing_key(self, name: str) -> KeyPair:
        """A key pair for service account tokens (`cert` is the bare public key)."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return KeyPair(write_private(self.directory / f"{name}.pub", public), self._write_key(name, key))

    def _common_name(self, name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def _builder(self, subject: x509.Name) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + _LIFETIME)
        )

    def _issue(self, name: str, subject: x509.Name, usage: x509.ObjectIdentifier, hosts: Sequence[str]) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(h) for h in hosts]), critical=False
            )
        pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return KeyPair(write_private(self.directory / f"{name}.crt", pem), self._write_key(name, key))

    def _write_key(self, name: str, key: ec.EllipticCurvePrivateKey) -> Path:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return write_private(self.directory / f"{name}.key", pem)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def kubeconfig(path: Path, *, server: str, ca: Path, pair: KeyPair | Path, user: str) -> Path:
    """Write a kubeconfig with certificates in it, as data; `pair`: the client's, or a file with its bearer token."""

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    if isinstance(pair, KeyPair):
        identity = {"client-certificate-data": data(pair.cert), "client-key-data": data(pair.key)}
    else:
        identity = {"tokenFile": str(pair)}
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "harness",
        "clusters": [{"name": "harness", "cluster": {"server": server, "certificate-authority-data": data(ca)}}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "harness", "context": {"cluster": "harness", "user": user}}],
    }
    return write_private(path, yaml.safe_dump(body, sort_keys=False).encode())
