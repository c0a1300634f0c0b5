"""Saboteurs that add up whole pods wrongly: each leaves out one rule of Kubernetes, or of the contract."""

from __future__ import annotations

from typing import Any

from harness.reference.defect import Defect, but
from harness.reference.records import PodRecord, decode_pod


def _without(item: Any, part: str, **changed: Any) -> PodRecord:
    return decode_pod(item | {part: {**(item.get(part) or {}), **changed}})


def _no_resizes(item: Any) -> PodRecord:
    return _without(item, "status", containerStatuses=_plain(item, "containerStatuses"), initContainerStatuses=[])


def _plain(item: Any, key: str) -> list[Any]:
    """The container statuses without what tells of a resize."""
    told = (item.get("status") or {}).get(key) or ()
    return [{name: value for name, value in one.items() if name != "resources"} for one in told]


def _no_whole_pods(item: Any) -> PodRecord:
    return _without(item, "spec", resources={})


def _no_volumes(item: Any) -> PodRecord:
    return _without(item, "spec", volumes=[])


def _sidecars_first(item: Any) -> PodRecord:
    """As if every sidecar were there before any init container runs."""
    init = item["spec"].get("initContainers") or []
    return _without(item, "spec", initContainers=sorted(init, key=lambda one: one.get("restartPolicy") != "Always"))


FIGURE_DEFECTS = (
    Defect(
        "ignores-resizes",
        "Of a pod that is resized in place only what is asked for counts, not what is still running.",
        ("TRUTH-3",),
        but(decode_pod=_no_resizes),
    ),
    Defect(
        "ignores-whole-pod-requests",
        "Requests of a pod as a whole are not looked at, only those of its containers.",
        ("TRUTH-3",),
        but(decode_pod=_no_whole_pods),
    ),
    Defect(
        "ignores-memory-volumes",
        "Memory-backed emptyDir volumes count nothing, as before v0.5.5.",
        ("TRUTH-3",),
        but(decode_pod=_no_volumes),
    ),
    Defect(
        "init-order-ignored",
        "Each init container is taken to run beside all sidecars of its pod, also those that are started after it.",
        ("TRUTH-3",),
        but(decode_pod=_sidecars_first),
    ),
)
