"""The seams at which a saboteur differs from the correct operator.

`CORRECT` is the operator as it should be. Each defect (`harness.reference.defects`) replaces one strategy by another,
so nothing else in this package knows that defects exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.reference.config import Config, keep_last_good, read_again, refuse
from harness.reference.publisher import each_change
from harness.reference.records import NodeRecord, PodRecord, decode_node, decode_pod
from harness.reference.resources import NOTHING, Amounts
from harness.reference.storage import CORRECT_STORAGE, StorageRules

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Mapping

    from harness.errors import UsageError
    from harness.reference.discovery import Discovery
    from harness.reference.hardware import Gpu, Registry
    from harness.reference.inventory import Inventory
    from harness.reference.kubeclient import KubeClient
    from harness.reference.publisher import Publisher


class Crash(Exception):  # noqa: N818 - it is what happens, to a saboteur only
    """The process dies with a traceback and exit code 2, as a Go program does of a panic."""


class Ledger(Protocol):
    """Hears what happens to pods, and may correct the sum of a node (the correct operator never does)."""

    def deleted(self, pod: PodRecord) -> None:
        """A watch said that this pod is gone."""

    def resumed(self, pods: Iterable[PodRecord]) -> None:
        """A watch of pods that had ended in order was taken up again, when these were known."""

    def correction(self, node: str) -> Amounts:
        """What is added to the allocated sum of `node`."""


class NoLedger:
    """Sums need no correction when they are sums over what is there."""

    def deleted(self, pod: PodRecord) -> None:
        """Nothing to remember."""

    def resumed(self, pods: Iterable[PodRecord]) -> None:
        """Nothing has changed."""

    def correction(self, node: str) -> Amounts:  # noqa: ARG002 - the Protocol's signature
        """Nothing to correct."""
        return NOTHING


def reportable(node: NodeRecord) -> bool:
    """TRUTH-1: every schedulable Ready node, and no other."""
    return node.ready and not node.unschedulable


def merge_patch(node: NodeRecord, changes: Mapping[str, str | None], first_seen: Mapping[str, str]) -> tuple[str, Any]:  # noqa: ARG001 - the seam's signature
    """A merge patch of single label keys: the API server leaves every other key alone (RFC 7386)."""
    return "merge-patch", {"metadata": {"labels": dict(changes)}}


def current_node(old: NodeRecord | None, new: NodeRecord) -> NodeRecord:  # noqa: ARG001 - the seam's signature
    """TRUTH-2: what counts is the Node as it is."""
    return new


def pod_identity(pod: PodRecord) -> Hashable:
    """TRUTH-3: a pod is (namespace, name, uid)."""
    return pod.namespace, pod.name, pod.uid


def counts(pod: PodRecord) -> bool:
    """TRUTH-3: terminal pods hold nothing."""
    return not pod.terminal


def latest_registry(old: Registry, new: Registry) -> Registry:  # noqa: ARG001 - the seam's signature
    """The newest content is the valid one."""
    return new


def nothing(*_: object) -> None:
    """Do nothing."""


async def at_once() -> None:
    """Wait for nothing."""


async def let_go(discovery: Discovery, node: NodeRecord) -> None:
    """SURVIVE-2: a node that is gone takes everything that was kept for it along."""


def true_document(document: dict[str, Any]) -> dict[str, Any]:
    """AVAIL-1: while the API server is away, the last known inventory is served."""
    return document


def true_inventory(inventory: Inventory) -> Inventory:
    """AVAIL-1, for everything that is served."""
    return inventory


def true_gpu(gpu: Gpu) -> Gpu:
    """TRUTH-5: a card is what the registry says it is."""
    return gpu


def whole_name(name: str) -> str:
    """NAMES-1: a node is called what it is called."""
    return name


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One strategy for each seam.

    Reflectors: `resync`, `resumes_watches` (as client-go does; the correct one lists anew), `on_gone` (what comes
    between a watch that brought 410 and the loss of sight), `forbidden_is_empty` (a list that is refused),
    `watches_from_list`, `on_watch_closed` (by the server, in order), `on_missed_deletion`, `on_error_event`,
    `on_broken_watch`, `forget_node`, `merge_node`, `decode_node`, `decode_pod`, `pod_identity`. Sums: `counts`,
    `ledger`. Nodes: `reportable`, `reported_name`. Hardware: `recreate_pod`, `retries_pods` (that were refused),
    `replaces_ended` (pods), `outlives_pod` (what was read in it), `sweeps_pods` (of nodes that are gone),
    `when_node_is_gone`, `reads_again` (after a read that failed), `discovers_blindly_s` (above 0: on any node, whether
    or not it runs, and gives it up after so long), `asks_registry_again` (where it did not answer),
    `reported_registry`, `registry_for_newcomers` (nodes that were not there when it was read), `reported_gpu`.
    Labels: `labels_nodes`, `retries_labels` (that were refused), `label_patch`, `leaves_out_refused` (keys that
    Kubernetes does not accept). Serving: `inventory_while_away`, `inventory_while_refused` (the API server answers
    5xx), `inventory_while_reconnecting` (a watch was lost, and the API server answers), `document_while_away`,
    `rest_waits_while_away`, `rest_takes_turns`, `stream_messages` (of the n-th call), `always_healthy`,
    `retries_ports`, `names_taken_ports`. Configuration file: `config_reader` (the way to its text), `on_bad_config`
    (says so, and what is in force from then on; None: what was), `on_bad_start` (what is in force when the first one is
    bad). Access: `rereads_token` (before each request). Storage: `storage`.
    """

    resync: Callable[[], Awaitable[None]] = at_once
    resumes_watches: bool = False
    on_gone: Callable[[], Awaitable[None]] = at_once
    forbidden_is_empty: bool = False
    watches_from_list: bool = True
    on_watch_closed: Callable[[KubeClient, str], None] = nothing
    on_missed_deletion: Callable[[str], None] = nothing
    on_error_event: Callable[[Any], None] = nothing
    on_broken_watch: Callable[[str], None] = nothing
    rereads_token: bool = True
    forget_node: bool = True
    merge_node: Callable[[NodeRecord | None, NodeRecord], NodeRecord] = current_node
    decode_node: Callable[[Any], NodeRecord] = decode_node
    decode_pod: Callable[[Any], PodRecord] = decode_pod
    pod_identity: Callable[[PodRecord], Hashable] = pod_identity
    counts: Callable[[PodRecord], bool] = counts
    ledger: Callable[[], Ledger] = NoLedger
    reportable: Callable[[NodeRecord], bool] = reportable
    reported_name: Callable[[str], str] = whole_name
    recreate_pod: bool = True
    retries_pods: bool = True
    replaces_ended: bool = True
    outlives_pod: bool = True
    sweeps_pods: bool = True
    when_node_is_gone: Callable[[Discovery, NodeRecord], Awaitable[None]] = let_go
    reads_again: bool = True
    asks_registry_again: bool = True
    discovers_blindly_s: float = 0.0
    reported_registry: Callable[[Registry, Registry], Registry] = latest_registry
    registry_for_newcomers: bool = True
    reported_gpu: Callable[[Gpu], Gpu] = true_gpu
    labels_nodes: bool = True
    retries_labels: bool = True
    label_patch: Callable[[NodeRecord, Mapping[str, str | None], Mapping[str, str]], tuple[str, Any]] = merge_patch
    leaves_out_refused: bool = True
    inventory_while_away: Callable[[Inventory], Inventory] = true_inventory
    inventory_while_refused: Callable[[Inventory], Inventory] = true_inventory
    inventory_while_reconnecting: Callable[[Inventory], Inventory] = true_inventory
    document_while_away: Callable[[dict[str, Any]], dict[str, Any]] = true_document
    rest_waits_while_away: bool = False
    rest_takes_turns: bool = False
    stream_messages: Callable[[Publisher, int], AsyncGenerator[bytes, None]] = each_change
    always_healthy: bool = False
    retries_ports: bool = True
    names_taken_ports: bool = True
    config_reader: Callable[[str], Callable[[], str]] = read_again
    on_bad_config: Callable[[UsageError], Config | None] = keep_last_good
    on_bad_start: Callable[[UsageError], Config] = refuse
    storage: StorageRules = CORRECT_STORAGE


CORRECT = Behaviour()
