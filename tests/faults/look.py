"""What a fault may change in the world, looked at before and after: objects, processes, the datastore, our helpers."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

import psutil

from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.etcd import EtcdStore
from harness.cluster.kine import KineStore
from harness.errors import ApiError, ClusterError
from harness.fault.evidence import STOPPED, ready_status
from harness.operator.process import OperatorProcess
from harness.traffic.pods import FOREIGN_KEY, NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient
    from harness.process.child import Child
    from harness.run.stage import Stage

Look = dict[str, Any]
"""Part of the world -> how it is, as data that can be compared."""

_ADMISSION, _RBAC = "/apis/admissionregistration.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1"
_KEPT = (
    *(f"{_ADMISSION}/{name}" for name in (
        "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    )),
    *(f"{_RBAC}/{name}" for name in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")),
    *(f"/api/v1/{name}" for name in (
        "namespaces", "serviceaccounts", "services", "resourcequotas", "limitranges", "persistentvolumes", "configmaps",
    )),
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
)  # fmt: skip
"""Lists of what nobody but a fault, and traffic its own things, changes while a scenario runs."""

_MOVING = ("akash.network", "nvidia.com/gpu.present", FOREIGN_KEY)
"""The beginnings of labels that the operator manages, which are compared with the truth, and of traffic's."""


async def look(stage: Stage) -> Look:
    """Everything; raises ClusterError."""
    cluster = stage.cluster
    operator = stage.operator
    if not isinstance(cluster, EmbeddedCluster) or not isinstance(operator, OperatorProcess):
        raise ClusterError("what is looked at here is on the embedded backend only")
    return {
        "nodes": await _nodes(cluster.client),
        "objects": await _objects(cluster.client),
        "pods": await _pods(cluster.client),
        "processes": {name: _state(child) for name, child in sorted(cluster.processes().items())},
        "operator": _operator(operator.child),
        "datastore": await _datastore(cluster),
        "rules": await _rules(cluster),
    }


def changed(before: Look, after: Look, *, but: frozenset[str]) -> dict[str, tuple[Any, Any]]:
    """The parts that differ, but for those; (before, after) of what differs in each."""
    found = {}
    for part in before.keys() - but:
        if before[part] == after[part]:
            continue
        old, new = before[part], after[part]
        if isinstance(old, dict) and isinstance(new, dict):
            keys = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
            old, new = ({key: table.get(key) for key in sorted(keys)} for table in (old, new))
        found[part] = (old, new)
    return found


async def _nodes(client: KubeClient) -> dict[str, Any]:
    items = (await client.get("/api/v1/nodes"))["items"]
    return {item["metadata"]["name"]: _node(item) for item in items}


def _node(item: Mapping[str, Any]) -> dict[str, Any]:
    meta, spec, status = item["metadata"], item["spec"], item["status"]
    return {
        "labels": {key: value for key, value in meta["labels"].items() if not key.startswith(_MOVING)},
        "annotations": meta.get("annotations") or {},
        "cordoned": bool(spec.get("unschedulable")),
        "taints": sorted((taint["key"], taint["effect"]) for taint in spec.get("taints") or ()),
        "capacity": status.get("capacity"),
        "allocatable": status.get("allocatable"),
        "ready": ready_status(item),
    }


async def _objects(client: KubeClient) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in _KEPT:
        try:
            items = (await client.get(path))["items"]
        except ApiError as exc:
            if exc.status != 404:  # a version of Kubernetes without it
                raise
            continue
        for item in items:
            meta = item["metadata"]
            if (meta.get("labels") or {}).get("app") == "traffic":
                continue
            name = "/".join((path, *(meta[key] for key in ("namespace", "name") if key in meta)))
            found[name] = {
                "labels": meta.get("labels"),
                **{key: value for key, value in item.items() if key not in {"metadata", "status"}},
            }
    return found


async def _pods(client: KubeClient) -> list[tuple[str, str]]:
    """Those that are not traffic's."""
    metas = [item["metadata"] for item in (await client.get("/api/v1/pods"))["items"]]
    return sorted((meta["namespace"], meta["name"]) for meta in metas if meta["namespace"] not in NAMESPACES)


def _state(child: Child | None) -> str:
    if child is None or not child.running:
        return "ended"
    return STOPPED if child.state() == STOPPED else "runs"


def _operator(child: Child | None) -> dict[str, Any]:
    state = _state(child)
    if child is None or state == "ended":
        return {"state": state}
    threads = [thread.id for thread in psutil.Process(child.pid).threads()]
    return {
        "state": state,
        "files": resource.prlimit(child.pid, resource.RLIMIT_NOFILE),
        "processors": sorted({processor for thread in threads for processor in os.sched_getaffinity(thread)}),
    }


async def _datastore(cluster: EmbeddedCluster) -> dict[str, Any]:
    """Members and alarms of etcd; whether a SQL server takes writes and connections of everybody."""
    store = cluster.datastore
    if isinstance(store, EtcdStore):
        api = (await store.leader()).api
        return {"members": sorted((await api.members()).values()), "alarms": sorted(await api.alarms())}
    if isinstance(store, KineStore) and store.sql is not None and store.sql.kind == "postgres":
        limit = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"
        settings = await store.sql.query("SELECT current_setting('default_transaction_read_only')")
        return {"read-only": settings, "connections": await store.sql.query(limit)}
    return {}


async def _rules(cluster: EmbeddedCluster) -> dict[str, Any]:
    """What our own helpers in the operator's and the datastore's way have been told."""
    told = await cluster.discovery_stats()
    registry = {key: told["registry_now"][key] for key in ("mode", "delay_s")}
    return {
        "discovery": told["behaviour"],
        "registry": registry,
        "ceph": {name: [cluster.ceph.mode(name), cluster.ceph.read(name)] for name in cluster.ceph.namespaces},
        "proxy": sorted((await cluster.api_stats())["rules"]) if cluster.proxied else [],
        "relay": {
            name: link["rules"] for name, link in ((await cluster.relay_stats()).items() if cluster.links else ())
        },
    }
