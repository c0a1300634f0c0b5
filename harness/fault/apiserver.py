"""Harm to the API server."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import ClassVar

from harness.fault import evidence
from harness.fault.base import API, BITE_DEADLINE_S, State, World
from harness.wait import Progress, until

_READY_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class ApiServerKilled:
    """kube-apiserver is killed, stays away for `for_s` seconds, and is started again on its port."""

    for_s: float = 5.0
    kind: ClassVar[str] = "api-server-killed"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The process to be killed."""
        return {"target": world.cluster.api_server.name, "pid": world.cluster.api_server.child.pid}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL."""
        del state
        await world.cluster.api_server.stop()

    async def bitten(self, world: World, state: State) -> str:
        """Its port refuses connections."""
        del state
        return await evidence.refused("127.0.0.1", _port(world))

    async def heal(self, world: World, state: State) -> None:
        """Start it again, if it does not run."""
        del state
        if not world.cluster.api_server.child.running:
            await world.cluster.api_server.start()

    async def healed(self, world: World, state: State) -> None:
        """It says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class ApiServerHung:
    """kube-apiserver is stopped (SIGSTOP) for `for_s` seconds: connections stay open, nothing is answered."""

    for_s: float = 6.0
    kind: ClassVar[str] = "api-server-hung"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The process to be stopped."""
        return {"target": world.cluster.api_server.name, "pid": world.cluster.api_server.child.pid}

    async def inject(self, world: World, state: State) -> None:
        """SIGSTOP."""
        del state
        world.cluster.api_server.child.send(signal.SIGSTOP)

    async def bitten(self, world: World, state: State) -> str:
        """The kernel says it is stopped, and a request gets no answer."""
        del state
        stopped = await evidence.stopped(world.cluster.api_server.child)
        return f"{stopped}; {await evidence.silent(world.cluster)}"

    async def heal(self, world: World, state: State) -> None:
        """SIGCONT."""
        del state
        world.cluster.api_server.child.send(signal.SIGCONT)

    async def healed(self, world: World, state: State) -> None:
        """It says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


@dataclass(frozen=True, slots=True)
class CertificateReplaced:
    """kube-apiserver is killed and started again with another serving certificate and key, by the same authority.

    So certificates are renewed in life. It is not undone: the new one is as good as the old one was.
    """

    for_s: float = 0.0
    kind: ClassVar[str] = "certificate-replaced"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The certificate as it is."""
        server = world.cluster.servers[0]
        serial = await evidence.serial_number("127.0.0.1", server.api.port)
        return {"target": server.api.name, "serial": f"{serial:x}"}

    async def inject(self, world: World, state: State) -> None:
        """SIGKILL, issue another, start."""
        del state
        api = world.cluster.servers[0].api
        await api.stop()
        api.renew_certificate()
        await api.start()

    async def bitten(self, world: World, state: State) -> str:
        """Its port shows a certificate with another serial number."""
        port = world.cluster.servers[0].api.port

        async def another(progress: Progress) -> str | None:
            serial = f"{await evidence.serial_number('127.0.0.1', port):x}"
            progress.last = f"the certificate on port {port} has serial number {serial}"
            return f"{progress.last}, before it was {state['serial']}" if serial != state["serial"] else None

        return await until("another certificate to be shown", another, deadline_s=BITE_DEADLINE_S)

    async def heal(self, world: World, state: State) -> None:
        """Start it again, if it does not run."""
        del state
        if not world.cluster.servers[0].api.child.running:
            await world.cluster.servers[0].api.start()

    async def healed(self, world: World, state: State) -> None:
        """It says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


def _port(world: World) -> int:
    return int(world.cluster.client.server.rpartition(":")[2])
