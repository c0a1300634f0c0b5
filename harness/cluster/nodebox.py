"""The container that a kind node is: what can be done to it from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cluster import dockercli
from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTROL_PLANE, WORKER = "control-plane", "worker"


@dataclass(frozen=True, slots=True)
class NodeBox:
    """A node's container. `name`: the node's; `container`: as kind has called it, which may be another name.

    Every call raises ClusterError when Docker refuses.
    """

    name: str
    role: str
    network: str
    container: str

    async def exec(self, *command: str, timeout_s: float = dockercli.CALL_TIMEOUT_S, stdin: bytes | None = None) -> str:
        """What a command in it prints."""
        options = ["--interactive"] if stdin is not None else []
        return await dockercli.acall("exec", *options, self.container, *command, timeout_s=timeout_s, stdin=stdin)

    async def state(self) -> str:
        """Docker's word for it: running, paused, exited, …; "gone" when there is no such container."""
        if not await self._exists():
            return "gone"
        return (await dockercli.acall("container", "inspect", "--format", "{{.State.Status}}", self.container)).strip()

    async def pause(self) -> None:
        """Freeze every process of it; one that is frozen already is no error."""
        if await self.state() == "running":
            await dockercli.acall("pause", self.container)

    async def unpause(self) -> None:
        """Let them go on; one that does is no error."""
        if await self.state() == "paused":
            await dockercli.acall("unpause", self.container)

    async def kill(self) -> None:
        """SIGKILL it, as a power cut would; one that has ended is no error."""
        await self._end("kill")

    async def stop(self, *, grace_s: int) -> None:
        """Shut it down; what has not ended by then is killed."""
        await self._end("stop", "--time", str(grace_s))

    async def start(self) -> None:
        """Boot it again with its disk; one that runs is no error."""
        await self.unpause()
        if await self.state() != "running":
            await dockercli.acall("start", self.container)

    async def restart(self) -> None:
        """Kill it and boot it again at once."""
        await dockercli.acall("restart", "--time", "0", self.container)

    async def started_at(self) -> str:
        """When it was started last, as Docker writes it."""
        return (await self._inspected("{{.State.StartedAt}}")).strip()

    async def address(self) -> str:
        """Its IPv4 address on the nodes' network."""
        networks = f'{{{{with index .NetworkSettings.Networks "{self.network}"}}}}{{{{.IPAddress}}}}{{{{end}}}}'
        return (await self._inspected(networks)).strip()

    async def unit(self, verb: str, unit: str) -> None:
        """`systemctl VERB UNIT` in it."""
        await self.exec("systemctl", verb, unit)

    async def unit_state(self, unit: str) -> str:
        """The word of systemd for a unit: active, inactive, failed, …."""
        try:
            return (await self.exec("systemctl", "show", "--property=ActiveState", "--value", unit)).strip()
        except ClusterError as exc:
            return f"unknown ({exc.what})"

    async def _end(self, verb: str, *options: str) -> None:
        if await self.state() in {"running", "paused"}:
            await self.unpause()
            await dockercli.acall(verb, *options, self.container)

    async def _inspected(self, form: str) -> str:
        return await dockercli.acall("container", "inspect", "--format", form, self.container)

    async def _exists(self) -> bool:
        listed = await dockercli.acall("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^{self.container}$")
        return self.container in listed.split()


def boxes(containers: Sequence[str], role: str, network: str, names: Sequence[str] = ()) -> dict[str, NodeBox]:
    """Node -> its container; nodes without a name of their own are called what their containers are."""
    called = [*names, *containers[len(names) :]]
    return {name: NodeBox(name, role, network, container) for name, container in zip(called, containers, strict=True)}
