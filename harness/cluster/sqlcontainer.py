"""A SQL server in a container, through testcontainers: for machines with Docker and without the server's packages.

Removal is sure in three ways: `dispose`; testcontainers' own reaper, a container that removes ours when the harness's
connection to it ends, however it ends; and a label with the run's mark, by which they can be found.

The parts that need a Docker daemon were written from the libraries' documentation and have not yet run against one; the
decisions around them have unit tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqladmin import Login, password
from harness.cluster.sqlclient import Account, SqlError
from harness.cluster.sqlinstall import product
from harness.errors import ClusterError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.cluster.sqladmin import Hold
    from harness.cluster.sqlclient import Row
    from harness.process.child import Child

LABEL = "inventory-harness.run"
"""Its value is the run's mark."""
START_DEADLINE_S = 60.0
"""After the image is there: a container starts slower than a process."""
_PING_S = 3


@dataclass(frozen=True, slots=True)
class Image:
    """A pinned image and how it is run. `secret`: which variable takes the administrator's password."""

    reference: str
    port: int
    administrator: str
    secret: str
    environment: Mapping[str, str]
    command: tuple[str, ...]


IMAGES: Mapping[str, Image] = MappingProxyType(
    {
        "postgres": Image(
            "postgres:16.4-alpine3.20", 5432, "harness", "POSTGRES_PASSWORD",
            {"POSTGRES_USER": "harness", "POSTGRES_DB": "postgres"},
            ("postgres", "-c", "fsync=off", "-c", "max_connections=200", "-c", "jit=off"),
        ),
        "mysql": Image(
            "mariadb:11.4.3", 3306, "root", "MARIADB_ROOT_PASSWORD",
            {"MARIADB_ROOT_HOST": "%", "MARIADB_INITDB_SKIP_TZINFO": "1"},
            ("--max-connections=200", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2"),
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One container as it shall be: `port` is the one on 127.0.0.1 that leads to the image's."""

    image: Image
    port: int
    environment: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]


class Box(Protocol):
    """A container. Every call blocks, and raises ClusterError when the daemon refuses."""

    def create(self) -> None:
        """Pull the image where it is missing, make the container and start it."""
        ...

    def kill(self) -> None:
        """SIGKILL its processes; its files stay."""
        ...

    def again(self) -> None:
        """Start it again with its files and on its port."""
        ...

    def remove(self) -> None:
        """Remove it with its files; one that was never made, or is gone, is no error."""
        ...


@dataclass(slots=True)
class DockerBox:
    """A container of the local Docker daemon, by testcontainers (which is an extra: imported when it is needed)."""

    order: Order
    _container: Any = None

    def create(self) -> None:
        """Pull, make and start."""
        with _mapped(f"start a container of {self.order.image.reference}"):
            make = importlib.import_module("testcontainers.core.container").DockerContainer
            container = make(self.order.image.reference)
            container.env.update(self.order.environment)
            # On loopback alone: `with_bind_ports` would publish the port on every address of the machine.
            container.ports[f"{self.order.image.port}/tcp"] = ("127.0.0.1", self.order.port)
            container.with_command(list(self.order.image.command))
            container.with_kwargs(labels=dict(self.order.labels))
            self._container = container
            container.start()

    def kill(self) -> None:
        """SIGKILL."""
        with _mapped("kill the datastore's container"):
            self._container.get_wrapped_container().kill()

    def again(self) -> None:
        """Start it again."""
        with _mapped("start the datastore's container again"):
            self._container.get_wrapped_container().start()

    def remove(self) -> None:
        """Remove it with its volumes."""
        if self._container is not None:
            with _mapped("remove the datastore's container"):
                self._container.stop(force=True, delete_volume=True)
            self._container = None


@contextlib.contextmanager
def _mapped(doing: str) -> Iterator[None]:
    """Errors of docker, requests (OSError) and testcontainers (RuntimeError) become ClusterError."""
    foreign = importlib.import_module("docker.errors").DockerException
    try:
        yield
    except (foreign, OSError, RuntimeError) as exc:
        raise ClusterError(
            f"Docker did not {doing}: {exc}",
            hint="check `docker info`, and that the image can be pulled or is there (docker pull)",
        ) from exc


def docker_problem() -> str:
    """Why no container can be started here; empty when a Docker daemon answers."""
    if importlib.util.find_spec("docker") is None or importlib.util.find_spec("testcontainers") is None:
        return "the Python package testcontainers is not installed (pip install 'inventory-harness[containers]')"
    foreign = importlib.import_module("docker.errors").DockerException
    try:
        client = importlib.import_module("docker").from_env(timeout=_PING_S)
        with contextlib.closing(client):
            client.ping()
    except (foreign, OSError) as exc:
        return f"no Docker daemon answers ({str(exc).splitlines()[0] if str(exc) else type(exc).__name__})"
    return ""


@dataclass(slots=True)
class ContainerServer:
    """One SQL server in a container, its port published on loopback. `make` is the seam to Docker."""

    kind: str
    port: int
    mark: str
    kine: Login = field(default_factory=lambda: Login.fresh(host="%"))
    version: str = ""
    make: Callable[[Order], Box] = DockerBox
    _secret: str = field(default_factory=password, repr=False)
    _box: Box | None = None
    _created: bool = False

    @property
    def name(self) -> str:
        """What it is called among the cluster's members."""
        return "postgres" if self.kind == "postgres" else "mariadb"

    @property
    def image(self) -> Image:
        """What it is made from."""
        return IMAGES[self.kind]

    @property
    def child(self) -> Child | None:
        """None: the daemon's process, not ours."""
        return None

    @property
    def source(self) -> str:
        """Which server this is, in one line."""
        name = product(self.kind, self.image.reference)
        return " ".join(filter(None, (name, self.version, "in a container of", self.image.reference)))

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        return ("127.0.0.1", self.port)

    @property
    def admin(self) -> PostgresAdmin | MysqlAdmin:
        """The administrator's means."""
        if self.kind == "postgres":
            account = Account("127.0.0.1", self.port, self.image.administrator, self._secret, "postgres")
            return PostgresAdmin(account, self.kine)
        return MysqlAdmin(Account("127.0.0.1", self.port, self.image.administrator, self._secret), self.kine)

    def kine_endpoint(self, host: str, port: int) -> str:
        """Kine's --endpoint through the given address."""
        return self.admin.endpoint(host, port)

    def order(self) -> Order:
        """The container that is wanted; the password goes by the environment, which `docker inspect` shows to root."""
        environment = {**self.image.environment, self.image.secret: self._secret}
        return Order(self.image, self.port, environment, {LABEL: self.mark})

    async def start(self) -> None:
        """Start it and return when kine can be; the first time, from nothing. Raises ClusterError, WaitTimeoutError."""
        if self._box is None:
            self._box = self.make(self.order())
            await asyncio.to_thread(self._box.create)
        else:
            await asyncio.to_thread(self._box.again)
        await self.ready()
        if not self._created:
            await self.admin.create()
            self._created = True

    async def ready(self) -> None:
        """Return when it answers statements. Raises WaitTimeoutError."""

        async def answers(progress: Progress) -> bool | None:
            try:
                self.version = await self.admin.version()
            except SqlError as exc:
                progress.last = exc.what
                return None
            return True

        await until(
            f"{self.source} to answer",
            answers,
            deadline_s=START_DEADLINE_S,
            interval_s=0.1,
            hint=f"docker ps --all --filter label={LABEL}={self.mark}; docker logs",
        )

    async def stop(self) -> None:
        """Kill its processes, as a crash would; its data stays."""
        if self._box is None:
            raise ClusterError("the datastore's container was not started")
        await asyncio.to_thread(self._box.kill)

    async def dispose(self) -> None:
        """Remove the container with its data."""
        if self._box is not None:
            await asyncio.to_thread(self._box.remove)
            self._box = None

    async def query(self, sql: str) -> list[Row]:
        """One statement as administrator, in kine's database; raises ClusterError."""
        return await self.admin.query(sql)

    async def set_read_only(self, on: bool) -> None:
        """Make every session, kine's open ones too, refuse writes, or accept them again; raises ClusterError."""
        await self.admin.set_read_only(on)

    async def exhaust(self) -> Hold:
        """End kine's sessions and leave it no connection until the returned hold is released; raises ClusterError."""
        return await self.admin.exhaust()
