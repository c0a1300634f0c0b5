"""Containers that runs have made: how Docker is reached, how they are labelled, and the removal of dead runs' ones.

A container says by its labels which run it belongs to, where that run's directory is, and in which place (machine and
view of its file system) that path means something. The directory is there for as long as the run lives, and after its
death until `rundir.sweep` removes it. So what is swept here, afterwards, are the containers whose directory is gone.
A container of another place is left alone: nothing can be said about its run from here.

Docker and testcontainers are an extra of the installation: they are imported when they are needed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUN = "inventory-harness.run"
"""The label with the run's mark."""
DIRECTORY = "inventory-harness.directory"
"""The label with the absolute path of the run's directory."""
PLACE = "inventory-harness.place"
"""The label that says where that path is one: see `place`."""
_PING_S = 3
_GONE, _CONFLICT = 404, 409


def labels(mark: str, directory: Path) -> dict[str, str]:
    """What a container of a run that runs here is labelled with."""
    return {RUN: mark, DIRECTORY: str(directory), PLACE: place()}


def place() -> str:
    """This machine by name, and the mount namespace: a service with a /tmp of its own is another place."""
    return f"{socket.gethostname()} {Path('/proc/self/ns/mnt').readlink()}"


def orphaned(found: Mapping[str, str], *, here: str) -> bool:
    """Whether a container with these labels belongs to a run of this place that is over. In doubt it does not."""
    if found.get(PLACE) != here or not found.get(DIRECTORY):
        return False
    try:
        Path(found[DIRECTORY]).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # not for us to see
    return False


def installed() -> bool:
    """Whether the Python packages are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("docker", "testcontainers"))


def foreign() -> tuple[type[Exception], ...]:
    """What docker, requests (OSError) and testcontainers (RuntimeError) raise."""
    return (importlib.import_module("docker.errors").DockerException, OSError, RuntimeError)


@contextlib.contextmanager
def mapped(doing: str, hint: str = "check `docker info`") -> Iterator[None]:
    """Foreign errors become ClusterError."""
    try:
        yield
    except foreign() as exc:
        raise ClusterError(f"Docker did not {doing}: {words(exc)}", hint=hint) from exc


def words(exc: Exception) -> str:
    """What an error says, in one line: the daemon's own words where it has some."""
    said = str(getattr(exc, "explanation", None) or exc) or type(exc).__name__
    return said.splitlines()[0]


def docker_problem() -> str:
    """Why no container can be started here; empty when a Docker daemon answers."""
    if not installed():
        return "the Python package testcontainers is not installed (pip install 'inventory-harness[containers]')"
    try:
        with daemon():
            return ""
    except foreign() as exc:
        return f"no Docker daemon answers ({words(exc)})"


@contextlib.contextmanager
def daemon() -> Iterator[Any]:
    """The daemon's API; it answers. testcontainers' own client finds it as the containers' does, by context too."""
    make = importlib.import_module("testcontainers.core.docker_client").DockerClient
    client = make(timeout=_PING_S).client
    with contextlib.closing(client):
        client.ping()
        client.api.timeout = importlib.import_module("docker.constants").DEFAULT_TIMEOUT_SECONDS
        yield client.api


def remove(api: Any, name: str) -> bool:
    """Remove a container with its processes and its volumes; False when it was gone, or is being removed by another."""
    try:
        api.remove_container(name, v=True, force=True)
    except importlib.import_module("docker.errors").APIError as exc:
        if exc.status_code not in {_GONE, _CONFLICT}:
            raise
        return False
    return True


def kill(api: Any, name: str) -> None:
    """End a container's processes; one that does not run is no error."""
    try:
        api.kill(name)
    except importlib.import_module("docker.errors").APIError as exc:
        if exc.status_code != _CONFLICT:
            raise


@dataclass(frozen=True, slots=True)
class Swept:
    """The names of the containers that were removed, and (name, why) of those that could not be."""

    removed: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()


def sweep() -> Swept:
    """Remove the containers of dead runs; call it after `rundir.sweep`. Where no Docker answers there are none."""
    if not installed():
        return Swept()
    try:
        with daemon() as api:
            return sweep_with(api)
    except foreign():
        return Swept()


def sweep_with(api: Any) -> Swept:
    """The same with the API of a daemon."""
    here = place()
    removed: list[str] = []
    kept: list[tuple[str, str]] = []
    for container in api.containers(all=True, filters={"label": RUN}):
        if not orphaned(container.get("Labels") or {}, here=here):
            continue
        name = container["Names"][0].lstrip("/") if container.get("Names") else container["Id"][:12]
        try:
            if remove(api, container["Id"]):
                removed.append(name)
        except foreign() as exc:
            kept.append((name, words(exc)))
    return Swept(tuple(removed), tuple(kept))
