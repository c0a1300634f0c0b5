"""A SQL server in a container: for machines with Docker and without the server's packages, or when an image is named.

Removal is sure in three ways: `dispose`; testcontainers' own reaper, where its image can be had: a container that
removes ours when the harness's connection to it ends, however it ends; and labels, by which a sweep finds what dead
runs have left (`containers`).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.cluster import containers
from harness.cluster.dockerbox import Box, DockerBox, Order
from harness.cluster.mysqladmin import MysqlAdmin
from harness.cluster.postgresadmin import PostgresAdmin
from harness.cluster.sqladmin import Administered, Login, password
from harness.cluster.sqlclient import Account, SqlError
from harness.cluster.sqlinstall import product
from harness.errors import ClusterError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.process.child import Child

START_DEADLINE_S = 60.0
"""After the image is there: a container starts slower than a process."""
_LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class Image:
    """A pinned image and how it is run. `secret`: which variable takes the administrator's password.

    `variable`: which variable of the harness's own environment names another image, one that is run in the same way.
    """

    reference: str
    variable: str
    port: int
    administrator: str
    secret: str
    environment: Mapping[str, str]
    command: tuple[str, ...]


IMAGES: Mapping[str, Image] = MappingProxyType(
    {
        "postgres": Image(
            "postgres:16.4-alpine3.20", "INVENTORY_HARNESS_POSTGRES_IMAGE", 5432, "harness", "POSTGRES_PASSWORD",
            {
                "POSTGRES_USER": "harness", "POSTGRES_DB": "postgres",
                "POSTGRES_INITDB_ARGS": "--locale=C --encoding=UTF8 --no-sync",
            },
            ("postgres", "-c", "fsync=off", "-c", "max_connections=200", "-c", "jit=off"),
        ),
        "mysql": Image(
            "mariadb:11.4.3", "INVENTORY_HARNESS_MARIADB_IMAGE", 3306, "root", "MARIADB_ROOT_PASSWORD",
            {"MARIADB_ROOT_HOST": "%", "MARIADB_INITDB_SKIP_TZINFO": "1"},
            ("--max-connections=200", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2"),
        ),
    }
)  # fmt: skip


def named_image(kind: str, environment: Mapping[str, str] = os.environ) -> str:
    """The image that the user named; empty without one."""
    return environment.get(IMAGES[kind].variable, "").strip()


def image_of(kind: str) -> Image:
    """The image that the user named, else the pinned one."""
    return replace(IMAGES[kind], reference=named_image(kind) or IMAGES[kind].reference)


@dataclass(slots=True)
class ContainerServer(Administered):
    """One SQL server in a container, its port published on loopback.

    `mark` and `directory` are the run's. `make` is the seam to Docker.
    """

    kind: str
    port: int
    mark: str
    directory: Path
    kine: Login = field(default_factory=lambda: Login.fresh(host="%"))
    version: str = ""
    make: Callable[[Order], Box] = DockerBox
    image: Image = field(init=False)
    _secret: str = field(default_factory=password, repr=False)
    _box: Box | None = None
    _created: bool = False

    def __post_init__(self) -> None:
        self.image = image_of(self.kind)

    @property
    def name(self) -> str:
        """What it is called among the cluster's members."""
        return "postgres" if self.kind == "postgres" else "mariadb"

    @property
    def child(self) -> Child | None:
        """None: the daemon's process, not ours."""
        return None

    @property
    def source(self) -> str:
        """Which server this is, in one line."""
        name = product(self.kind, self.version or "MariaDB")
        return " ".join(filter(None, (name, self.version, "in a container of", self.image.reference, self._remark)))

    @property
    def _remark(self) -> str:
        """Said once it runs: a harness that is killed leaves this container to the next sweep."""
        return "(without a reaper)" if self.version and self._box is not None and not self._box.reaped else ""

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

    def order(self) -> Order:
        """The container that is wanted; the password goes by the environment, which `docker inspect` shows to root."""
        image = self.image
        return Order(
            image.reference, f"in {image.variable}", f"inventory-harness-{self.mark}-{self.name}", self.port,
            image.port, image.command, {**image.environment, image.secret: self._secret},
            containers.labels(self.mark, self.directory),
        )  # fmt: skip

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
        """Return when it answers statements; raises WaitTimeoutError, or ClusterError when the container ends."""
        box = self._running

        async def answers(progress: Progress) -> bool | None:
            code = await asyncio.to_thread(box.ended)
            if code is not None:
                said = await asyncio.to_thread(box.tail, _LAST_LINES)
                raise ClusterError(
                    f"the container of {self.image.reference} ended with {code} while starting; it says:\n{said}",
                    hint=f"an image named in {self.image.variable} must be run as {IMAGES[self.kind].reference} is",
                )
            try:
                self.version = await self.admin.version()
            except SqlError as exc:
                progress.last = f"{exc.what}; it says: {await asyncio.to_thread(box.tail, 2)}"
                return None
            return True

        await until(f"{self.source} to answer", answers, deadline_s=START_DEADLINE_S, interval_s=0.1)

    async def stop(self) -> None:
        """Kill its processes, as a crash would; its data stays."""
        await asyncio.to_thread(self._running.kill)

    async def dispose(self) -> None:
        """Remove the container with its data."""
        if self._box is not None:
            await asyncio.to_thread(self._box.remove)
            self._box = None

    @property
    def _running(self) -> Box:
        if self._box is None:
            raise ClusterError("the datastore's container was not started")
        return self._box
