"""The table of saboteurs: each is the reference operator with exactly one known defect.

A checker is proven on the saboteur that breaks its promise; the saboteur must be caught by that promise and by no
other reason. It is long because a table is read at a glance, and each row stands next to what it changes.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from decimal import ROUND_CEILING
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.reference import unlucky
from harness.reference.behaviour import CORRECT, Behaviour, Crash, NoLedger, counts, reportable
from harness.reference.config import Config
from harness.reference.defect import Defect
from harness.reference.defect import but as _but
from harness.reference.fielddefects import FIELD_DEFECTS
from harness.reference.figures import FIGURE_DEFECTS
from harness.reference.inventory import Inventory
from harness.reference.labels import managed
from harness.reference.leaks import LEAKS
from harness.reference.log import LOG
from harness.reference.naming import PREFIX
from harness.reference.pause import pause
from harness.reference.records import NodeRecord, PodRecord, decode_pod
from harness.reference.resources import NOTHING, Amounts
from harness.reference.storagedefects import STORAGE_DEFECTS
from harness.reference.streams import STREAM_DEFECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from harness.reference.hardware import Gpu, Registry

_HOSTNAME_MOST = 63


def _name_only(pod: PodRecord) -> Hashable:
    return pod.name


def _die_of_missed_deletion(key: str) -> None:
    raise Crash(f"object {key} is gone, but no DELETE event was seen: the cache is inconsistent")


def _die_of_error_event(item: Any) -> None:
    raise Crash(f"expected an object of the watched kind, got {str(item)[:80]}")


def _whole_cores(item: Any) -> PodRecord:
    pod = decode_pod(item)
    cores = pod.requests.cpu.to_integral_value(rounding=ROUND_CEILING)
    return replace(pod, requests=replace(pod.requests, cpu=cores))


def _regular_containers_only(item: Any) -> PodRecord:
    return decode_pod(item | {"spec": {**item["spec"], "initContainers": [], "overhead": {}}})


def _figures_as_first_seen(old: NodeRecord | None, new: NodeRecord) -> NodeRecord:
    # Only once the node was Ready: kubelets fill in the figures of a new Node bit by bit.
    if old is None or old.uid != new.uid or not old.ready:
        return new
    return replace(new, capacity=old.capacity, allocatable=old.allocatable)


class _SubtractsTwice(NoLedger):
    """Subtracts a pod when it finishes, and again when it is deleted."""

    def __init__(self) -> None:
        self._wrong: dict[str, Amounts] = {}

    def deleted(self, pod: PodRecord) -> None:
        if not counts(pod):
            self._wrong[pod.node] = self._wrong.get(pod.node, NOTHING) - pod.requests

    def correction(self, node: str) -> Amounts:
        return self._wrong.get(node, NOTHING)


def _ready_only(node: NodeRecord) -> bool:
    return node.ready


def _short_names_only(node: NodeRecord) -> bool:
    return reportable(node) and len(PREFIX + node.name) <= _HOSTNAME_MOST


def _whole_stale_map(
    node: NodeRecord, changes: Mapping[str, str | None], first_seen: Mapping[str, str]
) -> tuple[str, Any]:
    # Its own labels are right: only those of others are thrown back to what they were.
    own = {key: value for key, value in node.labels.items() if managed(key)}
    others = {key: value for key, value in first_seen.items() if not managed(key)}
    labels = {key: value for key, value in {**others, **own, **changes}.items() if value is not None}
    return "json-patch", [{"op": "add", "path": "/metadata/labels", "value": labels}]


def _first_registry(old: Registry, new: Registry) -> Registry:
    return old if old.loaded else new


def _other_vendor(gpu: Gpu) -> Gpu:
    return replace(gpu, vendor="amd" if gpu.vendor == "nvidia" else "nvidia")


def _no_nodes(inventory: Inventory) -> Inventory:  # noqa: ARG001 - the seam's signature
    return Inventory(())


def _null_nodes(document: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - the seam's signature
    return {"nodes": None, "storage": None}


def _numbers(document: dict[str, Any]) -> dict[str, Any]:
    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: walk(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        if name in {"allocatable", "allocated", "capacity"} and value.isdigit():
            return int(value)
        return value

    changed = walk(document)
    return dict(changed)


async def _slowly() -> None:
    """Long enough for a deletion to be missed while traffic goes on, short enough for RECOVER-1's 15 s."""
    await pause(3.0)


async def _never() -> None:
    await asyncio.Event().wait()


def _text_at_start(source: str) -> Callable[[], str]:
    text = Path(source).read_text(encoding="utf-8")
    return lambda: text


def _same_inode(source: str) -> Callable[[], str]:
    file = Path(source).open(encoding="utf-8")  # noqa: SIM115 - held for ever: that is the defect

    def text() -> str:
        file.seek(0)
        return file.read()

    return text


def _die_of_bad_config(error: UsageError) -> Config | None:
    raise Crash(f"cannot read the configuration: {error.what}")


def _exclude_all(error: UsageError) -> Config | None:
    LOG.error("config: %s; no node is offered", error.what)
    return Config(exclude_nodes=(re.compile(""),))


def _exclude_none(error: UsageError) -> Config | None:
    LOG.error("config: %s; the default is in force", error.what)
    return Config()


DEFECTS: Mapping[str, Defect] = {
    defect.name: defect
    for defect in (
        Defect(
            "same-name-pods",
            "Pods are told apart by name only, so pods of one name in two namespaces count once.",
            ("TRUTH-3",),
            _but(pod_identity=_name_only),
        ),
        Defect(
            "counts-terminal-pods",
            "Pods that have succeeded or failed still count as allocated.",
            ("TRUTH-3",),
            _but(counts=lambda pod: bool(pod.uid)),
        ),
        Defect(
            "rounds-cpu",
            "The CPU of each pod is rounded up to whole cores.",
            ("TRUTH-3",),
            _but(decode_pod=_whole_cores),
        ),
        Defect(
            "ignores-init-containers",
            "Only the regular containers of a pod count, neither init containers, sidecars nor overhead.",
            ("TRUTH-3",),
            _but(decode_pod=_regular_containers_only),
        ),
        Defect(
            "negative-allocated",
            "A pod is subtracted when it finishes and again when it is deleted, so sums fall below zero.",
            ("TRUTH-4",),
            _but(ledger=_SubtractsTwice),
        ),
        Defect(
            "keeps-deleted-node",
            "A deleted Node stays in the inventory.",
            ("TRUTH-1",),
            _but(forget_node=False),
        ),
        Defect(
            "ignores-cordon",
            "Cordoned nodes are reported as if pods could be scheduled on them.",
            ("TRUTH-1",),
            _but(reportable=_ready_only),
        ),
        Defect(
            "allocatable-read-once",
            "Capacity and allocatable are read when a Node is first seen Ready and never again.",
            ("TRUTH-2",),
            _but(merge_node=_figures_as_first_seen),
        ),
        Defect(
            "discovery-pod-never-recreated",
            "After its discovery pod was deleted, a node's hardware is never asked for again.",
            ("RECOVER-4",),
            _but(recreate_pod=False),
        ),
        Defect(
            "gives-up-refused-pods",
            "A discovery pod that the API server refuses once is never asked for again.",
            ("RECOVER-4",),
            _but(retries_pods=False),
        ),
        Defect(
            "hardware-read-once",
            "A hardware read that failed is never made again, so that the node has no info until the process starts "
            "anew, as by a liveness script that looks for it.",
            ("RECOVER-4",),
            _but(reads_again=False),
        ),
        Defect(
            "gpu-info-ignores-registry-change",
            "GPU info keeps the content the registry had when it first answered.",
            ("TRUTH-5",),
            _but(reported_registry=_first_registry),
        ),
        Defect(
            "vendor-mixed-up",
            "GPU cards are reported under another vendor's name.",
            ("TRUTH-5",),
            _but(reported_gpu=_other_vendor),
        ),
        Defect(
            "never-labels",
            "Node labels are never written.",
            ("LABEL-1",),
            _but(labels_nodes=False),
        ),
        Defect(
            "gives-up-refused-labels",
            "Labels that the API server refuses once count as written, and are not written until others are wanted.",
            ("LABEL-1",),
            _but(retries_labels=False),
        ),
        Defect(
            "clobbers-foreign-labels",
            "The whole label map of a Node is replaced from the copy that was first seen.",
            ("LABEL-1",),
            _but(label_patch=_whole_stale_map),
        ),
        Defect(
            "empty-while-api-away",
            "While watches fail the inventory is reported without nodes, as if that were the truth.",
            ("AVAIL-1",),
            _but(inventory_while_away=_no_nodes),
        ),
        Defect(
            "empty-on-server-error",
            "While the API server answers with server errors (5xx), as it does when its SQL datastore refuses "
            "connections, the inventory is reported without nodes; one that does not answer at all is waited for.",
            ("AVAIL-1",),
            _but(inventory_while_refused=_no_nodes),
        ),
        Defect(
            "empty-while-forbidden",
            "A list that is refused for want of rights (403) is taken for an empty one, so the inventory has no nodes.",
            ("AVAIL-1",),
            _but(forbidden_is_empty=True),
        ),
        Defect(
            "empty-while-reconnecting",
            "A watch that is lost while the API server goes on answering, as when one of several servers is lost, "
            "empties the inventory until the collection has been listed again, three seconds later.",
            ("RECOVER-2",),
            _but(inventory_while_reconnecting=_no_nodes, resync=_slowly),
        ),
        Defect(
            "shape-null-nodes-while-api-away",
            "While watches fail REST answers null instead of lists.",
            ("SHAPE-1",),
            _but(document_while_away=_null_nodes),
        ),
        Defect(
            "shape-numbers-while-api-away",
            "While watches fail REST writes quantities as JSON numbers instead of strings.",
            ("SHAPE-1",),
            _but(document_while_away=_numbers),
        ),
        Defect(
            "rest-hangs-while-api-away",
            "While watches fail REST does not answer the inventory.",
            ("AVAIL-2",),
            _but(rest_waits_while_away=True),
        ),
        Defect(
            "rest-takes-turns",
            "REST sends one inventory at a time, and waits until its client has taken it.",
            ("AVAIL-2",),
            _but(rest_takes_turns=True),
        ),
        Defect(
            "health-always-ok",
            "Health says healthy even when the API server cannot be seen.",
            ("AVAIL-3",),
            _but(always_healthy=True),
        ),
        Defect(
            "never-resyncs",
            "After a watch broke the collection is never listed again, so the inventory stays as it was.",
            ("RECOVER-1",),
            _but(resync=_never),
        ),
        Defect(
            "ignores-gone-watches",
            "An ERROR event with 410 Gone is passed over: the watch counts as open, and nothing is listed again.",
            ("RECOVER-1",),
            _but(on_gone=_never),
        ),
        Defect(
            "watches-from-now",
            "A watch begins now, not where the list ended, so what happened in between is never learned: nothing while "
            "lists are fresh, seconds where they are told by a server that lags behind.",
            ("RECOVER-1",),
            _but(watches_from_list=False),
        ),
        Defect(
            "token-read-once",
            "The file with the bearer token is read at the start and never again.",
            ("RECOVER-1",),
            _but(rereads_token=False),
        ),
        Defect(
            "dies-on-missed-deletion",
            "The process dies with a traceback when a late list shows that an object vanished without a DELETE event.",
            ("SURVIVE-1", "RECOVER-1"),
            _but(on_missed_deletion=_die_of_missed_deletion, resync=_slowly),
        ),
        Defect(
            "dies-on-error-event",
            "The process takes up broken watches where they ended, and dies with a traceback when one then brings a "
            "Status instead of an object.",
            ("SURVIVE-1", "RECOVER-1"),
            _but(on_error_event=_die_of_error_event, resumes_watches=True),
        ),
        Defect(
            "port-taken-gives-up",
            "A listener whose port is taken at start says nothing and is never tried again.",
            ("RECOVER-3",),
            _but(retries_ports=False),
        ),
        Defect(
            "port-unnamed",
            "The error about a taken port does not say which.",
            ("RECOVER-3",),
            _but(names_taken_ports=False),
        ),
        Defect(
            "long-names-ignored",
            "Nodes whose discovery pod would have a name of more than 63 characters are not reported.",
            ("NAMES-1",),
            _but(reportable=_short_names_only),
        ),
        Defect(
            "cuts-node-names",
            "Nodes are reported by the first 63 characters of their names, as hosts are called.",
            ("NAMES-1",),
            _but(reported_name=lambda name: name[:_HOSTNAME_MOST]),
        ),
        Defect(
            "labels-all-or-nothing",
            "Labels are written with those whose keys are too long, so that the API server refuses all of them.",
            ("LABEL-1",),
            _but(leaves_out_refused=False),
        ),
        Defect(
            "config-read-once",
            "The configuration file is read at start and never again.",
            ("CONFIG-1",),
            _but(config_reader=_text_at_start),
        ),
        Defect(
            "config-follows-inode",
            "The configuration file is opened at start and read again and again, whatever its name leads to by then.",
            ("CONFIG-1",),
            _but(config_reader=_same_inode),
        ),
        Defect(
            "config-bad-ends-it",
            "The process dies with a traceback of a configuration file that turns bad.",
            ("CONFIG-1", "SURVIVE-1"),
            _but(on_bad_config=_die_of_bad_config),
        ),
        Defect(
            "config-bad-excludes-all",
            "While the configuration file is bad no node is offered.",
            ("CONFIG-1",),
            _but(on_bad_config=_exclude_all),
        ),
        Defect(
            "config-bad-excludes-none",
            "While the configuration file is bad, or not there, the default is in force.",
            ("CONFIG-1",),
            _but(on_bad_config=_exclude_none),
        ),
        Defect(
            "config-bad-unsaid",
            "A configuration file that turns bad is passed over in silence.",
            ("CONFIG-1",),
            _but(on_bad_config=lambda _error: None),
        ),
        *(Defect(*row) for row in unlucky.ROWS),
        *FIGURE_DEFECTS,
        *LEAKS,
        *STORAGE_DEFECTS,
        *STREAM_DEFECTS,
        *FIELD_DEFECTS,
    )
}


def behaviour(name: str) -> Behaviour:
    """The behaviour of the saboteur `name`, or the correct one for ""; raises UsageError for an unknown name."""
    if not name:
        return CORRECT
    if name not in DEFECTS:
        raise UsageError(f"there is no defect {name!r}", hint=f"one of: {', '.join(DEFECTS)}; or none")
    return DEFECTS[name].behaviour
