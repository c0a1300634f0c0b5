"""Measuring the harness itself: how soon a cluster is there, how much a run costs, how much memory it takes.

The start of the embedded cluster is compared with the same etcd and kube-apiserver started plainly, in turns within one
measurement, so that a busy machine slows both down alike. Nothing here fails for being slow.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import platform
import signal
import ssl
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from harness import seed as seeds
from harness.clock import RunClock
from harness.cluster import nodes
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.controlplane import SERVICE_CIDR, Credentials, credentials
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.hardware import NodeProfile, registry
from harness.cluster.probe import http_ok
from harness.errors import ClusterError
from harness.history.writer import HistoryWriter
from harness.operator.base import REFERENCE, OperatorConfig, OperatorSpec, parse
from harness.operator.process import OperatorProcess
from harness.process import rundir
from harness.process.child import tail
from harness.process.ports import Ports
from harness.process.shim import command
from harness.run import bench_proxy
from harness.run.engine import Setup, run, versions
from harness.run.observe import WATCHED, LiveTruth, watch
from harness.run.poll import Polling
from harness.run.steady import Steady
from harness.scenario import Scenario, simulated
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.toolchain import Toolchain

NODES = 100
PROFILE = NodeProfile(gpu="h100", gpus=8)
DEADLINE_S = 120.0
"""A measurement that takes longer is given up: the machine is unusable, not slow."""
SCENARIOS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `target` is the value the project holds itself to on two cores, in the figure's own unit."""

    name: str
    target: float | None
    digits: int = 2


FIGURES = (
    Figure("cluster_ready_s", 4.0),
    Figure("bare_api_server_ready_s", None),
    Figure("hundred_nodes_s", 15.0),
    Figure("scenario_overhead_s", None),
    Figure("proxy_overhead_ms", 1.0),
    Figure("harness_rss_mib", None, digits=0),
    Figure("stack_rss_mib", 900.0, digits=0),
)


def measure(
    toolchain: Toolchain, *, rounds: int = 5, report: Callable[[str], None] = lambda _text: None
) -> dict[str, Any]:
    """Measure everything; called from the main thread, outside of any event loop.

    Returns {figure: median, …, "samples": {figure: [values in the order measured]}, "targets", "machine", "versions",
    "measured"}. Raises HarnessError when something did not start at all.
    """
    machine = describe_machine()
    samples: dict[str, list[float]] = {figure.name: [] for figure in FIGURES}
    for number in range(1, rounds + 1):
        samples["bare_api_server_ready_s"].append(asyncio.run(_bare_start(toolchain)))
        samples["cluster_ready_s"].append(asyncio.run(_cluster_start(toolchain)))
        report(
            f"start {number} of {rounds}: cluster {samples['cluster_ready_s'][-1]:.2f} s, "
            f"plain etcd and kube-apiserver {samples['bare_api_server_ready_s'][-1]:.2f} s"
        )
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        for overhead, own, stack in _scenarios(toolchain, Path(name)):
            samples["scenario_overhead_s"].append(overhead)
            samples["harness_rss_mib"].append(own)
            samples["stack_rss_mib"].append(stack)
            report(
                f"scenario: {overhead:.2f} s beyond itself; harness {own:.0f} MiB, all that it started {stack:.0f} MiB"
            )
        samples["hundred_nodes_s"].append(asyncio.run(_hundred(toolchain, Path(name))))
        report(f"{NODES} nodes: {samples['hundred_nodes_s'][-1]:.2f} s")
    samples["proxy_overhead_ms"] += asyncio.run(bench_proxy.overhead_ms(toolchain))
    report(f"API proxy: {statistics.median(samples['proxy_overhead_ms']):.2f} ms for each request")
    return {
        **{figure.name: round(statistics.median(samples[figure.name]), 3) for figure in FIGURES},
        "samples": {key: [round(value, 3) for value in values] for key, values in samples.items()},
        "targets": {figure.name: figure.target for figure in FIGURES},
        "machine": machine,
        "versions": versions(toolchain),
        "measured": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def describe_machine() -> dict[str, Any]:
    """{"cores", "memory_mib", "kernel", "load_before"}: usable cores, and the load averages of 1, 5 and 15 minutes."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": psutil.virtual_memory().total >> 20,
        "kernel": platform.release(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
    }


async def _cluster_start(toolchain: Toolchain) -> float:
    cluster = await EmbeddedCluster.start(toolchain)
    await cluster.stop()
    return cluster.ready_s


async def _bare_start(toolchain: Toolchain) -> float:
    """Seconds from starting etcd and kube-apiserver, as a short script would, until /readyz says ok.

    Certificates and directories are made before the time runs. Both processes are started at once: kube-apiserver waits
    for etcd by itself, and that is as fast as it goes.
    """
    with ExitStack() as undo:
        directory = rundir.make()
        undo.callback(directory.remove)
        ports = Ports()
        undo.callback(ports.release)
        etcd_port, peer_port, port = ports.take(), ports.take(), ports.take()
        keys = credentials(directory.path / "pki", operator_user="nobody")
        context = ssl.create_default_context(cafile=str(keys.authority.cert))
        context.load_cert_chain(str(keys.admin.cert), str(keys.admin.key))
        log = directory.path / "bare.log"
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(directory.path), rundir.ENV_MARK: directory.mark}
        began = time.monotonic()
        started: list[subprocess.Popen[bytes]] = []
        undo.callback(_kill, started)
        started.append(_popen(_etcd(toolchain, directory.path, etcd_port, peer_port), log, env))
        started.append(_popen(_api_server(toolchain, keys, etcd_port, port), log, env))

        async def ready(progress: Progress) -> bool | None:
            if any(process.poll() is not None for process in started):
                raise ClusterError(f"etcd or kube-apiserver ended while starting plainly:\n{tail(log, 12)}")
            return await http_ok(f"https://127.0.0.1:{port}/readyz", progress, tls=context) or None

        await until("a plain kube-apiserver to be ready", ready, deadline_s=DEADLINE_S, interval_s=0.04)
        return time.monotonic() - began


def _popen(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command(argv), stdout=out, stderr=out, env=dict(env), start_new_session=True)


def _etcd(toolchain: Toolchain, directory: Path, port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        str(toolchain.path("etcd")), "--name=bare", f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=bare={peer}", "--unsafe-no-fsync", "--log-level=warn",
    ]  # fmt: skip


def _api_server(toolchain: Toolchain, keys: Credentials, etcd_port: int, port: int) -> list[str]:
    return [
        str(toolchain.path("kube-apiserver")), "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
        f"--secure-port={port}", f"--etcd-servers=http://127.0.0.1:{etcd_port}", f"--tls-cert-file={keys.serving.cert}",
        f"--tls-private-key-file={keys.serving.key}", f"--client-ca-file={keys.authority.cert}",
        f"--service-cluster-ip-range={SERVICE_CIDR}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys.service_accounts.cert}",
        f"--service-account-signing-key-file={keys.service_accounts.key}", "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
    ]  # fmt: skip


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _scenarios(toolchain: Toolchain, out: Path) -> Iterator[tuple[float, float, float]]:
    """(overhead in seconds, MiB of this process, MiB of all that it started) of the smallest scenario, some times."""
    weighed: list[tuple[float, float]] = []

    def weigh(_scenario: str, phase: str) -> None:
        if phase == "waiting for convergence":
            weighed.append(memory_mib())

    for number in range(SCENARIOS):
        setup = Setup(toolchain, parse(REFERENCE), out / str(number), seeds.fresh(), phase=weigh)
        result = run(Scenario(id="bench/minimal", promises=("TRUTH-1",), traffic=None, observe_s=1.0), setup)
        if not weighed:
            raise ClusterError(f"the smallest scenario did not get as far as its end:\n{result.explain()}")
        yield (result.overhead_s, *weighed.pop())


def memory_mib() -> tuple[float, float]:
    """Resident memory of this process, and of all its descendants (pages that several share count for each)."""
    own = psutil.Process()
    total = 0
    for child in own.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended between the listing and the look
    return own.memory_info().rss / 2**20, total / 2**20


@dataclass(slots=True)
class _Crowd:
    """A cluster without nodes, the reference operator on it, and what watches both."""

    cluster: EmbeddedCluster
    operator: OperatorProcess
    live: LiveTruth
    steady: Steady

    async def joined(self, count: int) -> None:
        """Return when `count` nodes are expected, by what the API server says, and reported, by all three sources."""

        async def told(progress: Progress) -> bool | None:
            found = self.steady.differences()
            expected = len(self.live.truth.expected())
            progress.last = f"{expected} of {count} nodes to be reported, {len(found)} differences: {found[:2]}"
            return True if expected == count and not found else None

        await until(f"{count} nodes to be reported", told, deadline_s=DEADLINE_S, changed=self.live.changed)


async def _hundred(toolchain: Toolchain, directory: Path) -> float:
    """Seconds from the first node's creation until all are reported truly, while the operator runs already."""
    history = HistoryWriter(directory, RunClock())
    cluster = await EmbeddedCluster.start(toolchain)
    tasks: list[asyncio.Task[None]] = []
    try:
        crowd = _crowd(cluster, history, directory, parse(REFERENCE))
        try:
            content = registry()
            await cluster.set_registry(content)
            crowd.live.record("registry", body=content)
            await crowd.operator.start()
            polling = crowd.steady.polling
            watching = [watch(cluster.client, resource, crowd.live, asyncio.Event()) for resource in WATCHED]
            work = (*watching, polling.rest(), polling.query(), polling.stream())
            tasks += [asyncio.create_task(part) for part in work]
            await crowd.joined(0)
            wanted = simulated(NODES, PROFILE)
            bodies = {name: profile.hardware() for name, profile in wanted.items()}
            await cluster.set_hardware(bodies)
            for name, body in bodies.items():
                crowd.live.record("hardware", node=name, hardware=body)
            began = time.monotonic()
            await nodes.create(cluster.client, wanted)
            await crowd.joined(NODES)
            return time.monotonic() - began
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await crowd.operator.stop()
    finally:
        await cluster.stop()
        history.close()


def _crowd(cluster: EmbeddedCluster, history: HistoryWriter, directory: Path, spec: OperatorSpec) -> _Crowd:
    config = OperatorConfig(
        kubeconfig=cluster.operator_kubeconfig, rest_port=cluster.take_port(), grpc_port=cluster.take_port(),
        registry_url=cluster.registry_url, namespace=POD_NAMESPACE,
    )  # fmt: skip

    def note(**fields: Any) -> None:
        history.add("process", **fields)

    operator = OperatorProcess(spec, config, directory, cluster.env, note)
    live = LiveTruth(history)
    return _Crowd(cluster, operator, live, Steady(live, Polling(history, operator.rest_url, operator.grpc_target)))
