"""Node names beyond 63 characters on real kubelets.

A kubelet that registers itself writes its name into the label kubernetes.io/hostname as well, and an API server accepts
no label's value of more than 63 characters: it would try for ever. With `registerNode: false` it leaves the Node to
somebody else, as where a cloud provider makes it, and goes on with its status and its Lease under any name that a Node
can have. So a worker that kind has made leaves the cluster, and comes back as a Node that is there already, under its
long name and without that label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient
    from harness.cluster.nodebox import NodeBox

NODES, PODS = "/api/v1/nodes", "/api/v1/pods"
HOSTNAME = "kubernetes.io/hostname"

CREDENTIALS = ("kubeadm", "kubeconfig", "user", "--config", "/kind/kubeadm.conf", "--org", "system:nodes")
"""Prints a kubeconfig with a client certificate by the cluster's authority, whose key a server alone has."""

FOLDERS = ("/etc/kubernetes", "/var/lib/kubelet")
JOIN = """\
set -e
cat > "$2/kubelet.conf.new"
chmod 600 "$2/kubelet.conf.new"
mv "$2/kubelet.conf.new" "$2/kubelet.conf"
rm -f "$3"/pki/kubelet-client-*
sed -i -e 's/ *--hostname-override=[^" ]*//' -e 's/^KUBELET_KUBEADM_ARGS="/&--hostname-override='"$1"' /' \\
  "$3/kubeadm-flags.env"
sed -i -e '/^registerNode:/d' "$3/config.yaml"
echo 'registerNode: false' >> "$3/config.yaml"
systemctl start kubelet
"""
"""Called with the name and `FOLDERS`; reads the kubeconfig. The kubelet's flags are those that kubeadm wrote for it."""


async def rejoin(client: KubeClient, server: NodeBox, box: NodeBox) -> None:
    """Have a worker that kind has registered under its container's name come back as `box.name`.

    Returns when its kubelet is started; that the node is Ready is for the caller to see. Raises ClusterError.
    """
    before = await client.get(f"{NODES}/{box.container}")
    credentials = await server.exec(*CREDENTIALS, f"--client-name=system:node:{box.name}")
    await box.unit("stop", "kubelet")
    for pod in (await client.get(PODS, params={"fieldSelector": f"spec.nodeName={box.container}"}))["items"]:
        meta = pod["metadata"]  # nobody is left to end it; the collector of pods would take most of a minute
        await client.delete(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", grace_s=0)
    await client.delete(f"{NODES}/{box.container}")
    await client.create(NODES, beforehand(before, box.name))
    await box.exec("sh", "-c", JOIN, "join", box.name, *FOLDERS, stdin=credentials.encode())


def beforehand(node: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The Node that its kubelet finds: the one it had registered, under that name and without that label. Pure."""
    meta = node["metadata"]
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HOSTNAME}
    provider = node["spec"].get("providerID")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": dict(meta.get("annotations") or {})},
        "spec": {"providerID": provider} if provider else {},
    }
