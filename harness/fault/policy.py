"""What a cluster's own rules refuse: admission policies, quotas, service accounts and namespaces that are not there.

The API server decides, for everybody alike; the evidence is a dry run of ours that it refuses for the reason wanted,
and that the operator was refused as well. So it must have reason to ask meanwhile: a node that joins needs a discovery
pod and labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster import access
from harness.cluster.access import OPERATOR_USER, SERVICE_ACCOUNTS
from harness.cluster.apicalls import CREATE, PATCH
from harness.cluster.apirules import Match
from harness.cluster.base import DISCOVERY_ACCOUNT, POD_NAMESPACE
from harness.cluster.client import MERGE_PATCH
from harness.errors import ApiError, ClusterError
from harness.fault import admission, refused
from harness.fault.base import BITE_DEADLINE_S, DISCOVERY, LABELLING, State, World, pick_node
from harness.fault.discoverypod import LABELS, OTHER_GPUS, PODS
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.hardware import NodeProfile

DISCOVERY_PODS, NODE_PATCHES = "discovery-pods", "node-patches"
DENIED = (DISCOVERY_PODS, NODE_PATCHES)

_NODES = "/api/v1/nodes"
_NAMESPACE = f"/api/v1/namespaces/{POD_NAMESPACE}"
_QUOTAS = f"{_NAMESPACE}/resourcequotas"
_QUOTA = "harness-quota"
_DENIAL = "harness: denied by an admission policy"
_PROBE = "harness-asks"
_ENDED = frozenset({"Succeeded", "Failed"})
_FORBIDDEN, _INVALID = 403, 422


class _Refusing:
    """What the faults by which the API server refuses a kind of request have in common."""

    __slots__ = ()

    async def healed(self, world: World, state: State) -> None:
        """The dry run is accepted."""
        await _accepted(world, state["target"])


class _RefusingPods(_Refusing):
    """What those have in common by which it refuses discovery pods as it does whatever is forbidden."""

    __slots__ = ()

    kind: ClassVar[str]

    async def prepare(self, world: World) -> State:
        """What is to be refused, and how often the operator has met the like before."""
        return await refused.planned(world, self.kind, DISCOVERY_PODS, (Match(CREATE, "pods"), _FORBIDDEN))


@dataclass(frozen=True, slots=True)
class AdmissionDenies(_Refusing):
    """A ValidatingAdmissionPolicy refuses discovery pods, or the operator's patches of nodes, for `for_s` seconds.

    `what`: discovery-pods | node-patches.
    """

    what: str = DISCOVERY_PODS
    for_s: float = 4.0
    kind: ClassVar[str] = "admission-denies"

    @property
    def affects(self) -> tuple[str, ...]:
        """Hardware cannot be read where there is no pod yet; or labels cannot be written."""
        return (LABELLING,) if self.what == NODE_PATCHES else (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """What is to be refused, and how often the operator has met the like before."""
        match = Match(PATCH, "nodes") if self.what == NODE_PATCHES else Match(CREATE, "pods")
        return {**await refused.planned(world, self.kind, self.what, (match, _INVALID)), "name": f"harness-{self.what}"}

    async def inject(self, world: World, state: State) -> None:
        """Create the policy, and wait until it is in force: what is asked next must meet it."""
        await admission.apply(world.cluster.client, denying(state["name"], state["target"]))
        await _refused(world, state["target"], _DENIAL)

    async def bitten(self, world: World, state: State) -> str:
        """A dry run of the same request is denied by the policy, and so was the operator."""
        return f"{await _refused(world, state['target'], _DENIAL)}; {await refused.met(world, state)}"

    async def heal(self, world: World, state: State) -> None:
        """Take the policy away."""
        await admission.lift(world.cluster.client, state["name"])


@dataclass(frozen=True, slots=True)
class QuotaExhausted(_RefusingPods):
    """A ResourceQuota gives the discovery namespace as many pods as it has, and none more, for `for_s` seconds."""

    for_s: float = 4.0
    kind: ClassVar[str] = "quota-exhausted"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def inject(self, world: World, state: State) -> None:
        """Create the quota, and wait until it is in force."""
        pods = (await world.cluster.client.get(PODS))["items"]
        count = sum(pod.get("status", {}).get("phase") not in _ENDED for pod in pods)
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": _QUOTA},
            "spec": {"hard": {"pods": str(count)}},
        }
        await world.cluster.client.ensure(_QUOTAS, body)
        await _refused(world, state["target"], "exceeded quota")

    async def bitten(self, world: World, state: State) -> str:
        """Quota and use are equal, a dry run exceeds it, and the operator was refused a pod."""
        said = await _refused(world, state["target"], "exceeded quota")
        status = (await world.cluster.client.get(f"{_QUOTAS}/{_QUOTA}"))["status"]
        counts = f"{status['used']['pods']} of {status['hard']['pods']} pods"
        return f"{counts} are used; {said}; {await refused.met(world, state)}"

    async def heal(self, world: World, state: State) -> None:
        """Take the quota away."""
        del state
        await world.cluster.client.delete(f"{_QUOTAS}/{_QUOTA}")


@dataclass(frozen=True, slots=True)
class ServiceAccountMissing(_RefusingPods):
    """The discovery pods' ServiceAccount is deleted, and made again `for_s` seconds later.

    The API server's own admission refuses pods that name an account that is not there.
    """

    for_s: float = 4.0
    kind: ClassVar[str] = "service-account-missing"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def inject(self, world: World, state: State) -> None:
        """Delete it, and wait until pods are refused for it."""
        await world.cluster.client.delete(f"{SERVICE_ACCOUNTS}/{DISCOVERY_ACCOUNT}")
        await _refused(world, state["target"], "error looking up service account")

    async def bitten(self, world: World, state: State) -> str:
        """A dry run fails for want of the account, and the operator was refused a pod."""
        said = await _refused(world, state["target"], "error looking up service account")
        return f"{said}; {await refused.met(world, state)}"

    async def heal(self, world: World, state: State) -> None:
        """Create it again."""
        del state
        await access.discovery(world.cluster.client)


@dataclass(frozen=True, slots=True)
class NamespaceRecreated:
    """The discovery namespace is deleted with all that is in it, and made again `for_s` s after it is gone.

    Meanwhile one machine gets other GPUs: only an operator that discovers again, with new pods, can report them.
    """

    for_s: float = 1.0
    node: str | None = None
    becomes: NodeProfile = OTHER_GPUS
    kind: ClassVar[str] = "namespace-recreated"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, and the namespace's uid."""
        uid = (await world.cluster.client.get(_NAMESPACE))["metadata"]["uid"]
        return {"target": pick_node(world, self.node), "uid": uid}

    async def inject(self, world: World, state: State) -> None:
        """Delete it; the namespace controller empties it."""
        await world.cluster.client.delete(_NAMESPACE)
        await world.set_hardware(state["target"], self.becomes)

    async def bitten(self, world: World, state: State) -> str:
        """The API server knows the namespace no more."""
        uid = state["uid"]

        async def gone(progress: Progress) -> str | None:
            progress.last = await _phase(world)
            return None if progress.last else f"the API server answers 404 for the namespace (uid {uid})"

        return await until(f"namespace {POD_NAMESPACE} to be gone", gone, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def heal(self, world: World, state: State) -> None:
        """Create it again with its accounts, as soon as the old one is gone; the machine keeps its new hardware."""
        del state

        async def made(progress: Progress) -> bool | None:
            progress.last = await _phase(world)
            if progress.last == "Terminating":
                return None
            await access.discovery(world.cluster.client)
            return True

        await until(f"namespace {POD_NAMESPACE} to be made", made, deadline_s=BITE_DEADLINE_S, interval_s=0.1)

    async def healed(self, world: World, state: State) -> None:
        """A dry run of a discovery pod is accepted in it."""
        del state
        await _accepted(world, DISCOVERY_PODS)


def denying(name: str, what: str) -> dict[str, Any]:
    """The policy that refuses new discovery pods, or the operator's updates of nodes."""
    if what == NODE_PATCHES:
        rules = {"resourceRules": [admission.rule("UPDATE", "nodes")]}
        return admission.policy(name, rules, allowed="false", message=_DENIAL, only_for=OPERATOR_USER)
    pods: dict[str, Any] = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": POD_NAMESPACE}},
        "objectSelector": {"matchLabels": LABELS},
        "resourceRules": [admission.rule("CREATE", "pods")],
    }
    return admission.policy(name, pods, allowed="false", message=_DENIAL)


async def _phase(world: World) -> str:
    """Active | Terminating; "" when there is no discovery namespace."""
    try:
        return str((await world.cluster.client.get(_NAMESPACE))["status"]["phase"])
    except ApiError as exc:
        if exc.status != 404:
            raise
        return ""


async def _refusal(world: World, what: str) -> str:
    """Why the API server would refuse the request now, asked without doing it; "" when it would not."""
    client, dry = world.cluster.client, {"dryRun": "All"}
    try:
        if what == NODE_PATCHES:
            path, body = f"{_NODES}/{min(world.profiles)}", {"metadata": {"labels": {_PROBE: "true"}}}
            await client.request(
                "PATCH", path, body=body, params=dry, content_type=MERGE_PATCH, as_user=OPERATOR_USER
            )  # fmt: skip
        else:
            await client.request("POST", PODS, body=_pod(), params=dry)
    except ClusterError as exc:
        return exc.what
    return ""


async def _refused(world: World, what: str, why: str) -> str:
    """Return once a dry run is refused with these words."""

    async def seen(progress: Progress) -> str | None:
        said = await _refusal(world, what)
        progress.last = said or "it would be done"
        return f"a dry run is refused: {said[:300]}" if why in said else None

    return await until(f"{what} to be refused ({why})", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


async def _accepted(world: World, what: str) -> None:
    """Return once a dry run is accepted."""

    async def seen(progress: Progress) -> bool | None:
        progress.last = await _refusal(world, what)
        return None if progress.last else True

    await until(f"{what} to be accepted", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


def _pod() -> dict[str, Any]:
    """A pod like those of hardware discovery, under a name that no operator uses."""
    spec = {"serviceAccountName": DISCOVERY_ACCOUNT, "containers": [{"name": "psutil", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": _PROBE, "labels": LABELS}, "spec": spec}
