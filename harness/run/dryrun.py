"""What runs on somebody's cluster would change, told without changing it (`--dry-run`).

The very code that acts is run against a client that reads the cluster and writes nothing: each request that would
change something is told, and answered as if it had been done. So what is told is what would be asked, by whatever does
it. Faults are prepared, injected and healed in that way; traffic does the operations that it has to do at least. What
an operator would change is its own affair, and is told in words.
"""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from harness import seed as seeds
from harness.cluster import access, external
from harness.cluster.allowed import OURS
from harness.cluster.backend import POD, PROCESS
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.kubeconfig import load
from harness.cluster.lease import LEASES, HeldLease, holder
from harness.cluster.leftbehind import ROLES
from harness.errors import ApiError, HarnessError
from harness.fault import catalog
from harness.fault.schedule import injected
from harness.fault.together import parts
from harness.operator import manifests
from harness.operator.manifests import Deployed
from harness.run import machines
from harness.traffic.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.cluster.base import Ground
    from harness.cluster.client import KubeClient
    from harness.cluster.external import ExternalBackend
    from harness.fault.base import Fault, World
    from harness.scenario import Scenario

EACH_S = 15.0
"""A fault that waits for what only a change would bring is given up after so long."""

_SHOWN = 160
_REVIEWS = "/apis/authorization.k8s.io/"


@dataclass(slots=True)
class Teller:
    """Stands in the way of every request: tells changes, and answers for objects that are not really there."""

    say: Callable[[str], None]
    made: dict[str, Any] = field(default_factory=dict)
    told: int = 0

    def __call__(self, method: str, path: str, body: Any, _parameters: Mapping[str, str] | None) -> Any:
        """The answer to a request that must not be made; None for one that changes nothing."""
        if path.startswith(_REVIEWS):
            return None
        if method == "GET":
            return copy.deepcopy(self.made.get(path))
        if method == "POST" and isinstance(body, dict) and f"{path}/{_name(body)}" in self.made:
            raise ApiError(f"POST {path}: {_name(body)} is there already", status=409, reason="AlreadyExists")
        self.told += 1
        self.say(f"  {told(method, path, body)}")
        return self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: Any) -> Any:
        if method == "DELETE":
            self.made.pop(path, None)
            return {"kind": "Status", "status": "Success"}
        answer = copy.deepcopy(body) if isinstance(body, dict) else {}
        meta = answer.setdefault("metadata", {})
        meta.update({"uid": "not-made", "resourceVersion": "1"})
        if method == "POST" and "name" in meta and not path.endswith(("/binding", "/eviction", "/token")):
            self.made[f"{path}/{meta['name']}"] = answer
        return answer


def told(method: str, path: str, body: Any) -> str:
    """A change in a line: the verb of the API, where, and what; pure."""
    if method == "POST" and isinstance(body, dict) and "kind" in body:
        name = _name(body)
        return f"create {body['kind']} {name} at {path}".replace("  ", " ")
    if method == "DELETE":
        return f"delete {path}"
    text = json.dumps(body, separators=(",", ":"))
    return f"{method.lower()} {path} {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"


def _name(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("name", ""))


async def tell(
    chosen: ExternalBackend, scenarios: Sequence[Scenario], seed: int, say: Callable[[str], None], place: str = PROCESS
) -> int:
    """Tell everything that runs of these scenarios would change; how many changes those are.

    `place`: where the operator would run.
    Raises what a run would raise before it begins: UsageError above all.
    """
    reached = await asyncio.to_thread(load, chosen.kubeconfig, chosen.context)
    teller = Teller(say)
    async with reached.client(teller) as client:
        looked = await external.examine(chosen, client, reached, place)
        say(f"before each of {len(scenarios)} runs on {reached.server}:")
        await _prepared(client)
        if place == POD:
            await _deployed(client, scenarios[0].liveness)
        for scenario in scenarios:
            await _scenario(client, scenario, looked.ground, seed, say)
        say("the operator itself, in each run:")
        names = sorted(node["metadata"]["name"] for node in looked.nodes)
        say(f"  labels of its own on every node ({', '.join(names[:10])})")
        say(f"  a discovery pod on each of them, in {POD_NAMESPACE}")
        say("after each run:")
        for name in OURS:
            await client.delete(f"/api/v1/namespaces/{name}")
        for kind in ROLES:
            await client.delete(f"{access.RBAC_API}/{kind}/{access.OPERATOR_USER}")
        say("  patch every node: the operator's labels are taken off it, where they were not there before")
        await client.delete(f"{LEASES}/inventory-harness")
    return teller.told


async def _prepared(client: KubeClient) -> None:
    """What is made before a run."""
    lease = HeldLease(client, holder("dry run"))
    await client.create(LEASES, {"kind": "Lease", "metadata": {"name": "inventory-harness"}, "spec": lease.spec()})
    for name in OURS:
        await client.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name}})
    await access.apply(client)
    await access.account(client)
    await client.create(f"{access.SERVICE_ACCOUNTS}/{access.OPERATOR_USER}/token", {"kind": "TokenRequest"})


async def _deployed(client: KubeClient, liveness: bool) -> None:
    """What an operator in a pod is deployed with; what is in its image's name and configuration is told by runs."""
    deployed = Deployed(image="…", discovery_image="…", registry_url="…", liveness=liveness)
    own = (manifests.deployment(deployed), manifests.service(), manifests.config_map(deployed))
    for path, body in zip(manifests.OWN, own, strict=True):
        await client.create(path, body)


async def _scenario(
    client: KubeClient, scenario: Scenario, ground: Ground, seed: int, say: Callable[[str], None]
) -> None:
    made, _called = machines.on(scenario, ground)
    say(f"{scenario.id}:")
    rng = seeds.stream(seed, scenario.id, "nemesis")
    world = cast("World", _World(_Cluster(client, ground), rng, dict(made.nodes), _Operator(say)))
    for fault in injected(*made.faults):
        for part in parts(fault):
            await _fault(world, part, say)
    if made.traffic is None:
        return
    say(
        f"  traffic: at most {made.traffic.live} pods at once on {', '.join(made.nodes)}, {made.traffic.rate:g} "
        f"operations a second, at least {made.traffic.least}, which begin so:"
    )
    rng = seeds.stream(seed, scenario.id, "traffic")
    driver = Driver(client, made.traffic, made.nodes, rng, _ignore, ground)
    for _number in range(made.traffic.least):
        await driver.step()


async def _fault(world: World, fault: Fault, say: Callable[[str], None]) -> None:
    say(f"  {fault.kind}, undone after {fault.for_s:g} s:")
    if fault.kind in catalog.OF_CONFIGURED:
        say("  the operator's configuration file changes, which is on this machine")
        return
    try:
        async with asyncio.timeout(EACH_S):
            state = await fault.prepare(world)
            await fault.inject(world, state)
            await fault.heal(world, state)
    except HarnessError as exc:
        say(f"    it depends on pods that will be there only then, and is not told: {exc.what}")
    except TimeoutError:
        say(f"    more is told by nothing that could be waited for within {EACH_S:g} s")


def _ignore(**_fields: Any) -> None:
    """A dry run keeps no history."""


@dataclass(frozen=True, slots=True)
class _Cluster:
    """As much of a cluster as faults need to act."""

    client: KubeClient
    ground: Ground
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class _Operator:
    """What faults do to the operator, told."""

    say: Callable[[str], None]
    supervised: bool = False
    pid: int = 1

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL."""
        del again
        self.say("  the operator is killed")

    async def start(self) -> None:
        """Start."""
        self.say("  the operator is started")


@dataclass(slots=True)
class _World:
    """As much of a run as faults need to act."""

    cluster: _Cluster
    rng: Any
    profiles: dict[str, Any]
    operator: _Operator
    config: None = None
    operations: int = 0
    held: dict[Any, Any] = field(default_factory=dict)
