"""What an embedded cluster is to be like."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.cluster.datastore import DatastoreSpec
from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster is started with.

    `large` makes heartbeats rarer (some hundred nodes and more); `grace_s` is the node monitor's grace period;
    `status_period_s` the period of a simulated kubelet's status updates. `servers`: 1, or 3 with "etcd3"; `pinned`:
    the operator is given the first server's address instead of the service's. `relayed`: there is a relay before the
    datastore, for faults on the way to it; `quota_bytes`: etcd's size limit, 0 for its own. `proxied`: the operator is
    given the address of the API proxy, which stands before whatever it would be given otherwise. `by_token`: the
    operator shows the token of a service account, which it finds in a file, instead of a certificate. `ceph`: the
    namespaces of Ceph clusters, in whose tools pods the command `ceph` can be run. `audited`: each API server writes an
    audit log (`harness.cluster.audit`). `machines`: how many real nodes a cluster of such has to have, beside those
    that carry the control plane alone; `operator_in`: where the operator will run, one of `backend.PLACES`;
    `node_names`: what those real nodes are called, in order, () for names of the backend's own.
    """

    large: bool = False
    grace_s: int = 8
    status_period_s: float = 2.0
    datastore: DatastoreSpec = field(default_factory=DatastoreSpec)
    servers: int = 1
    pinned: bool = False
    relayed: bool = False
    quota_bytes: int = 0
    proxied: bool = False
    by_token: bool = False
    ceph: tuple[str, ...] = ()
    audited: bool = False
    machines: int = 0
    operator_in: str = "process"
    node_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.servers not in {1, 3} or (self.servers == 3 and self.datastore.kind != "etcd3"):
            raise UsageError(
                f"{self.servers} servers on {self.datastore.kind} are not possible", hint="1, or 3 on etcd3"
            )
