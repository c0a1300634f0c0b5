"""Chaos and conformance harness for Kubernetes inventory operators.

The public names, as scenarios use them::

    from harness import PASS, Run, Scenario, faults, nodes, schedules

`faults` holds every kind of harm, `schedules` how harm follows harm, `nodes` what simulated nodes are made of.
Everything else is reached through the packages; their docstrings say what each one is for. The names are loaded when
they are first used: the reference operator and the cluster's helper process live in this package too, and must stay
small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import faults, nodes, schedules
    from harness.check.verdict import FAIL, PASS, UNKNOWN
    from harness.cluster.configfile import Configuration, Without
    from harness.cluster.storage import Ceph, Pool, Storage, StorageClass, Volume
    from harness.operator.streams import Streams
    from harness.run.result import Run
    from harness.scenario import Scenario
    from harness.traffic.pods import Churn
    from harness.traffic.standing import Container, Pod
    from harness.traffic.volumes import Volumes

__all__ = [
    "FAIL", "PASS", "UNKNOWN", "Ceph", "Churn", "Configuration", "Container", "Pod", "Pool", "Run", "Scenario",
    "Storage", "StorageClass", "Streams", "Volume", "Volumes", "Without", "faults", "nodes", "schedules",
]  # fmt: skip

_HOMES = {
    "FAIL": "harness.check.verdict",
    "PASS": "harness.check.verdict",
    "UNKNOWN": "harness.check.verdict",
    "Ceph": "harness.cluster.storage",
    "Churn": "harness.traffic.pods",
    "Configuration": "harness.cluster.configfile",
    "Container": "harness.traffic.standing",
    "Pod": "harness.traffic.standing",
    "Pool": "harness.cluster.storage",
    "Run": "harness.run.result",
    "Scenario": "harness.scenario",
    "Storage": "harness.cluster.storage",
    "StorageClass": "harness.cluster.storage",
    "Streams": "harness.operator.streams",
    "Volume": "harness.cluster.storage",
    "Volumes": "harness.traffic.volumes",
    "Without": "harness.cluster.configfile",
}


def __getattr__(name: str) -> Any:
    if name in {"faults", "nodes", "schedules"}:
        return import_module(f"harness.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
