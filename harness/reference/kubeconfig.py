"""Where the API server is and how to prove who we are: a kubeconfig file, or the pod's service account."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_POD = Path("/var/run/secrets/kubernetes.io")
_ACCOUNT = IN_POD / "serviceaccount"


@dataclass(frozen=True, slots=True)
class Access:
    """The API server's base URL, the TLS context (None for plain HTTP) and the headers of every request.

    `token_file` is read anew for each request, because projected tokens are rotated on disk.
    """

    url: str
    tls: ssl.SSLContext | None
    headers: Mapping[str, str]
    token_file: Path | None = None

    def all_headers(self) -> dict[str, str]:
        """The headers of the next request."""
        headers = dict(self.headers)
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}"
        return headers

    def kept(self) -> Access:
        """The same with the token of this moment, for ever (a saboteur's)."""
        return Access(self.url, self.tls, self.all_headers())


def load(path: Path) -> Access:
    """Access as the kubeconfig at `path` says; when there is no such file, the in-cluster one.

    Raises UsageError when neither is usable.
    """
    if not path.exists():
        return _in_cluster(path)
    try:
        document = yaml.safe_load(path.read_bytes())
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"]).get("user") or {}
        return _access(cluster, user, path.parent)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, binascii.Error, ssl.SSLError) as exc:
        raise UsageError(
            f"kubeconfig {path} is not usable: {exc!r}", hint="give another with --kubeconfig PATH"
        ) from exc


def _in_cluster(missing: Path) -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not (_ACCOUNT / "token").exists():
        raise UsageError(
            f"kubeconfig {missing} does not exist, and this is not a pod", hint="give one with --kubeconfig PATH"
        )
    tls = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    address = f"[{host}]" if ":" in host else host
    return Access(f"https://{address}:{port}", tls, {}, token_file=_ACCOUNT / "token")


def _named(document: Any, kind: str, name: str) -> dict[str, Any]:
    for entry in document[kind]:
        if entry["name"] == name:
            return dict(entry)
    raise KeyError(f"{name!r} is not among the {kind}")


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> Access:
    url = str(cluster["server"]).rstrip("/")
    headers = {}
    token_file = None
    if user.get("token"):
        headers["Authorization"] = f"Bearer {user['token']}"
    elif user.get("tokenFile"):
        token_file = folder / user["tokenFile"]
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    tls = _tls(cluster, user, folder) if url.startswith("https:") else None
    return Access(url, tls, headers, token_file)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _bytes(cluster, "certificate-authority", folder)
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    if certificate and key:
        # The ssl module takes certificates from files only; mkstemp makes them readable by nobody else.
        with tempfile.NamedTemporaryFile(prefix="inventory-") as both:
            both.write(certificate + b"\n" + key)
            both.flush()
            tls.load_cert_chain(both.name)
    return tls


def _bytes(table: Mapping[str, Any], name: str, folder: Path) -> bytes:
    if table.get(f"{name}-data"):
        return base64.b64decode(table[f"{name}-data"])
    return (folder / table[name]).read_bytes() if table.get(name) else b""
