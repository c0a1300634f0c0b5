"""Which networks a sweep removes; the daemon is a fake."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster import containers, dockernet
from harness.cluster.containers import DIRECTORY, PLACE, place
from harness.cluster.dockernet import NETWORK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class DockerError(Exception):
    """Stands for docker.errors.APIError."""

    def __init__(self, status_code: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status_code = status_code
        self.explanation = explanation


class Daemon:
    """Its API: networks by name, with labels; removing one of `refused` raises."""

    def __init__(self, found: Mapping[str, Mapping[str, str] | None], refused: Mapping[str, Exception]) -> None:
        self.found = found
        self.refused = refused
        self.removed: list[str] = []

    def networks(self, *, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        """Those that have the label."""
        assert filters == {"label": NETWORK}
        return [{"Id": f"id-{name}", "Name": name, "Labels": labels} for name, labels in self.found.items()]

    def remove_network(self, identity: str) -> None:
        """Remove one, by its id alone: two may have one name."""
        name = identity.removeprefix("id-")
        if name in self.refused:
            raise self.refused[name]
        self.removed.append(name)


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that are taken from the library; it need not be installed here."""
    errors = ModuleType("docker.errors")
    vars(errors).update(DockerException=DockerError, APIError=DockerError)
    monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))
    monkeypatch.setitem(sys.modules, "docker.errors", errors)


def test_a_sweep_removes_networks_of_dead_runs_alone(tmp_path: Path) -> None:
    """A live run's stays; one that went in between is no news; a refusal is told in the daemon's words."""
    gone = {NETWORK: "0badcafe", PLACE: place(), DIRECTORY: str(tmp_path / "gone")}
    refused = {"c": DockerError(404, "no such network"), "d": DockerError(403, "has active endpoints\nand more")}
    daemon = Daemon({"a": gone, "b": {**gone, DIRECTORY: str(tmp_path)}, "c": gone, "d": gone, "e": None}, refused)

    swept = dockernet.sweep_with(daemon)

    assert daemon.removed == ["a"]
    assert swept == containers.Swept(("a",), (("d", "has active endpoints"),))


def test_a_network_is_not_taken_for_a_container_of_a_run() -> None:
    """Sweeps of containers, and of kind's networks, go by another label, and would come before the containers' end."""
    assert NETWORK != containers.RUN


def test_without_the_library_there_is_nothing_to_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """No import is tried, and nothing is said."""
    monkeypatch.setattr(containers, "installed", lambda: False)

    assert dockernet.sweep() == containers.Swept()
