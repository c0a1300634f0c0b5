"""What a pod takes of its node, as Kubernetes counts it.

The rules are those of `PodRequests` in k8s.io/component-helpers/resource/helpers.go with `UseStatusResources` set and
pod-level resources on, which is what the scheduler uses (v0.34, and v0.35, whose one more rule, for pod-level resources
that are resized in place, is alpha and off). `kubectl describe node` adds up the same but for pod-level resources,
which it does not know (k8s.io/kubectl/pkg/util/resource); tests/describe holds the model against it:

- regular containers and restartable init containers (KEP-753) run together, so their requests add up;
- each ordinary init container runs alone, beside the restartable ones started before it; the pod needs the largest
  phase of all, resource by resource;
- a container whose status carries `resources` may be in the middle of an in-place resize (KEP-1287): the largest of
  what is wanted, what is allocated and what is running counts, without what is wanted when the resize is infeasible;
- `spec.resources.requests` of the pod replaces the containers' sum for cpu, memory and hugepages (KEP-2837);
- `spec.overhead` comes on top (KEP-688).

One rule is the contract's own (TRUTH-3): the size limit of each memory-backed emptyDir counts as memory, once for each
volume.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from harness.model import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CPU = "cpu"
MEMORY = "memory"
EPHEMERAL_STORAGE = "ephemeral-storage"
NVIDIA_GPU = "nvidia.com/gpu"
AMD_GPU = "amd.com/gpu"

_TERMINAL = frozenset({"Succeeded", "Failed"})
_POD_LEVEL = frozenset({CPU, MEMORY})
_HUGEPAGES = "hugepages-"

Requests = dict[str, Decimal]


def is_terminal(pod: Mapping[str, Any]) -> bool:
    """Whether the pod has ended for good (phase Succeeded or Failed) and takes nothing of its node any more."""
    return _mapping(pod, "status").get("phase") in _TERMINAL


def effective_requests(pod: Mapping[str, Any]) -> Requests:
    """What a running pod takes of its node, by resource name ("cpu" in cores, "memory" in bytes, "nvidia.com/gpu", …).

    Only resources that something asks for are keys. The phase is not looked at (see `is_terminal`). Raises
    QuantityError when a quantity of the pod cannot be read.
    """
    spec = _mapping(pod, "spec")
    result = _aggregate(spec, _mapping(pod, "status"))
    for name, amount in _requests(_mapping(spec, "resources")).items():
        if name in _POD_LEVEL or name.startswith(_HUGEPAGES):
            result[name] = amount
    _add(result, _amounts(spec.get("overhead")))
    for volume in _items(spec, "volumes"):
        limit = _memory_backed_limit(volume)
        if limit is not None:
            _add(result, {MEMORY: limit})
    return result


def _aggregate(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Requests:
    """The containers' part: `AggregateContainerRequests` of the Kubernetes source named above."""
    statuses = {
        entry.get("name"): entry
        for entry in (*_items(status, "containerStatuses"), *_items(status, "initContainerStatuses"))
    }
    infeasible = _resize_infeasible(status)
    together: Requests = {}
    for container in _items(spec, "containers"):
        _add(together, _container(container, statuses, infeasible=infeasible))
    sidecars: Requests = {}
    phases: Requests = {}
    for container in _items(spec, "initContainers"):
        if container.get("restartPolicy") == "Always":
            amounts = _container(container, statuses, infeasible=infeasible)
            _add(together, amounts)
            _add(sidecars, amounts)
            _raise_to(phases, sidecars)
        else:
            # An ordinary init container cannot be resized: its status is not looked at.
            alone = dict(sidecars)
            _add(alone, _requests(_mapping(container, "resources")))
            _raise_to(phases, alone)
    _raise_to(together, phases)
    return together


def _container(
    container: Mapping[str, Any], statuses: Mapping[Any, Mapping[str, Any]], *, infeasible: bool
) -> Requests:
    wanted = _requests(_mapping(container, "resources"))
    status = statuses.get(container.get("name"), {})
    if status.get("resources") is None:
        return wanted
    result: Requests = {} if infeasible else wanted
    _raise_to(result, _requests(_mapping(status, "resources")))
    _raise_to(result, _amounts(status.get("allocatedResources")))
    return result


def _resize_infeasible(status: Mapping[str, Any]) -> bool:
    """Whether the first PodResizePending condition says that the node can never do it."""
    for condition in _items(status, "conditions"):
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def _memory_backed_limit(volume: Mapping[str, Any]) -> Decimal | None:
    source = _mapping(volume, "emptyDir")
    limit = source.get("sizeLimit")
    return quantity.parse(limit) if source.get("medium") == "Memory" and limit is not None else None


def _requests(resources: Mapping[str, Any]) -> Requests:
    return _amounts(resources.get("requests"))


def _amounts(listed: Mapping[str, Any] | None) -> Requests:
    return {name: quantity.parse(value) for name, value in (listed or {}).items()}


def _add(result: Requests, more: Mapping[str, Decimal]) -> None:
    for name, amount in more.items():
        result[name] = quantity.add(result[name], amount) if name in result else amount


def _raise_to(result: Requests, floor: Mapping[str, Decimal]) -> None:
    for name, amount in floor.items():
        if name not in result or amount > result[name]:
            result[name] = amount


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return parent.get(key) or {}


def _items(parent: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    return parent.get(key) or ()
