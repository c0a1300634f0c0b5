"""Discovery pods whose node is gone, and for how long they have been left.

They are known by the contract's labels (part A, "Discovery pod"), whatever they are called. A pod that is being deleted
counts as gone: without a kubelet it lasts until the cluster's own garbage collector confirms the end, and the operator
has done its part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.windows import merged, without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.check.windows import Span
    from harness.history.reader import History
    from harness.model.timeline import Timeline

LABELS = {
    "app.kubernetes.io/name": "inventory",
    "app.kubernetes.io/instance": "inventory-hardware-discovery",
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/part-of": "provider",
}

COLLECTED_S = 80.0
"""The cluster removes the pods of a node that is gone by itself, 40 to 80 s after (the pod garbage collector's
quarantine of 40 s, and it looks every 20 s: kubernetes/pkg/controller/podgc). An operator that leaves it to that leaks
nothing, and whether a pod is there after 60 s would be chance. So a pod is left behind when it is there later still."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A discovery pod on a node that is gone since `gone_s`; there from `begin_s` to `end_s` (infinity: to the end)."""

    namespace: str
    name: str
    node: str
    gone_s: float
    begin_s: float
    end_s: float


@dataclass(slots=True)
class _Pod:
    node: str
    since: float


def is_discovery(pod: Mapping[str, Any]) -> bool:
    """Whether the object carries all labels of a discovery pod."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in LABELS.items())


def absences(timeline: Timeline) -> dict[str, list[Span]]:
    """When each node that was there once was not there any more."""
    found: dict[str, list[Span]] = {}
    for name in timeline.nodes():
        since: float | None = None
        for step in timeline.label_history[name]:
            if step.exists and since is not None:
                found.setdefault(name, []).append((since, step.t))
                since = None
            elif not step.exists and since is None:
                since = step.t
        if since is not None:
            found.setdefault(name, []).append((since, math.inf))
    return found


def presences(history: History) -> list[tuple[str, str, str, Span]]:
    """Each discovery pod and when it was there, not being deleted: (namespace, name, node, span)."""
    open_: dict[tuple[str, str, str], _Pod] = {}
    found: list[tuple[str, str, str, Span]] = []

    def close(key: tuple[str, str, str], t: float) -> None:
        pod = open_.pop(key)
        found.append((key[0], key[1], pod.node, (pod.since, t)))

    for record in history.of("object", "synced"):
        if record["resource"] != "pods":
            continue
        t = float(record["t"])
        if record["k"] == "synced":
            listed = {(str(namespace or ""), name, uid) for namespace, name, uid in record["objects"]}
            for key in [key for key in open_ if key not in listed]:
                close(key, t)
            continue
        key, body = (str(record["namespace"] or ""), record["name"], record["uid"]), record["object"]
        ended = record["event"] == "DELETED" or "deletionTimestamp" in (body.get("metadata") or {})
        if ended and key in open_:
            close(key, t)
        elif not ended and key not in open_ and is_discovery(body):
            node = (body.get("spec") or {}).get("nodeName") or ""
            open_[key] = _Pod(node, t)
    for key in list(open_):
        close(key, math.inf)
    return found


def orphans(history: History, timeline: Timeline) -> list[Orphan]:
    """Every discovery pod that was there while its node was not, once for each such time."""
    gone = absences(timeline)
    return [
        Orphan(namespace, name, node, begin, max(begin, since), min(end, until))
        for namespace, name, node, (since, until) in presences(history)
        for begin, end in gone.get(node, ())
        if max(begin, since) < min(end, until)
    ]


def due_s(begin_s: float, objective_s: float, away: Sequence[Span]) -> float:
    """When so much time has passed since `begin_s` in which the operator could see the cluster; infinity: never."""
    left = objective_s
    for low, high in without((begin_s, math.inf), merged(away)):
        if high - low >= left:
            return low + left
        left -= high - low
    return math.inf
