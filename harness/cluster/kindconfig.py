"""The configuration of a kind cluster, and the names that follow from it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from harness.errors import UsageError
from harness.names.limits import LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVERS = (1, 3)
MOST_WORKERS = 20
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
PREFIX = "inv"
_LONGEST_NAME = 43
"""A node is called NAME-control-plane3, and that is its host's name, which may have 63 characters at most."""
GRACE_S = 8.0
"""As in the embedded backend: how long a node may be silent before it counts as unknown."""


@dataclass(frozen=True, slots=True)
class KindShape:
    """What a kind cluster is made of. `servers`: control-plane nodes; `workers`: further nodes.

    `image`: what --node-image named; `grace_s`: how long a node may be silent before it counts as unknown. `names`: of
    the nodes that may be used, in order: of the workers, or of the only node; () for kind's own. A worker alone can
    have a name beyond the limit of a label (`kindnames`).
    """

    servers: int = 1
    workers: int = 0
    image: str | None = None
    grace_s: float = GRACE_S
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise UsageError for what no cluster can be."""
        if self.servers not in SERVERS:
            raise UsageError(f"a kind cluster with {self.servers} servers", hint="1 or 3: etcd needs a majority")
        if not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError(f"a kind cluster with {self.workers} workers", hint=f"0 to {MOST_WORKERS}")
        usable = self.workers or self.servers
        if len(set(self.names)) not in {0, usable} or len(set(self.names)) != len(self.names):
            raise UsageError(f"{len(self.names)} names for {usable} nodes", hint="one for each, no two alike, or none")
        if not self.workers and beyond_label(self.names):
            raise UsageError(
                f"a control plane called {self.names[0][:80]!r}…: a kubelet cannot register under more than {LABEL} "
                "characters",
                hint="give it to a worker",
            )


def beyond_label(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names under which no kubelet registers by itself, because its label with it would be too long."""
    return tuple(name for name in names if len(name) > LABEL)


def cluster_name(mark: str, worker: str = "") -> str:
    """The name of a run's cluster: `inv-MARK` or, for a worker of pytest-xdist, `inv-MARK-gw0`.

    Raises UsageError when that is no name for a cluster.
    """
    name = "-".join(part for part in (PREFIX, mark, worker) if part)
    if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UsageError(f"not a name for a kind cluster: {name!r}", hint="lower-case letters, digits and dashes")
    return name


def node_names(name: str, shape: KindShape) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What kind will call the containers of the control-plane nodes and of the workers.

    Nodes that are given no other names are called so too.
    """

    def numbered(role: str, count: int) -> tuple[str, ...]:
        return tuple(f"{name}-{role}{number if number > 1 else ''}" for number in range(1, count + 1))

    return numbered("control-plane", shape.servers), numbered("worker", shape.workers)


def document(name: str, shape: KindShape, image: str) -> str:
    """The text of kind's configuration file. `image`: empty for kind's own.

    Nodes are seen NotReady as fast as in the embedded backend: kubelets renew their leases every quarter of the lease,
    and the node lifecycle controller waits for `grace_s`.
    """
    node = {"image": image} if image else {}
    roles = ["control-plane"] * shape.servers + ["worker"] * shape.workers
    called = (*("" for _ in roles[: len(roles) - len(shape.names)]), *shape.names)
    nodes = [{"role": role, **node, **_named(name)} for role, name in zip(roles, called, strict=True)]
    controllers = {
        "kind": "ClusterConfiguration",
        "controllerManager": {
            "extraArgs": {
                "node-monitor-period": "1s",
                "node-monitor-grace-period": f"{shape.grace_s:g}s",
            }
        },
    }
    kubelet = {
        "kind": "KubeletConfiguration",
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "20s",
        "nodeLeaseDurationSeconds": max(4, int(shape.grace_s)),
        "evictionPressureTransitionPeriod": "5s",
        # Nobody could bring back what was loaded into a node and is unused for a moment.
        "imageMinimumGCAge": "24h",
    }
    body = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {"apiServerAddress": "127.0.0.1"},
        "kubeadmConfigPatches": [yaml.safe_dump(part, sort_keys=False) for part in (controllers, kubelet)],
        "nodes": nodes,
    }
    return yaml.safe_dump(body, sort_keys=False)


def _named(name: str) -> dict[str, Any]:
    """What has kubeadm register a node under that name; nothing for one that has none, or that is given it later."""
    if not name or beyond_label((name,)):
        return {}
    kinds = ("InitConfiguration", "JoinConfiguration")
    patches = [{"kind": kind, "nodeRegistration": {"name": name}} for kind in kinds]
    return {"kubeadmConfigPatches": [yaml.safe_dump(patch, sort_keys=False) for patch in patches]}
