"""The flags that K3s knows, and the reading of a command line as K3s reads it: what it does not know, it refuses.

The names are those of docs.k3s.io/cli/server and docs.k3s.io/cli/agent for v1.34.
"""

from __future__ import annotations

import sys

OF_AGENT = (
    "token", "token-file", "server", "data-dir", "node-name", "with-node-id", "node-label", "node-taint", "docker",
    "container-runtime-endpoint", "pause-image", "snapshotter", "private-registry", "node-ip", "node-external-ip",
    "resolv-conf", "flannel-iface", "kubelet-arg", "kube-proxy-arg", "lb-server-port", "config", "debug", "log",
)  # fmt: skip
OF_SERVER = (
    *OF_AGENT, "bind-address", "https-listen-port", "advertise-address", "advertise-port", "tls-san", "cluster-cidr",
    "service-cidr", "service-node-port-range", "cluster-dns", "cluster-domain", "flannel-backend", "agent-token",
    "write-kubeconfig", "write-kubeconfig-mode", "kube-apiserver-arg", "etcd-arg", "kube-controller-manager-arg",
    "kube-scheduler-arg", "datastore-endpoint", "etcd-disable-snapshots", "default-local-storage-path", "disable",
    "disable-scheduler", "disable-cloud-controller", "disable-kube-proxy", "disable-network-policy",
    "disable-helm-controller", "cluster-init", "cluster-reset", "secrets-encryption", "egress-selector-mode",
)  # fmt: skip
SWITCHES = frozenset({
    "with-node-id", "docker", "debug", "etcd-disable-snapshots", "disable-scheduler", "disable-cloud-controller",
    "disable-kube-proxy", "disable-network-policy", "disable-helm-controller", "cluster-init", "cluster-reset",
    "secrets-encryption",
})  # fmt: skip
PACKAGED = frozenset({"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"})
BACKENDS = frozenset({"none", "vxlan", "host-gw", "wireguard-native", "tailscale"})


def read(words: list[str], known: tuple[str, ...]) -> dict[str, list[str]]:
    """Flag -> its values, in order; ends the process for one that K3s does not know."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known or bool(has_value) == (name in SWITCHES):
            raise refused(f"Incorrect Usage: flag provided but not defined: -{name}")
        found.setdefault(name, []).append(value)
    for item in found.get("disable", ()):
        if item not in PACKAGED:
            raise refused(f"invalid component to disable: {item}")
    for backend in found.get("flannel-backend", ()):
        if backend not in BACKENDS:
            raise refused(f"unknown flannel-backend {backend}")
    return found


def refused(why: str) -> SystemExit:
    """The end of the process as K3s ends: with one line that says why."""
    sys.stderr.write(f'level=fatal msg="{why}"\n')
    return SystemExit(1)
