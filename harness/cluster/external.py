"""A cluster that is there already and belongs to somebody: changed only where, and as far as, that was allowed.

Before anything is changed: the context must be named; signs of a cluster that people live on must be said to be meant
(`guard`); a lease keeps a second harness out (`lease`); what the credentials may not do is told in one error. Every
request that changes something passes a judge (`allowed`). Namespaces, role and labels of a run are removed at its end,
and what a harness left that died is removed by the next one, which holds the lease then.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import access, allowed, capability, guard
from harness.cluster.allowed import OURS
from harness.cluster.backend import ELSEWHERE, EXTERNAL, BackendSpec
from harness.cluster.base import Ground
from harness.cluster.datastore import ETCD
from harness.cluster.kubeconfig import contexts, load
from harness.cluster.lease import LEASES, HeldLease, holder
from harness.cluster.remote import RemoteCluster
from harness.errors import ApiError, ApiUnavailableError, ClusterError, PlatformError, UsageError
from harness.process import rundir
from harness.process.ports import Ports
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.cluster.allowed import Allowed
    from harness.cluster.client import Gate, KubeClient
    from harness.cluster.kubeconfig import Access
    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain

GONE_DEADLINE_S = 90.0
"""A namespace is empty when its pods have ended on their nodes, which takes as long as their kubelets do."""

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
"""What kubeadm, and so kind, has on every node; `--pause-image` names another."""

NEEDED: tuple[tuple[str, str, str], ...] = (
    ("get", "", "nodes"), ("list", "", "nodes"), ("watch", "", "nodes"), ("list", "", "pods"), ("watch", "", "pods"),
    ("list", "", "namespaces"), ("get", "", "pods/proxy"),
)  # fmt: skip
"""(verb, group, resource): what looking at a cluster needs."""

NEEDED_TO_ACT: tuple[tuple[str, str, str], ...] = (
    ("create", "", "namespaces"), ("delete", "", "namespaces"), ("create", "", "serviceaccounts"),
    ("create", "", "serviceaccounts/token"), ("create", "", "pods"), ("delete", "", "pods"),
    ("create", "", "pods/binding"), ("patch", "", "nodes"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"), ("get", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("create", "coordination.k8s.io", "leases"), ("create", "authorization.k8s.io", "subjectaccessreviews"),
)  # fmt: skip
"""The same for acting on it. Whoever gives a role must have what it gives: the API server says so itself."""

BEFORE = "harness.invalid/labelled-before"
"""The annotation of our namespaces that says which labels of operators were there before, by node, as JSON."""

ROLES = ("clusterrolebindings", "clusterroles")
_FORBIDDEN, _UNAUTHORIZED, _NOT_FOUND = 403, 401, 404
_NODES, _NAMESPACES = "/api/v1/nodes", "/api/v1/namespaces"


@dataclass(frozen=True, slots=True)
class ExternalBackend:
    """Runs on a cluster that is there already."""

    kubeconfig: Path
    context: str
    allowed: Allowed
    pause_image: str = PAUSE_IMAGE
    discovery_image: str = ""
    name: str = EXTERNAL
    datastores: tuple[str, ...] = (ETCD,)
    control_plane: bool = False
    components: tuple[str, ...] = ()

    @property
    def most_nodes(self) -> int:
        """Those that were named."""
        return len(self.allowed.nodes)

    def capabilities(self) -> frozenset[str]:
        """What follows from the list of what may be harmed."""
        words = {
            capability.RUNNING_OPERATOR, capability.OPERATOR_PROCESS, capability.REGISTRY, capability.CONFIG_FILE
        }  # fmt: skip
        may = {
            capability.OPERATOR: self.allowed.operator,
            capability.RIGHTS: self.allowed.operator,
            capability.NODE_MARKING: bool(self.allowed.nodes),
            capability.NODE_DRAIN: self.allowed.drain,
            capability.NODE_REJOIN: self.allowed.delete,
        }
        return frozenset(words | {word for word, given in may.items() if given})

    def obstacles(self) -> tuple[PlatformError, ...]:
        """None that could be known without asking the cluster, which every run does."""
        return ()

    async def start(self, toolchain: Toolchain, shape: Shape, *, parent: Path | None = None) -> RemoteCluster:
        """Look, take the lease, and make what a run needs."""
        del toolchain
        return await _start(self, parent, looks=shape.operator_in == ELSEWHERE)


def backend(spec: BackendSpec) -> ExternalBackend:
    """The backend of these settings; raises UsageError for what is missing, unreadable or unknown."""
    given = spec.settings
    if "kubeconfig" not in given:
        raise UsageError("--backend external needs a cluster", hint="--kubeconfig FILE --context NAME")
    file = Path(given["kubeconfig"]).expanduser()
    if "context" not in given:
        raise UsageError(
            "--backend external needs --context: the current one may be anybody's",
            hint=f"{file} has {', '.join(contexts(file)) or 'none'}",
        )
    if given["context"] not in (there := contexts(file)):
        raise UsageError(
            f"--context {given['context']!r}: {file} has no such context", hint=f"it has {', '.join(there) or 'none'}"
        )
    may = allowed.parse(given.get("allow-destructive", ""))
    if may.operator and "discovery-image" not in given:
        raise UsageError(
            "--backend external needs --discovery-image: nothing can be put into the nodes of somebody's cluster",
            hint="the operator's own image, as its chart names it; for the reference operator see `harness image`",
        )
    return ExternalBackend(
        file, given["context"], may,
        given.get("pause-image", PAUSE_IMAGE), given.get("discovery-image", ""),
    )  # fmt: skip


async def _start(chosen: ExternalBackend, parent: Path | None, *, looks: bool) -> RemoteCluster:
    """Look, take the lease, make what a run needs; leaves nothing behind when that fails.

    `looks`: that is all. Nothing is made then, so nothing is asked but whether the credentials may read.
    """
    reached = await asyncio.to_thread(load, chosen.kubeconfig, chosen.context)
    run_dir = rundir.make(parent)
    async with AsyncExitStack() as undo:
        undo.callback(run_dir.remove)
        ports = Ports()
        undo.callback(ports.release)
        held: list[HeldLease] = []

        client = reached.client(judge(chosen.allowed, held))
        await undo.enter_async_context(client)
        nodes, namespaces = await look(client, reached)
        await require_rights(client, NEEDED if looks else (*NEEDED, *NEEDED_TO_ACT))

        def cluster_on(ground: Ground) -> RemoteCluster:
            source = f"that of {chosen.context}"
            return RemoteCluster(EXTERNAL, client, reached, run_dir, ports, ground, datastore_source=source)

        if looks:
            profiles = {node["metadata"]["name"]: guard.profile_of(node) for node in nodes}
            cluster = cluster_on(Ground(simulated=False, nodes=profiles))
            await cluster.launch(undo, looks=True)
            return cluster
        roles = [found for kind in ROLES if (found := await role(client, kind)) is not None]
        before = labels_before(nodes, namespaces)
        signs = guard.signs(await addresses(reached.host), nodes, namespaces, roles, labelled=before)
        guard.refuse(signs, chosen.allowed, chosen.context)
        ground = Ground(
            simulated=False, nodes=guard.usable(nodes, chosen.allowed), image=chosen.pause_image,
            discovery_image=chosen.discovery_image,
        )  # fmt: skip
        lease = HeldLease(client, holder(run_dir.mark))
        await lease.acquire()
        undo.push_async_callback(lease.release)
        held.append(lease)
        undo.push_async_callback(remove_ours, client, before)
        await remove_ours(client, before)
        for name in OURS:
            meta = {"name": name, "labels": {guard.MARK: run_dir.mark}, "annotations": {BEFORE: json.dumps(before)}}
            await client.create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        cluster = cluster_on(ground)
        await cluster.launch(undo)
    return cluster


def judge(may: Allowed, held: Sequence[HeldLease]) -> Gate:
    """The judge of every request that changes something: by what was allowed, and by the lease once it is held."""

    def judged(method: str, path: str, body: Any, _parameters: Mapping[str, str] | None) -> None:
        if method == "GET":
            return
        if why := may.refusal(method, path, body):
            raise ClusterError(
                f"{method} {path} would change what was not allowed to be: {why}", hint="--allow-destructive"
            )
        if held and not path.startswith(LEASES):
            held[0].require()

    return judged


async def look(client: KubeClient, reached: Access) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Nodes and namespaces, by the first requests that are made; raises UsageError or PlatformError in our words."""
    try:
        nodes = (await client.get(_NODES))["items"]
        namespaces = (await client.get(_NAMESPACES))["items"]
    except ApiUnavailableError as exc:
        raise PlatformError(
            f"context {reached.context!r}: the API server {reached.server} does not answer: {exc.what}",
            hint="is the cluster up, and reached from here?",
        ) from exc
    except ApiError as exc:
        if exc.status == _UNAUTHORIZED:
            raise UsageError(
                f"context {reached.context!r}: the API server refuses its credentials (401): expired, or revoked",
                hint="log in again, and see that `kubectl get nodes` works",
            ) from exc
        if exc.status == _FORBIDDEN:
            raise UsageError(
                f"context {reached.context!r}: its credentials may not list nodes and namespaces: {exc.what}",
                hint="give credentials that may at least read the cluster",
            ) from exc
        raise
    return nodes, namespaces


async def addresses(host: str) -> tuple[str, ...]:
    """What a name stands for; the name itself where nobody knows it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return (host,)
    return tuple(sorted({str(entry[4][0]).partition("%")[0] for entry in found}))


async def missing_rights(client: KubeClient, wanted: tuple[tuple[str, str, str], ...]) -> list[str]:
    """What of this the credentials may not do, as the API server says: "create pods/binding" and the like."""
    lacking = []
    for verb, group, named in wanted:
        resource, _, subresource = named.partition("/")
        asked = {"verb": verb, "group": group, "resource": resource, "subresource": subresource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = await client.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
        if not answer["status"].get("allowed"):
            lacking.append(f"{verb} {named}{f'.{group}' if group else ''}")
    return lacking


async def require_rights(client: KubeClient, wanted: tuple[tuple[str, str, str], ...]) -> None:
    """Raise UsageError that names everything that the credentials may not do."""
    lacking = await missing_rights(client, wanted)
    if lacking:
        raise UsageError(
            f"the credentials may not: {', '.join(lacking)}",
            hint="give them these rights, or only look (docs/backends.md)",
        )


async def role(client: KubeClient, kind: str) -> dict[str, Any] | None:
    """The object of that kind under the name of the operator's role; None when there is none."""
    try:
        found: dict[str, Any] = await client.get(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
    except ApiError as exc:
        if exc.status != _NOT_FOUND:
            raise
        return None
    return found


def labels_before(nodes: list[dict[str, Any]], namespaces: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Node -> the labels of operators that it had before any run of ours; pure.

    A run writes them down in its namespace, so that what one left that died is known from what was there before it.
    """
    for item in namespaces:
        noted = (item["metadata"].get("annotations") or {}).get(BEFORE)
        if guard.left(item) and noted:
            found: dict[str, list[str]] = json.loads(noted)
            return found
    return {node["metadata"]["name"]: list(labels) for node in nodes if (labels := guard.managed_labels(node))}


async def remove_ours(client: KubeClient, before: Mapping[str, list[str]]) -> None:
    """Remove what runs of ours made: labels of operators that were not there before, role, and namespaces at last.

    Tried until it is done, since an API server may be slow, or away for a moment; returns when the namespaces are gone.
    Raises WaitTimeoutError when they do not go.
    """

    async def removed(progress: Progress) -> bool | None:
        try:
            left = await _remove(client, before)
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = f"still there: {', '.join(left)}"
        return None if left else True

    await until("what runs made to be gone", removed, deadline_s=GONE_DEADLINE_S, interval_s=0.3)


async def _remove(client: KubeClient, before: Mapping[str, list[str]]) -> list[str]:
    """One attempt; the namespaces that are still there."""
    for node in (await client.get(_NODES))["items"]:
        name = node["metadata"]["name"]
        ours = set(guard.managed_labels(node)) - set(before.get(name, ()))
        if ours:
            await client.patch(f"{_NODES}/{name}", {"metadata": {"labels": dict.fromkeys(sorted(ours))}})
    for kind in ROLES:
        if (found := await role(client, kind)) is not None and guard.left(found):
            await client.delete(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
    listed = [item for item in (await client.get(_NAMESPACES))["items"] if item["metadata"]["name"] in OURS]
    for item in listed:
        if guard.left(item) and "deletionTimestamp" not in item["metadata"]:
            await client.delete(f"{_NAMESPACES}/{item['metadata']['name']}")
    return sorted(item["metadata"]["name"] for item in listed if guard.left(item))
