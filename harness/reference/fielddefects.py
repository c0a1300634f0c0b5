"""Saboteurs with the defects that operators of real providers have reported (scenarios/regression).

A report is a symptom. Each saboteur here has a defect with that very symptom; which one upstream has, or had, may be
another.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from harness.reference.behaviour import Crash, NoLedger
from harness.reference.defect import Defect, but
from harness.reference.inventory import Inventory
from harness.reference.records import NodeRecord, PodRecord, decode_node
from harness.reference.resources import GPU_RESOURCES, NOTHING, Amounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNSIGNED = Decimal(2**64)
_KEEPS_OFF = frozenset({"NoSchedule", "NoExecute"})
"""The effects of taints that keep pods off a node."""


async def _never() -> None:
    await asyncio.Event().wait()


def _no_nodes(inventory: Inventory) -> Inventory:  # noqa: ARG001 - the seam's signature
    return Inventory(())


def _die_of_lost_watch(why: str) -> None:
    raise Crash(f"lost the watch: {why}")


def _gpus_as_first_seen(old: NodeRecord | None, new: NodeRecord) -> NodeRecord:
    if old is None or old.uid != new.uid:
        return new
    return replace(
        new,
        capacity=replace(new.capacity, gpu=old.capacity.gpu),
        allocatable=replace(new.allocatable, gpu=old.allocatable.gpu),
    )


def _nameless_newcomer(old: NodeRecord | None, new: NodeRecord) -> NodeRecord:
    nameless = not new.ready if old is None or old.uid != new.uid else not old.name
    return replace(new, name="") if nameless else new


def _capacity_is_allocatable(item: Mapping[str, Any]) -> NodeRecord:
    node = decode_node(item)
    return replace(node, allocatable=replace(node.allocatable, gpu=node.capacity.gpu))


def _first_vendor_only(item: Mapping[str, Any]) -> NodeRecord:
    status = item.get("status") or {}
    tables = {name: _of_one_vendor(status.get(name) or {}) for name in ("capacity", "allocatable")}
    return decode_node({**item, "status": {**status, **tables}})


def _of_one_vendor(table: Mapping[str, str]) -> dict[str, str]:
    others = [name for name in GPU_RESOURCES if name in table][1:]
    return {name: value for name, value in table.items() if name not in others}


def _tainted_is_cordoned(item: Mapping[str, Any]) -> NodeRecord:
    taints = (item.get("spec") or {}).get("taints") or ()
    node = decode_node(item)
    return replace(node, unschedulable=node.unschedulable or any(taint.get("effect") in _KEEPS_OFF for taint in taints))


def _unknown_is_ready(item: Mapping[str, Any]) -> NodeRecord:
    conditions = (item.get("status") or {}).get("conditions") or ()
    node = decode_node(item)
    unknown = any(one.get("type") == "Ready" and one.get("status") == "Unknown" for one in conditions)
    return replace(node, ready=node.ready or unknown)


class _Wrong(NoLedger):
    """What the ledgers that go wrong have in common: an error for each node, nothing at first."""

    def __init__(self) -> None:
        self._wrong: dict[str, Amounts] = {}

    def correction(self, node: str) -> Amounts:
        return self._wrong.get(node, NOTHING)


class _Drifts(_Wrong):
    """Subtracts every pod when a watch is taken up again."""

    def resumed(self, pods: Iterable[PodRecord]) -> None:
        for pod in pods:
            self._wrong[pod.node] = self.correction(pod.node) - pod.requests


class _Raises(_Wrong):
    """Adds what a deleted pod had asked for instead of subtracting it."""

    def deleted(self, pod: PodRecord) -> None:
        self._wrong[pod.node] = self.correction(pod.node) + pod.requests + pod.requests


class _WrapsAround(_Wrong):
    """Subtracts a pod that has finished once more when it is deleted, in numbers that know no sign."""

    def deleted(self, pod: PodRecord) -> None:
        if pod.terminal:
            self._wrong[pod.node] = self._wrong.get(pod.node, NOTHING) - pod.requests

    def correction(self, node: str) -> Amounts:
        wrong = self._wrong.get(node, NOTHING)
        return Amounts(
            _wrapped(wrong.cpu), _wrapped(wrong.memory), _wrapped(wrong.gpu), _wrapped(wrong.ephemeral_storage)
        )


def _wrapped(amount: Decimal) -> Decimal:
    return amount + _UNSIGNED if amount < 0 else amount


FIELD_DEFECTS: tuple[Defect, ...] = (
    Defect(
        "stays-empty-after-outage",
        "Nodes are dropped when a watch breaks and nothing is listed again, so the inventory is empty from the first "
        "outage on until the process starts anew (helm-charts 402).",
        ("AVAIL-1", "RECOVER-1"),
        but(inventory_while_away=_no_nodes, resync=_never),
    ),
    Defect(
        "dies-on-lost-watch",
        "The process dies with a traceback when a watch breaks off, as it does when one of several servers is lost "
        "(provider SIG #19).",
        ("SURVIVE-1",),
        but(on_broken_watch=_die_of_lost_watch),
    ),
    Defect(
        "gives-up-silent-nodes",
        "Discovery is started on nodes that do not run, and what could not be read within five seconds is never asked "
        "for again (provider SIG #19).",
        ("RECOVER-1",),
        but(discovers_blindly_s=5.0),
    ),
    Defect(
        "unknown-is-ready",
        "A node that has fallen silent, with Ready=Unknown, is reported as if it ran (provider SIG #19).",
        ("TRUTH-1",),
        but(decode_node=_unknown_is_ready),
    ),
    Defect(
        "gpus-as-first-seen",
        "How many GPUs a Node has is read when it is first seen and never again, so that those whose device plugin "
        "comes later are never reported (report 207).",
        ("TRUTH-2",),
        but(merge_node=_gpus_as_first_seen),
    ),
    Defect(
        "registry-for-known-nodes",
        "What the GPU registry says is given to the nodes that are known at that moment, and not to those that join "
        "later (reports 240 and 310).",
        ("TRUTH-5", "LABEL-1"),
        but(registry_for_newcomers=False),
    ),
    Defect(
        "offers-unhealthy-gpus",
        "GPUs that are not healthy are offered: allocatable is what the capacity is (reports 244 and 249).",
        ("TRUTH-2",),
        but(decode_node=_capacity_is_allocatable),
    ),
    Defect(
        "one-gpu-vendor",
        "Of two vendors' GPUs on one node only those of the first are counted (report 142).",
        ("TRUTH-2",),
        but(decode_node=_first_vendor_only),
    ),
    Defect(
        "drops-tainted-nodes",
        "A tainted node is taken for one that is cordoned, and is not reported (the other side of report 253).",
        ("TRUTH-1",),
        but(decode_node=_tainted_is_cordoned),
    ),
    Defect(
        "drifts-on-reconnect",
        "Whenever a watch of pods is taken up again, every pod is subtracted once (report 192 and its like).",
        ("RECOVER-1", "TRUTH-4"),
        but(ledger=_Drifts),
    ),
    Defect(
        "deletion-raises-allocated",
        "What a deleted pod had asked for is added instead of subtracted (report 192 and its like).",
        ("TRUTH-3",),
        but(ledger=_Raises),
    ),
    Defect(
        "wraps-below-zero",
        "A pod that has finished is subtracted once more when it is deleted, and sums below zero become numbers near "
        "2^64 (report 192 and its like).",
        ("TRUTH-3",),
        but(ledger=_WrapsAround),
    ),
    Defect(
        "nameless-newcomers",
        "A node that was not Ready when it was first seen is reported under an empty name, and never under its own "
        "(reports 120, 147 and their like).",
        ("TRUTH-1", "SHAPE-1"),
        but(merge_node=_nameless_newcomer),
    ),
)
"""Those that are caught by scenarios/regression, and by nothing else that is run by default."""
