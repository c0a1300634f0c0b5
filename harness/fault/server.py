"""Harm to one of three servers, each an API server with its etcd member, while the others go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import API, BITE_DEADLINE_S, MEMBER, State, World
from harness.fault.datastore import etcd
from harness.fault.member import healthy
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.cluster.server import Server


def _server(world: World, name: str) -> Server:
    return next(server for server in world.cluster.servers if server.name == name)


async def _choose_server(world: World, which: str) -> State:
    """The server that was asked for, or the one whose member leads."""
    servers = world.cluster.servers
    if len(servers) < 2:
        raise FaultError("there is only one server", hint="the scenario must have servers=3")
    if which != "leader":
        return {"target": which, "server": which}
    leader = await etcd(world).leader()
    name = next(server.name for server in servers if server.member is leader)
    return {"target": f"{name} (with the leader)", "server": name}


@dataclass(frozen=True, slots=True)
class ServerKilled:
    """A server is lost, its API server and its etcd member, and comes back with its data `for_s` seconds later.

    `which`: "leader" for the one whose member leads, or a name such as "server-1".
    """

    which: str = "leader"
    for_s: float = 5.0
    kind: ClassVar[str] = "server-killed"
    affects: ClassVar[tuple[str, ...]] = (MEMBER,)

    async def prepare(self, world: World) -> State:
        """Which server."""
        return await _choose_server(world, self.which)

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL both processes."""
        await _server(world, state["server"]).stop()

    async def bitten(self, world: World, state: State) -> str:
        """Its API server's port refuses connections."""
        return await evidence.refused("127.0.0.1", _server(world, state["server"]).api.port)

    async def heal(self, world: World, state: State) -> None:
        """Start both."""
        await _server(world, state["server"]).start()

    async def healed(self, world: World, state: State) -> None:
        """All members serve and all API servers are ready."""
        del state
        await healthy(world)


@dataclass(frozen=True, slots=True)
class ServerPaused:
    """A server hangs (SIGSTOP of its API server and its etcd member) for `for_s` seconds.

    Whoever is connected to it hears nothing, and cannot know before its own time limits.
    """

    which: str = "leader"
    for_s: float = 6.0
    kind: ClassVar[str] = "server-paused"
    affects: ClassVar[tuple[str, ...]] = (API, MEMBER)

    async def prepare(self, world: World) -> State:
        """Which server."""
        return await _choose_server(world, self.which)

    async def inject(self, world: World, state: State) -> None:
        """SIGSTOP both processes."""
        _server(world, state["server"]).pause()

    async def bitten(self, world: World, state: State) -> str:
        """The kernel says both processes are stopped, and a request gets no answer."""
        server = _server(world, state["server"])
        stopped = await evidence.stopped(*server.children)

        async def unanswered(progress: Progress) -> str | None:
            try:
                await server.client.get("/readyz", timeout_s=1.0)
            except ClusterError as exc:
                return f"{stopped}; {exc.what}"
            progress.last = "it answered"
            return None

        return await until(f"{server.name} to be silent", unanswered, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """SIGCONT both."""
        _server(world, state["server"]).resume()

    async def healed(self, world: World, state: State) -> None:
        """All members serve and all API servers are ready."""
        del state
        await healthy(world)
