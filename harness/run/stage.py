"""The stage of a run: a cluster as the scenario wants it, an operator on it, and whoever watches both.

What then happens there, and what comes of it, is the engine's affair, or a test's.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import seed as seeds
from harness.check.contract import PROMISES
from harness.cluster import access, backend, cephtools, nodes, storage
from harness.cluster.backend import ELSEWHERE, POD
from harness.cluster.hardware import registry
from harness.cluster.shape import Shape
from harness.fault import catalog
from harness.fault.schedule import injected
from harness.operator.container import OperatorPod
from harness.operator.process import OperatorProcess
from harness.operator.supervisor import TIMEOUT_S, longest_until_probed_s
from harness.run import configured, deployed, discovered, footprint, machines, said, shortage, stall, usage
from harness.run.observe import OF_CEPH, OF_STORAGE, WATCHED, LiveTruth, watch
from harness.run.poll import Polling
from harness.run.steady import Steady
from harness.run.world import RunControl, RunWorld
from harness.traffic import standing, whole
from harness.traffic.driver import Driver
from harness.traffic.pods import Churn
from harness.traffic.volumes import VolumeDriver
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.history.writer import HistoryWriter
    from harness.operator.elsewhere import OperatorElsewhere
    from harness.operator.liveness import Liveness
    from harness.run.engine import Setup
    from harness.scenario import Scenario

REGISTRY_DELAY_S = 1.0
"""The registry is across the internet in life; one that answers at once is a scenario of its own (`RegistryEarly`)."""


@dataclass(slots=True)
class Stage:
    """What a run takes place on, from the start of the operator on."""

    scenario: Scenario
    setup: Setup
    history: HistoryWriter
    cluster: Cluster
    live: LiveTruth
    operator: OperatorProcess | OperatorPod | OperatorElsewhere
    polling: Polling
    steady: Steady
    world: RunWorld
    liveness: Liveness | None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    discovered: dict[str, Any] = field(default_factory=dict)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let a task run beside everything else, until the stage is struck."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    async def agree(self, deadline_s: float, quiet_s: float, awaited: str) -> None:
        """Return when report and truth have agreed for `quiet_s` seconds; raises WaitTimeoutError."""
        await until(awaited, self.steady.held_for(quiet_s), deadline_s=deadline_s, changed=self.live.changed)

    async def able(self) -> Collection[str]:
        """The nodes whose discovery API has answered: the operator where they are simulated, otherwise us."""
        if self.cluster.ground.simulated:
            served: Mapping[str, Any] = (await self.cluster.discovery_stats())["served"]
            return served
        return self.discovered

    async def known(self, deadline_s: float) -> None:
        """Return when the hardware of every node that must be reported is known; raises WaitTimeoutError."""

        async def all_known(progress: Progress) -> bool | None:
            unknown = sorted(self.live.truth.expected().keys() - self.discovered.keys())
            progress.last = f"not of {', '.join(unknown[:3])}: no discovery pod of theirs answers us"
            return None if unknown else True

        if not self.cluster.ground.simulated:
            await until("the hardware of real nodes to be known", all_known, deadline_s=deadline_s)

    async def probed(self) -> None:
        """Return when the liveness script has looked once more, where there is one; raises WaitTimeoutError."""
        if self.liveness is None:
            return
        probes, before = self.liveness, self.liveness.made

        async def looked(progress: Progress) -> bool | None:
            progress.last = f"{probes.made} probes"
            return probes.made > before or None

        deadline_s = longest_until_probed_s(probes.scale) + TIMEOUT_S
        await until("the liveness script to look", looked, deadline_s=deadline_s)

    @property
    def objective_s(self) -> float:
        """Within how many seconds of the last heal the inventory has to be true: the longest of what is judged.

        Whatever the liveness script restarts is watched until it has had its time once more.
        """
        promises = {*self.scenario.promises, *(("RECOVER-1",) if self.scenario.faults else ())}
        usual = {promise: PROMISES[promise].objective_s for promise in promises if promise in PROMISES}
        longest_s = max({**usual, **self.scenario.objectives}.values())
        return longest_s + (longest_until_probed_s(self.scenario.backoff_scale) if self.scenario.liveness else 0.0)

    def driver(self) -> Driver | None:
        """The scenario's traffic of pods, not started yet; None when the nodes are to be left alone."""
        if self.scenario.traffic is None:
            return None
        rng = seeds.stream(self.setup.seed, self.scenario.id, "traffic")
        cluster = self.world.cluster
        return Driver(cluster.client, self.scenario.traffic, self.world.profiles, rng, self._note, cluster.ground)

    def volume_driver(self) -> VolumeDriver | None:
        """The scenario's traffic of volumes, likewise."""
        volumes, wanted = self.scenario.volumes, self.scenario.storage
        if volumes is None or wanted is None:
            return None
        rng = seeds.stream(self.setup.seed, self.scenario.id, "volumes")
        return VolumeDriver(self.world.cluster.client, volumes, wanted, rng, self._note)

    async def place(self, *, joined: bool) -> None:
        """Put the scenario's standing pods on the nodes that were there at the start, or on those that have joined."""

        def wanted(pod: standing.Pod) -> bool:
            return (pod.node not in self.scenario.nodes) is joined

        await standing.place(self.world.cluster.client, self.scenario.pods, wanted, self._note)

    def _note(self, **fields: Any) -> None:
        self.history.add("op", **fields)

    def follow_streams(self) -> None:
        """Let the scenario's other clients of StreamCluster come, where it has some."""
        if self.scenario.streams is not None:
            self.spawn(self.polling.streams(self.scenario.streams))

    async def _set(self, phase: Callable[[str], None]) -> None:
        """Watch the truth, start the operator, and ask it all the time."""
        watched = _watched(self.scenario)
        listed = {resource: asyncio.Event() for resource in watched}
        for resource in watched:
            for client in self.cluster.watchers:
                self.spawn(watch(client, resource, self.live, listed[resource]))
        async with asyncio.timeout(30.0):
            for event in listed.values():
                await event.wait()
        self.spawn(stall.follow(self.history, self.history.clock))
        if not self.cluster.ground.simulated:
            self.spawn(discovered.follow(self.cluster, self.live, self.discovered))
        phase("starting the operator")
        await self._start()
        if self.liveness is not None:
            self.spawn(self.liveness.run())
        if self.cluster.proxied:
            self.spawn(footprint.follow(self.cluster, self.history))

    async def _start(self) -> None:
        """Start the operator, and follow what it does and says."""
        if isinstance(self.operator, OperatorProcess):
            shortage.require()
            self.spawn(shortage.follow(self.history))
        await self.operator.start()
        if self.world.config is not None or "RECOVER-3" in self.scenario.promises:
            ports = (self.operator.rest_port, self.operator.grpc_port)
            self.spawn(said.follow(self.operator.log_dir, self.history, ports))
        if isinstance(self.operator, OperatorProcess):
            self.tasks += usage.followers(self.operator, self.history, self.scenario.promises)
        for poller in (self.polling.rest, self.polling.query, self.polling.stream, self.polling.health):
            self.spawn(poller())

    async def _strike(self) -> None:
        """Let go what faults hold, and end the side tasks and the operator."""
        for held in self.world.held.values():
            held.close()
        try:
            await self._cancel()
        finally:
            await self.operator.stop()

    async def _cancel(self) -> None:
        """End the side tasks; one that died of its own error is reported by raising that error."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in results:
            if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome


@asynccontextmanager
async def staged(
    scenario: Scenario, setup: Setup, history: HistoryWriter, logs: Path, phase: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """Start everything, from the cluster to the pollers; afterwards nothing is left of it but the logs.

    `phase` is told when the cluster is there and the operator is started.
    """
    provider = backend.make(setup.backend)
    cluster = await provider.start(setup.toolchain, _shape_of(scenario, setup))
    history.add("mark", mark="cluster", detail=cluster.versions().get("datastore", ""))
    if not cluster.ground.simulated:
        history.add("mark", mark="provided", detail=dict(cluster.versions()))
    try:
        if not cluster.ground.simulated:
            scenario = machines.settled(scenario, cluster.ground, history)
        live = LiveTruth(history)
        if setup.operator_in != ELSEWHERE:  # who only looks makes nothing
            await _furnish(cluster, live, scenario)
        config = configured.provide(scenario.config, cluster.directory, live)
        given = configured.argument(scenario.config, config)
        place = setup.operator_in
        phase("loading the operator's image" if place == POD else "starting the operator")
        name = await deployed.loaded(setup.operator, cluster, place)
        operator = deployed.operator(
            scenario, setup.operator, cluster, history, logs, given=given, place=place, name=name
        )  # fmt: skip
        polling = Polling(history, operator.rest_url, operator.grpc_target)
        if isinstance(operator, OperatorPod):
            polling.blind = operator.sight.blind
        rng = seeds.stream(setup.seed, scenario.id, "nemesis")
        world = RunWorld(
            cluster, RunControl(operator), rng, dict(scenario.nodes), live, config=config, models=scenario.models
        )
        liveness = deployed.liveness(scenario, operator, history)
        stage = Stage(
            scenario, setup, history, cluster, live, operator, polling, Steady(live, polling), world, liveness
        )  # fmt: skip
        try:
            await stage._set(phase)  # noqa: SLF001 - of this very module
            yield stage
        finally:
            await stage._strike()  # noqa: SLF001 - as above
    finally:
        await cluster.stop(keep_logs=logs)


def _shape_of(scenario: Scenario, setup: Setup) -> Shape:
    return Shape(
        large=len(scenario.nodes) >= nodes.LARGE_CLUSTER,
        datastore=setup.spec(scenario),
        servers=scenario.servers,
        pinned=scenario.pinned,
        relayed=any(catalog.needs_relay(fault) for fault in injected(*scenario.faults)),
        quota_bytes=scenario.quota_mib << 20,
        proxied=scenario.behind_proxy,
        ceph=() if scenario.storage is None else tuple(ceph.namespace for ceph in scenario.storage.ceph),
        by_token=any(catalog.needs_token(fault) for fault in injected(*scenario.faults)),
        audited=setup.audit,
        machines=scenario.machines,
        operator_in=setup.operator_in,
        node_names=machines.names(scenario, setup.names),
    )


def _watched(scenario: Scenario) -> tuple[str, ...]:
    """The resources that the truth of the scenario follows from."""
    if scenario.storage is None:
        return WATCHED
    return (*WATCHED, *OF_STORAGE, *(OF_CEPH if scenario.storage.ceph else ()))


async def _furnish(cluster: Cluster, live: LiveTruth, scenario: Scenario) -> None:
    """Registry, hardware, nodes and storage, in the order that leaves no moment without truth."""
    content = registry(names=scenario.models)
    await cluster.set_registry(content, delay_s=REGISTRY_DELAY_S)
    live.record("registry", body=content)
    spaces = [*(scenario.traffic or Churn()).namespaces, *(pod.namespace for pod in scenario.pods)]
    for namespace in dict.fromkeys(spaces):
        await access.namespace(cluster.client, namespace)
    if cluster.ground.simulated:
        await _furnish_nodes(cluster, live, scenario)
    await standing.furnish(cluster.client, scenario.pods)
    awaited = [name for name, profile in scenario.nodes.items() if not profile.silent]
    await nodes.wait_ready(cluster.client, awaited, deadline_s=30.0 + 0.05 * len(scenario.nodes))
    if scenario.storage is not None:
        await _furnish_ceph(cluster, live, scenario)
        await storage.furnish(cluster.client, scenario.storage)


async def _furnish_nodes(cluster: Cluster, live: LiveTruth, scenario: Scenario) -> None:
    """Simulated nodes with their hardware."""
    bodies = {name: profile.hardware() for name, profile in scenario.nodes.items()}
    await cluster.set_hardware(bodies)
    for name, body in bodies.items():
        live.record("hardware", node=name, hardware=body)
    if scenario.traffic is not None and scenario.traffic.whole:
        await whole.furnish(cluster.client)
    await nodes.create(cluster.client, scenario.nodes)


async def _furnish_ceph(cluster: Cluster, live: LiveTruth, scenario: Scenario) -> None:
    """Ceph clusters whose tools answer: what is missing then cannot be ours."""
    clusters = scenario.storage.ceph if scenario.storage is not None else ()
    if not clusters:
        return
    await cephtools.define(cluster.client)
    for ceph in clusters:
        cluster.ceph.write(ceph.namespace, ceph.df())
        live.record("pools", namespace=ceph.namespace, body=ceph.df())
        await cephtools.create(cluster.client, ceph, node=max(scenario.nodes))
    await cephtools.answering(cluster.client, [ceph.namespace for ceph in clusters])
