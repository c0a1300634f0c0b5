"""Pods that are put there once and stay, so that a cluster is what another one was.

They come after the gate, as traffic does: before it the operator is starting, and of what it says wrongly then nothing
can be said. Each is bound as a scheduler binds it, and tolerates every taint, because it was on its node already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.client import STRATEGIC_PATCH, KubeClient
from harness.cluster.concurrent import all_of
from harness.cluster.nodes import STILL
from harness.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE = "standing.invalid/pause:1"
PHASES = ("Running", "Succeeded", "Failed")
_EXTENDED = ".com/"
_AT_ONCE = 16

Note = Callable[..., Any]
"""As of `traffic.driver`."""


@dataclass(frozen=True, slots=True)
class Container:
    """What one container asks for: resource -> quantity, in any notation.

    `init`: it runs before the others, in the order in which it stands; `stays`: and goes on (a restartable one).
    """

    requests: Mapping[str, str] = field(default_factory=dict)
    init: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on a node.

    `requests`: of the pod as a whole; `overhead`: of its runtime class; `memory`: the size limits of its memory-backed
    volumes; `phase`: one of PHASES.
    """

    name: str
    node: str
    namespace: str = "default"
    containers: tuple[Container, ...] = (Container(),)
    requests: Mapping[str, str] = field(default_factory=dict)
    overhead: Mapping[str, str] = field(default_factory=dict)
    memory: tuple[str, ...] = ()
    phase: str = "Running"

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise UsageError(f"pod {self.name}: phase {self.phase!r} is not possible", hint=f"one of {PHASES}")
        if all(container.init for container in self.containers):
            raise UsageError(f"pod {self.name} has no regular container", hint="containers=(Container(),)")

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def body(self, runtime_class: str = "") -> dict[str, Any]:
        """The object, not bound yet; `runtime_class`: the one that its overhead comes from."""
        named = [(f"c{number}", one) for number, one in enumerate(self.containers)]
        spec: dict[str, Any] = {
            "containers": [_container(name, one) for name, one in named if not one.init],
            "initContainers": [_container(name, one) for name, one in named if one.init],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "volumes": [
                {"name": f"m{number}", "emptyDir": {"medium": "Memory", "sizeLimit": size}}
                for number, size in enumerate(self.memory)
            ],
        }
        if self.requests:
            spec["resources"] = {"requests": dict(self.requests)}
        if runtime_class:
            spec["runtimeClassName"] = runtime_class
        meta: dict[str, Any] = {"name": self.name, "namespace": self.namespace, "labels": {"app": "standing"}}
        if self.phase != PHASES[0]:
            meta["annotations"] = {STILL: "true"}  # kwok would say that it runs after we have said that it ended
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def check(pods: Sequence[Pod], nodes: Iterable[str], where: str) -> None:
    """Raise UsageError for two pods of one name in a namespace, and for one on a node that is never there."""
    there, seen = frozenset(nodes), set()
    for pod in pods:
        if (pod.namespace, pod.name) in seen:
            raise UsageError(f"{where}: pod {pod.namespace}/{pod.name} is there twice", hint="give each its own name")
        if pod.node not in there:
            raise UsageError(
                f"{where}: pod {pod.name} is on {pod.node!r}, which is no node", hint="name one of its nodes"
            )
        seen.add((pod.namespace, pod.name))


async def furnish(client: KubeClient, pods: Sequence[Pod]) -> None:
    """Create the runtime classes that their overhead comes from."""
    for overhead, name in _classes(pods).items():
        body = {
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name,
            "overhead": {"podFixed": dict(overhead)},
        }  # fmt: skip
        await client.ensure("/apis/node.k8s.io/v1/runtimeclasses", body)


async def place(client: KubeClient, pods: Sequence[Pod], wanted: Callable[[Pod], bool], note: Note) -> None:
    """Create and bind those that are wanted of the scenario's pods, some at a time, each noted as an operation.

    Raises ClusterError when one is refused: the cluster is not what it was to be then.
    """
    classes, gate = _classes(pods), asyncio.Semaphore(_AT_ONCE)

    async def one(number: int, pod: Pod) -> None:
        what = {"op": "create", "id": f"standing-{number}", "object": f"{pod.namespace}/{pod.name}"}
        async with gate:
            note(**what, phase="invoke", detail={})
            try:
                await _put(client, pod, classes.get(_key(pod.overhead), ""))
            except ClusterError as exc:
                note(**what, phase="info", detail={"error": exc.what})
                raise
            note(**what, phase="ok", detail={})

    await all_of(*(one(number, pod) for number, pod in enumerate(pods) if wanted(pod)))


async def _put(client: KubeClient, pod: Pod, runtime_class: str) -> None:
    await client.create(pod.path, pod.body(runtime_class))
    target = {"apiVersion": "v1", "kind": "Node", "name": pod.node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}, "target": target}
    await client.create(f"{pod.path}/{pod.name}/binding", binding)
    if pod.phase != PHASES[0]:
        status = {"status": {"phase": pod.phase}}
        await client.patch(f"{pod.path}/{pod.name}/status", status, content_type=STRATEGIC_PATCH)


def _classes(pods: Iterable[Pod]) -> dict[tuple[tuple[str, str], ...], str]:
    """Each overhead there is, and the name of its runtime class."""
    found = dict.fromkeys(_key(pod.overhead) for pod in pods if pod.overhead)
    return {overhead: f"standing-{number}" for number, overhead in enumerate(found)}


def _key(overhead: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(overhead.items()))


def _container(name: str, one: Container) -> dict[str, Any]:
    asked: dict[str, Any] = {"requests": dict(one.requests)}
    if extended := {key: value for key, value in one.requests.items() if _EXTENDED in key}:
        asked["limits"] = extended  # the API server wants the limit of an extended resource to equal its request
    return {
        "name": name, "image": IMAGE, "resources": asked, **({"restartPolicy": "Always"} if one.stays else {}),
    }  # fmt: skip
