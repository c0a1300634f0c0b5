"""The API server's own record of who asked for what: an audit log that costs next to nothing.

Only metadata is written (who, what, when, which answer; no content, so no secrets), once for each request, and nothing
of what the cluster does all day: heartbeats and controllers, and our own reading. What is left are the operator's
requests and the harness's changes (Kubernetes documentation, "Auditing").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from harness.cluster.pki import write_private

if TYPE_CHECKING:
    from pathlib import Path

POLICY_FILE = "audit-policy.yaml"

POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "users": ["kwok", "system:kube-controller-manager", "system:apiserver"]},
        {"level": "None", "users": ["harness-admin"], "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"],
        },
        {"level": "Metadata"},
    ],
}


def write_policy(directory: Path) -> None:
    """Write the policy into the cluster's directory; raises PlatformError when the disk does not take it."""
    write_private(directory / POLICY_FILE, yaml.safe_dump(POLICY, sort_keys=False).encode())


def flags(directory: Path, name: str) -> list[str]:
    """The flags by which the API server `name` follows the policy. Its audit log lies with the other logs."""
    return [
        f"--audit-policy-file={directory / POLICY_FILE}",
        f"--audit-log-path={directory / 'log' / f'{name}.audit.jsonl'}",
        # No request waits for the disk; each event is written as it comes (of a log, a batch has one event).
        "--audit-log-mode=batch",
    ]
