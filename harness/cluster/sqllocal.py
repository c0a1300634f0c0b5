"""What SQL servers that are installed on this machine have in common, as throw-away servers in the run directory."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.sqladmin import Administered, Login, password
from harness.cluster.sqlclient import SqlError
from harness.errors import ClusterError
from harness.process.child import Child, last_words, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.sqlinstall import Installation

START_DEADLINE_S = 30.0
ADMINISTRATOR = "harness"
CONNECTIONS = 200
"""Kine's pool has no limit of its own and grows with the API server's requests under way."""


@dataclass(slots=True)
class LocalServer(Administered):
    """One SQL server on loopback, its data below `directory` (the run's own).

    `directory / "log"` must exist. `env` is the whole environment of its processes. `product` is the server's name for
    people, `folder` that of its directory in the run's.
    """

    product: ClassVar[str]
    folder: ClassVar[str]

    installation: Installation
    directory: Path
    port: int
    env: dict[str, str]
    kine: Login = field(default_factory=Login.fresh)
    name: str = ""
    kind: str = ""
    _secret: str = field(default_factory=password, repr=False)
    _prepared: bool = False
    _child: Child | None = None

    @property
    def child(self) -> Child | None:
        """The server's (first) process, once it was started."""
        return self._child

    @property
    def version(self) -> str:
        """Such as "15.18" or "10.11.19-MariaDB"."""
        return self.installation.version

    @property
    def source(self) -> str:
        """Which server this is, in one line."""
        return f"{self.product} {self.version} from {self.installation.bin}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        return ("127.0.0.1", self.port)

    @property
    def home(self) -> Path:
        """Its own directory in the run's: data and unix socket, for nobody else to see."""
        return self.directory / self.folder

    @abstractmethod
    def arguments(self) -> list[str]:
        """The command line."""

    async def start(self) -> None:
        """Start it and return when kine can be; the first time, from nothing. Raises ClusterError, WaitTimeoutError."""
        await self.prepare()
        self.launch()
        await self.ready()

    async def prepare(self) -> None:
        """Make the data directory, if it is not there yet; raises ClusterError with the last words of what makes it."""
        if not self._prepared:
            await self._prepare()
            self._prepared = True

    @abstractmethod
    async def _prepare(self) -> None:
        """Make the data directory."""

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self._child = self._run(self.name, self.arguments())

    async def ready(self) -> None:
        """Return when it answers statements; raises WaitTimeoutError, or ClusterError when the process ends."""

        async def answers(progress: Progress) -> bool | None:
            require_running(self._running, "starting")
            try:
                await self.admin.version()
            except SqlError as exc:
                progress.last = exc.what
                return None
            return True

        await until(f"{self.product} to answer", answers, deadline_s=START_DEADLINE_S, interval_s=0.02)

    async def stop(self) -> None:
        """Kill the process, as a crash would; its data stays."""
        self._running.kill()

    async def dispose(self) -> None:
        """End it for good; its data goes with the run directory."""
        if self._child is not None:
            await self.stop()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise ClusterError(f"{self.product} was not started")
        return self._child

    def _run(self, name: str, words: list[str]) -> Child:
        return start(name, words, log_dir=self.directory / "log", env=self.env, cwd=self.home)

    async def _make_data(self, what: str, child: Child, secret: str) -> None:
        """Wait for the process that makes the data, and remove the file in `home` that held a password for it.

        Raises ClusterError with its last words when it fails; `what` names the work.
        """
        code = await child.wait(START_DEADLINE_S)
        child.kill()
        (self.home / secret).unlink()
        if code != 0:
            raise ClusterError(
                f"{what} ended with {code}; its last lines:\n{last_words(child.stderr_path)}",
                hint=f"its whole output is in {child.stderr_path.parent}",
            )
