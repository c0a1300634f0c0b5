"""etcd as a throw-away datastore: one member, or three that elect a leader.

Every member is a real etcd process on loopback. `--unsafe-no-fsync` is right here: the data lives as long as the run,
and processes are killed, not machines. Traffic is plain HTTP on loopback, guarded by nothing: the ports are known to us
alone and hold a test cluster.

Where a fault is to delay or silence what lies between members, or between them and API servers, every peer is reached
through a link of the relay, and so is every member by the API servers (`harness.cluster.relay`).
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cluster.etcdapi import EtcdApi, Status
from harness.cluster.part import Part
from harness.cluster.probe import http_ok
from harness.cluster.relay import Link
from harness.errors import ClusterError
from harness.process.child import Child, require_running, start
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.process.ports import Ports
    from harness.toolchain import Toolchain

START_DEADLINE_S = 20.0


@dataclass(slots=True)
class EtcdMember(Part):
    """One etcd process. `peers`: member name -> advertised peer URL, of the whole cluster as it was first made.

    `reached_at`: the port at which API servers reach it (its own client port, or a link's).
    """

    toolchain: Toolchain
    directory: Path
    member: str
    client_port: int
    peer_port: int
    peers: dict[str, str]
    env: dict[str, str]
    name: str = "etcd"
    reached_at: int = 0
    state: str = "new"
    quota_bytes: int = 0
    _child: Child | None = None

    @property
    def url(self) -> str:
        """Its own client URL."""
        return f"http://127.0.0.1:{self.client_port}"

    @property
    def api(self) -> EtcdApi:
        """The administrator's calls, straight to this member."""
        return EtcdApi(self.url)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.directory / self.name

    def arguments(self) -> list[str]:
        """The command line."""
        listed = ",".join(f"{name}={url}" for name, url in self.peers.items())
        return [
            str(self.toolchain.path("etcd")),
            f"--name={self.member}",
            f"--data-dir={self.data}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls=http://127.0.0.1:{self.peer_port}",
            f"--initial-advertise-peer-urls={self.peers[self.member]}",
            f"--initial-cluster={listed}",
            f"--initial-cluster-state={self.state}",
            *([f"--quota-backend-bytes={self.quota_bytes}"] if self.quota_bytes else []),
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._child = start(self.name, self.arguments(), log_dir=self.directory / "log", env=self.env)

    async def start(self) -> None:
        """Start it and return when it serves linearizable reads."""
        self.launch()
        await self.ready()

    async def ready(self) -> None:
        """Return when it serves linearizable reads; raises WaitTimeoutError, or ClusterError when the process ends."""

        async def healthy(progress: Progress) -> bool | None:
            require_running(self.child, "starting")
            return await http_ok(f"{self.url}/health", progress) or None

        await until(f"{self.name} to be healthy", healthy, deadline_s=START_DEADLINE_S, interval_s=0.02)

    def wipe(self) -> None:
        """Forget its data, as a machine that is replaced does; it then joins a cluster that exists."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.state = "existing"


@dataclass(slots=True)
class EtcdStore:
    """A cluster of one or three members."""

    kind: str
    members: tuple[EtcdMember, ...]
    links: tuple[Link, ...] = ()
    source: str = field(default="", init=False)

    def __post_init__(self) -> None:
        version = self.members[0].toolchain.versions["etcd"]
        count = len(self.members)
        self.source = f"etcd {version}, {count} member{'s' if count > 1 else ''}"

    @property
    def name(self) -> str:
        """What records call it."""
        return "etcd"

    def endpoints(self, server: int | None) -> str:
        """What an API server is given as --etcd-servers: all members, or only the one of its own server (from 0)."""
        chosen = self.members if server is None else (self.members[server],)
        return ",".join(f"http://127.0.0.1:{member.reached_at}" for member in chosen)

    def launch(self) -> None:
        """Start every member without waiting."""
        for member in self.members:
            member.launch()

    async def ready(self) -> None:
        """Return when every member serves linearizable reads."""
        for member in self.members:  # one after another: a task group would wrap what they raise
            await member.ready()

    async def stop(self) -> None:
        """Kill every member; the data stays."""
        for member in self.members:
            member.child.kill()

    async def start(self) -> None:
        """Start the members that do not run, with their data; return when all serve."""
        for member in self.members:
            if not member.child.running:
                member.launch()
        await self.ready()

    async def statuses(self, *, timeout_s: float = 1.0) -> Mapping[str, Status]:
        """Member name -> what it says of itself, of those that answer."""

        async def ask(member: EtcdMember) -> Status | None:
            try:
                return await member.api.status(timeout_s=timeout_s)
            except ClusterError:
                return None

        found = await asyncio.gather(*(ask(member) for member in self.members))
        return {member.member: status for member, status in zip(self.members, found, strict=True) if status is not None}

    async def leader(self) -> EtcdMember:
        """The member that leads now; raises WaitTimeoutError when there is none for long."""

        async def leads(progress: Progress) -> EtcdMember | None:
            found = await self.statuses()
            progress.last = ", ".join(f"{name}: leader {status.leader:x}" for name, status in found.items())
            # A member that was cut off may still think that it leads: the highest term is the present one.
            leading = [(status.term, name) for name, status in found.items() if status.leads]
            return self.member(max(leading)[1]) if leading else None

        return await until("etcd to have a leader", leads, deadline_s=START_DEADLINE_S)

    def member(self, name: str) -> EtcdMember:
        """The member of that name."""
        return next(member for member in self.members if member.member == name)

    def processes(self) -> Mapping[str, Child]:
        """Every process that was started, by name."""
        return {member.name: member.child for member in self.members if member.started}

    async def dispose(self) -> None:
        """Nothing of it is outside of the run directory."""


def plan_etcd(
    kind: str,
    toolchain: Toolchain,
    directory: Path,
    ports: Ports,
    env: dict[str, str],
    *,
    relayed: bool,
    quota_bytes: int,
) -> EtcdStore:
    """An etcd store of kind "etcd" (one member) or "etcd3" (three)."""
    count = 3 if kind == "etcd3" else 1
    own = [(ports.take(), ports.take()) for _ in range(count)]
    names = [f"m{index}" for index in range(count)]
    links: list[Link] = []
    peers: dict[str, str] = {}
    reached: dict[str, int] = {}
    for name, (client, peer) in zip(names, own, strict=True):
        peers[name], reached[name] = f"http://127.0.0.1:{peer}", client
        if count > 1 and relayed:
            links.append(Link(f"peer-{name}", ports.take(), [peer], by_source=True))
            peers[name] = f"http://127.0.0.1:{links[-1].port}"
        if relayed:
            links.append(Link(f"client-{name}", ports.take(), [client]))
            reached[name] = links[-1].port
    members = tuple(
        EtcdMember(
            toolchain, directory, name, client, peer, peers, env,
            name="etcd" if count == 1 else f"etcd-{name}", reached_at=reached[name], quota_bytes=quota_bytes,
        )
        for name, (client, peer) in zip(names, own, strict=True)
    )  # fmt: skip
    return EtcdStore(kind, members, tuple(links))


def peer_links(store: EtcdStore, member: str) -> Sequence[tuple[str, str]]:
    """What lies between a member and its peers, as (link, source): whoever dials it, and it dialling the others."""
    others = [other.member for other in store.members if other.member != member]
    return [(f"peer-{member}", "*"), *((f"peer-{other}", member) for other in others)]
