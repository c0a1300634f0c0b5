"""What would be changed is told in the words of the API, and answered as if it had been done."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import ApiError
from harness.run.dryrun import Teller, told

NODES = "/api/v1/nodes"


def test_a_change_is_told_and_not_made() -> None:
    """The answer is what was asked for, so that whoever asked goes on."""
    said: list[str] = []
    teller = Teller(said.append)
    body = {"kind": "Namespace", "metadata": {"name": "tenant-a"}}

    answer = teller("POST", "/api/v1/namespaces", body, None)

    assert said == ["  create Namespace tenant-a at /api/v1/namespaces"]
    assert answer["metadata"] == {"name": "tenant-a", "uid": "not-made", "resourceVersion": "1"}
    assert body == {"kind": "Namespace", "metadata": {"name": "tenant-a"}}


def test_what_is_asked_only_is_asked_of_the_cluster() -> None:
    """Reading, and questions about rights, which are sent as if they made something."""
    said: list[str] = []
    teller = Teller(said.append)

    assert teller("GET", NODES, None, None) is None
    assert teller("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, None) is None
    assert said == []


def test_what_was_made_is_there_until_it_is_deleted() -> None:
    """Once: whoever makes it again learns so, as from an API server."""
    said: list[str] = []
    teller = Teller(said.append)
    body = {"kind": "Node", "metadata": {"name": "a"}}
    teller("POST", NODES, body, None)

    assert teller("GET", f"{NODES}/a", None, None)["metadata"]["name"] == "a"
    with pytest.raises(ApiError, match="a is there already") as caught:
        teller("POST", NODES, body, None)
    assert caught.value.status == 409
    teller("DELETE", f"{NODES}/a", None, None)
    assert teller("GET", f"{NODES}/a", None, None) is None
    assert (teller.told, len(said)) == (2, 2)


@pytest.mark.parametrize(
    ("method", "path", "body", "line"),
    [
        (
            "PATCH",
            f"{NODES}/a",
            {"spec": {"unschedulable": True}},
            'patch /api/v1/nodes/a {"spec":{"unschedulable":true}}',
        ),
        ("DELETE", f"{NODES}/a", None, "delete /api/v1/nodes/a"),
        ("POST", f"{NODES}", {"kind": "Node", "metadata": {"name": "a"}}, "create Node a at /api/v1/nodes"),
        ("POST", "/x/token", {"kind": "TokenRequest"}, "create TokenRequest at /x/token"),
    ],
)
def test_a_line_says_what_is_changed(method: str, path: str, body: Any, line: str) -> None:
    """As a person would ask the API for it."""
    assert told(method, path, body) == line


def test_a_long_change_is_cut() -> None:
    """A line is for reading."""
    line = told("PATCH", f"{NODES}/a", {"metadata": {"labels": {str(number): "x" for number in range(100)}}})

    assert line.endswith("…")
    assert len(line) < 200
