"""What K3s is told: the command lines of servers and agents, and the files beside them. Pure.

The topology is that of the public build scripts of Akash providers (akash-network/provider-playbooks, roles/k3s): one
or three servers, the first with --cluster-init where the datastore is etcd, traefik and the network policy controller
off, pods in 10.42.0.0/16, a data directory and a directory of the kubelet that are named. There flannel is off as well
and another CNI is applied afterwards; here that is so when a manifest of one is given, and flannel routes otherwise
(host-gw: nodes of ours are on one network always).

Sources of the flags: docs.k3s.io/cli/server and /cli/agent, and pkg/cli/cmds of k3s-io/k3s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from harness.cluster.datastore import ETCD, ETCD3

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "inv"
PAUSE_IMAGE = "rancher/mirrored-pause:3.6"
"""What holds a pod's namespaces: on every node that has a pod. K3s's own, named so that it is known."""

CLUSTER_CIDR = "10.42.0.0/16"
USUAL_DATA = "/var/lib/rancher/k3s"
"""K3s unpacks itself here even with another data directory, where it has done so before."""

FLANNEL, NO_FLANNEL = "host-gw", "none"
API_PORT = 6443
LEASE_S = 8
"""A kubelet renews its lease every quarter of this; the node monitor's grace period must be longer than that."""

DROP_IN = "agent/etc/kubelet.conf.d/90-inventory-harness.conf"
"""In the data directory: read by the kubelet of K3s 1.32 and newer."""

MANIFEST = "server/manifests/inventory-harness-cni.yaml"
"""In the data directory: what lies there is applied by a server when it starts."""

FIXED_PORTS: Mapping[int, str] = {
    10010: "containerd's streams", 10248: "the kubelet's health", 10249: "kube-proxy's metrics",
    10250: "the kubelet", 10256: "kube-proxy's health", 10257: "the controller manager",
    10258: "the cloud controller manager", 10259: "the scheduler",
}  # fmt: skip
"""What a server listens on beside its API, and cannot be told not to (docs.k3s.io, requirements; k3s-io/k3s#5973)."""

ETCD_PORTS: Mapping[int, str] = {2379: "etcd's clients", 2380: "etcd's peers", 2381: "etcd's metrics"}
"""The same for embedded etcd (k3s-io/k3s#11203: "not configurable")."""


SOCKET = "/run/k3s/containerd/containerd.sock"


def imports(ctr: str, archive: str) -> list[str]:
    """The command that puts the images of an archive (of `docker save`) into a node's container runtime."""
    return [ctr, f"--address={SOCKET}", "--namespace=k8s.io", "images", "import", archive]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of one K3s process.

    `data_dir`: empty for K3s's own; `kubelet_dir` likewise; `token_file`: with the cluster's secret, which is on no
    command line; `join`: the URL of a server of the cluster; `kubeconfig`: where to write the administrator's.
    """

    node: str
    grace_s: int
    data_dir: str = ""
    kubelet_dir: str = ""
    token_file: str = ""
    join: str = ""
    port: int = API_PORT
    kubeconfig: str = ""
    datastore: str = ""
    registries: str = ""
    flannel: bool = True


def server(asked: Asked) -> list[str]:
    """The arguments of a server. A SQL datastore's endpoint holds a password and is given as K3S_DATASTORE_ENDPOINT."""
    words = [
        "server",
        "--disable=traefik",
        "--disable-network-policy",
        f"--flannel-backend={FLANNEL if asked.flannel else NO_FLANNEL}",
        f"--cluster-cidr={CLUSTER_CIDR}",
        f"--https-listen-port={asked.port}",
        "--kube-controller-manager-arg=node-monitor-period=1s",
        f"--kube-controller-manager-arg=node-monitor-grace-period={asked.grace_s}s",
    ]
    if asked.kubeconfig:
        words += [f"--write-kubeconfig={asked.kubeconfig}", "--write-kubeconfig-mode=600"]
    if asked.datastore in {ETCD, ETCD3}:
        words.append("--etcd-disable-snapshots")
        if not asked.join:
            words.append("--cluster-init")
    return [*words, *_node(asked)]


def agent(asked: Asked) -> list[str]:
    """The arguments of an agent."""
    return ["agent", *_node(asked)]


def _node(asked: Asked) -> list[str]:
    words = [f"--node-name={asked.node}", f"--pause-image={PAUSE_IMAGE}"]
    if asked.join:
        words.append(f"--server={asked.join}")
    if asked.token_file:
        words.append(f"--token-file={asked.token_file}")
    if asked.data_dir:
        words.append(f"--data-dir={asked.data_dir}")
    if asked.kubelet_dir:
        words.append(f"--kubelet-arg=root-dir={asked.kubelet_dir}")
    if asked.registries:
        words.append(f"--private-registry={asked.registries}")
    return words


def kubelet() -> str:
    """The text of `DROP_IN`: a lost node is seen as fast as in the embedded backend."""
    body = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "20s",
        "nodeLeaseDurationSeconds": LEASE_S,
        "evictionPressureTransitionPeriod": "5s",
        # Nobody could bring back what was loaded into a node and is unused for a moment.
        "imageMinimumGCAge": "24h",
    }
    return yaml.safe_dump(body, sort_keys=False)


def node_names(mark: str, servers: int, agents: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the nodes of a run's cluster are called, servers and agents: all carry the run's mark."""

    def numbered(role: str, count: int) -> tuple[str, ...]:
        return tuple(f"{PREFIX}-{mark}-{role}-{number}" for number in range(1, count + 1))

    return numbered("server", servers), numbered("agent", agents)


def ports_of(datastore: str) -> dict[int, str]:
    """What a server on this kind of datastore listens on beside its API: port -> what it is."""
    return {**FIXED_PORTS, **(ETCD_PORTS if datastore in {ETCD, ETCD3} else {})}
