"""Real kubelets under names that nobody would choose: what they do, and what they cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster.backend import BackendSpec, make
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.kindnames import HOSTNAME
from harness.cluster.shape import Shape
from harness.names.limits import LABEL, SUBDOMAIN, runs
from harness.names.naming import name_of_length
from harness.reference.naming import discovery_pod_name
from harness.wait import Progress, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from harness.cluster.base import Cluster
    from harness.toolchain import Toolchain

FITS, BEYOND = name_of_length(LABEL), name_of_length(SUBDOMAIN)
PODS = f"/api/v1/namespaces/{POD_NAMESPACE}/pods"
STARTED_DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def named(toolchain: Toolchain, loop: asyncio.Runner) -> Iterator[Cluster]:
    """A control plane of usual name, and two workers with the longest ones there are."""
    shape = Shape(machines=2, node_names=(FITS, BEYOND))
    made = loop.run(make(BackendSpec("kind")).start(toolchain, shape))
    yield made
    loop.run(made.stop())


def pod(name: str, node: str, image: str) -> dict[str, Any]:
    """A pod that does nothing, bound to a node."""
    container = {"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}
    spec = {"nodeName": node, "containers": [container], "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_nodes_are_called_as_was_asked_for(named: Cluster, loop: asyncio.Runner) -> None:
    """Their machines are known by those names; the label of a host's name is there where it can be."""
    nodes = {node["metadata"]["name"]: node for node in loop.run(named.client.get("/api/v1/nodes"))["items"]}

    assert set(named.ground.nodes) == {FITS, BEYOND}
    assert named.machines.keys() == nodes.keys()
    assert nodes[FITS]["metadata"]["labels"][HOSTNAME] == FITS
    assert HOSTNAME not in nodes[BEYOND]["metadata"]["labels"]
    assert "registerNode: false" in loop.run(named.machines[BEYOND].exec("cat", "/var/lib/kubelet/config.yaml"))


def test_a_kubelet_cannot_register_under_a_name_beyond_the_label(named: Cluster, loop: asyncio.Runner) -> None:
    """Which is why the Node was there before it: asked to register by itself, it is refused, again and again."""
    machine = named.machines[BEYOND]
    config = "/var/lib/kubelet/config.yaml"
    wait = "journalctl --unit kubelet --follow --lines 0 | grep --max-count 1 'Unable to register node'"

    async def asked() -> str:
        try:
            await machine.exec("sed", "-i", "s/^registerNode: false$/registerNode: true/", config)
            await machine.unit("restart", "kubelet")
            return await machine.exec("timeout", "60", "sh", "-c", wait)
        finally:
            await machine.exec("sed", "-i", "s/^registerNode: true$/registerNode: false/", config)
            await machine.unit("restart", "kubelet")
            await named.ready(STARTED_DEADLINE_S)

    assert "must be no more than 63 characters" in loop.run(asked())


@pytest.mark.parametrize("node", [FITS, BEYOND], ids=["63", "253"])
def test_a_pod_named_after_its_node_runs_there(node: str, named: Cluster, loop: asyncio.Runner) -> None:
    """The discovery pod of each, as the reference operator calls it."""
    name = discovery_pod_name(node, POD_NAMESPACE)

    async def runs_there(progress: Progress) -> bool | None:
        status = (await named.client.get(f"{PODS}/{name}"))["status"]
        progress.last = str(status)
        return status.get("phase") == "Running" or None

    async def story() -> None:
        await named.client.create(PODS, pod(name, node, named.ground.image))
        await until("the pod to run", runs_there, deadline_s=STARTED_DEADLINE_S, interval_s=0.5)
        await named.client.delete(f"{PODS}/{name}", grace_s=0)

    loop.run(story())


def test_a_pod_with_a_name_beyond_its_log_directory_never_starts(named: Cluster, loop: asyncio.Runner) -> None:
    """The API server accepts it, and the kubelet cannot make NAMESPACE_NAME_UID: one character less, and it can."""
    fits, beyond = (name_of_length(runs(len(POD_NAMESPACE)) + more) for more in (0, 1))
    refused = ("sh", "-c", "journalctl --unit kubelet | grep 'file name too long' || true")

    async def phase(name: str) -> str:
        return str((await named.client.get(f"{PODS}/{name}"))["status"].get("phase"))

    async def told(progress: Progress) -> bool | None:
        said = await named.machines[FITS].exec(*refused)
        progress.last = f"the phases are {await phase(fits)} and {await phase(beyond)}; the kubelet: {said[-400:]}"
        return (await phase(fits) == "Running" and beyond in said) or None

    async def story() -> str:
        for name in (fits, beyond):
            await named.client.create(PODS, pod(name, FITS, named.ground.image))
        try:
            await until("one to run, and one to be refused", told, deadline_s=STARTED_DEADLINE_S, interval_s=0.5)
            return await phase(beyond)
        finally:
            for name in (fits, beyond):
                await named.client.delete(f"{PODS}/{name}", grace_s=0)

    assert loop.run(story()) == "Pending"
