"""Names of discovery pods.

contract.md part A: `operator-inventory-hardware-discovery-<node>`. A pod's name is a DNS subdomain of at most 253
characters (Kubernetes "Object Names and IDs"), so 215 characters of node name fit and 216 do not. Nothing else limits
it: the API server puts no pod name into a label, and the kubelet cuts a pod's hostname to 63 characters by itself.
"""

from __future__ import annotations

import hashlib

PREFIX = "operator-inventory-hardware-discovery-"
MOST = 253
_HASH = 16


def discovery_pod_name(node: str) -> str:
    """The name of the discovery pod of `node`; too long ones end in a hash of the whole node name."""
    name = PREFIX + node
    if len(name) <= MOST:
        return name
    digest = hashlib.sha256(node.encode()).hexdigest()[:_HASH]
    # No label of a subdomain may end in a dash, so the cut must not fall behind a dot or a dash.
    return f"{name[: MOST - _HASH - 1].rstrip('-.')}-{digest}"
