"""Requests moved into the past: which may be, and what becomes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.aged import may_be_from, moved
from harness.cluster.apicalls import describe
from harness.cluster.http1 import Head

NODES = "/api/v1/nodes"
REST = b"\r\nHost: x\r\nAccept: a, b\r\n\r\n"


def head(target: str) -> Head:
    """The head of a GET."""
    return Head(f"GET {target} HTTP/1.1".encode() + REST, ("GET", target, "HTTP/1.1"), {"host": "x"})


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("", False),
        ("resourceVersion=0", True),
        ("resourceVersion=7", True),
        ("resourceVersion=8", False),
        ("resourceVersion=7&resourceVersionMatch=NotOlderThan", True),
        ("resourceVersion=7&resourceVersionMatch=Exact", False),
        ("continue=abc", False),
        ("resourceVersion=soon", False),
        ("watch=1", False),
        ("watch=1&resourceVersion=0", False),
        ("watch=1&resourceVersion=7", False),
        ("watch=1&resourceVersion=8", True),
        ("watch=1&resourceVersion=8&sendInitialEvents=true", False),
    ],
)
def test_only_what_may_be_old_is_moved(query: str, allowed: bool) -> None:
    """A list that takes version 7 or any, and a watch that would begin later, can be moved to it; nothing else."""
    assert may_be_from(describe("GET", f"{NODES}?{query}"), "7") is allowed


def test_a_list_is_of_one_moment() -> None:
    """It asks for exactly that version, and keeps whatever else it asked for."""
    target = f"{NODES}?resourceVersion=0&limit=500&labelSelector=a%3Db&resourceVersionMatch=NotOlderThan"
    there = moved(head(target), describe("GET", target), "7")

    wanted = f"{NODES}?limit=500&labelSelector=a%3Db&resourceVersion=7&resourceVersionMatch=Exact"
    assert there.first == ("GET", wanted, "HTTP/1.1")
    assert there.raw == f"GET {wanted} HTTP/1.1".encode() + REST


@given(st.integers(1, 1 << 60))
def test_a_watch_begins_earlier(back: int) -> None:
    """Only the version changes."""
    target = f"{NODES}?watch=true&resourceVersion={1 << 61}&timeoutSeconds=9"
    there = moved(head(target), describe("GET", target), str(back))

    assert describe("GET", there.first[1]).version == str(back)
    assert there.first[1] == f"{NODES}?watch=true&timeoutSeconds=9&resourceVersion={back}"
