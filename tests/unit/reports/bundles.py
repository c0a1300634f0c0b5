"""Bundles as a run leaves them, written by the harness's own writers with chosen times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.check.contract import Judgement
from harness.check.freshness import Freshness, Measured
from harness.check.verdict import Finding, PromiseVerdict, judge, worst
from harness.clock import RunClock
from harness.history.writer import HistoryWriter
from harness.run.result import RunResult

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '<script>alert("1")</script>|`rm -rf`\x1b[31m[bold]red[/bold]\u202e\x07'
OPERATOR = {"name": "reference"}
VERSIONS = {"harness": "0.1.0", "python": "3.11.7", "kube-apiserver": "v1.34.2", "etcd": "3.6.5"}
ALL_KEPT = ("SHAPE-1", "SHAPE-2", "TRUTH-1", "TRUTH-3", "AVAIL-1", "AVAIL-2", "RECOVER-1", "SURVIVE-1")


def finding(text: str, t_s: float, *, about: str = "node worker-1: cpu.allocated") -> Finding:
    """A finding at a time."""
    return Finding(text=text, object=about, expected="2500m", reported="0", t_s=t_s)


def kept(*names: str) -> tuple[PromiseVerdict, ...]:
    """A PASS on each of the promises."""
    return tuple(judge(name, examined=420, unit="answers") for name in names)


def assumptions(*, doubt: str = "") -> tuple[PromiseVerdict, ...]:
    """The assumptions of a run; with a doubt, one of them does not hold."""
    return (
        judge("WHOLE", examined=5120, unit="records"),
        judge("FAULT-BIT", examined=1, unit="faults", reasons=[doubt] if doubt else []),
    )


def plan(scenario: str, *, faults: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A plan as the engine writes it."""
    return {
        "scenario": {
            "id": scenario,
            "promises": list(ALL_KEPT),
            "nodes": {f"worker-{n}": {"cpus": 16, "gpu": "a100", "gpus": 4} for n in (1, 2, 3)},
            "faults": [{"kind": "api-server-killed", "for_s": 5.0}] if faults is None else faults,
            "traffic": {"rate": 8.0, "live": 24},
            "objectives": {"RECOVER-1": 20},
            "supervised": False,
        },
        "seed": 7,
    }


def write_run(
    out: Path,
    scenario: str,
    *,
    promises: tuple[PromiseVerdict, ...],
    recovery_s: float | None = 2.31,
    stale: list[list[float]] | None = None,
    doubt: str = "",
    operator: dict[str, str] | None = None,
    datastore: str = "etcd",
    version: str = "",
    seed: int = 7,
    names: str = "usual",
    fresh: Freshness | None = None,
) -> Path:
    """plan.json and verdicts.json of one run (`version`: of its datastore); returns its bundle."""
    bundle = out / scenario
    (bundle / "logs").mkdir(parents=True, exist_ok=True)
    (bundle / "plan.json").write_text(json.dumps(plan(scenario)), encoding="utf-8")
    held = assumptions(doubt=doubt)
    series = {"stale": stale or [[3.0, 0.0]]}
    measured = Measured()
    if fresh is not None:
        measured = Measured((fresh,), (Freshness(fresh.resource, HOSTILE, delays=fresh.delays, never=fresh.never),))
        series["delay"] = [[7.0 + number, delay] for number, delay in enumerate(fresh.delays)]
    judgement = Judgement(
        promises, held, worst(p.verdict for p in promises), recovery_s, series, measured.as_json()
    )  # fmt: skip
    RunResult(
        scenario=scenario, seed=seed, operator=operator or OPERATOR,
        versions={**VERSIONS, "datastore": version} if version else VERSIONS, judgement=judgement, wall_s=31.2,
        overhead_s=6.0, bundle=bundle, reproduce=f"harness run -k {scenario} --seed {seed}", datastore=datastore,
        names=names,
    ).write()  # fmt: skip
    return bundle


class Story:
    """A history told at chosen times."""

    def __init__(self, bundle: Path, scenario: str) -> None:
        self.bundle = bundle
        self.writer = HistoryWriter(bundle, RunClock(origin=0.0, monotonic=lambda: 0.0))
        self.writer.add(
            "run", at=0.0, scenario=plan(scenario)["scenario"], seed=7, operator=OPERATOR, versions=VERSIONS,
            started="2026-11-24T10:00:00+00:00",
        )  # fmt: skip
        self.body = self.writer.snapshot({"nodes": [], "storage": []})

    def tell(self, t: float, kind: str, **fields: Any) -> None:
        """One record at `t`."""
        self.writer.add(kind, at=t, **fields)

    def answers(self, source: str, begin: float, end: float, outcome: str = "ok", *, period: float = 0.1) -> None:
        """A source polled from `begin` to `end`, always with one outcome."""
        for number in range(round((end - begin) / period)):
            t = begin + number * period
            fields: dict[str, Any] = {"snapshot": self.body} if outcome == "ok" else {"error": f"{source} {outcome}"}
            status = {"ok": 200, "error": 503}.get(outcome)
            self.tell(t + 0.02, "report", source=source, t0=t, outcome=outcome, status=status, **fields)

    def probes(self, path: str, begin: float, end: float, outcome: str = "ok") -> None:
        """A health path probed twice a second."""
        for number in range(round((end - begin) / 0.5)):
            t = begin + number * 0.5
            status = 200 if outcome == "ok" else 503
            self.tell(t + 0.01, "health", path=path, t0=t, outcome=outcome, status=status)

    def fault(self, name: str, kind: str, times: tuple[float, float, float, float], **more: Any) -> None:
        """Inject, injected, heal, healed at the four times."""
        for t, phase in zip(times, ("inject", "injected", "heal", "healed"), strict=True):
            proof = {"bit": more.get("bit", True), "evidence": more.get("evidence", "refused")}
            extra = proof if phase == "injected" else {}
            target = more.get("target", "server-0")
            self.tell(t, "fault", fault=kind, id=name, phase=phase, target=target, affects=["api"], **extra)

    def end(self) -> None:
        """Close the file."""
        self.writer.close()


def api_server_killed(out: Path, scenario: str = "chaos/api-server-killed", *, target: str = "server-0") -> Path:
    """The whole bundle of a run in which the operator dies once and its inventory is empty meanwhile."""
    lost = "answered ok with 0 nodes and without 3 that must be there (worker-1, worker-2, worker-3)"
    wanted = "expected the last known inventory or an error"
    findings = (
        finding(f"rest {lost}, at 12.10 s, 2.05 s after inject of api-server-killed; {wanted}", 12.1, about="3 nodes"),
        finding(
            f"query {lost}, at 12.14 s, 2.09 s after inject of api-server-killed; {wanted}", 12.14, about="3 nodes"
        ),
    )
    died = finding("the operator exited by itself with code 2 at 18.40 s, 1.10 s after heal of api-server-killed", 18.4)
    promises = (
        *kept("SHAPE-1", "SHAPE-2", "TRUTH-1", "TRUTH-3"),
        judge("AVAIL-1", examined=212, unit="answers", findings=findings),
        judge("AVAIL-2", examined=380, unit="requests", measured={"worst_latency_s": 0.41, "p99_latency_s": 0.08}),
        judge("RECOVER-1", examined=1, unit="recoveries", measured={"recovery_s": 4.2}),
        judge("SURVIVE-1", examined=900, unit="process events and answers", findings=[died]),
    )
    steps = ["5 9", "5.6 0", "11 3", "12.1 27", "17.3 30", "18.4 30", "19.6 12", "20.8 4", "21.5 0", "23 1", "23.4 0"]
    stale = [[float(part) for part in step.split()] for step in steps]
    bundle = write_run(out, scenario, promises=promises, recovery_s=4.2, stale=stale)
    story = Story(bundle, scenario)
    story.tell(4.1, "process", event="started", pid=4242, cause="harness")
    for source in ("rest", "query"):
        story.answers(source, 4.1, 4.6, "refused")
        story.answers(source, 4.6, 14.0)
        story.answers(source, 14.0, 16.0, "error")
        story.answers(source, 16.0, 17.0, "timeout")
        story.answers(source, 17.0, 18.4)
        story.answers(source, 18.4, 19.5, "refused")
        story.answers(source, 19.5, 27.0)
    story.tell(4.7, "report", source="stream", t0=4.7, outcome="ok", status=0, snapshot=story.body)
    story.tell(18.4, "report", source="stream", t0=4.7, outcome="error", status=14, error="stream ended")
    story.tell(19.6, "report", source="stream", t0=19.6, outcome="ok", status=0, snapshot=story.body)
    for path in ("/metrics/health", "/metrics/ready"):
        story.probes(path, 4.1, 4.6, "refused")
        story.probes(path, 4.6, 11.0)
        story.probes(path, 11.0, 17.5, "error")
        story.probes(path, 19.5, 27.0)
    marks = {
        "gate": 4.2, "gate-passed": 6.1, "traffic-begin": 6.1, "final-heal": 17.31, "traffic-end": 22.0,
        "converged": 25.5, "end": 25.6,
    }  # fmt: skip
    for mark, t in marks.items():
        story.tell(t, "mark", mark=mark, detail="")
    times = (10.05, 10.2, 15.2, 17.3)
    story.fault("0-api-server-killed", "api-server-killed", times, target=target, evidence="its port refuses")
    story.tell(10.1, "gap", phase="begin", resource="nodes", why="connection refused")
    story.tell(17.4, "gap", phase="end", resource="nodes", why="listed again")
    story.tell(18.4, "process", event="exited", pid=4242, code=2, cause="self", detail="panic: send on closed channel")
    story.tell(19.0, "process", event="restarting", pid=4242, cause="supervisor")
    story.tell(19.1, "process", event="started", pid=4301, cause="supervisor")
    for number in range(120):
        story.tell(
            6.2 + number * 0.1, "op", op="create", id=number, phase="ok", object=f"tenant-a/pod-{number % 8}", detail=""
        )
    story.end()
    (bundle / "logs" / "operator.stderr.log").write_text("rest listening on :8080\npanic: send on closed channel\n")
    (bundle / "journal.jsonl").write_text('{"id":"0-api-server-killed","undone":true}\n')
    return bundle


def campaign(out: Path) -> Path:
    """A campaign with every kind of outcome, hostile names among them."""
    api_server_killed(out)
    for number, scenario in enumerate(
        ("conformance/first-inventory", "conformance/same-pod-names", "chaos/node-cordoned")
    ):
        bundle = write_run(
            out, scenario, promises=kept(*ALL_KEPT[: 4 + number]), recovery_s=None if number < 2 else 0.84
        )
        story = Story(bundle, scenario)
        story.tell(4.0, "mark", mark="gate-passed", detail="")
        story.answers("rest", 4.0, 9.0)
        story.end()
    doubtful = (
        *kept("TRUTH-1"),
        judge("AVAIL-1", examined=0, unit="answers", reasons=["FAULT-BIT: etcd did not stop"]),
    )
    write_run(
        out, "chaos/etcd-killed", promises=doubtful, doubt="0-etcd-killed did not show that it bit", recovery_s=None
    )
    failed = out / "chaos" / "port-taken"
    failed.mkdir(parents=True)
    error = {"scenario": "chaos/port-taken", "error": "gave up waiting after 60.0 s", "hint": "is the disk full?"}
    (failed / "error.json").write_text(json.dumps(error))
    return out


def hostile(out: Path) -> Path:
    """A campaign in which every text that can come from outside tries to inject something."""
    scenario = "chaos/" + HOSTILE.replace("/", "")
    broken = judge("TRUTH-3", examined=3, unit=HOSTILE, findings=[finding(HOSTILE, 1.0, about=HOSTILE)])
    unclear = judge("AVAIL-1", examined=0, unit="answers", reasons=[HOSTILE])
    bundle = write_run(
        out,
        scenario,
        promises=(broken, unclear),
        doubt=HOSTILE,
        operator={"name": HOSTILE},
        stale=[[0.0, 1.0], [2.0, 0.0]],
    )
    story = Story(bundle, scenario)
    story.tell(0.5, "process", event="started", pid=1, cause=HOSTILE)
    story.tell(0.6, "report", source="rest", t0=0.5, outcome="error", status=500, error=HOSTILE)
    story.fault("0", HOSTILE, (1.0, 1.1, 2.0, 2.1), target=HOSTILE, evidence=HOSTILE)
    story.tell(1.0, "gap", phase="begin", resource=HOSTILE, why=HOSTILE)
    story.tell(3.0, "mark", mark="not-converged", detail=HOSTILE)
    story.tell(3.1, "mark", mark="end", detail="")
    story.end()
    (bundle / "logs" / "operator.stderr.log").write_text(HOSTILE)
    (bundle / "logs" / HOSTILE.replace("/", "")).write_text("")
    return out
