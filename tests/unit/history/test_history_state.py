"""The cluster as it was at a moment, from the records of ground truth."""

from __future__ import annotations

from typing import Any

from harness.history.reader import from_records
from harness.history.state import states


def told(event: str, t: float, resource: str, name: str, uid: str = "u") -> dict[str, Any]:
    """A change of one object."""
    namespace = "tenant-a" if resource == "pods" else ""
    body = {"metadata": {"name": name, "uid": uid}, "at": t}
    return {
        "k": "object", "t": t, "event": event, "resource": resource, "namespace": namespace, "name": name, "uid": uid,
        "object": body,
    }  # fmt: skip


def names(state: dict[str, Any], resource: str) -> list[str]:
    """Which objects there are."""
    return [item["metadata"]["name"] for item in state[resource]]


def test_each_moment_has_what_was_there_then() -> None:
    """Added, changed and deleted objects count from their moment on, and a complete list ends what it does not hold."""
    history = from_records(
        [
            told("SYNC", 1.0, "nodes", "b"),
            told("SYNC", 1.0, "nodes", "a"),
            told("ADDED", 2.0, "pods", "p"),
            told("MODIFIED", 3.0, "nodes", "a"),
            told("DELETED", 4.0, "pods", "p"),
            {"k": "synced", "t": 5.0, "resource": "nodes", "objects": [["", "b", "other"], ["", "a", "u"]]},
        ]
    )

    found = states(history, [3.0, 0.5, 6.0, 4.5, 3.0])

    assert [state["t"] for state in found] == [0.5, 3.0, 4.5, 6.0]
    assert [names(state, "nodes") for state in found] == [[], ["a", "b"], ["a", "b"], ["a"]]
    assert [names(state, "pods") for state in found] == [[], ["p"], [], []]
    assert found[1]["nodes"][0]["at"] == 3.0
