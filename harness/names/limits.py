"""The lengths at which names may go wrong, each with its reason.

A name meets two kinds of limits: its own, and those of whatever is made from it. The rules are Kubernetes' ("Object
Names and IDs", "Labels and Selectors": a DNS subdomain has 253 characters, a DNS label, a label's value and the name
part of a label's key have 63); what is made from a name is the contract's part A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUBDOMAIN, LABEL, KEY = 253, 63, 63
FILE, UID = 255, 36
"""What a file may be called on Linux, and how long a uid is."""
DISCOVERY_POD = "operator-inventory-hardware-discovery-"
STORAGE_KEY = "capabilities.storage.class."
NODE, NAMESPACE, POD, STORAGE_CLASS = "node", "namespace", "pod", "storage class"
_SERVICES = "akash-services"


def runs(namespace: int) -> int:
    """How long a pod's name may be in a namespace whose name is so long, for a kubelet to run the pod.

    Its log directory is NAMESPACE_NAME_UID below /var/log/pods. The API server accepts longer ones, which never start.
    """
    return FILE - UID - 2 - namespace


FAR = 200
"""A model's name has no limit of its own; this is far beyond those of all that is made from it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` characters are within the limit, one more is beyond it; `reason`: what has that limit."""

    most: int
    reason: str


LIMITS: Mapping[str, tuple[Limit, ...]] = {
    NODE: (
        Limit(LABEL - len(DISCOVERY_POD), "the hostname of its discovery pod, which kubelets cut to a DNS label"),
        Limit(LABEL, "the value of the label kubernetes.io/hostname, and one DNS label of the name"),
        Limit(runs(len(_SERVICES)) - len(DISCOVERY_POD), "the log directory of its discovery pod on a real node"),
        Limit(SUBDOMAIN - len(DISCOVERY_POD), "the name of its discovery pod, a DNS subdomain"),
        Limit(SUBDOMAIN, "a Node's name is a DNS subdomain"),
    ),
    NAMESPACE: (Limit(LABEL, "a Namespace's name is a DNS label, and the value of kubernetes.io/metadata.name"),),
    POD: (
        Limit(LABEL, "its hostname, which kubelets cut to a DNS label"),
        Limit(runs(LABEL), "its log directory on a real node, whatever its namespace is called"),
        Limit(SUBDOMAIN, "a Pod's name is a DNS subdomain"),
    ),
    STORAGE_CLASS: (
        Limit(KEY - len(STORAGE_KEY), f"the key akash.network/{STORAGE_KEY}<class>"),
        Limit(SUBDOMAIN, "a StorageClass's name is a DNS subdomain"),
    ),
}
"""By kind of object, in rising order. The last one is the name's own."""

FITTING: Mapping[str, int] = {
    NODE: runs(len(_SERVICES)) - len(DISCOVERY_POD), NAMESPACE: LABEL, POD: SUBDOMAIN
}  # fmt: skip
"""The longest name with which everything that the contract makes from it can be made, and run, as the contract says."""


def of_model(vendor: str, *, interface: str, memory_size: str) -> tuple[Limit, ...]:
    """The limits of a GPU model's name, in rising order: those of the label keys that are made from it.

    `interface` and `memory_size` are the registry's; no key is made from an empty one.
    """
    key = f"capabilities.gpu.vendor.{vendor}.model."
    bus = interface.lower()
    ends = (
        "",
        f".ram.{memory_size}" if memory_size else "",
        f".interface.{'sxm' if bus.startswith('sxm') else bus}" if bus else "",
    )
    return tuple(
        Limit(KEY - len(key) - len(end), f"the key akash.network/{key}<model>{end}")
        for end in sorted(dict.fromkeys(ends), key=len, reverse=True)
    )


def interesting(limits: Iterable[Limit], *, most: int) -> tuple[int, ...]:
    """The lengths worth trying, in rising order: 1, each limit less one, at it and one beyond, and `most`."""
    near = {limit.most + step for limit in limits for step in (-1, 0, 1)}
    return tuple(sorted(length for length in {1, most, *near} if 1 <= length <= most))
