"""Access to a cluster that is there already: what a kubeconfig says of it, with credentials of whatever kind it has.

The official client reads the file: certificates as files or data, tokens, and plug-ins that fetch credentials
are its trade. What it finds is handed to our own client (`harness.cluster.client` says why there is one).
"""

from __future__ import annotations

import concurrent.futures
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from harness.cluster.client import KubeClient
from harness.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import Gate

_PLUGIN_DEADLINE_S = 60.0
"""A plug-in may ask a person to log in somewhere; one that has nobody to ask must not keep us for ever."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a cluster is reached. `ca`: the authority's certificate as PEM, empty where the system's are meant.

    `headers` and `tls` hold credentials and are never shown.
    """

    context: str
    server: str
    ca: bytes
    verified: bool
    tls: ssl.SSLContext
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        """The name or address of the API server."""
        return urlsplit(self.server).hostname or ""

    def client(self, gate: Gate | None = None) -> KubeClient:
        """A client with these credentials."""
        return KubeClient(self.server, tls=self.tls, headers=self.headers, gate=gate)

    def __repr__(self) -> str:
        return f"Access(context={self.context!r}, server={self.server!r})"


def load(file: Path, context: str) -> Access:
    """What the kubeconfig says of a context; raises UsageError for a file or a context that cannot be used.

    Credentials are not tried here. Raises PlatformError where a plug-in does not fetch them in time.
    """
    _check(file, context)
    from kubernetes import client, config  # noqa: PLC0415 - takes a second to load, and few runs need it
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - as above

    found = client.Configuration()
    pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="kubeconfig")
    work = pool.submit(
        config.load_kube_config, config_file=str(file), context=context, client_configuration=found,
        persist_config=False,
    )  # fmt: skip
    try:
        work.result(timeout=_PLUGIN_DEADLINE_S)
    except concurrent.futures.TimeoutError:
        raise PlatformError(
            f"--kubeconfig {file}: the credentials of context {context!r} were not fetched within "
            f"{_PLUGIN_DEADLINE_S:g} s",
            hint="does `kubectl get nodes` with that context ask for something?",
        ) from None
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(
            f"--kubeconfig {file}: context {context!r} cannot be used: {exc}",
            hint="does `kubectl --context` with it work?",
        ) from exc
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return _access(found, file, context)


def contexts(file: Path) -> tuple[str, ...]:
    """The names of the contexts in a kubeconfig; raises UsageError when it is none, or cannot be read."""
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--kubeconfig {file}: there is no such file", hint="give the path of a kubeconfig") from None
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise UsageError(f"--kubeconfig {file}: it cannot be read: {why}", hint="give a readable kubeconfig") from exc
    except yaml.YAMLError as exc:
        line = " ".join(str(exc).split())[:200]
        raise UsageError(f"--kubeconfig {file}: it is no YAML: {line}", hint="give a kubeconfig") from exc
    listed = body.get("contexts") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise UsageError(f"--kubeconfig {file}: it is no kubeconfig: it has no contexts", hint="give a kubeconfig")
    return tuple(str(item["name"]) for item in listed if isinstance(item, dict) and "name" in item)


def _check(file: Path, context: str) -> None:
    there = contexts(file)
    if context not in there:
        raise UsageError(
            f"--context {context!r}: {file} has no such context",
            hint=f"it has {', '.join(there[:10]) or 'none'}",
        )


def _access(found: Any, file: Path, context: str) -> Access:
    try:
        ca = Path(found.ssl_ca_cert).read_bytes() if found.ssl_ca_cert else b""
        tls = ssl.create_default_context(cadata=ca.decode() if ca else None)
        if not found.verify_ssl:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if found.cert_file:
            tls.load_cert_chain(found.cert_file, found.key_file)
    except (OSError, ssl.SSLError, UnicodeDecodeError, ValueError) as exc:
        raise UsageError(
            f"--kubeconfig {file}: the certificates of context {context!r} cannot be used: {exc}",
            hint="does `kubectl --context` with it work?",
        ) from exc
    for named in ("proxy", "tls_server_name"):
        if getattr(found, named, None):
            raise UsageError(
                f"--kubeconfig {file}: context {context!r} has a {named.replace('_', '-')}, which is not supported",
                hint="give a context that reaches the API server without",
            )
    tokens = [str(one["value"]) for one in found.auth_settings().values() if one.get("value")]
    headers = {"Authorization": tokens[0] if " " in tokens[0] else f"Bearer {tokens[0]}"} if tokens else {}
    return Access(context, str(found.host).rstrip("/"), ca, bool(found.verify_ssl), tls, headers)
