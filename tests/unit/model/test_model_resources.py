"""Golden cases of effective requests, each with the rule of Kubernetes that it stands for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from harness.model.quantity import QuantityError
from harness.model.resources import effective_requests, is_terminal
from tests.unit.model.objects import amounts, container, pod

GI = 2**30


def with_status(body: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The pod with more status."""
    return {**body, "status": {**body["status"], **status}}


def volume(**source: Any) -> dict[str, Any]:
    """An emptyDir volume."""
    return {"name": "v", "emptyDir": source}


def resized(name: str = "main", *, running: dict[str, Any], allocated: dict[str, Any] | None = None) -> dict[str, Any]:
    """A container status in the middle of an in-place resize."""
    return {"name": name, "resources": {"requests": running}, "allocatedResources": allocated}


PENDING_INFEASIBLE = {"type": "PodResizePending", "status": "True", "reason": "Infeasible"}
PENDING_DEFERRED = {"type": "PodResizePending", "status": "True", "reason": "Deferred"}
SIDECAR = "Always"

CASES: dict[str, tuple[dict[str, Any], dict[str, str | int]]] = {
    # Nothing asked for is nothing taken; no key appears by itself.
    "no requests": (pod(container()), {}),
    "no containers at all": ({"spec": {}}, {}),
    # Regular containers run together: the sum.
    "containers add up": (pod(container("a", cpu="250m"), container("b", cpu="1.5")), {"cpu": "1.75"}),
    # Fractions stay exact: ten times a tenth is one, not 0.999….
    "fractions are exact": (pod(*(container(str(i), cpu="100m") for i in range(10))), {"cpu": 1}),
    # Notations mix freely.
    "notations mix": (pod(container("a", memory="1Gi"), container("b", memory="1e9")), {"memory": GI + 10**9}),
    # Every resource by its own name; limits are not requests.
    "all resources": (
        pod({**container(cpu=1, memory="1Ki", ephemeral_storage="1k", nvidia_gpu=2, amd_gpu=1, foo="3")}),
        {"cpu": 1, "memory": 1024, "ephemeral-storage": 1000, "nvidia.com/gpu": 2, "amd.com/gpu": 1, "foo": 3},
    ),
    "limits do not count": (pod({"name": "a", "resources": {"limits": {"cpu": "4"}}}), {}),
    # A zero that is asked for is a key with zero.
    "zero is kept": (pod(container(cpu=0)), {"cpu": 0}),
    # Init containers run before, one at a time: the larger of the largest and the containers' sum, per resource.
    "init smaller": (pod(container(cpu=2), initContainers=[container("i", cpu=1)]), {"cpu": 2}),
    "init larger": (pod(container(cpu=2), initContainers=[container("i", cpu=3)]), {"cpu": 3}),
    "init containers do not add up": (
        pod(container(cpu=1), initContainers=[container("i", cpu=2), container("j", cpu=2)]),
        {"cpu": 2},
    ),
    "largest per resource": (
        pod(container(cpu=2, memory="1Gi"), initContainers=[container("i", cpu=1, memory="4Gi")]),
        {"cpu": 2, "memory": 4 * GI},
    ),
    "init alone asks": (pod(container(), initContainers=[container("i", nvidia_gpu=1)]), {"nvidia.com/gpu": 1}),
    # Each vendor's cards are a resource of their own: the largest of one is not lessened by the other.
    "vendors apart": (
        pod(container(amd_gpu=1), initContainers=[container("i", nvidia_gpu=2)]),
        {"nvidia.com/gpu": 2, "amd.com/gpu": 1},
    ),
    # Restartable init containers (sidecars, KEP-753) run on beside the regular ones.
    "sidecar adds to containers": (
        pod(container(cpu=2), initContainers=[container("s", restart=SIDECAR, cpu=1)]),
        {"cpu": 3},
    ),
    # An init container runs beside the sidecars started before it …
    "init after sidecar": (
        pod(container(cpu=1), initContainers=[container("s", restart=SIDECAR, cpu=1), container("i", cpu=5)]),
        {"cpu": 6},
    ),
    # … and not beside those started after it.
    "init before sidecar": (
        pod(container(cpu=1), initContainers=[container("i", cpu=5), container("s", restart=SIDECAR, cpu=1)]),
        {"cpu": 5},
    ),
    "init between sidecars": (
        pod(
            container(cpu=1),
            initContainers=[
                container("s", restart=SIDECAR, cpu=1),
                container("i", cpu=3),
                container("z", restart=SIDECAR, cpu=4),
            ],
        ),
        {"cpu": 6},
    ),
    # Any other restart policy of an init container is ordinary.
    "restart policy Never is ordinary": (
        pod(container(cpu=2), initContainers=[container("i", restart="Never", cpu=1)]),
        {"cpu": 2},
    ),
    # Overhead (KEP-688) comes on top of the larger one, also for resources that no container names.
    "overhead on top": (
        pod(container(cpu=1), initContainers=[container("i", cpu=2)], overhead=amounts(cpu="250m", memory="120Mi")),
        {"cpu": "2.25", "memory": 120 * 2**20},
    ),
    # Pod-level requests (KEP-2837) replace the containers' sum, upwards and downwards, for what they name.
    "pod level replaces": (
        pod(container(cpu=1, memory="1Gi"), resources={"requests": amounts(cpu=4)}),
        {"cpu": 4, "memory": GI},
    ),
    "pod level below the containers": (pod(container(cpu=3), resources={"requests": amounts(cpu=2)}), {"cpu": 2}),
    "pod level hugepages": (
        pod(container(cpu=1), resources={"requests": {"hugepages-2Mi": "4Mi"}}),
        {"cpu": 1, "hugepages-2Mi": 4 * 2**20},
    ),
    # Other resources cannot be asked for at pod level.
    "pod level of another resource": (
        pod(container(nvidia_gpu=1), resources={"requests": {"nvidia.com/gpu": 4, "ephemeral-storage": "1Gi"}}),
        {"nvidia.com/gpu": 1},
    ),
    "pod level and overhead": (
        pod(container(cpu=1), resources={"requests": amounts(cpu=4)}, overhead=amounts(cpu=1)),
        {"cpu": 5},
    ),
    "pod level and a memory volume": (
        pod(
            container(memory="1Gi"),
            resources={"requests": amounts(memory="2Gi")},
            volumes=[volume(medium="Memory", sizeLimit="1Gi")],
        ),
        {"memory": 3 * GI},
    ),
    # Memory-backed emptyDir (TRUTH-3): the limit once per volume, however many containers mount it.
    "memory volume once": (
        pod(
            container("a", memory="1Gi"),
            container("b", memory="1Gi"),
            volumes=[volume(medium="Memory", sizeLimit="512Mi"), volume(medium="Memory", sizeLimit="512Mi")],
        ),
        {"memory": 3 * GI},
    ),
    "memory volume without a limit": (pod(container(memory="1Gi"), volumes=[volume(medium="Memory")]), {"memory": GI}),
    "volume on disk": (pod(container(memory="1Gi"), volumes=[volume(sizeLimit="5Gi")]), {"memory": GI}),
    "hugepages volume": (
        pod(
            container(memory="1Gi"),
            volumes=[volume(medium="HugePages", sizeLimit="5Gi"), {"name": "c", "configMap": {}}],
        ),
        {"memory": GI},
    ),
    # In-place resize (KEP-1287): while it goes on, the largest of wanted, allocated and running counts.
    "resize up": (
        with_status(
            pod(container(cpu=4)), containerStatuses=[resized(running=amounts(cpu=1), allocated=amounts(cpu=2))]
        ),
        {"cpu": 4},
    ),
    "resize down, not yet done": (
        with_status(pod(container(cpu=1)), containerStatuses=[resized(running=amounts(cpu=4))]),
        {"cpu": 4},
    ),
    "resize allocated, not yet running": (
        with_status(
            pod(container(cpu=2)), containerStatuses=[resized(running=amounts(cpu=1), allocated=amounts(cpu=3))]
        ),
        {"cpu": 3},
    ),
    "resize deferred counts what is wanted": (
        with_status(
            pod(container(cpu=8)),
            containerStatuses=[resized(running=amounts(cpu=1))],
            conditions=[PENDING_DEFERRED],
        ),
        {"cpu": 8},
    ),
    "resize infeasible counts what is there": (
        with_status(
            pod(container(cpu=800)),
            containerStatuses=[resized(running=amounts(cpu=1), allocated=amounts(cpu=2))],
            conditions=[PENDING_INFEASIBLE],
        ),
        {"cpu": 2},
    ),
    # A status without resources (no resize support, or not started) changes nothing, whatever else it says.
    "status without resources": (
        with_status(pod(container(cpu=1)), containerStatuses=[{"name": "main", "allocatedResources": {"cpu": "9"}}]),
        {"cpu": 1},
    ),
    "status of another container": (
        with_status(pod(container(cpu=1)), containerStatuses=[resized("other", running=amounts(cpu=9))]),
        {"cpu": 1},
    ),
    # A sidecar can be resized, an ordinary init container cannot.
    "sidecar resized": (
        with_status(
            pod(container(cpu=1), initContainers=[container("s", restart=SIDECAR, cpu=1)]),
            initContainerStatuses=[resized("s", running=amounts(cpu=3))],
        ),
        {"cpu": 4},
    ),
    "sidecar resized beyond what can be": (
        with_status(
            pod(container(cpu=1), initContainers=[container("s", restart=SIDECAR, cpu=9)]),
            initContainerStatuses=[resized("s", running=amounts(cpu=3))],
            conditions=[PENDING_INFEASIBLE],
        ),
        {"cpu": 4},
    ),
    # Each resource by itself: what is resized up counts as wanted, what is resized down as running.
    "resize up and down at once": (
        with_status(
            pod(container(cpu=4, memory="1Gi")), containerStatuses=[resized(running=amounts(cpu=1, memory="2Gi"))]
        ),
        {"cpu": 4, "memory": 2 * GI},
    ),
    # A status whose resources are empty tells of a container that runs without requests.
    "resources of a status are empty": (
        with_status(
            pod(container(cpu=4)),
            containerStatuses=[{"name": "main", "resources": {}}],
            conditions=[PENDING_INFEASIBLE],
        ),
        {},
    ),
    "ordinary init container is not resized": (
        with_status(
            pod(container(cpu=1), initContainers=[container("i", cpu=2)]),
            initContainerStatuses=[resized("i", running=amounts(cpu=9))],
        ),
        {"cpu": 2},
    ),
    # null, as Go writes an empty list, is nothing.
    "nulls": (
        {
            "spec": {"containers": [{"name": "a", "resources": None}], "initContainers": None, "volumes": None},
            "status": None,
        },
        {},
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_effective_requests(body: dict[str, Any], expected: dict[str, str | int]) -> None:
    """Effective requests are those of the Kubernetes rule that the case stands for."""
    assert effective_requests(body) == {name: Decimal(value) for name, value in expected.items()}


def test_the_pod_is_left_alone() -> None:
    """Computing twice gives the same, as nothing of the pod or of remembered quantities is changed."""
    body = with_status(
        pod(container("a", cpu=1), container("b", cpu=1), initContainers=[container("s", restart=SIDECAR, cpu=1)]),
        containerStatuses=[resized("a", running=amounts(cpu=3))],
    )
    assert effective_requests(body) == effective_requests(body) == {"cpu": 5}


@pytest.mark.parametrize(
    ("phase", "terminal"),
    [("Pending", False), ("Running", False), ("Unknown", False), ("", False), ("Succeeded", True), ("Failed", True)],
)
def test_terminal_phases(phase: str, terminal: bool) -> None:
    """Exactly Succeeded and Failed are terminal."""
    assert is_terminal(pod(phase=phase)) is terminal


def test_a_pod_without_status_is_not_terminal() -> None:
    """A pod that nobody has taken up yet is not terminal."""
    assert not is_terminal({"spec": {}})


def test_an_unreadable_quantity_is_named() -> None:
    """A request that is no quantity raises QuantityError with its text."""
    with pytest.raises(QuantityError, match="1Potato"):
        effective_requests(pod(container(memory="1Potato")))
