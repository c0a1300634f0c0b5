"""A plan that makes the shape of a captured cluster again: its nodes, pods, classes, volumes and configuration.

A run begins with an operator that is right, or nothing can be said of it. So pods come after the gate, and so do nodes
of which something else was wrong: they join. Hardware, labels and storage may be wrong from the start, which a gate
notes as the finding it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.capture.anonymous import CEPH, NO_QUANTITY, OF_NODES
from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.cluster.storage import LABEL, LOCAL_PATH, Ceph, Pool, Storage, StorageClass, Volume
from harness.fault.node import NodesJoin
from harness.model import hardware, quantity
from harness.model.figures import is_offered
from harness.names.limits import DISCOVERY_POD
from harness.scenario import Scenario
from harness.traffic.standing import Container, Pod

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from harness.cluster.configfile import Configuration

OBSERVE_S = 8.0
"""Longer than TRUTH-1 to TRUTH-4 allow."""

_GPUS = ("nvidia.com/gpu", "amd.com/gpu")
_VENDORS = {"nvidia.com/gpu": "nvidia", "amd.com/gpu": "amd"}
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Objects:
    """What was kept of a cluster, as `anonymous` makes it, each kind by name or in a list.

    `hardware`: by node; `registry`: None where none was given; `told`: what the operator reports of cards, by node
    [(vendor, name)]; `pools`: what it reports of classes, class -> bytes that are free.
    """

    nodes: Mapping[str, Mapping[str, Any]]
    pods: tuple[Mapping[str, Any], ...] = ()
    classes: tuple[Mapping[str, Any], ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    hardware: Mapping[str, Any] = field(default_factory=dict)
    registry: Any = None
    config: Configuration | None = None
    told: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recreated:
    """The scenario, and what of the cluster is not as it was."""

    scenario: Scenario
    differs: tuple[str, ...]


def recreated(of: Objects, *, name: str, promises: tuple[str, ...], suspects: Collection[str] = ()) -> Recreated:
    """The scenario of a captured cluster; `suspects`: the nodes that have to join after the gate."""
    models = _Models()
    profiles = {node: _profile(body, _cards(of, node), models) for node, body in of.nodes.items()}
    joining = tuple((node, profiles[node]) for node in profiles if node in suspects and not profiles[node].silent)
    first = {node: profile for node, profile in profiles.items() if node not in dict(joining)}
    pods = [_pod(body) for body in of.pods if _stands(body, of.nodes)]
    scenario = Scenario(
        id=name,
        promises=promises,
        nodes=first,
        faults=(NodesJoin(joining),) if joining else (),
        traffic=None,
        observe_s=OBSERVE_S,
        storage=_storage(of),
        config=of.config,
        models=models.called,
        pods=tuple(pods),
    )
    differs = [*models.notes]
    if resizing := sum(1 for body in of.pods if _is_resized(body)):
        differs.append(f"{resizing} pods that are resized in place have what they ask for, not what they run with")
    return Recreated(scenario, tuple(dict.fromkeys(differs)))


@dataclass(slots=True)
class _Models:
    """Which known product stands for which model. `called`: product -> what the registry calls it."""

    called: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _products: dict[tuple[str, str], str] = field(default_factory=dict)

    def product(self, vendor: str, name: str) -> str:
        """The product that stands for a model: itself where it is known, or one of its vendor's."""
        if (vendor, name) in self._products:
            return self._products[vendor, name]
        of_vendor = [model.name for model in GPU_MODELS.values() if model.vendor == vendor] or sorted(GPU_MODELS)
        taken = {*self._products.values()}
        free = [one for one in of_vendor if one not in taken]
        chosen = name if name in free else (free or of_vendor)[-1]
        if chosen != name and name:
            self.called[chosen] = name
            self.notes.append(f"GPU model {name} is played by another product under its name")
        elif not name:
            self.notes.append(f"which {vendor} GPUs there are is not known: {chosen} is taken")
        self._products[vendor, name] = chosen
        return chosen


def _cards(of: Objects, node: str) -> tuple[tuple[str, str], ...] | None:
    """(vendor, name) of each card, by hardware and registry, by what is reported, or by labels; None: not known."""
    registry = hardware.parse_registry(of.registry) if of.registry is not None else None
    known = hardware.gpu_info(of.hardware.get(node), registry)
    if known:
        return tuple((one.vendor, one.name) for one in known)
    return of.told.get(node) or _labelled(of.nodes[node]) or (() if known is not None else None)


def _labelled(node: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    prefix, found = f"{LABEL}/capabilities.gpu.vendor.", []
    for key, value in (node["metadata"].get("labels") or {}).items():
        vendor, model, name = key.removeprefix(prefix).partition(".model.")
        if key.startswith(prefix) and model and ".ram." not in name and ".interface." not in name and value.isdigit():
            found += [(vendor, name)] * int(value)
    return tuple(found)


def _profile(node: Mapping[str, Any], cards: tuple[tuple[str, str], ...] | None, models: _Models) -> NodeProfile:
    status, spec = node["status"], node["spec"]
    capacity, allocatable = status["capacity"], status["allocatable"]
    exact = tuple(
        (name, str(capacity.get(name, "")), str(allocatable.get(name, "")))
        for name in OF_NODES
        if name in capacity or name in allocatable
    )
    counted = {name: _whole(capacity.get(name, "0")) for name in _GPUS}
    if cards is None:
        cards = tuple((_VENDORS[name], "") for name, number in counted.items() for _card in range(number))
    kinds = Counter(cards).most_common()
    if len(kinds) > 1:
        models.notes.append(f"{sum(n for _kind, n in kinds[1:])} GPUs beside those of a node's first model are as that")
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status["conditions"])
    return NodeProfile(
        cpus=max(1, _whole(capacity.get("cpu", "1"))),
        memory_mib=max(1, _whole(capacity.get("memory", "0")) >> 20),
        reserved_memory_mib=0,
        reserved_cpu_m=0,
        gpu=models.product(*kinds[0][0]) if kinds else None,
        gpus=len(cards),
        exact=exact,
        cordoned=ready and not is_offered(node),
        silent=not ready,
        taints=tuple((one["key"], one["effect"]) for one in spec.get("taints") or () if not _of_state(one["key"])),
    )


def _of_state(taint: str) -> bool:
    """Whether the cluster itself sets it, as the node's state is."""
    return taint.startswith("node.kubernetes.io/")


def _whole(text: object) -> int:
    return int(quantity.parse(text))


def _stands(pod: Mapping[str, Any], nodes: Collection[str]) -> bool:
    """Whether a pod is on a node; discovery pods are the operator's to make."""
    return pod["spec"].get("nodeName") in nodes and not pod["metadata"]["name"].startswith(DISCOVERY_POD)


def _pod(body: Mapping[str, Any]) -> Pod:
    meta, spec = body["metadata"], body["spec"]
    sizes = (volume["emptyDir"].get("sizeLimit") for volume in spec["volumes"])
    return Pod(
        name=meta["name"],
        node=spec["nodeName"],
        namespace=meta["namespace"],
        containers=(*_containers(spec["containers"]), *_containers(spec["initContainers"], init=True)),
        requests=dict((spec.get("resources") or {}).get("requests") or {}),
        overhead=dict(spec.get("overhead") or {}),
        memory=tuple(size for size in sizes if size is not None),
        phase=body["status"]["phase"] if body["status"]["phase"] in _ENDED else "Running",
    )


def _containers(listed: Iterable[Mapping[str, Any]], *, init: bool = False) -> list[Container]:
    return [
        Container(dict(one["resources"]["requests"]), init=init, stays=one.get("restartPolicy") == "Always")
        for one in listed
    ]


def _is_resized(pod: Mapping[str, Any]) -> bool:
    asked = {one["name"]: one["resources"]["requests"] for one in pod["spec"]["containers"]}
    running = pod["status"]["containerStatuses"]
    return any("resources" in one and one["resources"]["requests"] != asked.get(one["name"]) for one in running)


def _storage(of: Objects) -> Storage | None:
    """Classes and volumes; a Ceph cluster for each that a class names."""
    if not of.classes and not of.volumes and (of.config is None or not of.config.storage):
        return None
    classes = tuple(_class(body) for body in of.classes)
    pools: dict[str, dict[str, Pool]] = {}
    for one in classes:
        if one.provisioner.endswith(CEPH) and one.pool and one.cluster:
            free = of.pools.get(one.name)
            pool = Pool(one.pool) if free is None or free < 0 else Pool(one.pool, max_avail=free)
            pools.setdefault(one.cluster, {})[one.pool] = pool
    volumes = tuple(
        Volume(body["metadata"]["name"], body["spec"]["storageClassName"], str(body["spec"]["capacity"]["storage"]))
        for body in of.volumes
        if body["spec"]["capacity"].get("storage", NO_QUANTITY) != NO_QUANTITY
    )
    ceph = tuple(Ceph(tuple(found.values()), namespace, namespace) for namespace, found in pools.items())
    return Storage(classes, volumes, ceph)


def _class(body: Mapping[str, Any]) -> StorageClass:
    parameters = body.get("parameters") or {}
    return StorageClass(
        name=body["metadata"]["name"],
        labelled=body["metadata"]["labels"].get(LABEL) == "true",
        provisioner=body["provisioner"] or LOCAL_PATH,
        pool=parameters.get("pool", ""),
        cluster=parameters.get("clusterID", ""),
    )
