"""An operator that somebody else runs: it is only asked. Nothing of it is started, ended or seen but its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from harness.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.operator.base import OperatorSpec


@dataclass(slots=True)
class OperatorElsewhere:
    """Where it answers. `pid`: it runs, and nobody here knows as what."""

    spec: OperatorSpec
    log_dir: Path
    supervised: bool = False
    running: bool = True
    pid: int = 1
    rest_port: int = 0
    grpc_port: int = 0

    @property
    def rest_url(self) -> str:
        """The base URL of its REST API."""
        return self.spec.rest_url

    @property
    def grpc_target(self) -> str:
        """The address of its gRPC API."""
        return self.spec.grpc_target

    async def start(self) -> None:
        """It runs already."""

    async def stop(self) -> None:
        """It goes on running."""

    async def kill(self, *, again: bool = True) -> None:
        """It is not ours."""
        del again
        self._refuse("killed")

    async def interrupt(self, *, again: bool = True) -> int:
        """It is not ours."""
        del again
        self._refuse("interrupted")

    async def terminate(self) -> int:
        """It is not ours."""
        self._refuse("terminated")

    def _refuse(self, what: str) -> NoReturn:
        raise OperatorError(
            f"the operator at {self.spec.rest_url} is somebody's, and is not {what}", hint="--operator PATH"
        )
