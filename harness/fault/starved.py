"""The operator gets no turn at the API server: API Priority and Fairness refuses it with 429.

A priority level without shares still serves one request at a time (when nothing of it is under way, the next is let
in). So a request of ours keeps that one seat: as the operator's user, it asks for a list that is newer than anything
there is, which the API server waits for (3 s) before it says that there is none. One is enough, and more would be
refused themselves: the API server asks for longer pauses (Retry-After) the more it refuses.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.access import OPERATOR_USER
from harness.cluster.apirules import Match
from harness.errors import ApiError, ClusterError
from harness.fault import access, refused, rules
from harness.fault.base import BITE_DEADLINE_S, State, World
from harness.wait import Progress, interval, until

if TYPE_CHECKING:
    from harness.cluster.client import KubeClient

_GROUP = "flowcontrol.apiserver.k8s.io/v1"
_LEVELS = f"/apis/{_GROUP}/prioritylevelconfigurations"
_SCHEMAS = f"/apis/{_GROUP}/flowschemas"
_NAME = "harness-starved"
_TOO_MANY, _WAITED = 429, 504
_AGAIN_S = 0.05
_NEVER = {"resourceVersion": str(10**15), "resourceVersionMatch": "NotOlderThan"}
_REJECTED = re.compile(
    rf'^apiserver_flowcontrol_rejected_requests_total\{{[^}}]*flow_schema="{_NAME}"[^}}]*\}} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class OperatorStarved:
    """The operator's requests, and nobody else's, have a priority level without shares whose one seat is taken.

    What it asks is answered 429 with Retry-After for `for_s` seconds, but for a request that finds the seat free in
    the moment between two of ours. Open watches are not asked about, so they are ended. Retry-After doubles while the
    operator goes on asking (2 s after one second, 4 after three, 8 after seven, at most 32): a fault that lasts longer
    needs a longer RECOVER-1.
    """

    for_s: float = 6.0
    kind: ClassVar[str] = "operator-starved"
    affects: ClassVar[tuple[str, ...]] = access.taken("", "")

    async def prepare(self, world: World) -> State:
        """How often the operator has been throttled before, and what makes it ask."""
        match = Match()
        return await refused.planned(world, self.kind, "a turn", (match, _TOO_MANY), *access.asking(match))

    async def inject(self, world: World, state: State) -> None:
        """Put the operator there, take the seat, and end its watches once nobody is let in."""
        client = world.cluster.client
        await client.ensure(_LEVELS, level())
        await client.ensure(_SCHEMAS, schema())
        holder = _Holder(client)
        world.held[self.kind] = holder
        holder.begin()

        async def taken(progress: Progress) -> bool | None:
            try:
                await _ask(client, limit="1")
            except ClusterError as exc:
                progress.last = exc.what
                return (isinstance(exc, ApiError) and exc.status == _TOO_MANY) or None
            progress.last = "a request of ours was served"
            return None

        await until("the priority level to be full", taken, deadline_s=BITE_DEADLINE_S, interval_s=0.2)
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The API server counts requests that the flow schema rejected, and the operator was answered 429."""
        said = await refused.met(world, state)
        counted = rejected(await world.cluster.client.get("/metrics"))
        if not counted:
            raise ClusterError(f"flow schema {_NAME} has rejected nothing, as the API server counts it")
        return f"{said}; the API server counts {counted} requests rejected by flow schema {_NAME}"

    async def heal(self, world: World, state: State) -> None:
        """Take the flow schema and its level away, and give the seat up."""
        await rules.lift(world, state)
        await world.cluster.client.delete(f"{_SCHEMAS}/{_NAME}")
        await world.cluster.client.delete(f"{_LEVELS}/{_NAME}")
        holder = world.held.pop(self.kind, None)
        if holder is not None:
            holder.close()

    async def healed(self, world: World, state: State) -> None:
        """Requests of the operator's user are served, several at once."""
        del state

        async def served(progress: Progress) -> bool | None:
            try:
                await asyncio.gather(*(_ask(world.cluster.client, limit="1") for _ in range(3)))
            except ClusterError as exc:
                progress.last = exc.what
                return None
            return True

        await until("the operator's user to be served", served, deadline_s=BITE_DEADLINE_S, interval_s=0.1)


@dataclass(slots=True)
class _Holder:
    """A request of ours that keeps a seat taken, made again when it is over; it stands in `World.held`."""

    client: KubeClient
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask."""
        self._task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        while True:
            try:
                await _ask(self.client, **_NEVER)
            except ApiError as exc:
                if exc.status == _WAITED:
                    continue  # without a pause, in which the seat would be free
            except ClusterError:
                pass
            await interval(_AGAIN_S)

    def close(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()


async def _ask(client: KubeClient, **params: str) -> None:
    await client.request("GET", "/api/v1/nodes", params=params, as_user=OPERATOR_USER)


def rejected(metrics: str) -> int:
    """How many requests the API server's metrics say the flow schema rejected, for whatever reason."""
    return sum(int(float(count)) for count in _REJECTED.findall(metrics))


def level() -> dict[str, Any]:
    """The priority level: no shares, none borrowed, and no queue."""
    limited = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    return {
        "apiVersion": _GROUP,
        "kind": "PriorityLevelConfiguration",
        "metadata": {"name": _NAME},
        "spec": {"type": "Limited", "limited": limited},
    }


def schema() -> dict[str, Any]:
    """The flow schema: whatever the operator's user asks."""
    everything = {
        "subjects": [{"kind": "User", "user": {"name": OPERATOR_USER}}],
        "resourceRules": [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
        ],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    return {
        "apiVersion": _GROUP,
        "kind": "FlowSchema",
        "metadata": {"name": _NAME},
        "spec": {
            "matchingPrecedence": 2,  # only "exempt" comes before
            "priorityLevelConfiguration": {"name": _NAME},
            "rules": [everything],
        },
    }
