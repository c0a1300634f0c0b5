"""Whether a fault touched what it may touch, and nothing else: what stands around it is looked at before and after.

Nodes that no open fault is about: that they are the same objects, their figures, cordons and foreign taints, and that a
Ready one still is. Processes of the cluster: that they are the same, run and are not stopped. Other members of etcd:
that they answer. The operator: that it is not stopped.

Not looked at: labels, which the operator writes and LABEL-1 judges; whether the operator still is the same process,
which SURVIVE-1 judges; taints of the node lifecycle controller, which follow readiness. Once the control plane was
harmed, readiness counts no more in that run: heartbeats may have been lost with it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.etcd import EtcdStore
from harness.cluster.nodes import is_ready
from harness.errors import ClusterError, WaitTimeoutError
from harness.fault.radius import Touched, touched
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.fault.base import Fault, State, World

SETTLE_S = 3.0
"""How long what differs is looked at again: it may be on its way back, or be told late."""

_LIST_TIMEOUT_S = 5.0
_LIFECYCLE = "node.kubernetes.io/"
_ENDED, _STOPPED = "ended", "stopped"


@dataclass(frozen=True, slots=True)
class Look:
    """What stood around at one moment. `nodes`: None where they could not, or should not, be listed.

    `processes`: name -> (pid, state); `silent`: members of etcd that gave no answer; `operator`: the state of its
    process.
    """

    nodes: Mapping[str, Mapping[str, Any]] | None
    processes: Mapping[str, tuple[int, str]]
    silent: frozenset[str] = frozenset()
    operator: str = ""

    @property
    def examined(self) -> int:
        """How many things were looked at."""
        return len(self.nodes or ()) + len(self.processes)


def facts(node: Mapping[str, Any]) -> dict[str, Any]:
    """What no fault of another node, and no operator, changes of a Node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    taints = [taint for taint in spec.get("taints") or () if not str(taint["key"]).startswith(_LIFECYCLE)]
    return {
        "uid": node["metadata"].get("uid"),
        "capacity": status.get("capacity") or {},
        "allocatable": status.get("allocatable") or {},
        "unschedulable": bool(spec.get("unschedulable")),
        "taints": sorted(f"{taint['key']}={taint.get('value', '')}:{taint['effect']}" for taint in taints),
        "ready": is_ready(node),
    }


def strays(before: Look, now: Look, allowed: Touched) -> list[str]:
    """What changed between two looks although it was not to be touched, a sentence each."""
    found: list[str] = []
    if before.nodes is not None and now.nodes is not None:
        for name in sorted(set(before.nodes) - allowed.nodes):
            found += _of_node(name, before.nodes[name], now.nodes.get(name), readiness=not allowed.control_plane)
    for name, (pid, state) in sorted(before.processes.items()):
        if name in allowed.processes or state in {_ENDED, _STOPPED}:
            continue
        new_pid, new_state = now.processes.get(name, (0, _ENDED))
        if new_pid != pid or new_state in {_ENDED, _STOPPED}:
            found.append(f"process {name} ({pid}) is now {new_state} ({new_pid})")
    if not allowed.operator and now.operator == _STOPPED != before.operator:
        found.append("the operator is stopped")
    found += [f"{name} gives no answer" for name in sorted(now.silent - before.silent - allowed.processes)]
    return found


def _of_node(name: str, old: Mapping[str, Any], new: Mapping[str, Any] | None, *, readiness: bool) -> list[str]:
    if new is None:
        return [f"node {name} is gone"]
    changed = [key for key in old if key != "ready" and old[key] != new[key]]
    found = [f"node {name}: {key} is {new[key]}, was {old[key]}" for key in changed]
    return [*found, f"node {name} is not Ready"] if readiness and old["ready"] and not new["ready"] else found


@dataclass(slots=True)
class _Around:
    """One injection that is open: what it may touch, what it and those beside it may, and what stood there before."""

    own: Touched
    allowed: Touched
    before: Look


@dataclass(slots=True)
class Perimeter:
    """What stands around the injections of one run."""

    world: World
    _open: dict[str, _Around] = field(default_factory=dict)
    _shaken: bool = False

    async def enter(self, name: str, fault: Fault, state: State) -> None:
        """Look before an injection."""
        own = touched(fault, state, self.world)
        self._shaken = self._shaken or own.control_plane
        allowed = own | Touched(control_plane=self._shaken)
        for other in self._open.values():
            other.allowed, allowed = other.allowed | own, allowed | other.own
        # Entered before the look, so that one that begins during the look is allowed for too.
        self._open[name] = around = _Around(own, allowed, Look(None, {}))
        around.before = await self._look(allowed, nodes=not self._away(name))

    async def verify(self, name: str, *, healed: bool = False) -> tuple[int, list[str]]:
        """How much was looked at, and what has been touched since the injection began that should not have been."""
        around = self._open[name]
        last: tuple[Look, list[str]] = around.before, []

        async def untouched(progress: Progress) -> bool | None:
            nonlocal last
            look = await self._look(around.allowed, nodes=not self._away(name if healed else ""))
            last = look, strays(around.before, look, around.allowed)
            progress.last = "; ".join(last[1])
            return None if last[1] else True

        with contextlib.suppress(WaitTimeoutError):  # what was found last is the answer
            await until("nothing else to be touched", untouched, deadline_s=SETTLE_S, interval_s=0.2)
        return last[0].examined, last[1]

    def leave(self, name: str) -> None:
        """The injection is over."""
        self._open.pop(name, None)

    def _away(self, but: str = "") -> bool:
        """Whether an open fault, other than `but`, may keep the API server from answering."""
        return any(around.own.control_plane for name, around in self._open.items() if name != but)

    async def _look(self, allowed: Touched, *, nodes: bool) -> Look:
        children = self.world.cluster.processes()
        processes = {name: (child.pid, child.state() if child.running else _ENDED) for name, child in children.items()}
        listed = await self._nodes() if nodes else None
        silent = await self._silent() if allowed.datastore else frozenset()
        return Look(listed, processes, silent, self.world.operator.state())

    async def _nodes(self) -> Mapping[str, Mapping[str, Any]] | None:
        try:
            body = await self.world.cluster.client.get("/api/v1/nodes", timeout_s=_LIST_TIMEOUT_S)
        except ClusterError:
            return None  # what cannot be listed is told by the number of what was examined
        return {item["metadata"]["name"]: facts(item) for item in body["items"]}

    async def _silent(self) -> frozenset[str]:
        store = self.world.cluster.datastore
        if not isinstance(store, EtcdStore):
            return frozenset()
        answered = await store.statuses()
        return frozenset(member.name for member in store.members if member.member not in answered)
