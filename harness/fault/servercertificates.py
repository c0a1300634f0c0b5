"""The API servers of real nodes get other serving certificates, as when the certificates of a cluster are renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import API, MEMBER, State, World
from harness.fault.machine import BOOT_DEADLINE_S, CONTROL_PLANE, SEEN_DEADLINE_S, machine_of
from harness.wait import Progress, until

PORT = 6443
"""Where kubeadm has an API server listen, on every server's own address."""

PROGRAM = "kube-apiserver"
RENEW = ("kubeadm", "certs", "renew", "apiserver")
RUNNING = ("pgrep", "--exact", PROGRAM)
END = ("pkill", "-KILL", "--exact", PROGRAM)
"""Not SIGTERM: an API server that is asked to end waits for its clients, a minute long. Its kubelet starts it again."""
READY = ("curl", "--silent", "--show-error", "--fail", "--insecure", "--max-time", "5",
         f"https://127.0.0.1:{PORT}/readyz")  # fmt: skip
"""Asked of one server on its own machine: through a load balancer any of them would answer."""


@dataclass(frozen=True, slots=True)
class ServerCertificatesRotated:
    """Every server's serving certificate is renewed by `kubeadm certs renew`, and its API server started again.

    Where there are three, one after the other, each when the one before is ready: the others go on. It is not undone:
    the new ones are as good as the old ones were.
    """

    for_s: float = 0.0
    kind: ClassVar[str] = "server-certificates-rotated"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """The servers, with their certificates and processes as they are."""
        names = sorted(name for name, found in world.cluster.machines.items() if found.role == CONTROL_PLANE)
        if not names:
            raise FaultError("there is no server whose machine can be reached", hint="the fault needs --backend kind")
        servers = {name: await _server(world, name) for name in names}
        return {"target": ", ".join(names), "servers": servers, "affects": [API if len(names) == 1 else MEMBER]}

    async def inject(self, world: World, state: State) -> None:
        """Renew, end the process, and wait until it is there again with the new one; then the next server."""
        for name, before in state["servers"].items():
            machine = machine_of(world, name)
            await machine.exec(*RENEW)
            await machine.exec(*END)
            await _another(world, name, before)
            await _ready(world, name)

    async def bitten(self, world: World, state: State) -> str:
        """Each endpoint shows a certificate with another serial number, and another process shows it."""
        return "; ".join([await _another(world, name, before) for name, before in state["servers"].items()])

    async def heal(self, world: World, state: State) -> None:
        """Nothing: its kubelet starts an API server that has ended, whoever is there to see it."""

    async def healed(self, world: World, state: State) -> None:
        """Each of them says that it is ready, and so does the one through which we see the cluster."""
        for name in state["servers"]:
            await _ready(world, name)
        await world.cluster.ready(SEEN_DEADLINE_S)


async def _server(world: World, name: str) -> dict[str, str]:
    """{"address", "serial" (hexadecimal), "process"} of a server; raises FaultError where it has no address."""
    machine = machine_of(world, name)
    address = await machine.address()
    if not address:
        raise FaultError(f"server {name} has no address", hint="its machine has to run")
    serial = await evidence.serial_number(address, PORT)
    return {"address": address, "serial": f"{serial:x}", "process": (await machine.exec(*RUNNING)).strip()}


async def _another(world: World, name: str, before: dict[str, str]) -> str:
    """Evidence that a server's certificate and process are not those of before."""
    machine = machine_of(world, name)

    async def other(progress: Progress) -> str | None:
        try:
            process = (await machine.exec(*RUNNING)).strip()
        except ClusterError:
            progress.last = f"no {PROGRAM} runs"
            return None
        serial = await evidence.shown_serial_number(progress, before["address"], PORT)
        if serial is None:
            return None
        progress.last = f"process {process} of {name} shows serial number {serial:x}"
        same = f"{serial:x}" == before["serial"] or process == before["process"]
        return None if same else f"{progress.last}, before process {before['process']} {before['serial']}"

    return await until(f"{name} to show another certificate", other, deadline_s=BOOT_DEADLINE_S, interval_s=0.5)


async def _ready(world: World, name: str) -> None:
    machine = machine_of(world, name)

    async def says(progress: Progress) -> bool | None:
        try:
            return (await machine.exec(*READY)).strip() == "ok" or None
        except ClusterError as exc:
            progress.last = exc.what
            return None

    await until(f"the API server of {name} to be ready", says, deadline_s=BOOT_DEADLINE_S, interval_s=0.5)
