"""Pods that are put there once: what they are, how they come to their nodes, and what cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness import Container, Pod, Scenario, faults, nodes
from harness.cluster.nodes import STILL
from harness.errors import ApiError, UsageError
from harness.model import figures
from harness.traffic import standing

PARTS = (
    Container({"cpu": "250m", "nvidia.com/gpu": "1"}), Container({"cpu": "2"}, init=True),
    Container({}, init=True, stays=True),
)  # fmt: skip
FULL = Pod(
    "web-0", "worker-1", "tenant-x", PARTS, requests={"memory": "1Gi"}, overhead={"cpu": "10m"}, memory=("64Mi",)
)
ENDED = Pod("job", "worker-2", phase="Failed")


class Api:
    """Stands for the API server: what was asked of it, in order; `refuses`: a path that it refuses."""

    def __init__(self, refuses: str = "") -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.refuses = refuses

    async def create(self, path: str, body: Any) -> None:
        """POST."""
        if path == self.refuses:
            raise ApiError(f"POST {path}: 403", status=403)
        self.asked.append(("create", path, body))

    async def ensure(self, path: str, body: Any) -> None:
        """POST unless it is there."""
        self.asked.append(("ensure", path, body))

    async def patch(self, path: str, body: Any, *, content_type: str) -> None:
        """PATCH."""
        self.asked.append((content_type.partition("-")[0].rpartition("/")[2], path, body))


def placed(*pods: Pod, refuses: str = "") -> tuple[Api, list[dict[str, Any]]]:
    """Put the pods there: what was asked, and the operations that were noted."""
    api, noted = Api(refuses), []

    def note(**fields: Any) -> None:
        noted.append(fields)

    async def work() -> None:
        await standing.furnish(api, pods)  # type: ignore[arg-type]
        await standing.place(api, pods, lambda _pod: True, note)  # type: ignore[arg-type]

    asyncio.run(work())
    return api, noted


def test_a_pod_takes_what_it_says() -> None:
    """Requests of containers, of the pod, and memory-backed volumes; overhead comes from the runtime class."""
    body = FULL.body("standing-0")
    amounts = dict(zip(figures.RESOURCES, figures.of_pod({**body, "status": {"phase": "Running"}}), strict=True))

    assert {name: str(value) for name, value in amounts.items()} == {
        "cpu": "2", "memory": str(2**30 + 64 * 2**20), "gpu": "1", "ephemeral_storage": "0",
    }  # fmt: skip
    assert body["spec"]["runtimeClassName"] == "standing-0"
    assert body["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert [one.get("restartPolicy") for one in body["spec"]["initContainers"]] == [None, "Always"]
    assert body["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_a_pod_is_bound_as_a_scheduler_binds_it_and_ends_when_it_has_ended() -> None:
    """Created without a node, bound, and only then given its phase; each step of it is one operation of traffic."""
    api, noted = placed(FULL, ENDED)
    paths = [(verb, path) for verb, path, _body in api.asked]

    assert paths[0] == ("ensure", "/apis/node.k8s.io/v1/runtimeclasses")
    assert paths.index(("create", "/api/v1/namespaces/tenant-x/pods")) < paths.index(
        ("create", "/api/v1/namespaces/tenant-x/pods/web-0/binding")
    )
    assert ENDED.body()["metadata"]["annotations"] == {STILL: "true"}
    assert "annotations" not in FULL.body()["metadata"]
    assert paths[-1] == ("strategic", "/api/v1/namespaces/default/pods/job/status")
    assert all(
        "nodeName" not in body["spec"] for verb, path, body in api.asked if path.endswith("/pods") and verb == "create"
    )
    assert sorted((one["object"], one["phase"]) for one in noted) == [
        ("default/job", "invoke"), ("default/job", "ok"), ("tenant-x/web-0", "invoke"), ("tenant-x/web-0", "ok"),
    ]  # fmt: skip


def test_a_pod_that_is_refused_ends_the_run() -> None:
    """The cluster is not what it was to be; what happened to the operation is noted."""
    with pytest.raises(ApiError, match="403"):
        placed(ENDED, refuses="/api/v1/namespaces/default/pods")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pod("x", "worker-1", phase="Pending"), "phase 'Pending' is not possible"),
        (lambda: Pod("x", "worker-1", containers=(Container(init=True),)), "has no regular container"),
        (lambda: scenario(Pod("x", "nowhere")), "pod x is on 'nowhere', which is no node"),
        (lambda: scenario(ENDED, ENDED), "pod default/job is there twice"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    """One error that names the pod and what is wrong with it."""
    with pytest.raises(UsageError, match=said):
        make()


def scenario(*pods: Pod, **more: Any) -> Scenario:
    """A scenario with these pods."""
    return Scenario(id="chaos/x", promises=("TRUTH-3",), pods=pods, **more)


def test_a_pod_may_be_on_a_node_that_joins() -> None:
    """A fault that brings the node makes it one of the scenario's."""
    joining = faults.NodesJoin((("late-1", nodes.NodeProfile()),))

    assert scenario(Pod("x", "late-1"), faults=(joining,)).pods[0].node == "late-1"
