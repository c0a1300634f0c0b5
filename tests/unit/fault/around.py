"""What stands around faults that harm nothing: a cluster whose nodes and processes are told by the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping


def node(name: str, *, ready: bool = True, cpu: str = "8", uid: str = "") -> dict[str, Any]:
    """A Node as the API server tells it."""
    return {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "labels": {"akash.network": "true"}},
        "spec": {},
        "status": {
            "capacity": {"cpu": cpu},
            "allocatable": {"cpu": cpu},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


@dataclass
class Process:
    """A process of the cluster."""

    pid: int
    running: bool = True
    said: str = "sleeping"

    def state(self) -> str:
        """The kernel's word."""
        return self.said


@dataclass
class Around:
    """The cluster, its client and the operator at once, as far as the perimeter looks."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    children: dict[str, Process] = field(default_factory=dict)
    datastore: Any = None
    away: bool = False
    operator_state: str = "sleeping"
    lists: int = 0

    @property
    def client(self) -> Around:
        """Itself."""
        return self

    async def get(self, path: str, *, timeout_s: float) -> Any:
        """The list of nodes, unless the API server is away."""
        assert (path, timeout_s > 0) == ("/api/v1/nodes", True)
        if self.away:
            raise ApiUnavailableError("GET /api/v1/nodes: no answer in time")
        self.lists += 1
        return {"items": list(self.nodes.values())}

    def processes(self) -> Mapping[str, Process]:
        """Every process."""
        return self.children

    def state(self) -> str:
        """The operator's."""
        return self.operator_state
