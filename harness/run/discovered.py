"""The hardware truth of real nodes: what the discovery API of each answers, read by the harness itself.

Nobody but the machine knows what is in it. The operator's own discovery pod runs on it and answers; the harness reads
the same answers, through the API server's pod proxy and as cluster-admin, and its model makes of them what must be
reported. So TRUTH-5 says there that an operator reports what discovery answers, joined with the registry; whether
discovery answers what is in the machine it does not say, beyond what `plausible` holds against the Node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError
from harness.fault.discoverypod import LABELS, PODS
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.base import Cluster
    from harness.cluster.client import KubeClient
    from harness.run.observe import LiveTruth

PERIOD_S = 1.0
PORT = 8081
ASKED = ("cpu", "gpu", "memory")
_SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())


async def follow(cluster: Cluster, live: LiveTruth, known: dict[str, Any]) -> None:
    """Record for ever what discovery answers on each node, once for each discovery pod and whenever it is another.

    `known` is kept: node -> what it answered last. It stays where a pod does not answer: the machine is the same.
    """
    read: dict[str, str] = {}
    while True:
        for node, pod, uid in await _running(cluster.client):
            if read.get(node) == uid:
                continue
            body = await answers(cluster.client, pod)
            if body is None:
                continue
            read[node] = uid
            if known.get(node) != body:
                known[node] = body
                live.record("hardware", node=node, hardware=body)
                if doubt := plausible(live.truth.nodes().get(node), body):
                    live.history.add("mark", mark="implausible", detail=f"node {node}: {doubt}")
        await interval(PERIOD_S)


async def answers(client: KubeClient, pod: str) -> dict[str, Any] | None:
    """What a discovery pod says of its machine: {"cpu", "gpu", "memory"}; None when it does not answer all of it."""
    body: dict[str, Any] = {}
    try:
        for what in ASKED:
            body[what] = await client.get(f"{PODS}/{pod}:{PORT}/proxy/{what}")
    except ClusterError:
        return None
    return body if all(isinstance(value, dict) for value in body.values()) else None


def plausible(node: Mapping[str, Any] | None, hardware: Mapping[str, Any]) -> str:
    """What does not go together of a Node and what its discovery answers; empty where all does. Pure.

    A kubelet counts the threads that the kernel shows it, and so does discovery.
    """
    if node is None:
        return ""
    said, counted = hardware["cpu"].get("total_hardware_threads"), node["status"]["capacity"].get("cpu")
    return "" if str(said) == str(counted) else f"discovery counts {said} threads, the kubelet {counted}"


async def _running(client: KubeClient) -> list[tuple[str, str, str]]:
    """The discovery pods that run: (node, name, uid)."""
    try:
        listed = await client.get(PODS, params={"labelSelector": _SELECTOR})
    except ClusterError:
        return []
    return [
        (pod["spec"]["nodeName"], pod["metadata"]["name"], pod["metadata"]["uid"])
        for pod in listed["items"]
        if pod["status"].get("phase") == "Running" and pod["spec"].get("nodeName")
    ]
