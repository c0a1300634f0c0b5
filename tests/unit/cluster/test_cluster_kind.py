"""How many nodes clusters of kind have: what a scenario needs, and no less than what a user asked for."""

from __future__ import annotations

import pytest

from harness.cluster.backend import KIND, BackendSpec
from harness.cluster.datastore import DatastoreSpec
from harness.cluster.kind import backend
from harness.cluster.kindconfig import KindShape
from harness.cluster.shape import Shape
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "servers", "machines", "made"),
    [
        ({}, 1, 1, (1, 0)),
        ({}, 1, 2, (1, 2)),
        ({}, 3, 1, (3, 1)),
        ({"kind-workers": "2"}, 1, 1, (1, 2)),
        ({"kind-workers": "2"}, 1, 3, (1, 3)),
        ({"kind-servers": "3"}, 1, 1, (3, 1)),
        ({"kind-servers": "3", "kind-workers": "0"}, 1, 1, (3, 1)),
        ({"kind-servers": "1"}, 3, 2, (3, 2)),
    ],
)
def test_a_cluster_has_what_the_scenario_and_the_user_want(
    asked: dict[str, str], servers: int, machines: int, made: tuple[int, int]
) -> None:
    """The larger of both numbers; workers only where one node is not all of it."""
    datastore = DatastoreSpec("etcd3" if servers > 1 else "etcd")
    shape = Shape(servers=servers, machines=machines, datastore=datastore)

    shaped = backend(BackendSpec(KIND, {"node-image": "node:1", **asked})).shaped(shape)

    assert shaped == KindShape(*made, "node:1")


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"kind-servers": "2"}, "a kind cluster with 2 servers"),
        ({"kind-servers": "three"}, "--kind-servers 'three' is not a number of nodes"),
        ({"kind-workers": "-1"}, "--kind-workers '-1' is not a number of nodes"),
        ({"kind-workers": "99"}, "a kind cluster with 99 workers"),
    ],
)
def test_what_no_cluster_can_have_is_refused(asked: dict[str, str], problem: str) -> None:
    """Before anything is made, with the value."""
    with pytest.raises(UsageError, match=problem):
        backend(BackendSpec(KIND, asked))
