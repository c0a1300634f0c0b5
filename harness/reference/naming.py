"""Names of discovery pods.

contract.md part A: `operator-inventory-hardware-discovery-<node>`. A pod's name is a DNS subdomain of at most 253
characters (Kubernetes "Object Names and IDs"), but a kubelet has to make its log directory, NAMESPACE_NAME_UID below
/var/log/pods, and a file's name has 255 characters at most. In the namespace akash-services that leaves 203: with 165
characters of node name the pod runs, and with 166 it would be accepted and never start. Nothing else limits it: the API
server puts no pod name into a label, and the kubelet cuts a pod's hostname to 63 characters by itself.
"""

from __future__ import annotations

import hashlib

PREFIX = "operator-inventory-hardware-discovery-"
MOST = 253
_FILE, _UID = 255, 36
_HASH = 16


def longest(namespace: str) -> int:
    """How many characters the name of a pod may have there that a kubelet is to run."""
    return min(MOST, _FILE - _UID - len(f"{namespace}__"))


def discovery_pod_name(node: str, namespace: str) -> str:
    """The name of the discovery pod of `node` there; too long ones end in a hash of the whole node name."""
    name, most = PREFIX + node, longest(namespace)
    if len(name) <= most:
        return name
    digest = hashlib.sha256(node.encode()).hexdigest()[:_HASH]
    # No label of a subdomain may end in a dash, so the cut must not fall behind a dot or a dash.
    return f"{name[: most - _HASH - 1].rstrip('-.')}-{digest}"
