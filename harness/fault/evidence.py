"""Ways to see that harm was done, or that it is over, by looking at the thing itself."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from cryptography import x509

from harness.cluster.etcdapi import EtcdApi
from harness.errors import ApiError, ClusterError
from harness.fault.base import BITE_DEADLINE_S
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.base import Cluster
    from harness.fault.base import OperatorControl
    from harness.process.child import Child

Node = Mapping[str, Any]

STOPPED = "stopped"
"""The kernel's word for a process that got SIGSTOP."""


async def refused(host: str, port: int) -> str:
    """Return when connections to the port are refused."""

    async def refuses(progress: Progress) -> str | None:
        return await _refuses(progress, host, port)

    return await until(f"port {port} to refuse connections", refuses, deadline_s=BITE_DEADLINE_S)


async def _refuses(progress: Progress, host: str, port: int) -> str | None:
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return f"connections to port {port} are refused"
    except (OSError, TimeoutError) as exc:
        progress.last = repr(exc)
        return None
    writer.close()
    progress.last = "a connection was accepted"
    return None


async def replaced_or_refused(operator: OperatorControl, pid: int) -> str:
    """Return when the operator's REST port refuses connections, or its process is not the one of that number.

    A supervisor may be too quick for anybody to see the port refuse.
    """

    async def gone(progress: Progress) -> str | None:
        if operator.pid not in {0, pid}:
            return f"process {pid} is gone, and process {operator.pid} runs in its place"
        return await _refuses(progress, "127.0.0.1", operator.rest_port)

    return await until(f"process {pid} to be gone", gone, deadline_s=BITE_DEADLINE_S)


async def serial_number(host: str, port: int) -> int:
    """The serial number of the certificate that is shown on the port; raises WaitTimeoutError when there is none."""

    async def shown(progress: Progress) -> int | None:
        return await shown_serial_number(progress, host, port)

    return await until(f"port {port} to show a certificate", shown, deadline_s=BITE_DEADLINE_S)


async def shown_serial_number(progress: Progress, host: str, port: int) -> int | None:
    """The same for whoever is waiting for more than that: None, and why, when no certificate is shown now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # who it is by is not in question here
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as exc:
        progress.last = f"{host}:{port} shows no certificate: {exc!r}"
        return None
    encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(encoded).serial_number


async def unanswered(port: int) -> str:
    """Return when a port of the operator takes a connection and a request on it gets no answer within a second."""

    async def mute(progress: Progress) -> str | None:
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError) as exc:
            progress.last = repr(exc)
            return None
        try:
            writer.write(b"GET /v1/inventory HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(1.0):
                progress.last = f"a request was answered: {await reader.read(64)!r}"
        except TimeoutError:
            return f"a request to port {port} got no answer within a second"
        except OSError as exc:
            progress.last = repr(exc)
        finally:
            writer.close()
        return None

    return await until(f"port {port} to answer nothing", mute, deadline_s=BITE_DEADLINE_S)


async def answered(port: int) -> str:
    """Return when a request for the inventory on a REST port of our choice is answered, whatever the answer is."""

    async def told(progress: Progress) -> str | None:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /v1/inventory HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                line = (await reader.readline()).decode(errors="replace").strip()
                writer.close()
        except (OSError, TimeoutError) as exc:
            progress.last = repr(exc)
            return None
        progress.last = f"it answered {line!r}"
        return f"port {port} answers {line!r}" if line.startswith("HTTP/") else None

    return await until(f"port {port} to answer", told, deadline_s=BITE_DEADLINE_S)


async def stopped(*processes: Child) -> str:
    """Return when the kernel says of every process that it is stopped.

    Silence alone is no evidence: whoever has much to do is silent for a while as well.
    """

    async def all_stopped(progress: Progress) -> str | None:
        states = {process.name: process.state() for process in processes}
        progress.last = ", ".join(f"{name} is {state}" for name, state in states.items())
        return progress.last if set(states.values()) == {STOPPED} else None

    return await until("the processes to be stopped", all_stopped, deadline_s=BITE_DEADLINE_S)


async def silent(cluster: Cluster) -> str:
    """Return when a request to the API server gets no answer within a second."""

    async def unanswered(progress: Progress) -> str | None:
        try:
            await cluster.client.get("/readyz", timeout_s=1.0)
        except ClusterError as exc:
            return f"a request got no answer: {exc.what}"
        progress.last = "the API server answered"
        return None

    return await until("the API server to be silent", unanswered, deadline_s=BITE_DEADLINE_S)


async def unready(cluster: Cluster) -> str:
    """Return when the API server itself says that it is not ready, or does not answer."""

    async def says_so(progress: Progress) -> str | None:
        try:
            await cluster.client.get("/readyz", timeout_s=2.0)
        except ApiError as exc:
            return f"/readyz answers {exc.status}"
        except ClusterError as exc:
            return f"/readyz does not answer: {exc.what}"
        progress.last = "the API server is ready"
        return None

    return await until("the API server to be not ready", says_so, deadline_s=BITE_DEADLINE_S)


async def write_refused(cluster: Cluster) -> str:
    """Return when the API server takes no write."""

    async def refuses(progress: Progress) -> str | None:
        try:
            await write(cluster)
        except ClusterError as exc:
            return f"a write is refused: {exc.what}"
        progress.last = "a write was taken"
        return None

    return await until("writes to be refused", refuses, deadline_s=BITE_DEADLINE_S)


async def write_accepted(cluster: Cluster) -> None:
    """Return when the API server takes writes again."""

    async def takes(progress: Progress) -> bool | None:
        try:
            await write(cluster)
        except ClusterError as exc:
            progress.last = exc.what
            return None
        return True

    await until("writes to be taken", takes, deadline_s=BITE_DEADLINE_S)


async def write(cluster: Cluster) -> None:
    """One write through the API server; raises ClusterError when it refuses."""
    body = {"metadata": {"annotations": {"harness.invalid/probe": str(time.monotonic())}}}
    await cluster.client.patch("/api/v1/namespaces/default", body)


async def late(cluster: Cluster, links: Collection[str]) -> int:
    """How many pieces the relay has handed on late over these links, by a rule."""
    stats = await cluster.relay_stats()
    return sum(int(stats[link]["late"]) for link in links)


async def timed(url: str) -> float:
    """How long etcd at this URL takes to tell its status, in seconds; raises ClusterError when it does not."""
    began = time.monotonic()
    await EtcdApi(url).status(timeout_s=10.0)
    return time.monotonic() - began


async def node_is(
    cluster: Cluster,
    name: str,
    what: str,
    holds: Callable[[Node], str | None],
    *,
    deadline_s: float = BITE_DEADLINE_S,
) -> str:
    """Return the evidence that `holds` finds in the Node as the API server tells it."""

    async def seen(progress: Progress) -> str | None:
        try:
            node = await cluster.client.get(f"/api/v1/nodes/{name}")
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = str(node.get("spec"))[:120] + str(
            [c for c in node["status"].get("conditions", ()) if c["type"] == "Ready"]
        )
        return holds(node)

    return await until(f"node {name[:40]} to be {what}", seen, deadline_s=deadline_s, interval_s=0.1)


async def node_ready(cluster: Cluster, name: str) -> str:
    """Return when the node is Ready."""
    return await node_is(cluster, name, "Ready", lambda node: "Ready" if is_ready(node) else None)


async def node_cordoned(cluster: Cluster, name: str) -> str:
    """Return when the node is marked unschedulable."""
    return await node_is(
        cluster, name, "cordoned", lambda node: "spec.unschedulable is true" if is_cordoned(node) else None
    )


async def node_gone(cluster: Cluster, name: str) -> str:
    """Return when the API server no longer knows the node."""

    async def gone(progress: Progress) -> str | None:
        try:
            await cluster.client.get(f"/api/v1/nodes/{name}")
        except ApiError as exc:
            if exc.status == 404:
                return "the API server answers 404 for the node"
            progress.last = exc.what
            return None
        progress.last = "the node is still there"
        return None

    return await until(f"node {name[:40]} to be gone", gone, deadline_s=BITE_DEADLINE_S)


async def node_turned(
    cluster: Cluster, name: str, *, since: str, word: Callable[[Node], str], before: str, times: int
) -> str:
    """Return when a watch from version `since` on has brought `times` changes of the Node's `word`, first `before`.

    The API server tells a watch what happened before it was opened, too, so no change is missed.
    """
    path = f"/api/v1/nodes?fieldSelector=metadata.name={name}"

    async def turned(progress: Progress) -> str | None:
        words = [before]
        try:
            events = cluster.client.watch(path, resource_version=since, idle_s=BITE_DEADLINE_S)
            async with aclosing(events):
                async for event in events:
                    if event.type == "BOOKMARK":
                        continue
                    now = word(event.object)
                    words += [now] if now != words[-1] else []
                    progress.last = f"{len(words) - 1} changes, then {now}"
                    if len(words) > times:
                        return f"the node changed {times} times between {before} and {words[1]}"
        except ClusterError as exc:
            progress.last = exc.what
        return None

    return await until(f"node {name[:40]} to change {times} times", turned, deadline_s=BITE_DEADLINE_S)


async def pods_gone(cluster: Cluster, node: str, uids: Collection[str], *, grace_s: float = 0.0) -> str:
    """Return when none of these pods is bound to the node any more; `grace_s`: how long they may take to end."""

    async def gone(progress: Progress) -> str | None:
        try:
            left = {str(pod["metadata"]["uid"]) for pod in await pods_on(cluster, node)} & set(uids)
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = f"{len(left)} of {len(uids)} pods are still there"
        return None if left else f"{len(uids)} pods that were on the node are gone"

    deadline_s = BITE_DEADLINE_S + grace_s
    return await until(f"the pods of node {node[:40]} to be gone", gone, deadline_s=deadline_s, interval_s=0.2)


async def pods_on(cluster: Cluster, node: str) -> list[Mapping[str, Any]]:
    """The pods that are bound to the node."""
    listed = await cluster.client.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={node}"})
    return list(listed["items"])


async def registry_changes(cluster: Cluster) -> int:
    """How often the GPU registry was told how to be."""
    return int((await cluster.discovery_stats())["registry_now"]["changes"])


async def registry_asked(cluster: Cluster, before: int) -> str:
    """Return when the GPU registry was changed after its change number `before`, and was asked since.

    That it was asked is not enough: operators ask all the time.
    """

    async def asked(progress: Progress) -> str | None:
        now = (await cluster.discovery_stats())["registry_now"]
        progress.last = f"{now['changes'] - before} changes by the fault, asked {now['since']} times since the last one"
        if now["changes"] <= before or not now["since"]:
            return None
        return f"the registry was asked {now['since']} times since"

    return await until("the operator to ask the registry", asked, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


def ready_status(node: Node) -> str:
    """The status of the Ready condition: True, False, Unknown, or '' when there is none."""
    for condition in node["status"].get("conditions") or ():
        if condition["type"] == "Ready":
            return str(condition["status"])
    return ""


def is_ready(node: Node) -> bool:
    """Whether the Ready condition is True."""
    return ready_status(node) == "True"


def is_cordoned(node: Node) -> bool:
    """Whether it is marked unschedulable."""
    return bool(node["spec"].get("unschedulable"))
