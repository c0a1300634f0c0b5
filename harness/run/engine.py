"""One run from start to verdict, in the order of design section 4.

Start the cluster and the operator; pass the gate; traffic, faults and observation side by side; heal; wait for
convergence; put all evidence on disk; and only then judge it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import platform
import time
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from harness import seed as seeds
from harness.bundle import LOGS, manifest, secrets
from harness.check.contract import judge_history
from harness.clock import RunClock
from harness.cluster import backend, capability
from harness.cluster.datastore import DatastoreSpec
from harness.cluster.external import IDENTITY
from harness.errors import PlatformError, UsageError, WaitTimeoutError
from harness.fault.journal import Journal
from harness.fault.schedule import injected, unfold
from harness.history import reader
from harness.history.writer import HistoryWriter
from harness.operator.supervisor import FULL_SCALE, UNCHANGED, Supervision
from harness.run import footprint
from harness.run.nemesis import Nemesis
from harness.run.plan import Plan
from harness.run.renamed import renamed
from harness.run.result import RunResult, write_states
from harness.run.stage import staged
from harness.wait import interval, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.cluster.backend import BackendSpec
    from harness.operator.base import OperatorSpec
    from harness.run.stage import Stage
    from harness.scenario import Scenario
    from harness.toolchain import Toolchain
    from harness.traffic.driver import Driver
    from harness.traffic.volumes import VolumeDriver

GATE_QUIET_S = 0.5
GATE_PATIENCE_S = 12.0
"""When the gate looks whether only exceptions (`harness.run.steady`) are left: after TRUTH-5's and LABEL-1's 10 s."""

GATE_LASTING_S = 2.0
MACHINES_DEADLINE_S = 180.0
"""A real node's discovery pod is started by a kubelet, on a machine that may be busy with starting all others."""

CONVERGE_EXTRA_S = 5.0
"""How much longer than the objective convergence is awaited, so that a late recovery is measured, not only missed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What every run of a campaign shares.

    `out`: where bundles go, one directory for each run; `reproduce`: a command with {scenario}, {seed} and {datastore}
    in it; `settle`: whether traffic ends with the same pods for the same seed, so that runs on several datastores
    compare; `phase`: told what the run is doing, for progress on a terminal; `datastore`: None for each scenario's
    usual one; `names`: how nodes, namespaces, pods and GPU models are named (`harness.names.naming`); `supervision`:
    the supervisor that is asked for beyond the scenarios' own; `audit`: whether API servers write an audit log;
    `backend`: what provides the clusters.
    """

    toolchain: Toolchain
    operator: OperatorSpec
    out: Path
    seed: int
    reproduce: str = "harness run -k {scenario} --seed {seed}"
    phase: Callable[[str, str], None] = lambda _scenario, _phase: None
    datastore: DatastoreSpec | None = None
    settle: bool = False
    names: str = "usual"
    supervision: Supervision = UNCHANGED
    audit: bool = False
    backend: BackendSpec = backend.USUAL

    @property
    def operator_in(self) -> str:
        """Where the operator runs, one of `backend.PLACES`; raises UsageError where it cannot run as asked."""
        return backend.operator_place(backend.make(self.backend), self.backend.operator_in)

    @property
    def asked_supervision(self) -> Supervision:
        """What is asked for: in a pod the operator has a kubelet for its supervisor, which waits as long as it does."""
        asked = self.supervision
        if self.operator_in != backend.POD:
            return asked
        return replace(asked, supervised=True, scale=FULL_SCALE if asked.scale is None else asked.scale)

    def not_applicable(self, scenario: Scenario) -> str:
        """Why a scenario cannot be run on the backend at all; empty where it can."""
        return not_applicable(scenario, self.backend)

    def asked_for(self, scenario: Scenario) -> DatastoreSpec:
        """The datastore that a run was to be on, whether or not the scenario is possible on it."""
        usual = backend.usual_datastore(backend.make(self.backend), scenario.possible_on)
        return self.datastore or DatastoreSpec(usual or scenario.possible_on[0])

    def spec(self, scenario: Scenario) -> DatastoreSpec:
        """The datastore of a run; raises UsageError when the scenario is not possible on the one asked for."""
        spec = self.asked_for(scenario)
        if spec.kind not in scenario.possible_on:
            raise UsageError(
                f"{scenario.id} is not possible on {spec.kind}", hint=f"it is on {', '.join(scenario.possible_on)}"
            )
        return spec


def not_applicable(scenario: Scenario, spec: BackendSpec) -> str:
    """Why a scenario cannot be run on a backend at all, in words for a report; empty where it can."""
    provider = backend.make(spec)
    there = backend.effective(provider, backend.operator_place(provider, spec.operator_in))
    if words := capability.missing(scenario.needed, there):
        return capability.because(words)
    if not backend.usual_datastore(provider, scenario.possible_on):
        return f"possible on datastores {', '.join(scenario.possible_on)}"
    most = provider.most_nodes
    acts = capability.OPERATOR in scenario.needed  # who only looks needs leave for nothing
    if acts and capability.SIMULATED_NODES not in there and most is not None and most < scenario.machines:
        return f"needs {scenario.machines} real nodes, and may use {most}"
    return ""


def run(scenario: Scenario, setup: Setup) -> RunResult:
    """Run a scenario and judge it. Must be called from the main thread (children die with the thread that forked them).

    Raises HarnessError when the run could not take place; whatever the operator does is in the result, never an
    exception.
    """
    return carry_out(planned(scenario, setup), setup)


def carry_out(plan: Plan, setup: Setup) -> RunResult:
    """Carry out a plan, a new one or one of a bundle, and judge it; as `run`.

    What the plan says counts, and of the setup only the rest: toolchain, operator, place. A datastore of the setup's
    takes the place of the plan's usual one; raises UsageError where the scenario is not possible on it.
    """
    began = time.monotonic()
    spec = setup.datastore or DatastoreSpec(plan.datastore)
    setup = replace(setup, seed=plan.seed, settle=plan.settle, datastore=spec, names=plan.names)
    plan = replace(plan, datastore=setup.spec(plan.scenario).kind, backend=setup.backend.name)
    if why := setup.not_applicable(plan.scenario):
        raise UsageError(f"{plan.scenario.id} is not applicable on {plan.backend}: {why}", hint="another --backend")
    bundle = _make_bundle(setup.out, plan.label)
    try:
        asyncio.run(_Run(plan, setup, bundle).carry_out())
    finally:
        secrets.scrub(bundle)
    ended = time.monotonic()
    history = reader.read(bundle / "history.jsonl")
    judgement = judge_history(history)
    result = RunResult(
        scenario=plan.label,
        seed=plan.seed,
        operator=setup.operator.describe(),
        versions={**versions(setup.toolchain), **provided(history)},
        datastore=plan.datastore,
        backend=plan.backend,
        names=plan.names,
        supervision=plan.scenario.supervision,
        judgement=judgement,
        wall_s=time.monotonic() - began,
        overhead_s=_overhead(history, ended - began) + (time.monotonic() - ended),
        bundle=bundle,
        reproduce=setup.reproduce.format(scenario=plan.scenario.id, seed=plan.seed, datastore=plan.datastore),
    )
    write_states(bundle, history, judgement)
    result.write()
    manifest.seal(bundle)
    return result


def planned(scenario: Scenario, setup: Setup) -> Plan:
    """What is to be done: the scenario as it is deployed and named, the seed, and where; raises UsageError."""
    scenario = scenario.deployed(setup.asked_supervision)
    spec = setup.spec(scenario)
    scenario, named = renamed(scenario, setup.names)
    return Plan(
        scenario=scenario,
        seed=setup.seed if scenario.seed is None else scenario.seed,
        datastore=spec.kind,
        backend=setup.backend.name,
        names=named["names"],
        called=named["called"],
        settle=setup.settle,
        kubernetes=setup.toolchain.versions.get("kube-apiserver", ""),
    )


def versions(toolchain: Toolchain) -> dict[str, str]:
    """Versions of the harness, of Python and of every component."""
    try:
        own = version("inventory-harness")
    except PackageNotFoundError:
        own = "not installed"
    return {"harness": own, "python": platform.python_version(), **toolchain.versions}


def provided(history: reader.History) -> Mapping[str, str]:
    """What a cluster of real nodes was made of, and what was done differently on this machine, from a run's history."""
    mark = history.mark("provided")
    return {} if mark is None else dict(mark["detail"])


def _make_bundle(out: Path, label: str) -> Path:
    bundle = out / label
    try:
        bundle.mkdir(parents=True, exist_ok=False)
        (bundle / LOGS).mkdir()
    except FileExistsError:
        raise UsageError(
            f"{bundle} exists already", hint="two scenarios have one id, or --out was used before"
        ) from None
    except OSError as exc:
        raise PlatformError(
            f"cannot write to {bundle}: {exc.strerror}", hint="choose a writable --out directory"
        ) from exc
    return bundle


def _overhead(history: reader.History, wall_s: float) -> float:
    """What the run took beyond the scenario itself (from the gate to the end)."""
    gate, end = history.mark("gate-passed"), history.mark("end")
    return wall_s - (end["t"] - gate["t"]) if gate and end else wall_s


@dataclass(slots=True)
class _Run:
    plan: Plan
    setup: Setup
    bundle: Path
    clock: RunClock = field(default_factory=RunClock)

    async def carry_out(self) -> None:
        """Everything up to complete evidence on disk; always leaves nothing behind."""
        self._describe()
        history = HistoryWriter(self.bundle, self.clock)
        try:
            self._phase("starting the cluster")
            history.add(
                "run", scenario=self.scenario.as_json(), seed=self.setup.seed, operator=self.setup.operator.describe(),
                versions=versions(self.setup.toolchain), names=self.plan.names, called=dict(self.plan.called),
                started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            )  # fmt: skip
            async with staged(self.scenario, self.setup, history, self.bundle / LOGS, self._phase) as stage:
                if await self._gate(stage):
                    stage.follow_streams()
                    journal = Journal(self.bundle, stage.cluster.versions().get(IDENTITY, ""))
                    await self._harm(stage, Nemesis(stage.world, history, journal))
                    await self._converge(stage)
                if stage.cluster.proxied:
                    await footprint.record(stage.cluster, history, also_open=True)
                history.add("mark", mark="end", detail="")
        finally:
            history.close()

    async def _gate(self, stage: Stage) -> bool:
        """The steady state that will judge the end must hold at the start."""
        self._phase("gate: waiting for the first true inventory")
        history = stage.history
        began = history.add("mark", mark="gate", detail="")
        what, deadline_s = "the operator's first true inventory", self.scenario.gate_deadline_s
        try:
            await stage.known(MACHINES_DEADLINE_S)
        except WaitTimeoutError as exc:
            history.add("mark", mark="gate-failed", detail=exc.what)
            return False
        try:
            await stage.agree(min(GATE_PATIENCE_S, deadline_s), GATE_QUIET_S, what)
        except WaitTimeoutError:
            exceptions = await self._lasting(stage, began)
            if exceptions is not None:
                history.add("mark", mark="gate-passed", detail="with exceptions", excepted=exceptions)
                return True
            try:
                await stage.agree(max(deadline_s - GATE_PATIENCE_S, 1.0), GATE_QUIET_S, what)
            except WaitTimeoutError as exc:
                history.add("mark", mark="gate-failed", detail=exc.what)
                return False
        history.add("mark", mark="gate-passed", detail="")
        return True

    async def _lasting(self, stage: Stage, began: float) -> list[dict[str, Any]] | None:
        """What differs in the same way on two looks a while apart, when it may be excepted; it is then let pass."""

        async def look() -> list[dict[str, Any]] | None:
            return stage.steady.exceptions(after_s=self.clock.now() - began, able=await stage.able())

        first = await look()
        await interval(GATE_LASTING_S)
        second = await look()
        if first is None or second is None or {str(e["field"]) for e in first} != {str(e["field"]) for e in second}:
            return None
        stage.steady.let_pass(second)
        return second

    async def _harm(self, stage: Stage, nemesis: Nemesis) -> None:
        history = stage.history
        history.add("mark", mark="traffic-begin", detail="")
        stage.world.driver = driver = stage.driver()
        volumes = stage.volume_driver()
        drivers = [one for one in (driver, volumes) if one is not None]
        traffic = [stage.spawn(one.run()) for one in drivers]
        try:
            await stage.place(joined=False)
            if self.scenario.faults:
                self._phase("harm: " + ", ".join(fault.kind for fault in injected(*self.scenario.faults)))
                rng = seeds.stream(self.setup.seed, self.scenario.id, "schedule")
                await nemesis.run(unfold(stage.scenario.faults, self.scenario.pause_s, rng))
                await stage.place(joined=True)
            else:
                self._phase("observing")
                await interval(self.scenario.observe_s)
            for one in drivers:
                await self._enough(one)
        finally:
            history.add("mark", mark="final-heal", detail="")
            await nemesis.heal_all()
        for one in drivers:
            one.stop()
        for task in traffic:
            await task
        if driver is not None and self.setup.settle:
            await driver.settle(seeds.stream(self.setup.seed, self.scenario.id, "settle"))
        if volumes is not None and self.setup.settle:
            await volumes.settle()
        history.add("mark", mark="traffic-end", detail="")

    async def _enough(self, driver: Driver | VolumeDriver) -> None:
        """A fault that was over quickly is followed by traffic until there was enough of it to judge."""
        with contextlib.suppress(WaitTimeoutError):  # too little traffic is judged: assumption TRAFFIC

            async def counted(progress: Any) -> bool | None:
                progress.last = f"{driver.ok} operations"
                return driver.ok >= driver.churn.least or None

            await until("enough traffic", counted, deadline_s=10.0 + 3 * driver.churn.least / driver.churn.rate)

    async def _converge(self, stage: Stage) -> None:
        self._phase("waiting for convergence")
        extra_s, quiet_s = CONVERGE_EXTRA_S * bool(self.scenario.faults), self.scenario.quiet_s
        try:
            await stage.agree(stage.objective_s + extra_s + quiet_s, quiet_s, "the inventory to be true and stay true")
            if stage.liveness is not None:
                self._phase("waiting for the liveness script")
                await stage.probed()
                await stage.agree(stage.objective_s + quiet_s, quiet_s, "the inventory to be true after the probe")
        except WaitTimeoutError as exc:
            stage.history.add("mark", mark="not-converged", detail=exc.what)
        else:
            stage.history.add("mark", mark="converged", detail="")

    @property
    def scenario(self) -> Scenario:
        """What is carried out."""
        return self.plan.scenario

    def _phase(self, text: str) -> None:
        self.setup.phase(self.bundle.relative_to(self.setup.out).as_posix(), text)

    def _describe(self) -> None:
        """What the bundle is, and what is to be done: on disk before anything is."""
        tools = self.setup.toolchain
        manifest.Manifest(
            scenario=self.plan.label,
            seed=self.plan.seed,
            operator=self.setup.operator.describe(),
            versions=versions(tools),
            toolchain={
                name: {"version": tools.versions[name], "source": tools.sources[name], "sha256": tools.sha256[name]}
                for name in tools.paths
            },
        ).write(self.bundle)
        self.plan.write(self.bundle)
