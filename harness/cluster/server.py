"""One server: an API server, with the member of the datastore that lives and dies with it where there are three."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.cluster.client import KubeClient
    from harness.cluster.controlplane import ApiServer
    from harness.cluster.etcd import EtcdMember
    from harness.process.child import Child


@dataclass(slots=True)
class Server:
    """An API server and, with `servers=3`, its etcd member: losing it loses both. `client` goes straight to it."""

    name: str
    api: ApiServer
    member: EtcdMember | None
    client: KubeClient

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self.api.child, *([self.member.child] if self.member is not None else [])]

    async def stop(self) -> None:
        """Kill both at once."""
        for child in self.children:
            child.kill()

    async def start(self) -> None:
        """Start what does not run, with its data; returns when the API server is ready."""
        if self.member is not None and not self.member.child.running:
            self.member.launch()
        if not self.api.child.running:
            await self.api.start()

    def pause(self) -> None:
        """SIGSTOP both: connections stay open, nothing is answered."""
        for child in self.children:
            child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT both."""
        for child in self.children:
            child.send(signal.SIGCONT)
