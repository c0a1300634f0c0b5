"""Each saboteur of figures is wrong about its rule, and right about everything else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.reference.defects import DEFECTS
from harness.reference.records import decode_pod


def pod(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod that asks for two cores."""
    containers = [{"name": "main", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]
    meta = {"namespace": "ns", "name": "p", "uid": "u"}
    return {"metadata": meta, "spec": {"nodeName": "n", "containers": containers, **spec}, "status": status or {}}


def init(name: str, cpu: str, *, sidecar: bool = False) -> dict[str, Any]:
    """An init container."""
    return {"name": name, "resources": {"requests": {"cpu": cpu}}, **({"restartPolicy": "Always"} if sidecar else {})}


RESIZED = pod(
    status={"containerStatuses": [{"name": "main", "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}}]}
)
WHOLE = pod(resources={"requests": {"cpu": "8"}})
VOLUMES = pod(volumes=[{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}])
ORDERED = pod(initContainers=[init("first", "5"), init("later", "1", sidecar=True)])
CASES = {
    "ignores-resizes": RESIZED, "ignores-whole-pod-requests": WHOLE, "ignores-memory-volumes": VOLUMES,
    "init-order-ignored": ORDERED,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_only_its_own_rule_is_broken(name: str) -> None:
    """It counts the one pod otherwise, and all others as they are."""
    decode = DEFECTS[name].behaviour.decode_pod

    for case, body in CASES.items():
        assert (decode(body) == decode_pod(body)) is (case != name)


def test_the_body_is_left_alone() -> None:
    """What a saboteur leaves out is still there for whoever reads it next."""
    for name, body in CASES.items():
        before = repr(body)
        DEFECTS[name].behaviour.decode_pod(body)
        assert repr(body) == before
