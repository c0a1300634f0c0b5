"""What the status of the operator's pods says of its process: pure, from one look at the pods to the next.

Each container that a kubelet starts is one process, told apart by its container id. A look may have missed one: a
container that ended between two looks is still told by `lastState`, so its start and its end are noted late, not never.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SELF, HARNESS, LIVENESS, SUPERVISOR = "self", "harness", "liveness", "supervisor"

_SIGNALLED = 128
_MOST_SIGNALS = 64
_LOST = frozenset(("Unknown", "ContainerStatusUnknown"))
"""Reasons of a container that nobody saw end: its node was away."""

FIRST_PULL = "ErrImagePull"
"""It is tried once more before a kubelet calls it a back-off."""

NO_IMAGE = frozenset(("ImagePullBackOff", FIRST_PULL, "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"))
NO_START = frozenset(("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"))
"""Reasons why a container waits that will not go by themselves."""


@dataclass(frozen=True, slots=True)
class Life:
    """One container: `number` counts them from 1, in place of a process id. `code`: as of a process; None: unknown."""

    number: int
    id: str
    pod: str
    node: str
    ended: bool = False
    code: int | None = None
    why: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """`event`: started or exited; of `life`. `new_pod`: the first container of its pod."""

    event: str
    life: Life
    new_pod: bool = False


@dataclass(slots=True)
class Lives:
    """Every container of the operator that has been seen, in the order in which they were."""

    seen: dict[str, Life] = field(default_factory=dict)
    pods: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def current(self) -> Life | None:
        """The container that runs now, the newest one of several; None when there is none."""
        return next((life for life in reversed(self.seen.values()) if not life.ended), None)

    def look(self, pod: Mapping[str, Any], *, container: str, gone: bool = False) -> list[Change]:
        """What a pod's status tells that was not known; `gone`: it has been deleted, and this is its last state."""
        name = str(pod["metadata"]["name"])
        self.pods[name] = pod
        status = _status_of(pod, container)
        node = str(pod.get("spec", {}).get("nodeName", ""))
        taken_away = gone or "deletionTimestamp" in pod["metadata"] or pod["status"].get("reason") == "Evicted"
        changes: list[Change] = []
        for held, running in ((status.get("lastState", {}), False), (status.get("state", {}), True)):
            ended = held.get("terminated")
            runs = running and held.get("running") is not None
            identity = str((ended or {}).get("containerID") or (status.get("containerID", "") if runs else ""))
            if not identity:
                continue
            if identity not in self.seen:
                first = all(life.pod != name for life in self.seen.values())
                self.seen[identity] = Life(len(self.seen) + 1, identity, name, node)
                changes.append(Change("started", self.seen[identity], first))
            if ended is not None and not self.seen[identity].ended:
                changes.append(self._ends(identity, ended, taken_away=taken_away))
        if gone:
            del self.pods[name]
            left = [life.id for life in self.seen.values() if life.pod == name and not life.ended]
            changes += [self._ends(one, {"reason": "the pod was deleted"}, taken_away=True) for one in left]
        return changes

    def _ends(self, identity: str, ended: Mapping[str, Any], *, taken_away: bool) -> Change:
        reason = str(ended.get("reason") or "")
        said = [part for part in (reason, str(ended.get("message") or "").strip()) if part and part != "Error"]
        life = replace(
            self.seen[identity],
            ended=True,
            code=exit_code(ended["exitCode"]) if "exitCode" in ended else None,
            why=": ".join(said),
            lost=taken_away or reason in _LOST,
        )
        self.seen[identity] = life
        return Change("exited", life)


def exit_code(status: int) -> int:
    """A container's exit status as that of a process: negative when a signal ended it."""
    return _SIGNALLED - status if _SIGNALLED < status <= _SIGNALLED + _MOST_SIGNALS else status


def hindrance(pods: Iterable[Mapping[str, Any]], container: str) -> tuple[str, str]:
    """(reason, message) why the operator's container is not there and will not come by itself; ("", "") when none is.

    "Unschedulable" for a pod that no node takes; else a reason of `NO_IMAGE` or `NO_START`, or "CrashLoopBackOff".
    """
    for pod in pods:
        waiting = _status_of(pod, container).get("state", {}).get("waiting") or {}
        reason = str(waiting.get("reason") or "")
        if reason in NO_IMAGE | NO_START or reason == "CrashLoopBackOff":
            return reason, str(waiting.get("message") or "")
        for condition in pod["status"].get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return str(condition.get("reason") or "Unschedulable"), str(condition.get("message") or "")
    return "", ""


def progress(pods: Iterable[Mapping[str, Any]], container: str) -> str:
    """How far the pods are, for whoever waits: "operator-inventory-… Pending (ContainerCreating)"."""
    told = []
    for pod in pods:
        state = _status_of(pod, container).get("state", {})
        waiting = (state.get("waiting") or {}).get("reason", "")
        told.append(f"{pod['metadata']['name']} {pod['status'].get('phase', '?')}{f' ({waiting})' if waiting else ''}")
    return ", ".join(told) or "no pod"


def restarts(pods: Iterable[Mapping[str, Any]], container: str) -> int:
    """How often a kubelet has started the operator's container again, over all pods there are."""
    return sum(int(_status_of(pod, container).get("restartCount", 0)) for pod in pods)


def _status_of(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    statuses = pod["status"].get("containerStatuses") or ()
    return next((status for status in statuses if status.get("name") == container), {})
