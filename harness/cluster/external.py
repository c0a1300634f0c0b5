"""A cluster that is there already and belongs to somebody: changed only where, and as far as, that was allowed.

Before anything is changed: the context must be named; signs of a cluster that people live on must be said to be meant
(`guard`); a lease keeps a second harness out (`lease`); what the credentials may not do is told in one error. Every
request that changes something passes a judge (`allowed`). Namespaces, role and labels of a run are removed at its end,
and what a harness left that died is removed by the next one, which holds the lease then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import allowed, capability, guard
from harness.cluster.allowed import OURS
from harness.cluster.backend import ELSEWHERE, EXTERNAL, POD, BackendSpec
from harness.cluster.base import Ground
from harness.cluster.credentials import GIVEN, NEEDED, NEEDED_FOR_A_POD, NEEDED_TO_ACT, require_rights
from harness.cluster.datastore import ETCD
from harness.cluster.kubeconfig import contexts, load
from harness.cluster.lease import LEASES, HeldLease, holder
from harness.cluster.leftbehind import BEFORE, ROLES, labels_before, remove_ours, role
from harness.cluster.remote import RemoteCluster
from harness.errors import ApiError, ApiUnavailableError, ClusterError, PlatformError, UsageError
from harness.process import rundir
from harness.process.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.cluster.allowed import Allowed
    from harness.cluster.client import Gate, KubeClient
    from harness.cluster.kubeconfig import Access
    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
"""What kubeadm, and so kind, has on every node; `--pause-image` names another."""

IDENTITY = "cluster"
"""Under which name among its versions a run tells which cluster it was on."""

_ANY_PORT = 9  # of a datagram that is never sent
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
    reached_at: str = ""
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
            capability.OPERATOR_POD: self.allowed.operator,
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
        return await _start(self, parent, shape.operator_in)

    def rights(self, place: str) -> tuple[tuple[str, str, str], ...]:
        """What the credentials have to permit for an operator in that place, and for what may be harmed."""
        if place == ELSEWHERE:
            return NEEDED
        drains = (("create", "", "pods/eviction"),) if self.allowed.drain else ()
        deletes = (("delete", "", "nodes"), ("create", "", "nodes")) if self.allowed.delete else ()
        return (*NEEDED, *NEEDED_TO_ACT, *GIVEN, *(NEEDED_FOR_A_POD if place == POD else ()), *drains, *deletes)


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
    if may.operator and "discovery-image" not in given and spec.operator_in not in {POD, ELSEWHERE}:
        raise UsageError(
            "--backend external needs --discovery-image: nothing can be put into the nodes of somebody's cluster",
            hint="the operator's own image, as its chart names it; for the reference operator see `harness image`",
        )
    return ExternalBackend(
        file, given["context"], may,
        given.get("pause-image", PAUSE_IMAGE), given.get("discovery-image", ""), given.get("reached-at", ""),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Looked:
    """What was read before anything is changed. `before`: node -> the labels of operators that are not ours."""

    identity: str
    nodes: list[dict[str, Any]]
    before: Mapping[str, list[str]]
    ground: Ground


async def examine(chosen: ExternalBackend, client: KubeClient, reached: Access, place: str) -> Looked:
    """Read the cluster, and raise UsageError or PlatformError where it must not be acted on; nothing is changed.

    `place`: where the operator is to run. One that runs already is only looked at: nothing has to be allowed then.
    """
    nodes, namespaces = await look(client, reached)
    await require_rights(client, chosen.rights(place))
    identity = await identify(client)
    if place == ELSEWHERE:
        profiles = {node["metadata"]["name"]: guard.profile_of(node) for node in nodes}
        return Looked(identity, nodes, {}, Ground(simulated=False, nodes=profiles))
    # First of all: what another harness is doing to the nodes is no fault of theirs.
    await HeldLease(client, holder("")).require_free()
    roles = [found for kind in ROLES if (found := await role(client, kind)) is not None]
    before = labels_before(nodes, namespaces)
    signs = guard.signs(await addresses(reached.host), nodes, namespaces, roles, labelled=before)
    guard.refuse(signs, chosen.allowed, chosen.context)
    ground = Ground(
        simulated=False, nodes=guard.usable(nodes, chosen.allowed), image=chosen.pause_image,
        discovery_image=chosen.discovery_image,
    )  # fmt: skip
    return Looked(identity, nodes, before, ground)


async def check(chosen: ExternalBackend, place: str) -> None:
    """Raise, before a campaign begins, what each of its runs would raise: one error, and nothing was changed.

    Whether a lease that is not renewed may be taken is for a run to find out.
    """
    reached = await asyncio.to_thread(load, chosen.kubeconfig, chosen.context)
    async with reached.client(judge(allowed.Allowed(), ())) as client:
        await examine(chosen, client, reached, place)


async def _start(chosen: ExternalBackend, parent: Path | None, place: str) -> RemoteCluster:
    """Look, take the lease, make what a run needs; leaves nothing behind when that fails."""
    reached = await asyncio.to_thread(load, chosen.kubeconfig, chosen.context)
    run_dir = rundir.make(parent)
    async with AsyncExitStack() as undo:
        undo.callback(run_dir.remove)
        ports = Ports()
        undo.callback(ports.release)
        held: list[HeldLease] = []

        client = reached.client(judge(chosen.allowed, held))
        await undo.enter_async_context(client)
        found = await examine(chosen, client, reached, place)
        cluster = RemoteCluster(
            EXTERNAL, client, reached, run_dir, ports, found.ground, datastore_source=f"that of {chosen.context}",
            more_versions={IDENTITY: found.identity},
        )  # fmt: skip
        if place == ELSEWHERE:
            await cluster.launch(undo, looks=True)
            return cluster
        if place == POD:
            cluster.registry_address = chosen.reached_at or await here_for(found.nodes)
        lease = HeldLease(client, holder(run_dir.mark), directory=run_dir.path)
        await lease.acquire()
        undo.push_async_callback(lease.release)
        held.append(lease)
        undo.push_async_callback(remove_ours, client, found.before)
        await remove_ours(client, found.before)
        noted = {BEFORE: json.dumps(found.before)}
        for name in OURS:
            meta = {"name": name, "labels": {guard.MARK: run_dir.mark}, "annotations": noted}
            await client.create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
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


async def identify(client: KubeClient) -> str:
    """What tells this cluster from every other: the uid of a namespace that each has, and that lives as long as it."""
    for item in (await client.get(_NAMESPACES))["items"]:
        if item["metadata"]["name"] == "kube-system":
            return str(item["metadata"]["uid"])
    return ""


async def here_for(nodes: Sequence[Mapping[str, Any]]) -> str:
    """The address of this machine on the way to the nodes, which is how their pods reach it.

    Raises UsageError where no way to any of them begins at an address that others could reach.
    """
    for node in nodes:
        for entry in node["status"].get("addresses") or ():
            if entry.get("type") != "InternalIP":
                continue
            ours = await asyncio.to_thread(_source, str(entry["address"]))
            if ours and not ipaddress.ip_address(ours).is_loopback:
                return ours
    raise UsageError(
        "--operator-in pod: no address of this machine is known that the cluster's pods reach, for the GPU registry",
        hint="--reached-at ADDRESS, or --operator-in process",
    )


def _source(address: str) -> str:
    """The local address of a datagram to that one, none of which is sent; empty where there is no way."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _ANY_PORT))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
