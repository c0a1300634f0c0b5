"""What every backend must do, held against each that can be had here: the life of one cluster, and what was seen in it.

K3s is a stand-in here (`standin`), as a process and in what stands for containers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.cluster import capability
from harness.cluster.access import OPERATOR_USER
from harness.cluster.backend import BY_ITSELF, K3S, KIND, MODULES, PLACES, BackendSpec, available, make, operator_place
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.datastore import KINDS, DatastoreSpec
from harness.cluster.shape import Shape
from tests.backends import programs
from tests.backends.boxed import Boxes
from tests.backends.lives import Seen, lived
from tests.backends.test_k3s_server import AS_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.cluster.backend import Backend
    from harness.toolchain import Toolchain

BOXED = "k3s in containers"
MACHINES = {BOXED: 2, KIND: 1}


def here() -> list[object]:
    """The backends that can be had on this machine: kind only with Docker's engine."""
    names = [name for name in BY_ITSELF if name in available() and name != KIND]
    if KIND in available() and not make(BackendSpec(KIND)).obstacles():
        names.append(KIND)
    marks = {K3S: (AS_ROOT,), BOXED: (AS_ROOT,)}
    return [pytest.param(name, marks=marks.get(name, ()), id=name) for name in (*names, BOXED)]


@pytest.fixture(scope="module", params=here())
def seen(request: pytest.FixtureRequest, toolchain: Toolchain, k3s: Path, runs: Path) -> Iterator[Seen]:
    """What was seen of one cluster of the backend."""
    name = request.param
    with pytest.MonkeyPatch.context() as patch:
        backend = made(name, k3s, patch)
        store = DatastoreSpec(backend.datastores[0])
        shape = Shape(datastore=store, machines=0 if _simulated(backend) else MACHINES.get(name, 1))
        yield asyncio.run(lived(backend, toolchain, shape, runs))


def made(name: str, k3s: Path, patch: pytest.MonkeyPatch) -> Backend:
    """The backend, of the stand-in where it is K3s."""
    if name == BOXED:
        Boxes(k3s).install(patch)
        return make(BackendSpec(K3S, {"k3s-image": programs.IMAGE}))
    return make(BackendSpec(name, {"k3s": str(k3s)} if name == K3S else {}))


def _simulated(backend: Backend) -> bool:
    return capability.SIMULATED_NODES in backend.capabilities()


def test_it_says_what_it_is(seen: Seen) -> None:
    """Name, datastores and capabilities are words that are known, and an operator can run somewhere."""
    backend = seen.backend

    assert backend.name in MODULES
    assert backend.datastores
    assert set(backend.datastores) <= set(KINDS)
    assert backend.capabilities() <= set(capability.MEANING)
    assert operator_place(backend, "") in PLACES
    assert seen.simulated is _simulated(backend)


def test_versions_tell_of_kubernetes_and_the_datastore(seen: Seen) -> None:
    """Both are in every report."""
    assert seen.versions["datastore"]
    assert any(version.startswith("v1.") for version in seen.versions.values())


def test_nodes_that_may_be_used_are_ready(seen: Seen) -> None:
    """They are real, and as many as were asked for; a backend of simulated nodes begins with none."""
    assert bool(seen.usable) is not seen.simulated
    assert seen.usable <= seen.ready_nodes
    assert len(seen.usable) <= (seen.backend.most_nodes or 0) or seen.simulated


def test_what_holds_credentials_is_ours_alone(seen: Seen) -> None:
    """The directory is closed to others, and so is every kubeconfig in it."""
    assert seen.modes.pop("directory") == 0o700
    assert set(seen.modes.values()) == {0o600}


def test_the_operator_has_an_identity_with_just_its_rights(seen: Seen) -> None:
    """It may list nodes and pods, and no secrets."""
    assert seen.operator_is.split(":")[-1] == OPERATOR_USER
    assert seen.operator_may == {
        "/api/v1/nodes": 200, "/api/v1/secrets": 403, f"/api/v1/namespaces/{POD_NAMESPACE}/pods": 200,
    }  # fmt: skip


def test_the_registry_answers(seen: Seen) -> None:
    """It is there before the operator is."""
    assert seen.registry == 200


def test_ports_are_reserved_and_free(seen: Seen) -> None:
    """Two are two, and an operator can listen on them."""
    assert len(set(seen.ports)) == 2
    assert seen.ports_free


def test_its_processes_run_and_carry_the_runs_mark(seen: Seen) -> None:
    """So that a sweep finds them, whatever becomes of us."""
    assert seen.running
    assert all(seen.running.values())
    assert seen.marked


def test_what_it_lacks_is_an_error_that_says_so(seen: Seen) -> None:
    """Nothing that a backend is not capable of does nothing in silence."""
    for word, said in seen.lacking.items():
        assert capability.MEANING[word] in said or f"has no {word}" in said, word


def test_it_leaves_nothing(seen: Seen) -> None:
    """No process with the run's mark, and no directory."""
    assert seen.left == ()
    assert not seen.directory_left
