"""The reaper removes pods that are being deleted, by uid, on nodes that have a kubelet at work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster.reaper import Reaper
from harness.errors import ApiError, ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

DOOMED = {
    "metadata": {"uid": "u1", "namespace": "ns", "name": "pod", "deletionTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"nodeName": "worker"},
}


class Answers:
    """Stands for the client: a node that is Ready or not, and an answer to DELETE."""

    def __init__(self, *, ready: bool | None, delete: Exception | None = None) -> None:
        self.ready = ready
        self.delete = delete
        self.deleted: list[tuple[str, Any]] = []

    async def get(self, path: str) -> Mapping[str, Any]:
        """The node."""
        assert path == "/api/v1/nodes/worker"
        if self.ready is None:
            raise ApiError("no such node", status=404)
        return {"status": {"conditions": [{"type": "Ready", "status": "True" if self.ready else "Unknown"}]}}

    async def request(self, method: str, path: str, *, body: Any) -> None:
        """A DELETE."""
        assert method == "DELETE"
        self.deleted.append((path, body))
        if self.delete is not None:
            raise self.delete


def reaper(answers: Answers) -> Reaper:
    """A reaper on these answers."""
    return Reaper(answers)  # type: ignore[arg-type]


def test_only_a_bound_pod_that_is_being_deleted_is_noted() -> None:
    """A pod that lives, or that no node has, is left alone, and one that is gone is forgotten."""
    subject = reaper(Answers(ready=True))
    living = {"metadata": {"uid": "u2", "namespace": "ns", "name": "living"}, "spec": {"nodeName": "worker"}}
    unbound = {"metadata": DOOMED["metadata"], "spec": {}}
    subject.note("ADDED", living)
    subject.note("MODIFIED", unbound)
    assert subject.pending == {}
    subject.note("MODIFIED", DOOMED)
    assert subject.pending == {"u1": ("ns", "pod", "worker")}
    subject.note("DELETED", DOOMED)
    assert subject.pending == {}


def test_a_bookmark_is_about_no_pod() -> None:
    """It has nothing but a version, and comes about a minute after a watch was opened."""
    subject = reaper(Answers(ready=True))
    subject.note("MODIFIED", DOOMED)
    subject.note("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "17", "annotations": {}}, "spec": {}})

    assert subject.pending == {"u1": ("ns", "pod", "worker")}


async def _removed(answers: Answers) -> bool:
    return await reaper(answers)._removed("u1", "ns", "pod", "worker")


@pytest.mark.parametrize(
    ("ready", "error", "expected", "asked"),
    [
        pytest.param(True, None, True, 1, id="removed"),
        pytest.param(False, None, False, 0, id="node-without-kubelet"),
        pytest.param(None, None, False, 0, id="node-gone"),
        pytest.param(True, ApiError("gone", status=404), True, 1, id="already-gone"),
        pytest.param(True, ApiError("another pod of that name", status=409), True, 1, id="uid-differs"),
        pytest.param(True, ApiError("busy", status=500), False, 1, id="server-error"),
        pytest.param(True, ApiUnavailableError("away"), False, 1, id="no-answer"),
    ],
)
def test_a_pod_is_removed_by_its_uid_or_waits(
    ready: bool | None, error: Exception | None, expected: bool, asked: int
) -> None:
    """A pod is removed by uid where a kubelet works, dropped when nothing is left to remove, else kept waiting."""
    answers = Answers(ready=ready, delete=error)
    assert asyncio.run(_removed(answers)) is expected
    assert len(answers.deleted) == asked
    assert all(body["preconditions"] == {"uid": "u1"} for _, body in answers.deleted)
