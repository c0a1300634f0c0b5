"""Pods come and go: fractions of a CPU, the same names in two namespaces, finished and failed ones, foreign labels.

What is done next is decided purely (`decide`) from the seed and from what is there; doing it is one API call. An
operation that got no answer is indeterminate: its object is left alone from then on, and the ground truth, which is
watched, not inferred from operations, tells what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.hardware import NodeProfile, gpu_model
from harness.errors import UsageError
from harness.names.naming import USUAL, Naming, parse
from harness.traffic import whole

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

NAMESPACES = ("tenant-a", "tenant-b")
LABEL = "set-foreign-label"
OURS = "app=traffic"
"""The label selector of traffic's pods."""

IMAGE = "traffic.invalid/pause:1"
FOREIGN_KEY = "harness.invalid/note"

CPUS = ("100m", "250m", "333m", "0.5", "1", "1500m", "1m", "0.1")
MEMORIES = ("64Mi", "100M", "128Mi", "1Gi", "123456Ki", "1e8")
STORAGES = ("1Gi", "500M", "0")


@dataclass(frozen=True, slots=True)
class Churn:
    """How much traffic there is.

    `rate`: operations a second; `live`: pods at once, at most; `least`: operations that must succeed for the run to
    count. `names`: how many pod names each namespace draws from; with few, names come back with new uids and stand in
    both namespaces at once. `plain`: pods of whole CPUs, each with a name of its own, that are deleted and never
    finish: for scenarios whose fault should stand alone, so that a defect in adding up odd pods does not show again.
    `whole`: pods of every kind that changes what they take (`harness.traffic.whole`), which are resized as well.
    `named`: how namespaces and pods are named (`harness.names.naming.WORDS`).
    """

    rate: float = 8.0
    live: int = 24
    least: int = 20
    names: int = 8
    labels: bool = True
    plain: bool = False
    named: str = USUAL
    whole: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 200 or not 1 <= self.live <= 5000 or self.least < 1 or self.names < 1:
            raise UsageError(
                f"traffic rate={self.rate:g}, live={self.live}, least={self.least}, names={self.names} is out of range",
                hint="rate 0 to 200 a second, live 1 to 5000, least and names at least 1",
            )
        if self.plain and self.whole:
            raise UsageError("traffic is plain=True and whole=True", hint="plain pods, or pods of every kind")
        parse(self.named)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The two namespaces of its pods."""
        return Naming(self.named).namespaces(NAMESPACES)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    `op`: create | finish | fail | delete | resize | actuate | set-foreign-label; `namespace` and `name` are the pod's;
    for a label, `name` is the node's. `body`: the pod of a create; {"before", "after"} of a resize and {"after"} of its
    actuation: what each container asks for, or runs with.
    """

    op: str
    name: str
    namespace: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Pods:
    """The pods that traffic has made and still counts as its own, (namespace, name) -> node, and the finished ones.

    `running`: what the containers of those that can be resized run with; `asked`: what they are to run with, of those
    that are being resized.
    """

    live: dict[tuple[str, str], str] = field(default_factory=dict)
    done: set[tuple[str, str]] = field(default_factory=set)
    gpus: dict[str, int] = field(default_factory=dict)
    notes: int = 0
    made: int = 0
    running: dict[tuple[str, str], Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    asked: dict[tuple[str, str], Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


def decide(rng: random.Random, churn: Churn, pods: Pods, profiles: Mapping[str, NodeProfile]) -> Op:
    """What to do next, from the random stream and what is there."""
    nodes = sorted(profiles)
    if churn.labels and rng.random() < 0.08:
        pods.notes += 1
        return Op(LABEL, rng.choice(nodes), body={"key": FOREIGN_KEY, "value": f"note-{pods.notes}"})
    if churn.plain:
        return _decide_plain(rng, churn, pods, profiles)
    if churn.whole:
        return _decide_whole(rng, churn, pods, profiles)
    free = _free_names(churn, pods)
    if not pods.live or (free and len(pods.live) < churn.live and rng.random() < 0.55):
        namespace, name = rng.choice(free)
        node = rng.choice(nodes)
        return Op(
            "create", name, namespace, pod_object(rng, namespace, name, node, profiles[node], pods.gpus.get(node, 0))
        )
    namespace, name = rng.choice(sorted(pods.live))
    if (namespace, name) in pods.done or rng.random() < 0.5:
        return Op("delete", name, namespace)
    return Op(rng.choice(("finish", "fail")), name, namespace)


def _decide_plain(rng: random.Random, churn: Churn, pods: Pods, profiles: Mapping[str, NodeProfile]) -> Op:
    if not pods.live or (len(pods.live) < churn.live and rng.random() < 0.55):
        pods.made += 1
        node = rng.choice(sorted(profiles))
        return plain_pod(rng, churn, ("plain", pods.made), node)
    namespace, name = rng.choice(sorted(pods.live))
    return Op("delete", name, namespace)


def _decide_whole(rng: random.Random, churn: Churn, pods: Pods, profiles: Mapping[str, NodeProfile]) -> Op:
    free = _free_names(churn, pods)
    if not pods.live or (free and len(pods.live) < churn.live and rng.random() < 0.45):
        namespace, name = rng.choice(free)
        node = rng.choice(sorted(profiles))
        spec = whole.spec(rng, node, profiles[node], pods.gpus.get(node, 0))
        return Op("create", name, namespace, _pod(namespace, name, spec))
    key = rng.choice(sorted(pods.live))
    namespace, name = key
    if key in pods.asked:
        return Op("actuate", name, namespace, {"after": pods.asked[key]})
    if key in pods.running and rng.random() < 0.6:
        before = pods.running[key]
        return Op("resize", name, namespace, {"before": before, "after": whole.resized(rng, before)})
    if key in pods.done or rng.random() < 0.6:
        return Op("delete", name, namespace)
    return Op(rng.choice(("finish", "fail")), name, namespace)


def plain_pod(rng: random.Random, churn: Churn, usual: tuple[str, int], node: str) -> Op:
    """Create a pod of a whole CPU that every operator counts alike; `usual`: the parts of its usual name."""
    requests = {"cpu": "1", "memory": rng.choice(("64Mi", "256Mi")), "ephemeral-storage": "1Gi"}
    container = {"name": "main", "image": IMAGE, "resources": {"requests": requests}}
    namespace, name = rng.choice(churn.namespaces), Naming(churn.named).pod(*usual)
    return Op("create", name, namespace, _pod(namespace, name, {"nodeName": node, "containers": [container]}))


def _free_names(churn: Churn, pods: Pods) -> list[tuple[str, str]]:
    names = [Naming(churn.named).pod("web", index) for index in range(churn.names)]
    every = [(namespace, name) for namespace in churn.namespaces for name in names]
    return [key for key in every if key not in pods.live]


def pod_object(
    rng: random.Random, namespace: str, name: str, node: str, profile: NodeProfile, gpus_used: int
) -> dict[str, Any]:
    """A pod bound to the node, with one or two containers of odd sizes, at times an init container or a GPU."""
    containers = [_container(rng, f"c{index}") for index in range(rng.choice((1, 1, 2)))]
    if profile.gpu is not None and gpus_used < profile.gpus and rng.random() < 0.3:
        for kind in ("requests", "limits"):
            containers[0]["resources"].setdefault(kind, {})[gpu_model(profile.gpu).resource] = "1"
    spec: dict[str, Any] = {"nodeName": node, "containers": containers}
    if rng.random() < 0.2:
        spec["initContainers"] = [_container(rng, "init")]
    return _pod(namespace, name, spec)


def _pod(namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "traffic"}},
        "spec": {**spec, "terminationGracePeriodSeconds": 0},
    }


def _container(rng: random.Random, name: str) -> dict[str, Any]:
    requests = {"cpu": rng.choice(CPUS), "memory": rng.choice(MEMORIES), "ephemeral-storage": rng.choice(STORAGES)}
    return {"name": name, "image": IMAGE, "resources": {"requests": requests}}


def gpus_of(body: Mapping[str, Any]) -> int:
    """How many GPUs a pod asks for."""
    wanted = 0
    for container in body["spec"]["containers"]:
        requests = container["resources"]["requests"]
        wanted += sum(int(value) for key, value in requests.items() if key.endswith("/gpu"))
    return wanted


def placed(pods: Pods, op: Op) -> None:
    """A creation was accepted (or may have been)."""
    node = str(op.body["spec"]["nodeName"])
    pods.live[op.namespace, op.name] = node
    pods.gpus[node] = pods.gpus.get(node, 0) + gpus_of(op.body)
    if whole.can_be_resized(op.body):
        pods.running[op.namespace, op.name] = whole.running(op.body)


def resized(pods: Pods, op: Op) -> None:
    """A resize was accepted (or may have been): what is asked for is other than what runs."""
    pods.asked[op.namespace, op.name] = op.body["after"]


def actuated(pods: Pods, op: Op) -> None:
    """What runs is what is asked for."""
    pods.asked.pop((op.namespace, op.name), None)
    pods.running[op.namespace, op.name] = op.body["after"]


def finished(pods: Pods, key: tuple[str, str]) -> None:
    """A pod has ended: it takes nothing any more, and is not resized."""
    pods.done.add(key)
    pods.running.pop(key, None)
    pods.asked.pop(key, None)


def removed(pods: Pods, key: tuple[str, str]) -> None:
    """A pod is gone; its GPUs stay counted as used, which only makes later pods ask for fewer."""
    pods.live.pop(key, None)
    pods.done.discard(key)
    pods.running.pop(key, None)
    pods.asked.pop(key, None)


def phases(op: str) -> str:
    """The pod phase that a finish or fail sets."""
    return {"finish": "Succeeded", "fail": "Failed"}[op]
