"""One cluster for all tests, with a kubectl of the same release."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from harness.cluster import access
from harness.cluster.client import STRATEGIC_PATCH
from harness.cluster.concurrent import all_of
from harness.cluster.embedded import EmbeddedCluster
from harness.toolchain import Toolchain, resolve
from tests.describe.described import Described, parse
from tests.unit.model.pods import OVERHEADS, Whole

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

T = TypeVar("T")

NAMESPACE = "described"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
NODES = "/api/v1/nodes"
FIGURES = {
    "cpu": "1000", "memory": "4000Gi", "ephemeral-storage": "4000Gi", "pods": "1000",
    "nvidia.com/gpu": "100", "amd.com/gpu": "100",
}  # fmt: skip
KUBECTL_S = 30.0
_AT_ONCE = 16


@dataclass(slots=True)
class Place:
    """A cluster on which nodes are described. Nobody plays their kubelets: what a pod's status says is ours to say."""

    runner: asyncio.Runner
    cluster: EmbeddedCluster
    toolchain: Toolchain
    described: int = 0
    _names: Iterator[int] = field(default_factory=itertools.count)

    def put(self, pods: Sequence[Whole]) -> tuple[str, list[dict[str, Any]]]:
        """Create a node and the pods; the node's name, and the pods as the API server tells them."""
        return self._do(self._put(pods))

    def describe(self, node: str) -> Described:
        """What kubectl says of the node."""
        argv = [
            str(self.toolchain.path("kubectl")), f"--kubeconfig={self.cluster.admin_kubeconfig}",
            "describe", "node", node, "--show-events=false",
        ]  # fmt: skip
        done = subprocess.run(
            argv, env=self.cluster.env, capture_output=True, text=True, timeout=KUBECTL_S, check=False
        )
        assert done.returncode == 0, f"kubectl ended with {done.returncode}: {done.stderr[-2000:]}"
        return parse(done.stdout)

    def remove(self, node: str) -> None:
        """Delete the pods and the node."""
        self._do(self._remove(node))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _put(self, pods: Sequence[Whole]) -> tuple[str, list[dict[str, Any]]]:
        client, number = self.cluster.client, next(self._names)
        node = f"node-{number}"
        status = {"capacity": FIGURES, "allocatable": FIGURES}
        await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": status})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str, pod: Whole) -> None:
            async with gate:
                await client.create(PODS, _body(name, pod, node))
                await client.patch(f"{PODS}/{name}/status", {"status": pod.status}, content_type=STRATEGIC_PATCH)

        await all_of(*(one(f"pod-{number}-{index}", pod) for index, pod in enumerate(pods)))
        listed = await client.get(PODS)
        assert len(listed["items"]) == len(pods), "pods are missing"
        self.described += len(pods)
        return node, list(listed["items"])

    async def _remove(self, node: str) -> None:
        client = self.cluster.client
        await client.request("DELETE", PODS, params={"gracePeriodSeconds": "0"})
        await client.delete(f"{NODES}/{node}")


def _body(name: str, pod: Whole, node: str) -> dict[str, Any]:
    spec = {
        **pod.on(node)["spec"],
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        # The node is not Ready, and nothing is to be evicted from it.
        "tolerations": [{"operator": "Exists"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


async def _furnish(cluster: EmbeddedCluster) -> None:
    await access.namespace(cluster.client, NAMESPACE)
    for name, overhead in OVERHEADS.items():
        body = {
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name,
            "overhead": {"podFixed": dict(overhead)},
        }  # fmt: skip
        await cluster.client.create("/apis/node.k8s.io/v1/runtimeclasses", body)


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """The cluster, with the runtime classes whose overhead the pods have."""
    tools = resolve(also=("kubectl",))
    with asyncio.Runner() as runner:
        cluster = runner.run(EmbeddedCluster.start(tools))
        try:
            runner.run(_furnish(cluster))
            yield Place(runner, cluster, tools)
        finally:
            runner.run(cluster.stop())
