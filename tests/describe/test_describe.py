"""What the model says of a node's pods is what `kubectl describe node` adds up, on a real API server.

Not unit tests. kubectl departs from the scheduler, and the contract from both, in two places, which are accounted for
and nothing else:

- kubectl (1.34 and 1.35, k8s.io/kubectl/pkg/util/resource) does not know requests of the pod as a whole (KEP-2837). It
  is asked about the same pod, and the model about the pod without them; with them the model must say just them;
- the contract counts the size limit of each memory-backed emptyDir as memory (TRUTH-3). Kubernetes does not.

kubectl dies of a nil map (`max` in that package) where a container has no requests and its status has resources, so no
such pod is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model import quantity
from harness.model.inventory import RESOURCES, Truth
from harness.model.resources import effective_requests, is_terminal
from harness.run.observe import trim
from tests.describe.described import parse
from tests.unit.model import objects
from tests.unit.model.pods import Whole, wholes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tests.describe.conftest import Place

LEAST_PODS = 500
EXAMPLES, OF_PODS = 90, (6, 10)
CARDS = ("nvidia.com/gpu", "amd.com/gpu")

TEXT = """\
Name:               node-1
Non-terminated Pods:          (2 in total)
  Namespace                   Name           CPU Requests  CPU Limits  Memory Requests     Memory Limits  Age
  ---------                   ----           ------------  ----------  ---------------     -------------  ---
  described                   pod-1-0        1750m (0%)    0 (0%)      1100000000 (0%)     0 (0%)         3s
  described                   pod-1-1        0 (0%)        0 (0%)      0 (0%)              0 (0%)         3s
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests         Limits
  --------           --------         ------
  cpu                1750m (0%)       0 (0%)
  memory             1100000000 (0%)  0 (0%)
  ephemeral-storage  1Gi (0%)         0 (0%)
  nvidia.com/gpu     2                2
"""


def test_a_description_is_read() -> None:
    """Both tables, with quantities as numbers."""
    found = parse(TEXT)

    assert found.pods == {
        ("described", "pod-1-0"): (quantity.parse("1750m"), quantity.parse("1100M")),
        ("described", "pod-1-1"): (quantity.ZERO, quantity.ZERO),
    }
    assert found.allocated["ephemeral-storage"] == quantity.parse("1Gi")
    assert (found.allocated["cpu"], found.allocated["nvidia.com/gpu"]) == (quantity.parse("1.75"), quantity.parse("2"))


def known_to_kubectl(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod without what kubectl does not count."""
    spec = {key: value for key, value in pod["spec"].items() if key not in {"resources", "volumes"}}
    return {**pod, "spec": spec}


def memory_volumes(pod: Mapping[str, Any]) -> Decimal:
    """The size limits of the pod's memory-backed volumes."""
    sources = [volume.get("emptyDir") or {} for volume in pod["spec"].get("volumes") or ()]
    return quantity.total(
        quantity.parse(source["sizeLimit"])
        for source in sources
        if source.get("medium") == "Memory" and "sizeLimit" in source
    )


def counted(pods: list[dict[str, Any]], node: str) -> list[dict[str, Any]]:
    """The pods that take something of the node."""
    return [pod for pod in pods if pod["spec"].get("nodeName") == node and not is_terminal(pod)]


def allocated(pods: list[dict[str, Any]], node: str) -> dict[str, Decimal]:
    """What the oracle reports as allocated when it is told of these pods as a run would tell it."""
    truth = Truth()
    truth.apply(objects.of_node("ADDED", node, objects.node()))
    for pod in pods:
        meta = pod["metadata"]
        kept = trim("pods", known_to_kubectl(pod))
        truth.apply(objects.of_pod("ADDED", meta["name"], kept, namespace=meta["namespace"], uid=meta["uid"]))
    expected = truth.expected_node(node)
    assert expected is not None
    return {name: expected.values[f"{name}.allocated"] for name in RESOURCES}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(wholes(), min_size=OF_PODS[0], max_size=OF_PODS[1]))
def test_kubectl_and_the_model_add_up_alike(place: Place, pods: list[Whole]) -> None:
    """Each pod and each sum, for pods of every kind, as the API server tells them."""
    node, told = place.put(pods)
    try:
        found = place.describe(node)
    finally:
        place.remove(node)

    here = counted(told, node)
    assert set(found.pods) == {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in here}
    for pod in here:
        cpu, memory = found.pods[pod["metadata"]["namespace"], pod["metadata"]["name"]]
        plain, whole = effective_requests(known_to_kubectl(pod)), effective_requests(pod)
        assert (plain.get("cpu", 0), plain.get("memory", 0)) == (cpu, memory), pod
        as_a_whole = (pod["spec"].get("resources") or {}).get("requests") or {}
        overhead = pod["spec"].get("overhead") or {}
        for name, by_kubectl in (("cpu", cpu), ("memory", memory)):
            expected = by_kubectl
            if name in as_a_whole:
                expected = quantity.parse(as_a_whole[name]) + quantity.parse(overhead.get(name, "0"))
            more = memory_volumes(pod) if name == "memory" else 0
            assert whole.get(name, 0) == expected + more, pod

    sums = allocated(told, node)
    assert sums["cpu"] == found.allocated["cpu"]
    assert sums["memory"] == found.allocated["memory"]
    assert sums["ephemeral_storage"] == found.allocated["ephemeral-storage"]
    assert sums["gpu"] == sum(found.allocated[card] for card in CARDS)
    for card in CARDS:
        each = quantity.total(effective_requests(pod).get(card, quantity.ZERO) for pod in here)
        assert each == found.allocated[card]


def test_enough_pods_were_described(place: Place) -> None:
    """A comparison of a handful of pods would prove nothing."""
    assert place.described >= LEAST_PODS
