"""The stand-in's own calls to API servers, and what stands for its kubelet: a Node with a Lease that is renewed."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.backends.standinflags import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PATIENCE_S = 170.0
"""A machine may be very busy; the harness itself gives K3s three minutes."""
_CONFLICT, _UNAUTHORIZED, _NOT_FOUND = 409, 401, 404
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass(slots=True)
class Api:
    """One API server, reached with a token or with a certificate; its own certificate is not looked at."""

    url: str
    token: str = ""
    cert: Path | None = None
    key: Path | None = None

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> Any:
        """One request. Raises urllib's errors."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            text = answer.read()
        return json.loads(text) if text[:1] == b"{" else text.decode()

    def ready(self, watch: Callable[[float], None]) -> None:
        """Return when /readyz is ok."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                self.call("GET", "/readyz")
            except (OSError, urllib.error.URLError):
                watch(time.monotonic() + 0.1)
            else:
                return
        raise refused("the API server did not become ready")

    def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """Create an object; one that is there is left as it is."""
        try:
            self.call("POST", path, body)
        except urllib.error.HTTPError as exc:
            if exc.code != _CONFLICT:
                raise refused(f"{path}: {exc.read().decode(errors='replace')}") from exc

    def bootstrap(self, path: str, watch: Callable[[float], None]) -> dict[str, bytes]:
        """What a server has for those who join it; ends the process when it does not know the token."""
        end = time.monotonic() + PATIENCE_S
        why = ""
        while time.monotonic() < end:
            try:
                found = self.call("GET", path)["data"]
            except urllib.error.HTTPError as exc:
                if exc.code == _UNAUTHORIZED:
                    raise refused("failed to validate token: the server does not know it (401)") from exc
                why = str(exc)
            except (OSError, urllib.error.URLError) as exc:
                why = str(exc)
            else:
                return {name: base64.b64decode(text) for name, text in found.items()}
            watch(time.monotonic() + 0.1)
        raise refused(f"the server does not answer: {why}")


def heartbeat(api: Api, node: str, data: Path, watch: Callable[[float], None], *, ready: bool) -> None:
    """Register the node and keep it, until the process ends."""
    settings = _settings(data)
    lease_s = int(settings.get("nodeLeaseDurationSeconds", 40))
    node_path = f"/api/v1/nodes/{node}"
    sizes = {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "20Gi"}
    while True:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        status = "True" if ready else "False"
        reason = "KubeletReady" if ready else "KubeletNotReady"
        condition = {"type": "Ready", "status": status, "reason": reason, "lastHeartbeatTime": f"{now[:19]}Z"}
        lease = {"holderIdentity": node, "leaseDurationSeconds": lease_s, "renewTime": now}
        try:
            api.ensure("/api/v1/nodes", {"metadata": {"name": node}})
            api.call(
                "PATCH", f"{node_path}/status",
                {"status": {"capacity": sizes, "allocatable": sizes, "conditions": [condition]}},
                "application/strategic-merge-patch+json",
            )  # fmt: skip
            try:
                api.call("PATCH", f"{_LEASES}/{node}", {"spec": lease}, "application/merge-patch+json")
            except urllib.error.HTTPError as exc:
                if exc.code != _NOT_FOUND:
                    raise
                api.ensure(_LEASES, {"metadata": {"name": node}, "spec": lease})
        except (OSError, urllib.error.URLError):
            watch(time.monotonic() + 0.2)
            continue
        watch(time.monotonic() + lease_s / 4)


def _settings(data: Path) -> dict[str, Any]:
    """The kubelet's configuration, from the directory in which K3s looks."""
    merged: dict[str, Any] = {}
    for file in sorted((data / "agent" / "etc" / "kubelet.conf.d").glob("*.conf")):
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
        if body.get("kind") != "KubeletConfiguration" or body.get("apiVersion") != "kubelet.config.k8s.io/v1beta1":
            raise refused(f"{file} is no configuration of a kubelet")
        merged |= body
    return merged
