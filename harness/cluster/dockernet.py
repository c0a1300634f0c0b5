"""A network of the local Docker daemon for the containers of one run, and the removal of those of dead runs.

Its labels say which run it belongs to, as those of containers do (`containers`), under a name of its own: a sweep
removes containers first, and a network only when nothing is connected to it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.cluster import containers
from harness.cluster.containers import DIRECTORY, PLACE, mapped

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = "inventory-harness.network"
"""The label with the run's mark."""
_GONE = 404


class Network(Protocol):
    """A network. Every call blocks, and raises ClusterError when the daemon refuses."""

    @property
    def name(self) -> str:
        """What containers name to be connected to it."""
        ...

    def create(self) -> str:
        """Make it; this machine's address on it."""
        ...

    def remove(self) -> None:
        """Remove it; one that was never made, or is gone, is no error."""
        ...


@dataclass(slots=True)
class DockerNetwork:
    """A bridge of the local daemon. `mark` and `directory` are the run's.

    It is named by its id once it is there: two networks may have one name.
    """

    name: str
    mark: str
    directory: Path
    _id: str = ""

    def create(self) -> str:
        """Make it."""
        labels = {NETWORK: self.mark, DIRECTORY: str(self.directory), PLACE: containers.place()}
        with mapped("make a network"), containers.daemon() as api:
            self._id = str(api.create_network(self.name, driver="bridge", labels=labels, check_duplicate=True)["Id"])
            return str(api.inspect_network(self._id)["IPAM"]["Config"][0]["Gateway"])

    def remove(self) -> None:
        """Remove it."""
        if not self._id:
            return
        with mapped(f"remove the network {self.name}", f"docker network rm {self._id}"), containers.daemon() as api:
            _remove(api, self._id)
        self._id = ""


def sweep_with(api: Any) -> containers.Swept:
    """Remove the networks of dead runs, by the API of a daemon; after their containers."""
    here = containers.place()
    removed: list[str] = []
    kept: list[tuple[str, str]] = []
    for network in api.networks(filters={"label": NETWORK}):
        if not containers.orphaned(network.get("Labels") or {}, here=here):
            continue
        name = str(network["Name"])
        try:
            if _remove(api, str(network["Id"])):
                removed.append(name)
        except containers.foreign() as exc:
            kept.append((name, containers.words(exc)))
    return containers.Swept(tuple(removed), tuple(kept))


def sweep() -> containers.Swept:
    """The same with the local daemon; where no Docker answers there are none."""
    if not containers.installed():
        return containers.Swept()
    try:
        with containers.daemon() as api:
            return sweep_with(api)
    except containers.foreign():
        return containers.Swept()


def _remove(api: Any, identity: str) -> bool:
    try:
        api.remove_network(identity)
    except importlib.import_module("docker.errors").APIError as exc:
        if exc.status_code != _GONE:
            raise
        return False
    return True
