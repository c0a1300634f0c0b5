"""One container of the local Docker daemon, by testcontainers, and the reaper that outlives us to remove it.

Every later call names the container by its name, not by what testcontainers returned: a start that failed in the middle
returns nothing, and its container is there.
"""

from __future__ import annotations

import importlib
import io
import tarfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from harness.cluster import containers
from harness.cluster.containers import mapped
from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDED = frozenset(("exited", "dead"))
_REAPER = threading.Lock()


@dataclass(frozen=True, slots=True)
class Order:
    """One container as it shall be: `port` on 127.0.0.1 leads to `inner_port`, unless it is 0.

    `way_out`: how another image is named; `what`: what the container is, for errors; `files`: path on this machine ->
    where it is in the container, to be read; `in_memory`: places in it that are in memory; `options`: further words of
    the engine's API (privileged, network, …).
    """

    reference: str
    way_out: str
    name: str
    port: int
    inner_port: int
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    what: str = "the datastore's container"
    files: Mapping[str, str] = field(default_factory=dict)
    in_memory: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Box(Protocol):
    """A container. Every call blocks, and raises ClusterError when the daemon refuses."""

    @property
    def reaped(self) -> bool:
        """Whether it is removed when we die, without anybody's doing."""
        ...

    def create(self) -> None:
        """Pull the image where it is missing, make the container and start it."""
        ...

    def kill(self) -> None:
        """SIGKILL its processes; its files stay. One that has ended is no error."""
        ...

    def again(self) -> None:
        """Start it again with its files and on its port."""
        ...

    def ended(self) -> int | None:
        """The exit code of its first process; None while that runs."""
        ...

    def tail(self, lines: int) -> str:
        """The last lines that it wrote."""
        ...

    def remove(self) -> None:
        """Remove it with its files, also while `create` is under way in another thread, which then fails.

        One that was never made, or is gone, is no error.
        """
        ...


class FileBox(Box, Protocol):
    """A container in which one can look."""

    def read(self, path: str) -> bytes | None:
        """The content of a file in it; None when there is none."""
        ...

    def run(self, *command: str) -> str:
        """What a command in it prints; raises ClusterError with its words when it fails."""
        ...


@dataclass(slots=True)
class DockerBox:
    """A container of the local Docker daemon."""

    order: Order
    reaped: bool = False
    _container: Any = None
    _unwanted: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self) -> None:
        """Pull, make and start."""
        order = self.order
        with self._lock, mapped(f"start a container of {order.reference}"):
            make = importlib.import_module("testcontainers.core.container").DockerContainer
            self._container = container = make(order.reference).with_name(order.name)
            container.env.update(order.environment)
            # On loopback alone: `with_bind_ports` would publish the port on every address of the machine.
            if order.port:
                container.ports[f"{order.inner_port}/tcp"] = ("127.0.0.1", order.port)
            for here, there in order.files.items():
                container.volumes[here] = {"bind": there, "mode": "ro"}
            container.with_command(list(order.command))
            container.with_kwargs(labels=dict(order.labels), mounts=_in_memory(order), **order.options)
            self._pull(container.image)
            self.reaped = start_reaper(self._api)
            self._require_wanted()
            container.start()

    def kill(self) -> None:
        """SIGKILL."""
        with mapped(f"kill {self.order.what}"):
            containers.kill(self._api, self.order.name)

    def again(self) -> None:
        """Start it again."""
        with mapped(f"start {self.order.what} again"):
            self._api.start(self.order.name)

    def ended(self) -> int | None:
        """Its exit code, or None."""
        with mapped(f"tell of {self.order.what}"):
            state = self._api.inspect_container(self.order.name)["State"]
        return int(state["ExitCode"]) if state["Status"] in _ENDED else None

    def tail(self, lines: int) -> str:
        """The last lines of its output."""
        with mapped(f"show the log of {self.order.what}"):
            log: bytes = self._api.logs(self.order.name, tail=lines)
        return log.decode(errors="replace").strip()

    def read(self, path: str) -> bytes | None:
        """A file's content, by the archive that the engine makes of it."""
        errors = importlib.import_module("docker.errors")
        with mapped(f"read {path} in {self.order.what}"):
            try:
                chunks, _about = self._api.get_archive(self.order.name, path)
            except errors.NotFound:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                file = archive.extractfile(archive.next() or "")
                return None if file is None else file.read()

    def run(self, *command: str) -> str:
        """A command by the engine's exec."""
        with mapped(f"run {command[0]} in {self.order.what}"):
            made = self._api.exec_create(self.order.name, list(command))["Id"]
            said = self._api.exec_start(made).decode(errors="replace").strip()
            code = self._api.exec_inspect(made)["ExitCode"]
        if code != 0:
            raise ClusterError(f"`{' '.join(command)}` in {self.order.what} ended with {code}: {said[-400:]}")
        return str(said)

    def remove(self) -> None:
        """Remove it with its volumes."""
        self._unwanted.set()
        with self._lock:
            if self._container is not None:
                with mapped(f"remove {self.order.what}", f"docker rm --force --volumes {self.order.name}"):
                    containers.remove(self._api, self.order.name)
                    self._container.get_docker_client().client.close()
                self._container = None

    def _pull(self, reference: str) -> None:
        """Bring the image if it is not there. `reference` has testcontainers' prefix, where one is set."""
        client = self._container.get_docker_client().client
        errors = importlib.import_module("docker.errors")
        try:
            client.images.get(reference)
        except errors.ImageNotFound:
            repository, tag = importlib.import_module("docker.utils").parse_repository_tag(reference)
            try:
                for line in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                    self._require_wanted()
                    if "error" in line:
                        raise self._no_image(line["error"])
            except errors.APIError as exc:
                raise self._no_image(containers.words(exc)) from exc

    def _no_image(self, why: str) -> ClusterError:
        return ClusterError(
            f"the image {self.order.reference} is not here, and Docker cannot pull it: {why}",
            hint=f"bring it by `docker load`, or name one that is here, or can be pulled, {self.order.way_out}",
        )

    def _require_wanted(self) -> None:
        if self._unwanted.is_set():
            raise ClusterError(f"{self.order.what} is not wanted any more")

    @property
    def _api(self) -> Any:
        if self._container is None:
            raise ClusterError(f"{self.order.what} was not started")
        return self._container.get_docker_client().client.api


def _in_memory(order: Order) -> list[Any]:
    """As mounts, since testcontainers has a word for them in its later versions only."""
    make = importlib.import_module("docker.types").Mount
    return [make(target=place, source=None, type="tmpfs") for place in order.in_memory]


def start_reaper(api: Any) -> bool:
    """Start testcontainers' reaper for this process, if it is not there yet; False when there is none.

    It is a container too, with an image of its own. Where that cannot be had (no way to the registry) or may not run,
    containers are removed all the same, by us or by a sweep: that is no reason to refuse the datastore.
    """
    core = importlib.import_module("testcontainers.core.container")
    config = importlib.import_module("testcontainers.core.config").testcontainers_config
    with _REAPER:
        if config.ryuk_disabled:
            return False
        try:
            core.Reaper.get_instance()
        except containers.foreign():
            config.ryuk_disabled = True  # so that `start` does not try it again
            _forget_reaper(api, core)
            return False
    return True


def _forget_reaper(api: Any, core: Any) -> None:
    """Remove what a failed start of the reaper has left; testcontainers knows of it only once it runs."""
    session = importlib.import_module("testcontainers.core.labels").SESSION_ID
    with mapped("remove the reaper that did not start"):
        containers.remove(api, f"testcontainers-ryuk-{session}")
        core.Reaper.delete_instance()
