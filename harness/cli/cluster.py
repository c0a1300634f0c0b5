"""`harness cluster up`: a cluster to look at, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import time

import click

from harness.cluster import nodes
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.hardware import NodeProfile, registry
from harness.cluster.shape import Shape
from harness.errors import UsageError
from harness.scenario import simulated
from harness.toolchain import DEFAULT_KUBERNETES, resolve


@click.group()
def cluster() -> None:
    """Clusters to work with by hand."""


@cluster.command()
@click.option("--nodes", "count", default=3, show_default=True, help="How many simulated nodes.")
@click.option("--gpu", metavar="MODEL", default=None, help="GPU product of every node, such as a100 or rtx4090.")
@click.option("--gpus", default=4, show_default=True, help="GPUs of each node, with --gpu.")
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of the control plane.")
def up(*, count: int, gpu: str | None, gpus: int, kubernetes: str) -> None:
    """Start a control plane with simulated nodes and keep it until Ctrl-C; for kubectl, k9s, or an operator by hand."""
    if count < 0:
        raise UsageError(f"--nodes {count} is out of range", hint="0 to 5000")
    profile = NodeProfile(gpu=gpu, gpus=gpus if gpu else 0)
    asyncio.run(_keep(count, profile, kubernetes))


async def _keep(count: int, profile: NodeProfile, kubernetes: str) -> None:
    wanted = simulated(count, profile)
    tools = resolve(kubernetes=kubernetes)
    began = time.monotonic()
    running = await EmbeddedCluster.start(tools, shape=Shape(large=count >= nodes.LARGE_CLUSTER))
    try:
        await running.set_registry(registry())
        await running.set_hardware({name: profile.hardware() for name in wanted})
        await nodes.create(running.client, wanted)
        await nodes.wait_ready(running.client, wanted, deadline_s=30.0 + 0.05 * count)
        click.echo(
            f"Kubernetes {running.versions()['kube-apiserver']} with {count} nodes "
            f"after {time.monotonic() - began:.1f} s"
        )
        click.echo(f"  export KUBECONFIG={running.admin_kubeconfig}")
        click.echo(f"the operator's own identity: {running.operator_kubeconfig}")
        click.echo(f"the GPU registry:            {running.registry_url}")
        click.echo("Ctrl-C ends it and removes everything.")
        await _until_interrupted()
    finally:
        await running.stop()
        click.echo("cluster ended")


async def _until_interrupted() -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    await over.wait()
