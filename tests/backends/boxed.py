"""The K3s backend in containers that are processes of the stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster import k3sboxes
from harness.cluster.k3sboxes import K3sBoxes, Makers
from harness.process.ports import Ports
from tests.backends import programs
from tests.backends.programs import ProcessBox, ProcessNetwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from harness.cluster.dockerbox import Order


@dataclass(slots=True)
class Boxes:
    """Makes what stands for containers and networks, and keeps what it has made.

    `changed`: what is done to a box before it is started.
    """

    program: Path
    changed: Callable[[ProcessBox], None] = lambda _box: None
    made: list[ProcessBox] = field(default_factory=list)
    networks: list[ProcessNetwork] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    held: Ports = field(default_factory=Ports)

    @property
    def makers(self) -> Makers:
        """The seam."""
        return Makers(self.box, self.network)

    def box(self, order: Order) -> ProcessBox:
        """The first server's port is the one that is published; the others have some of their own."""
        self.ports[order.name] = order.port or self.held.take()
        made = ProcessBox(order, self.program, self.ports)
        self.changed(made)
        self.made.append(made)
        return made

    def network(self, name: str, mark: str, directory: Path) -> ProcessNetwork:
        """One that is not there."""
        made = ProcessNetwork(name, mark, directory)
        self.networks.append(made)
        return made

    async def start(self, datastore: str, *, servers: int = 1, agents: int = 1, cni: Path | None = None) -> K3sBoxes:
        """A cluster of them."""
        return await K3sBoxes.start(
            programs.IMAGE, datastore, servers=servers, agents=agents, cni=cni, makers=self.makers
        )  # fmt: skip

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let the backend make these instead of Docker's."""
        patch.setattr(k3sboxes, "Makers", lambda: self.makers)
