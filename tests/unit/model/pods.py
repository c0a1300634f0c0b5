"""Hypothesis strategies for whole pods: everything that changes what a pod takes of its node, all at once.

Each is one that an API server accepts (`kubernetes/pkg/apis/core/validation`), so that the same pods are put before the
model, before the reference operator, and before a real API server (tests/describe):

- an extended resource's limit equals its request, and both are whole numbers;
- what a pod asks for as a whole is no less than what its containers do;
- overhead is that of a RuntimeClass;
- a container status has resources only where the container asks for some (kubectl dies of any other), and a resize in
  place is only of cpu and memory, of regular and of restartable init containers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from harness.model.quantity import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Draw = Callable[[st.SearchStrategy[Any]], Any]

IMAGE = "described.invalid/pause:1"
CPU = ("0", "1m", "100m", "250m", "0.1", "1", "1500m", "2", "3.5")
MEMORY = ("0", "64Mi", "100M", "1Gi", "123456Ki", "1e8", "2022Mi", "1500000001")
STORAGE = ("0", "1Gi", "500M", "12345678k")
CARDS = ("nvidia.com/gpu", "amd.com/gpu")
OVERHEADS: Mapping[str, Mapping[str, str]] = {
    "thin": {"cpu": "10m", "memory": "16Mi"},
    "thick": {"cpu": "250m", "memory": "120Mi", "ephemeral-storage": "1Gi"},
}
"""The overhead of each RuntimeClass."""

PHASES = ("Pending", "Running", "Running", "Running", "Succeeded", "Failed", "Unknown")

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Whole:
    """A pod: `spec` without a node, the `status` that it is given afterwards, and whether it is bound to one."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    bound: bool

    def on(self, node: str) -> dict[str, Any]:
        """The object, bound to the node if it is bound at all."""
        where = {"nodeName": node} if self.bound else {}
        return {"metadata": {}, "spec": {**self.spec, **where}, "status": dict(self.status)}


requests = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(CPU),
        "memory": st.sampled_from(MEMORY),
        "ephemeral-storage": st.sampled_from(STORAGE),
        CARDS[0]: st.integers(0, 3).map(str),
        CARDS[1]: st.integers(0, 3).map(str),
    },
)
running = st.fixed_dictionaries({"cpu": st.sampled_from(CPU)}, optional={"memory": st.sampled_from(MEMORY)})
volume_sources = st.fixed_dictionaries(
    {},
    optional={
        "medium": st.sampled_from(("Memory", "Memory", "")),
        "sizeLimit": st.sampled_from(("64Mi", "1Gi", "1e8")),
    },
)
pending = st.sampled_from(("", "", "Deferred", "Infeasible"))


@st.composite
def wholes(draw: Draw) -> Whole:
    """Any pod."""
    containers = [_container(draw, f"c{number}") for number in range(draw(st.integers(1, 3)))]
    init = [_init_container(draw, f"i{number}") for number in range(draw(st.integers(0, 3)))]
    spec: dict[str, Any] = {"containers": containers}
    if init:
        spec["initContainers"] = init
    if volumes := draw(st.lists(volume_sources, max_size=2)):
        spec["volumes"] = [{"name": f"v{number}", "emptyDir": source} for number, source in enumerate(volumes)]
    if runtime := draw(st.sampled_from(("", "", *OVERHEADS))):
        spec |= {"runtimeClassName": runtime, "overhead": dict(OVERHEADS[runtime])}
    if whole := _for_the_pod(draw, [*containers, *init]):
        spec["resources"] = {"requests": whole}
    return Whole(spec, _status(draw, containers, init), bound=draw(st.sampled_from((True, True, True, False))))


def _container(draw: Draw, name: str) -> dict[str, Any]:
    asked = draw(requests)
    limits = {card: asked[card] for card in CARDS if card in asked}
    return {"name": name, "image": IMAGE, "resources": {"requests": asked, **({"limits": limits} if limits else {})}}


def _init_container(draw: Draw, name: str) -> dict[str, Any]:
    restarts = draw(st.booleans())
    return _container(draw, name) | ({"restartPolicy": "Always"} if restarts else {})


def _for_the_pod(draw: Draw, containers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Requests of the pod as a whole: none, or more than all of its containers together would ask for."""
    asked = [one["resources"]["requests"] for one in containers]
    cpu = sum(parse(one.get("cpu", "0")) for one in asked)
    memory = sum(parse(one.get("memory", "0")) for one in asked)
    found: dict[str, str] = {}
    if draw(st.sampled_from((False, False, True))):
        found["cpu"] = f"{int(cpu * 1000) + draw(st.integers(0, 1500))}m"
    if draw(st.sampled_from((False, False, True))):
        found["memory"] = str(int(memory) + draw(st.integers(0, 512)) * _MIB)
    return found


def _status(draw: Draw, containers: list[dict[str, Any]], init: list[dict[str, Any]]) -> dict[str, Any]:
    status: dict[str, Any] = {"phase": draw(st.sampled_from(PHASES))}
    resized = draw(st.sampled_from((False, True)))
    for key, listed in (("containerStatuses", containers), ("initContainerStatuses", init)):
        status[key] = [_container_status(draw, one, resized=resized) for one in listed]
    if why := draw(pending):
        status["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": why}]
    return status


def _container_status(draw: Draw, container: Mapping[str, Any], *, resized: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": container["name"], "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0
    }  # fmt: skip
    if resized and container["resources"]["requests"] and draw(st.booleans()):
        found["resources"] = {"requests": draw(running)}
        if draw(st.booleans()):
            found["allocatedResources"] = draw(running)
    return found
