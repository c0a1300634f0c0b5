"""A small writer of histories: a cluster, an operator that answers what it is told to answer, and faults.

Times are seconds. A story knows the true inventory at every moment; `observe` lets all three sources answer it, late by
`lag` and altered by `alter`.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from harness.check.contract import Judgement, judge_history
from harness.history.reader import History, from_records
from harness.history.record import snapshot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.check.verdict import PromiseVerdict

GI = 2**30
HARDWARE: dict[str, Any] = {
    "cpu": {
        "total_cores": 8,
        "total_hardware_threads": 16,
        "processors": [
            {"id": 0, "total_cores": 8, "total_hardware_threads": 16, "total_threads": 16, "vendor": "V", "model": "M",
             "capabilities": []}
        ],
    },
    "gpu": {"cards": None},
    "memory": {"total_physical_bytes": 64 * GI},
}  # fmt: skip
MANAGED = {"akash.network": "true"}


class Story:
    """Records of one run; `inventories` holds the true inventory from each moment on."""

    def __init__(self, *promises: str, **scenario: Any) -> None:
        self.records: list[dict[str, Any]] = []
        self.scenario = {"id": "story", "promises": list(promises), "min_ops": 0, "faults": [], **scenario}
        self.add("run", 0.0, scenario=self.scenario, seed=1, operator="x", versions={}, started="2026-01-01T00:00:00Z")
        self.nodes: dict[str, dict[str, Any]] = {}
        self.pods: dict[tuple[str, str], tuple[str, str, int]] = {}
        self.inventories: list[tuple[float, dict[str, Any]]] = [(0.0, {"nodes": [], "storage": []})]
        self.excluded: frozenset[str] = frozenset()
        self._stored: set[str] = set()
        self._rv = 0

    def add(self, kind: str, t: float, **fields: Any) -> None:
        """One record."""
        self.records.append({"k": kind, "t": round(t, 6), **fields})

    # The cluster

    def node(self, name: str, t: float = 0.1, **changes: Any) -> None:
        """A node comes, or changes: `cores`, `ready`, `labels`, `uid`."""
        known = name in self.nodes
        state = {"cores": 16, "ready": True, "labels": dict(MANAGED), "uid": f"uid-{name}", **self.nodes.get(name, {})}
        self.nodes[name] = state | changes
        if not known:
            self.add("hardware", t, node=name, hardware=HARDWARE)
        self._object(
            t, "MODIFIED" if known else "ADDED", "nodes", "", name, self.nodes[name]["uid"], self._node_body(name)
        )
        self._note(t)

    def remove_node(self, name: str, t: float) -> None:
        """A node is deleted."""
        body, uid = self._node_body(name), self.nodes.pop(name)["uid"]
        self._object(t, "DELETED", "nodes", "", name, uid, body)
        self._note(t)

    def pod(self, name: str, t: float, *, node: str, milli: int, namespace: str = "default") -> None:
        """A pod is bound to a node and runs."""
        uid = f"{namespace}-{name}-{t}"
        self.pods[namespace, name] = (node, uid, milli)
        self._object(t, "ADDED", "pods", namespace, name, uid, _pod_body(node, milli))
        self._note(t)

    def remove_pod(self, name: str, t: float, *, namespace: str = "default") -> None:
        """A pod is gone."""
        node, uid, milli = self.pods.pop((namespace, name))
        self._object(t, "DELETED", "pods", namespace, name, uid, _pod_body(node, milli))
        self._note(t)

    def gap(self, begin: float, end: float) -> None:
        """The truth is not watched."""
        for resource in ("nodes", "pods"):
            self.add("gap", begin, phase="begin", resource=resource, why="watch closed")
            self.add("gap", end, phase="end", resource=resource, why="")

    def config(self, t: float, *excluded: str) -> None:
        """The configuration file excludes these nodes from now on, and their labels go and come 1 s later."""
        changed = sorted(self.excluded.symmetric_difference(excluded) & self.nodes.keys())
        self.excluded = frozenset(excluded)
        self.config_says(t, {"exclude": {"nodes": [f"^{name}$" for name in excluded]}})
        self._note(t)
        for name in changed:
            self.node(name, t + 1, labels={} if name in excluded else dict(MANAGED))

    def config_says(self, t: float, body: Any) -> None:
        """The configuration file says this from now on, which changes nothing of what is true."""
        self.add("config", t, body=body)

    def log(self, t: float, *said: str, lines: int = 1, ports: Sequence[int] = ()) -> None:
        """The operator has written lines to its log; some may be about the configuration, errors name `ports`."""
        self.add("log", t, lines=lines, said=list(said), ports=list(ports))

    # The run

    def started(self, *, gate: float = 5.0) -> None:
        """The operator starts at 1 s and the gate is passed."""
        self.add("process", 1.0, event="started", pid=7, code=None, cause="harness")
        self.add("mark", gate - 1, mark="gate", detail="")
        self.add("mark", gate, mark="gate-passed", detail="")

    def fault(
        self,
        begin: float,
        end: float | None,
        *affects: str,
        kind: str = "api-server-killed",
        bit: bool = True,
        healing_s: float = 0.1,
        target: str = "it",
    ) -> None:
        """One fault; never healed when `end` is None, the heal itself taking `healing_s` up to `end`."""
        key = f"{kind}-{begin:g}"
        fields = {"fault": kind, "id": key, "target": target, "affects": list(affects)}
        self.scenario["faults"].append({"kind": kind})
        self.add("fault", begin, phase="inject", **fields)
        self.add("fault", begin + 0.1, phase="injected", bit=bit, evidence="connection refused", **fields)
        if end is not None:
            self.add("fault", end - healing_s, phase="heal", **fields)
            self.add("fault", end, phase="healed", **fields)

    def exits(self, t: float, *, again: float | None = None, code: int = 2) -> None:
        """The operator exits by itself, and is started again."""
        self.add("process", t, event="exited", pid=7, code=code, cause="self", detail="line\npanic: no good")
        if again is not None:
            self.add("process", again, event="started", pid=8, code=None, cause="harness")

    def probed(self, t: float, again: float, *, why: str = "no nodes reported") -> None:
        """The liveness script fails; the operator is told to end, does half a second later, and is started again."""
        self.add("probe", t, t0=t - 0.01, passed=False, why=why)
        self.add("process", t, event="terminating", pid=7, cause="liveness", detail=why)
        self.add("process", t + 0.5, event="exited", pid=7, code=0, cause="liveness", detail="")
        self.add("process", again, event="restarting", pid=7, cause="supervisor", backoff_s=again - t - 0.5)
        self.add("process", again, event="started", pid=8, code=None, cause="supervisor")

    def end(self, t: float) -> None:
        """The run ends."""
        self.add("mark", t, mark="end", detail="")

    # The answers

    def truth(self, t: float) -> dict[str, Any]:
        """The true inventory at `t`."""
        index = bisect_right([at for at, _ in self.inventories], t) - 1
        return self.inventories[max(0, index)][1]

    def answer(self, source: str, t: float, body: Any, *, took: float = 0.01) -> None:
        """One ok answer."""
        key = snapshot_id(body)
        if key not in self._stored:
            self._stored.add(key)
            self.add("snapshot", t, id=key, body=body)
        t0 = t if source == "stream" else t - took
        self.add("report", t, source=source, t0=t0, outcome="ok", status=200, snapshot=key)

    def failure(self, source: str, t: float, outcome: str = "refused", *, took: float = 0.01) -> None:
        """One request that got no inventory."""
        status = 503 if outcome == "error" else None
        self.add("report", t, source=source, t0=t - took, outcome=outcome, status=status, error=outcome)

    def observe(
        self,
        begin: float,
        end: float,
        *,
        lag: float = 0.0,
        alter: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        sources: Iterable[str] = ("rest", "query", "stream"),
        every: float = 0.5,
    ) -> None:
        """Answers from `begin` up to `end`: the truth of `lag` seconds ago, altered."""
        last: Any = None
        for step in range(max(0, round((end - begin) / every))):
            t = begin + step * every
            body = deepcopy(self.truth(t - lag))
            body = alter(body) if alter is not None else body
            for source in sources:
                if source != "stream" or body != last:
                    self.answer(source, t, body)
            last = body

    def history(self, *, torn: bool = False) -> History:
        """The history."""
        return from_records(self.records, torn=torn)

    def judge(self) -> Judgement:
        """The judgement of the story."""
        return judge_history(self.history())

    def verdict(self, promise: str) -> PromiseVerdict:
        """The verdict on one promise or assumption."""
        judgement = self.judge()
        return next(v for v in (*judgement.promises, *judgement.assumptions) if v.promise == promise)

    def _object(self, t: float, event: str, resource: str, namespace: str, name: str, uid: str, body: Any) -> None:
        self._rv += 1
        self.add("object", t, event=event, resource=resource, namespace=namespace, name=name, uid=uid, rv=str(self._rv),
                 object=body)  # fmt: skip

    def _node_body(self, name: str) -> dict[str, Any]:
        state = self.nodes[name]
        amounts = {"cpu": str(state["cores"]), "memory": "64Gi", "ephemeral-storage": "100Gi"}
        ready = {"type": "Ready", "status": "True" if state["ready"] else "Unknown"}
        return {
            "metadata": {"name": name, "uid": state["uid"], "labels": dict(state["labels"])},
            "spec": {},
            "status": {"conditions": [ready], "capacity": amounts, "allocatable": amounts},
        }

    def _note(self, t: float) -> None:
        milli = {name: sum(m for node, _, m in self.pods.values() if node == name) for name in self.nodes}
        nodes = [
            reported_node(name, cores=state["cores"], milli=milli[name])
            for name, state in sorted(self.nodes.items())
            if state["ready"] and name not in self.excluded
        ]
        self.inventories.append((t, {"nodes": nodes, "storage": []}))


def _pod_body(node: str, milli: int) -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {"cpu": f"{milli}m"}}}
    return {"metadata": {}, "spec": {"nodeName": node, "containers": [container]}, "status": {"phase": "Running"}}


def reported_node(name: str, *, cores: int = 16, milli: int = 0) -> dict[str, Any]:
    """One node of an inventory, as REST writes it."""

    def pair(total: str, allocated: str = "0") -> dict[str, str]:
        return {"capacity": total, "allocatable": total, "allocated": allocated}

    info = [{"id": "0", "vendor": "V", "model": "M", "vcores": 16}]
    return {
        "name": name,
        "resources": {
            "cpu": {"quantity": pair(str(cores), f"{milli}m"), "info": info},
            "memory": {"quantity": pair("64Gi"), "info": None},
            "gpu": {"quantity": pair("0"), "info": None},
            "ephemeral_storage": pair("100Gi"),
            "volumes_attached": pair("0"),
            "volumes_mounted": pair("0"),
        },
        "capabilities": {"storage_classes": []},
    }


def quiet(*promises: str, until: float = 40.0, **scenario: Any) -> Story:
    """A run without harm in which the operator is always right: two nodes, a pod that comes and one that goes."""
    story = Story(*promises, **scenario)
    story.node("a")
    story.node("b")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.pod("q", 10.0, node="a", milli=250)
    story.remove_pod("p", 12.0)
    story.observe(2.0, until)
    story.end(until)
    return story


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An alteration: these nodes are not reported."""

    def alter(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "nodes": [node for node in body["nodes"] if node["name"] not in names]}

    return alter


def allocated(name: str, value: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An alteration: the allocated CPU of a node."""
    return figure(name, ("cpu", "quantity", "allocated"), value)


def figure(name: str, path: tuple[str, ...], value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An alteration: what stands at `path` of a node's resources."""

    def alter(body: dict[str, Any]) -> dict[str, Any]:
        body = deepcopy(body)
        for node in body["nodes"]:
            part: Any = node["resources"]
            for key in path[:-1]:
                part = part[key]
            if node["name"] == name:
                part[path[-1]] = value
        return body

    return alter


def nothing(_body: Mapping[str, Any]) -> dict[str, Any]:
    """An alteration: an empty inventory."""
    return {"nodes": [], "storage": []}
