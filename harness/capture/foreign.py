"""A user's cluster, of which nothing is asked but to GET and to LIST.

The kubeconfig is read by the official client, which knows all the ways in which people log in; requests go through it
as well. There is no method here that writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError
from urllib3.util import Timeout
from yaml import YAMLError

from harness.errors import ApiError, ApiUnavailableError, UsageError
from harness.visible import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PAGE = 500
_CONNECT_S, _READ_S = 5.0, 30.0

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404


@dataclass(frozen=True, slots=True)
class Listed:
    """A kind of object that is listed: what RBAC calls it, and where it is."""

    resource: str
    path: str

    @property
    def right(self) -> str:
        """The right that it takes, as `kubectl auth can-i` has it."""
        return f"list {self.resource}"


EVERYTHING = (
    Listed("nodes", "/api/v1/nodes"),
    Listed("pods", "/api/v1/pods"),
    Listed("storageclasses", "/apis/storage.k8s.io/v1/storageclasses"),
    Listed("persistentvolumes", "/api/v1/persistentvolumes"),
)
"""What the inventory follows from, in all namespaces."""


@dataclass(slots=True)
class Foreign:
    """One API server, as the user of a kubeconfig sees it."""

    kubeconfig: Path
    context: str = ""
    _settings: Any = field(default=None, repr=False)
    _pool: Any = field(default=None, repr=False)

    def open(self) -> None:
        """Read the kubeconfig; raises UsageError naming what is wrong with it."""
        # It takes a second to load, and nothing else needs it.
        from kubernetes import client, config  # noqa: PLC0415

        loader: Any = config  # its functions have no types
        if not self.kubeconfig.is_file():
            raise UsageError(f"--kubeconfig {self.kubeconfig}: there is no such file", hint="give the path of one")
        try:
            contexts, active = loader.list_kube_config_contexts(str(self.kubeconfig))
            names = sorted(str(one["name"]) for one in contexts)
            wanted = self.context or str(active["name"])
            if wanted not in names:
                raise UsageError(
                    f"--context {wanted}: {self.kubeconfig} has no such context",
                    hint=f"it has {', '.join(names) or 'none'}",
                )
            self._settings = client.Configuration()
            loader.load_kube_config(str(self.kubeconfig), wanted, client_configuration=self._settings)
            self._pool = client.ApiClient(self._settings).rest_client.pool_manager
        except (config.ConfigException, YAMLError, OSError, KeyError, TypeError, ValueError) as exc:
            raise UsageError(
                f"--kubeconfig {self.kubeconfig} cannot be used: {shortened(str(exc))}",
                hint="does `kubectl --kubeconfig` take it?",
            ) from exc

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """GET; JSON where the answer is, text where it is not. Raises ApiError or ApiUnavailableError."""
        token = self._settings.auth_settings().get("BearerToken", {}).get("value")
        headers = {"Accept": "application/json", **({"Authorization": token} if token else {})}
        try:
            answer = self._pool.request(
                "GET", f"{self._settings.host}{path}", fields=dict(query or {}), headers=headers, retries=False,
                timeout=Timeout(connect=_CONNECT_S, read=_READ_S),
            )  # fmt: skip
        except (HTTPError, OSError) as exc:
            raise ApiUnavailableError(
                f"GET {path}: no answer of the API server: {shortened(str(exc))}",
                hint="is the cluster reachable from here? `kubectl version` with the same kubeconfig tells",
            ) from exc
        text = answer.data.decode(errors="replace")
        if answer.status >= 300:
            raise ApiError(f"GET {path}: {answer.status} {answer.reason}: {shortened(text)}", status=int(answer.status))
        try:
            return json.loads(text)
        except ValueError:
            return text

    def items(self, path: str) -> list[dict[str, Any]]:
        """All objects of a list, read some at a time, all as of one moment."""
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            body = self.get(path, {"limit": str(_PAGE), **({"continue": more} if more else {})})
            found += body["items"]
            more = body["metadata"].get("continue") or ""
            if not more:
                return found

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Objects of each kind, by resource; raises UsageError that names every right that is missing."""
        found: dict[str, list[dict[str, Any]]] = {}
        missing: list[str] = []
        for listed in EVERYTHING:
            try:
                found[listed.resource] = self.items(listed.path)
            except ApiError as exc:
                if exc.status == UNAUTHORIZED:
                    raise UsageError(
                        f"the API server does not know the user of {self.kubeconfig} (401)",
                        hint="has its token or certificate expired?",
                    ) from exc
                if exc.status != FORBIDDEN:
                    raise
                missing.append(listed.right)
        if missing:
            raise refused(self.kubeconfig, missing)
        return found


def refused(kubeconfig: Path, missing: list[str]) -> UsageError:
    """The error that names the rights that are missing."""
    return UsageError(
        f"the user of {kubeconfig} has not the right to {', nor to '.join(missing)}",
        hint="docs/capture.md has a ClusterRole with all that is read, and nothing that writes",
    )
