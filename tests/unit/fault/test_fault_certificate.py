"""A serving certificate that is replaced, on a real port."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.cluster.controlplane import ApiServer, Credentials, credentials
from harness.errors import WaitTimeoutError
from harness.fault import evidence

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Api:
    """A server that shows its certificate and says nothing. `renews`: whether it takes a new one."""

    keys: Credentials
    renews: bool = True
    port: int = 0
    name: str = "kube-apiserver"
    log: list[str] = field(default_factory=list)
    server: asyncio.Server | None = None

    @property
    def child(self) -> Any:
        """Its process."""
        return SimpleNamespace(running=self.server is not None)

    def renew_certificate(self) -> None:
        """As the API server does."""
        if self.renews:
            ApiServer.renew_certificate(self)  # type: ignore[arg-type]

    async def stop(self) -> None:
        """Away."""
        self.log.append("stop")
        if self.server is not None:
            self.server.close()
            self.server = None

    async def start(self) -> None:
        """On its port, with the certificate of this moment."""
        self.log.append("start")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.keys.serving.cert, self.keys.serving.key)
        self.server = await asyncio.start_server(lambda *_: None, "127.0.0.1", self.port, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]


def world(api: Api) -> Any:
    """A cluster with that API server."""

    async def ready(_deadline_s: float) -> None:
        assert api.server is not None

    return SimpleNamespace(cluster=SimpleNamespace(servers=[SimpleNamespace(api=api)], ready=ready))


def test_another_certificate_is_shown_on_the_same_port(tmp_path: Path) -> None:
    """The evidence names both serial numbers; who trusts the authority trusts the new one; healing starts nothing."""

    async def story() -> None:
        api = Api(credentials(tmp_path / "pki", operator_user="o"))
        await api.start()
        fault, there = faults.CertificateReplaced(), world(api)
        state = await fault.prepare(there)
        await fault.inject(there, state)
        said = await fault.bitten(there, state)
        await fault.heal(there, state)
        await fault.healed(there, state)
        assert state["serial"] in said
        assert api.log == ["start", "stop", "start"]
        trusting = ssl.create_default_context(cafile=str(api.keys.authority.cert))
        _, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=trusting)
        writer.close()
        await api.stop()

    asyncio.run(story())


def test_the_old_certificate_is_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with what was shown."""
    monkeypatch.setattr("harness.fault.apiserver.BITE_DEADLINE_S", 0.2)

    async def story() -> None:
        api = Api(credentials(tmp_path / "pki", operator_user="o"), renews=False)
        await api.start()
        fault, there = faults.CertificateReplaced(), world(api)
        state = await fault.prepare(there)
        await fault.inject(there, state)
        with pytest.raises(WaitTimeoutError, match=state["serial"]):
            await fault.bitten(there, state)
        await api.stop()

    asyncio.run(story())


def test_a_server_that_was_left_dead_is_started(tmp_path: Path) -> None:
    """An injection may have been cut off in the middle."""

    async def story() -> None:
        api = Api(credentials(tmp_path / "pki", operator_user="o"))
        await faults.CertificateReplaced().heal(world(api), {"target": "kube-apiserver", "serial": "1"})
        assert api.log == ["start"]
        assert await evidence.serial_number("127.0.0.1", api.port) > 0
        await api.stop()

    asyncio.run(story())
