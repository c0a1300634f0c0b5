"""The Ceph tools pod, as Rook leaves it behind, and the command `ceph` in it.

The operator runs `ceph df --format json` in that pod through the API server. kwok plays the kubelet there: it maps an
exec into a container to a command of this machine (its `ClusterExec`), which is a small script of ours. What the
script prints is in a file for each Ceph cluster, which the harness may replace at any moment. The API server dials the
kubelet of the pod's node; that connection arrives at the egress like all others, and is handed on to kwok.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from harness.cluster import access
from harness.cluster.pki import write_private
from harness.errors import ApiError, ClusterError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.cluster.storage import Ceph

TOOLS = "rook-ceph-tools"
GROUP = "ceph.rook.io"
_API = f"/apis/{GROUP}/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NAME = f"cephclusters.{GROUP}"
_IMAGE = "rook.invalid/ceph:1"
_DEADLINE_S = 30.0

ANSWER = "answer"
TOOLS_FAULTY = ("error", "hang", "garbage", "empty")
"""The modes of a tools pod that misbehaves.

`error` ends with 1 and prints nothing; `hang` prints nothing for HANG_S seconds; `garbage` prints what
is no JSON; `empty` prints JSON that knows no pool.
"""
HANG_S = 20
"""Longer than the 15 s that Rook gives a command, and no longer than needed: a shell may outlive kwok."""

_SCRIPT = f"""\
#!/bin/sh
# In the place of Ceph's own command. `ceph df --format json` prints what a file says; $POOLS names it.
case "$*" in
"df --format json" | "df --format=json" | "df -f json" | "--format json df") ;;
*) echo "ceph: not known here: $*" >&2; exit 22 ;;
esac
mode=$(cat "$POOLS.mode")
[ "$mode" = answer ] || echo . >> "$POOLS.met"
case "$mode" in
error) echo "Error initializing cluster client: ObjectNotFound('RADOS object not found')" >&2; exit 1 ;;
hang) exec sleep {HANG_S} ;;
garbage) echo '{{"stats": {{"total_bytes": 1,' ;;
empty) echo '{{}}' ;;
*) exec cat "$POOLS" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class CephTools:
    """The files behind the tools pods of the clusters in these namespaces, below the run's own directory."""

    directory: Path
    namespaces: tuple[str, ...]

    @property
    def _bin(self) -> Path:
        return self.directory / "ceph-bin"

    def install(self) -> None:
        """Write the command, and for each cluster an answer that knows no pool."""
        self._bin.mkdir(mode=0o700)
        write_private(self._bin / "ceph", _SCRIPT.encode()).chmod(0o700)
        for namespace in self.namespaces:
            self.write(namespace, {"pools": []})

    def env(self, env: dict[str, str]) -> dict[str, str]:
        """The environment in which kwok finds the command: it looks for it in its own PATH."""
        return {**env, "PATH": f"{self._bin}{os.pathsep}{env['PATH']}"}

    def documents(self) -> str:
        """The ClusterExec documents for kwok, as YAML."""
        return "".join(f"---\n{yaml.safe_dump(self._document(namespace))}" for namespace in self.namespaces)

    def write(self, namespace: str, body: Any, *, mode: str = ANSWER) -> None:
        """What the command prints from now on, whole at every moment; `mode`: or one of TOOLS_FAULTY."""
        file = self._file(namespace)
        for target, text in ((_beside(file, "mode"), mode), (file, json.dumps(body))):
            fresh = _beside(target, "new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(target)

    def read(self, namespace: str) -> Any:
        """What the command prints when it does not misbehave."""
        return json.loads(self._file(namespace).read_text(encoding="utf-8"))

    def mode(self, namespace: str) -> str:
        """Whether the command answers, or how it misbehaves."""
        return _beside(self._file(namespace), "mode").read_text(encoding="utf-8")

    def met(self, namespace: str) -> int:
        """How often the command was run and misbehaved."""
        try:
            return _beside(self._file(namespace), "met").read_text(encoding="utf-8").count("\n")
        except FileNotFoundError:
            return 0

    def _file(self, namespace: str) -> Path:
        if namespace not in self.namespaces:
            raise ClusterError(
                f"there is no Ceph cluster in namespace {namespace!r}", hint=f"there are {list(self.namespaces)}"
            )
        return self.directory / f"ceph-{self.namespaces.index(namespace)}"

    def _document(self, namespace: str) -> dict[str, Any]:
        env = [{"name": "POOLS", "value": str(self._file(namespace))}]
        return {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterExec",
            "metadata": {"name": f"ceph-{self.namespaces.index(namespace)}"},
            "spec": {
                "selector": {"matchNamespaces": [namespace]},
                "execs": [{"containers": [TOOLS], "local": {"envs": env}}],
            },
        }


def _beside(file: Path, what: str) -> Path:
    """The file of that name with a suffix, as the script makes it too."""
    return file.with_name(f"{file.name}.{what}")


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition: Rook's names and subresource, and a schema that keeps whatever it is given."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": _NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "CephCluster", "listKind": "CephClusterList", "plural": "cephclusters",
                "singular": "cephcluster",
            },
            "versions": [
                {
                    "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}
                    },
                }
            ],
        },
    }  # fmt: skip


async def define(client: KubeClient) -> None:
    """Create the definition, and return when the API server serves the resource."""
    await client.ensure(_CRDS, definition())

    async def served(progress: Progress) -> bool | None:
        try:
            await client.get(f"{_API}/cephclusters")
        except ApiError as exc:
            progress.last = exc.what
            return None
        return True

    await until("CephClusters to be served", served, deadline_s=_DEADLINE_S, interval_s=0.05)


async def create(client: KubeClient, ceph: Ceph, *, node: str) -> None:
    """Create the cluster's objects: namespace, CephCluster in state Created, and the tools pod on that node."""
    await access.namespace(client, ceph.namespace)
    path = f"{_API}/namespaces/{ceph.namespace}/cephclusters"
    body = {"apiVersion": f"{GROUP}/v1", "kind": "CephCluster", "metadata": {"name": ceph.name}, "spec": {}}
    await client.create(path, body)
    status = {"status": {"state": "Created", "phase": "Ready", "message": "Cluster created successfully"}}
    await client.patch(f"{path}/{ceph.name}/status", status)
    await client.create(f"/api/v1/namespaces/{ceph.namespace}/pods", tools_pod(ceph.namespace, node))


def tools_pod(namespace: str, node: str) -> dict[str, Any]:
    """The tools pod on that node, which asks for nothing."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": TOOLS, "namespace": namespace, "labels": {"app": TOOLS}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": TOOLS, "image": _IMAGE}],
            "tolerations": [{"operator": "Exists"}],
        },
    }


async def answering(client: KubeClient, namespaces: Sequence[str]) -> None:
    """Return when the command has printed JSON in each tools pod, through the API server."""
    for namespace in namespaces:

        async def answered(progress: Progress, namespace: str = namespace) -> bool | None:
            try:
                text = await client.execute(namespace, TOOLS, TOOLS, ("ceph", "df", "--format", "json"))
                json.loads(text)
            except (ClusterError, ValueError) as exc:
                progress.last = str(exc)
                return None
            return True

        await until(f"ceph to answer in {namespace}", answered, deadline_s=_DEADLINE_S, interval_s=0.1)
