"""The operator of a run as it is deployed: a process with its supervisor and the liveness probe, or a pod."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.cluster.backend import ELSEWHERE, POD
from harness.cluster.base import POD_NAMESPACE
from harness.errors import UsageError
from harness.image.store import Image, Say, silent
from harness.model.timeline import CONNECTION, WAY
from harness.operator.base import SIMULATED_DISCOVERY, OperatorConfig, OperatorSpec, is_archive
from harness.operator.container import OperatorPod
from harness.operator.elsewhere import OperatorElsewhere
from harness.operator.image import image_of
from harness.operator.liveness import Liveness
from harness.operator.manifests import Deployed
from harness.operator.process import OperatorProcess
from harness.operator.supervisor import BackOff

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.history.writer import HistoryWriter
    from harness.operator.base import Operator
    from harness.scenario import Scenario

_IMAGES: dict[OperatorSpec, Image] = {}


def image(spec: OperatorSpec, say: Say = silent) -> Image:
    """The operator's image, looked for once in a process: what goes into it is read to know whether it is there."""
    plain = replace(spec, name="", defect=None)
    if plain not in _IMAGES:
        _IMAGES[plain] = image_of(spec, say)
    return _IMAGES[plain]


def name_there(spec: OperatorSpec, say: Say = silent) -> str:
    """What the image is called in nodes that nobody loads anything into: as it was named, or by its content."""
    return spec.image if spec.image and not is_archive(spec.image) else image(spec, say).name


async def loaded(spec: OperatorSpec, cluster: Cluster, place: str) -> str:
    """The name of the operator's image, which every real node has, or can pull; "" where nobody needs one.

    Discovery pods need it as well, also those of an operator that is a process. Into the nodes of somebody's cluster
    nothing is put: whether they have it is seen when they are to start it. Raises UsageError where the nodes can only
    pull, and there is nothing to pull.
    """
    if place == ELSEWHERE:
        return ""
    if cluster.ground.simulated or (place != POD and cluster.ground.discovery_image):
        return cluster.ground.discovery_image
    if cluster.load is None and place == POD:
        return await asyncio.to_thread(name_there, spec)
    found = await asyncio.to_thread(image, spec)
    if found.archive is None:
        return found.name
    if cluster.load is None:
        raise UsageError(
            f"--operator {spec.name}: nothing can be loaded into the nodes of this cluster",
            hint=f"push the image where they can pull it, and give its name: docker load -i {found.archive}",
        )
    await cluster.load(found.archive)
    return found.name


def operator(
    scenario: Scenario,
    spec: OperatorSpec,
    cluster: Cluster,
    history: HistoryWriter,
    logs: Path,
    *,
    given: str,
    place: str,
    name: str,
) -> OperatorProcess | OperatorPod | OperatorElsewhere:
    """The operator, not started yet, on ports of the cluster's; what happens to its process goes into the history.

    `given`: its configuration, as a path or a text; "": it is given none. `place`: of `backend.PLACES`; `name`: of the
    image, of the pod's or at least of its discovery pods (`loaded`).
    """
    if place == ELSEWHERE:
        return OperatorElsewhere(spec, logs)
    if place == POD:
        return _pod(scenario, spec, cluster, history, logs, given, name)
    config = OperatorConfig(
        kubeconfig=cluster.operator_kubeconfig, rest_port=cluster.take_port(), grpc_port=cluster.take_port(),
        registry_url=cluster.registry_url, namespace=POD_NAMESPACE, config=given,
        by_environment=scenario.by_environment, address=scenario.rest_address,
        discovery_image=name or SIMULATED_DISCOVERY,
    )  # fmt: skip

    def note(**fields: Any) -> None:
        history.add("process", **fields)

    backoff = BackOff(scenario.backoff_scale)
    return OperatorProcess(spec, config, logs, cluster.env, note, scenario.supervised, backoff)


def _pod(
    scenario: Scenario, spec: OperatorSpec, cluster: Cluster, history: HistoryWriter, logs: Path, given: str, name: str
) -> OperatorPod:
    deployed = Deployed(
        image=name, discovery_image=cluster.ground.discovery_image or name, registry_url=cluster.registry_url,
        config=given, liveness=scenario.liveness,
        scale=scenario.backoff_scale, arguments=(f"--defect={spec.defect}",) if spec.defect else (),
    )  # fmt: skip
    origin = history.clock.origin

    def note(*, at: float | None = None, **fields: Any) -> None:
        history.add("process", at=None if at is None else round(at - origin, 6), **fields)

    def gap(phase: str, why: str, since: float) -> None:
        begin, resource = {"since": round(since - origin, 6)}, CONNECTION if phase == "slow" else WAY
        if phase in {"begin", "slow"}:
            history.add("gap", phase="begin", resource=resource, why=why, **begin)
        if phase in {"end", "slow"}:
            history.add("gap", phase="end", resource=resource, why=why)

    return OperatorPod(spec, cluster, deployed, cluster.take_port(), cluster.take_port(), logs, note, gap)


def liveness(scenario: Scenario, process: Operator, history: HistoryWriter) -> Liveness | None:
    """The liveness probes of the operator, each of which goes into the history; None where it has none of ours.

    A pod's are made by its kubelet, which tells of those that failed.
    """
    if not scenario.liveness or not isinstance(process, OperatorProcess):
        return None

    def note(*, t0: float, t: float, **fields: Any) -> None:
        origin = history.clock.origin
        history.add("probe", at=round(t - origin, 6), t0=round(t0 - origin, 6), **fields)

    return Liveness(process, note, scenario.backoff_scale)
