"""Volumes come and go: created free or bound, grown, released, deleted while they are bound and after.

As with pods, what is done next is decided purely from the seed and from what is there. A volume that is deleted while
it is bound stays until its claim goes: the real controllers protect it. Released volumes are kept (`Retain`), as they
are in life until somebody looks after them. An operation that got no answer is indeterminate, and its volume is left
alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.storage import CLAIMS, VOLUMES, Storage, Volume, grown
from harness.errors import ApiError, ApiUnavailableError, ClusterError, UsageError
from harness.traffic.pods import OURS
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    import random

    from harness.cluster.client import KubeClient

SIZES = ("1Gi", "10Gi", "2500M", "1.5Gi", "123456789", "7e9", "300Mi")
"""What volumes are created with, in all notations."""

GROWN = ("20Gi", "21.5Gi", "30G")
"""What they grow to."""

_LABELS = {"labels": {"app": "traffic"}}
_SETTLE_DEADLINE_S = 30.0

CREATE, GROW, RELEASE, DELETE = "create-volume", "grow-volume", "release-volume", "delete-volume"


@dataclass(frozen=True, slots=True)
class Volumes:
    """How much traffic on volumes there is.

    `classes`: those that new volumes name, which need not exist; `rate`: operations a second; `live`: volumes at once,
    at most; `least`: operations that must succeed for the run to count.
    """

    classes: tuple[str, ...]
    rate: float = 4.0
    live: int = 12
    least: int = 12

    def __post_init__(self) -> None:
        if not self.classes or not 0 < self.rate <= 100 or not 1 <= self.live <= 1000 or self.least < 1:
            raise UsageError(
                f"volumes of {', '.join(self.classes) or 'no class'}, rate={self.rate:g}, live={self.live}, "
                f"least={self.least} are out of range",
                hint="at least one class, rate 0 to 100 a second, live 1 to 1000, least at least 1",
            )


@dataclass(frozen=True, slots=True)
class VolumeOp:
    """One operation on a volume: `op` is one of the four words above, `size` what it is created with or grows to."""

    op: str
    name: str
    storage_class: str = ""
    size: str = ""
    bound: bool = False


@dataclass(slots=True)
class Live:
    """The volumes that traffic has made and still counts as its own.

    `bound`: those with a claim; `deleting`: those that are deleted and wait for their claim to go.
    """

    names: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    made: int = 0


def decide(rng: random.Random, volumes: Volumes, live: Live) -> VolumeOp:
    """What to do next, from the random stream and what is there."""
    free = sorted(live.names - live.deleting)
    if not live.names or (len(live.names) < volumes.live and rng.random() < 0.5):
        live.made += 1
        return VolumeOp(
            CREATE, f"vol-{live.made}", rng.choice(volumes.classes), rng.choice(SIZES), bound=rng.random() < 0.6
        )
    if not free:
        return VolumeOp(RELEASE, rng.choice(sorted(live.bound)))
    name = rng.choice(free)
    draw = rng.random()
    if draw < 0.3:
        return VolumeOp(GROW, name, size=rng.choice(GROWN))
    if live.bound and draw < 0.65:
        return VolumeOp(RELEASE, rng.choice(sorted(live.bound)))
    return VolumeOp(DELETE, name)


def done(live: Live, op: VolumeOp, phase: str) -> None:
    """Take in how an operation ended: ok, fail (refused, so without effect), or info (nobody knows)."""
    if phase != "ok":
        # Whatever became of it, the watch tells the truth; the volume is left alone from now on.
        for names in (live.names, live.bound, live.deleting):
            names.discard(op.name)
        return
    match op.op:
        case "create-volume":
            live.names.add(op.name)
            if op.bound:
                live.bound.add(op.name)
        case "release-volume":
            live.bound.discard(op.name)
            if op.name in live.deleting:
                live.names.discard(op.name)
                live.deleting.discard(op.name)
        case "delete-volume":
            if op.name in live.bound:
                live.deleting.add(op.name)
            else:
                live.names.discard(op.name)


Note = Callable[..., Any]
"""Called with op=, id=, phase=, object=, detail= for each step of an operation."""


@dataclass(slots=True)
class VolumeDriver:
    """Carries out operations until it is stopped; `ok` counts those that the API server confirmed."""

    client: KubeClient
    churn: Volumes
    storage: Storage
    rng: random.Random
    note: Note
    live: Live = field(default_factory=Live)
    ok: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 0

    def stop(self) -> None:
        """End `run` after the operation under way."""
        self._stop.set()

    async def run(self) -> None:
        """Operate until stopped, one operation at a time: their order is the seed's."""
        while not self._stop.is_set():
            await self.step()
            await interval(self.rng.expovariate(self.churn.rate))

    async def settle(self) -> None:
        """Take away everything that traffic has made: what it left depends on how faults and operations were timed."""

        async def emptied(_progress: Progress) -> bool | None:
            left = 0
            for path in (CLAIMS, VOLUMES):
                try:
                    listed = (await self.client.get(path, params={"labelSelector": OURS}))["items"]
                    for item in listed:
                        await self.client.delete(f"{path}/{item['metadata']['name']}")
                except ClusterError:
                    return None
                left += len(listed)
            return None if left else True

        await until("traffic's volumes to be gone", emptied, deadline_s=_SETTLE_DEADLINE_S)
        self.live = Live()

    async def step(self) -> None:
        """Decide and carry out one operation."""
        op = decide(self.rng, self.churn, self.live)
        number, self._next = self._next, self._next + 1
        # Numbers of their own: those of pods count from 0 as well.
        record = {"op": op.op, "id": f"volume-{number}", "object": op.name}
        detail: dict[str, Any] = {"class": op.storage_class, "size": op.size, "bound": op.bound}
        self.note(**record, phase="invoke", detail=detail)
        phase = "ok"
        try:
            await self._carry_out(op)
            self.ok += 1
        except ApiUnavailableError as exc:
            phase, detail = "info", {"error": exc.what}
        except ApiError as exc:
            phase, detail = "info" if exc.status >= 500 else "fail", {"error": exc.what}
        done(self.live, op, phase)
        self.note(**record, phase=phase, detail=detail)

    async def _carry_out(self, op: VolumeOp) -> None:
        match op.op:
            case "create-volume":
                made = Volume(op.name, op.storage_class, op.size, bound=op.bound)
                item = self.storage.of_class(op.storage_class)
                await self.client.create(VOLUMES, _ours(made.body(item.provisioner) if item else made.body()))
                if op.bound:
                    await self.client.create(CLAIMS, _ours(made.claim()))
            case "grow-volume":
                await self.client.patch(f"{VOLUMES}/{op.name}", grown(op.size))
            case "release-volume":
                await self.client.delete(f"{CLAIMS}/{op.name}")
            case "delete-volume":
                await self.client.delete(f"{VOLUMES}/{op.name}")


def _ours(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], **_LABELS}}
