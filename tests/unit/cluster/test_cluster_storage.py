"""Objects of storage, in the order in which they are created."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from harness.cluster.storage import CLAIMS, CLASSES, RBD, VOLUMES, Storage, StorageClass, Volume, furnish
from harness.errors import UsageError

STORAGE = Storage(
    classes=(StorageClass("local-path"), StorageClass("beta3", provisioner=RBD, pool="ssd", cluster="rook-ceph")),
    volumes=(Volume("a", "local-path", bound=True), Volume("b", "beta3", "5Gi"), Volume("c", "gone")),
)


class _Noting:
    """Keeps what is created."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []

    async def create(self, path: str, body: Any) -> None:
        """POST."""
        self.made.append((path, body))


def made(storage: Storage) -> list[tuple[str, Any]]:
    """What is created, in order."""
    noting = _Noting()
    asyncio.run(furnish(cast("Any", noting), storage))
    return noting.made


def test_classes_come_before_volumes_and_claims_after_theirs() -> None:
    """So that whoever watches meets nothing whose class has yet to come, save where that is meant."""
    assert [(path, body["metadata"]["name"]) for path, body in made(STORAGE)] == [
        (CLASSES, "local-path"), (CLASSES, "beta3"), (VOLUMES, "a"), (CLAIMS, "a"), (VOLUMES, "b"), (VOLUMES, "c"),
    ]  # fmt: skip


def test_a_class_carries_the_label_or_does_not() -> None:
    """Only Ceph's has parameters."""
    local, ceph = (body for path, body in made(STORAGE) if path == CLASSES)

    assert local["metadata"]["labels"] == {"akash.network": "true"}
    assert "parameters" not in local
    assert ceph["parameters"] == {"pool": "ssd", "clusterID": "rook-ceph"}
    assert StorageClass("x", labelled=False).body()["metadata"]["labels"] == {}


def test_a_volume_is_as_its_provisioner_leaves_it() -> None:
    """A directory for local storage, and for what has no class; a CSI volume for Ceph's."""
    bodies = {body["metadata"]["name"]: body["spec"] for path, body in made(STORAGE) if path == VOLUMES}

    assert "hostPath" in bodies["a"]
    assert bodies["b"]["csi"]["driver"] == RBD
    assert "hostPath" in bodies["c"]
    assert bodies["b"]["capacity"] == {"storage": "5Gi"}
    assert {spec["persistentVolumeReclaimPolicy"] for spec in bodies.values()} == {"Retain"}


def test_a_claim_asks_for_its_volume() -> None:
    """By name, in the same size and class."""
    spec = Volume("a", "local-path", "3Gi", bound=True).claim()["spec"]

    assert (spec["volumeName"], spec["storageClassName"]) == ("a", "local-path")
    assert spec["resources"]["requests"]["storage"] == "3Gi"


@pytest.mark.parametrize(
    "twice",
    [
        {"classes": (StorageClass("a"), StorageClass("a", labelled=False))},
        {"volumes": (Volume("a", "x"), Volume("a", "y"))},
    ],
)
def test_two_of_one_name_are_refused(twice: Any) -> None:
    """The error names what is there twice."""
    with pytest.raises(UsageError, match="'a' is there twice"):
        Storage(**twice)
