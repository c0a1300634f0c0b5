"""Serving certificates of servers that only say what they would show."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.errors import ClusterError, FaultError, WaitTimeoutError
from harness.fault import evidence, radius, servercertificates
from harness.fault.base import API, MEMBER, affected
from harness.fault.servercertificates import END, READY, RENEW, RUNNING, ServerCertificatesRotated
from tests.unit.fault.test_fault_machines import Box

if TYPE_CHECKING:
    from harness.fault.base import World
    from harness.wait import Progress


@dataclass
class Server(Box):
    """A server's machine: an API server that shows a certificate, and is started again one look after its end."""

    role: str = "control-plane"
    process: int = 100
    runs: bool = True
    file: int = 10
    shown: int = 10
    log: list[str] | None = None

    async def exec(self, *command: str) -> str:
        """What the fault runs on it."""
        if command == RENEW:
            self.file += 5
            self._note("renewed")
        elif command == END:
            self.runs = False
            self._note("ended")
        elif command == RUNNING:
            if not self.runs:
                self.process, self.runs, self.shown = self.process + 1, True, self.file
                raise ClusterError("`pgrep` ended with 1")
            return f"{self.process}\n"
        elif command == READY:
            self._note("ready")
            return "ok"
        return ""

    def _note(self, what: str) -> None:
        if self.log is not None:
            self.log.append(f"{self.name} {what}")


def of(monkeypatch: pytest.MonkeyPatch, *servers: Server) -> World:
    """A world of these servers, whose endpoints show what they say."""
    addresses = {asyncio.run(server.address()): server for server in servers}

    async def shown(progress: Progress, host: str, port: int) -> int:
        assert port == 6443
        progress.last = "shown"
        return addresses[host].shown

    async def serial(host: str, port: int) -> int:
        assert port == 6443
        return addresses[host].shown

    async def ready(_deadline_s: float) -> None:
        """It is."""

    monkeypatch.setattr(evidence, "shown_serial_number", shown)
    monkeypatch.setattr(evidence, "serial_number", serial)
    cluster = SimpleNamespace(machines={server.name: server for server in servers}, ready=ready)
    return cast("World", SimpleNamespace(cluster=cluster, profiles={}))


def test_servers_get_their_certificates_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is renewed when the one before is ready; each shows another number from another process."""
    log: list[str] = []
    servers = [Server("a" * size, log=log, shown=16, file=16) for size in (3, 1, 2)]
    world, fault = of(monkeypatch, *servers), ServerCertificatesRotated()

    async def story() -> tuple[dict[str, Any], str]:
        state = json.loads(json.dumps(await fault.prepare(world)))
        await fault.inject(world, state)
        did, log[:] = list(log), []
        assert did == [f"{name} {what}" for name in ("a", "aa", "aaa") for what in ("renewed", "ended", "ready")]
        said = await fault.bitten(world, state)
        await fault.heal(world, state)
        await fault.healed(world, state)
        return state, said

    state, said = asyncio.run(story())

    assert said.startswith("process 101 of a shows serial number 15, before process 100 10; process 101 of aa")
    assert log == ["a ready", "aa ready", "aaa ready"]
    assert affected(fault, state) == [MEMBER]


def test_an_only_server_is_away_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an excuse where nobody else could have answered."""
    world, fault = of(monkeypatch, Server("only")), ServerCertificatesRotated()

    assert affected(fault, asyncio.run(fault.prepare(world))) == [API]


@pytest.mark.parametrize("changed", [{"shown": 15}, {"process": 101}], ids=["certificate", "process"])
def test_half_of_the_evidence_is_none(changed: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file is shown by the old process after a while, and a crash is no renewal."""
    monkeypatch.setattr(servercertificates, "BOOT_DEADLINE_S", 0.05)
    server = Server("only")
    world, fault = of(monkeypatch, server), ServerCertificatesRotated()
    state = asyncio.run(fault.prepare(world))
    for name, value in changed.items():
        setattr(server, name, value)

    with pytest.raises(WaitTimeoutError, match="only to show another certificate"):
        asyncio.run(fault.bitten(world, state))


def test_without_a_servers_machine_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have no serving certificate of an API server."""
    with pytest.raises(FaultError, match=r"no server whose machine can be reached[\s\S]*--backend kind"):
        asyncio.run(ServerCertificatesRotated().prepare(of(monkeypatch, Server("worker", role="worker"))))


def test_nodes_may_fall_silent_while_servers_are_away() -> None:
    """No node is touched, and no process of this machine is looked for."""
    found = radius.touched(ServerCertificatesRotated(), {"target": "a, b"}, cast("World", SimpleNamespace()))

    assert found == radius.Touched(control_plane=True)
