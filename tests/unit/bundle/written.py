"""A bundle as the engine leaves it, of a run whose history was told, not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import faults
from harness.bundle.manifest import Manifest, seal
from harness.check.contract import judge_history
from harness.clock import RunClock
from harness.history import reader
from harness.history.record import snapshot_id
from harness.history.writer import HistoryWriter
from harness.run.plan import Plan
from harness.run.result import RunResult, write_states
from harness.scenario import Scenario
from harness.traffic.pods import Churn

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = Scenario(
    id="chaos/told",
    promises=("SURVIVE-1", "SHAPE-1"),
    faults=(faults.NodeCordoned(node="worker-1"),),
    traffic=Churn(plain=True, least=1),
)
OPERATOR = {"name": "provider-services", "sha256": "ab" * 32}
VERSIONS = {"harness": "0.1.0", "python": "3.11.2", "kube-apiserver": "v1.34.4"}
EMPTY: dict[str, Any] = {"nodes": [], "storage": []}


def begun(out: Path, *, scenario: Scenario = SCENARIO, operator: dict[str, str] | None = None) -> Path:
    """What is on disk before anything is done: bundle.json, plan.json, and logs."""
    bundle = out / scenario.id
    (bundle / "logs").mkdir(parents=True)
    tools = {"etcd": {"version": "v3.6.5", "source": "cache", "sha256": "cd" * 32}}
    Manifest(scenario.id, 7, operator or OPERATOR, VERSIONS, tools).write(bundle)
    Plan(scenario, 7, kubernetes="v1.34.4").write(bundle)
    return bundle


def told(bundle: Path, *, dies: bool = False, ends: bool = True, scenario: Scenario = SCENARIO, said: str = "") -> None:
    """The history: a fault that bites and is healed; `dies`: the operator exits; `said`: its last words."""
    writer = HistoryWriter(bundle, RunClock(origin=0.0, monotonic=lambda: 0.0))

    def tell(t: float, kind: str, **fields: Any) -> None:
        writer.add(kind, at=t, **fields)

    tell(
        0.0, "run", scenario=scenario.as_json(), seed=7, operator=OPERATOR, versions=VERSIONS, names="usual",
        called={}, started="2026-11-25T10:00:00+00:00",
    )  # fmt: skip
    tell(1.0, "synced", resource="nodes", rv="1", objects=[])
    tell(1.0, "synced", resource="pods", rv="1", objects=[])
    tell(1.1, "process", event="started", pid=4, cause="harness")
    tell(1.2, "mark", mark="gate", detail="")
    key = snapshot_id(EMPTY)
    tell(1.3, "snapshot", id=key, body=EMPTY)
    for number in range(80):
        t = 1.5 + number * 0.1
        for source in ("rest", "query", "stream"):
            tell(t, "report", source=source, t0=t - 0.01, outcome="ok", status=200, snapshot=key)
        if number == 5:
            tell(t, "mark", mark="gate-passed", detail="")
            tell(t, "mark", mark="traffic-begin", detail="")
            tell(t, "op", op="create", id=0, phase="ok", object="tenant-a/plain-1", detail={})
        if number == 10:
            _fault(tell, t)
        if number == 30:
            node = {"metadata": {"name": "late-1", "uid": "u1"}, "spec": {}, "status": {}}
            tell(
                t, "object", event="ADDED", resource="nodes", namespace="", name="late-1", uid="u1", rv="9",
                object={**node, "spec": {"unschedulable": True}},
            )  # fmt: skip
        if dies and number == 40:
            tell(t, "process", event="exited", pid=4, code=2, cause="self", detail=said or "panic: nil map")
    if ends:
        tell(10.0, "mark", mark="final-heal", detail="")
        tell(10.0, "mark", mark="converged", detail="")
        tell(10.1, "mark", mark="end", detail="")
    writer.close()


def _fault(tell: Any, t: float) -> None:
    for number, phase in enumerate(("inject", "injected", "heal", "healed")):
        proof = {"bit": True, "evidence": "unschedulable"} if phase == "injected" else {}
        tell(
            t + number * 0.2, "fault", fault="node-cordoned", id="0-node-cordoned", phase=phase, target="worker-1",
            affects=["node"], **proof,
        )  # fmt: skip


def whole(out: Path, *, dies: bool = False, scenario: Scenario = SCENARIO, said: str = "") -> Path:
    """A bundle from begin to end, judged and sealed."""
    bundle = begun(out, scenario=scenario)
    told(bundle, dies=dies, scenario=scenario, said=said)
    (bundle / "journal.jsonl").write_text('{"id":"0-node-cordoned","undone":true}\n', encoding="utf-8")
    (bundle / "logs" / "operator.stderr.log").write_text("rest listening on", encoding="utf-8")
    history = reader.read(bundle / "history.jsonl")
    judgement = judge_history(history)
    RunResult(
        scenario=scenario.id, seed=7, operator=OPERATOR, versions=VERSIONS, judgement=judgement, wall_s=20.0,
        overhead_s=6.0, bundle=bundle, reproduce=f"harness run -k {scenario.id} --seed 7",
    ).write()  # fmt: skip
    write_states(bundle, history, judgement)
    seal(bundle)
    return bundle
