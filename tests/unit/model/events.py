"""Hypothesis strategies for sequences of ground-truth records, and a plain recomputation to hold `Truth` against.

Names, uids and amounts come from small pools, so that collisions (same pod name in two namespaces, a name used again
under another uid, a DELETED of an earlier uid that comes late, objects missing from a relist) happen all the time.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from harness.model.quantity import parse, total
from harness.model.resources import effective_requests, is_terminal
from tests.unit.model import objects

if TYPE_CHECKING:
    from collections.abc import Iterable

NODES = ("a", "b", "gone")
NAMESPACES = ("red", "blue")
PODS = ("web", "db")
UIDS = ("u1", "u2", "u3")
CPU = ("0", "1", "250m", "1.5", "100u")
MEMORY = ("0", "1Gi", "2022Mi", "1e9")

uids = st.sampled_from(UIDS)
node_bodies = st.builds(
    objects.node,
    capacity=st.fixed_dictionaries(
        {"cpu": st.sampled_from(CPU)}, optional={"nvidia.com/gpu": st.just("8"), "amd.com/gpu": st.just("2")}
    ),
    allocatable=st.fixed_dictionaries({}, optional={"memory": st.sampled_from(MEMORY)}),
    ready=st.sampled_from(("True", "True", "False", "Unknown")),
    cordoned=st.sampled_from((False, False, True)),
    labels=st.dictionaries(st.sampled_from(("akash.network", "mine")), st.just("true")),
)
containers = st.builds(
    objects.container,
    cpu=st.sampled_from(CPU),
    memory=st.sampled_from(MEMORY),
    nvidia_gpu=st.integers(0, 2),
    ephemeral_storage=st.sampled_from(("0", "1Gi")),
)
pod_bodies = st.builds(
    lambda main, init, node, phase: objects.pod(main, node=node, phase=phase, initContainers=init),
    containers,
    st.lists(containers, max_size=1),
    st.sampled_from(("", *NODES)),
    st.sampled_from(("Pending", "Running", "Running", "Succeeded", "Failed")),
)
changes = st.sampled_from(("ADDED", "MODIFIED", "DELETED", "SYNC"))
node_events = st.builds(
    lambda event, name, uid, body: objects.of_node(event, name, body, uid=uid),
    changes, st.sampled_from(NODES), uids, node_bodies,
)  # fmt: skip
pod_events = st.builds(
    lambda event, namespace, name, uid, body: objects.of_pod(event, name, body, namespace=namespace, uid=uid),
    changes, st.sampled_from(NAMESPACES), st.sampled_from(PODS), uids, pod_bodies,
)  # fmt: skip
relists = st.one_of(
    st.builds(
        lambda listed: objects.synced("nodes", [("", name, uid) for name, uid in listed.items()]),
        st.dictionaries(st.sampled_from(NODES), uids),
    ),
    st.builds(
        lambda listed: objects.synced("pods", [(*key, uid) for key, uid in listed.items()]),
        st.dictionaries(st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(PODS)), uids),
    ),
)
cards = st.sampled_from([("10de", "20b5"), ("10de", "2330"), ("1002", "740f"), ("10de", "ffff"), None])
machines = st.none() | st.lists(cards, max_size=3).map(lambda found: objects.machine(*found))
settings = st.one_of(
    st.builds(objects.hardware, st.sampled_from(NODES), machines),
    st.sampled_from([objects.REGISTRY, {}, None, {"raw": "<html>"}]).map(objects.registry),
    st.sampled_from([None, {"exclude": {"nodes": ["^a$"]}}, {"exclude": {"nodes": ["("]}}, {"what": 1}]).map(
        objects.config
    ),
)
steps = st.one_of(pod_events, pod_events, node_events, relists, settings)
# Most sequences begin with nodes that are up, or the draws would seldom hold a pod on a reported node.
START = tuple(objects.of_node("SYNC", name, objects.node()) for name in NODES)
sequences = st.builds(
    lambda start, drawn: [*start, *drawn], st.sampled_from(((), START, START)), st.lists(steps, max_size=40)
)


def timed(records: Iterable[dict[str, Any]], gaps: Iterable[float]) -> list[dict[str, Any]]:
    """The records at times that grow by `gaps` (some are zero: several records at one instant)."""
    now, result = 0.0, []
    for record, gap in zip(records, gaps, strict=False):
        now += gap
        result.append({**record, "t": now})
    return result


def state(records: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """The objects that exist after the records: nodes by name and pods by (namespace, name), each (uid, object)."""
    tables: dict[str, dict[tuple[str, str], Any]] = {"nodes": {}, "pods": {}}
    for record in records:
        if record["k"] == "synced":
            kept = {tuple(item) for item in record["objects"]}
            table = tables[record["resource"]]
            tables[record["resource"]] = {key: held for key, held in table.items() if (*key, held[0]) in kept}
        elif record["k"] == "object":
            table, key = tables[record["resource"]], (record["namespace"], record["name"])
            if record["event"] != "DELETED":
                table[key] = (record["uid"], record["object"])
            elif key in table and table[key][0] == record["uid"]:
                del table[key]
    return {name: held for (_, name), held in tables["nodes"].items()}, tables["pods"]


def figures(records: list[dict[str, Any]]) -> dict[str, dict[str, Decimal]]:
    """The figures of every node that must be reported, computed from scratch."""
    nodes, pods = state(records)
    result: dict[str, dict[str, Decimal]] = {}
    excluded = _excluded(records)
    for name, (_, body) in nodes.items():
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in body["status"]["conditions"])
        if not ready or body["spec"].get("unschedulable") or (excluded and re.search(excluded, name)):
            continue
        bound = [p for _, p in pods.values() if p["spec"].get("nodeName") == name and not is_terminal(p)]
        taken = [effective_requests(p) for p in bound]
        values: dict[str, Decimal] = {}
        for field, parts in (
            ("cpu", ["cpu"]), ("memory", ["memory"]), ("gpu", ["nvidia.com/gpu", "amd.com/gpu"]),
            ("ephemeral_storage", ["ephemeral-storage"]),
        ):  # fmt: skip
            for figure in ("capacity", "allocatable"):
                values[f"{field}.{figure}"] = total(parse(body["status"][figure].get(part, "0")) for part in parts)
            values[f"{field}.allocated"] = total(one.get(part, Decimal(0)) for one in taken for part in parts)
        result[name] = values
    return result


def _excluded(records: list[dict[str, Any]]) -> str:
    """The expression in force; only the empty configuration and the one with "^a$" are good."""
    good = [r["body"] for r in records if r["k"] == "config" and r["body"] in (None, {"exclude": {"nodes": ["^a$"]}})]
    return "^a$" if good and good[-1] else ""
