"""The operator of a run as it is deployed: its process, the supervisor of it, and the liveness probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.cluster.base import POD_NAMESPACE
from harness.operator.base import OperatorConfig
from harness.operator.liveness import Liveness
from harness.operator.process import OperatorProcess
from harness.operator.supervisor import BackOff

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.history.writer import HistoryWriter
    from harness.operator.base import OperatorSpec
    from harness.scenario import Scenario


def operator(
    scenario: Scenario,
    spec: OperatorSpec,
    cluster: Cluster,
    history: HistoryWriter,
    logs: Path,
    *,
    given: str,
) -> OperatorProcess:
    """The operator, not started yet, on ports of the cluster's; what happens to its process goes into the history.

    `given`: its configuration, as a path or a text; "": it is given none.
    """
    image = {"discovery_image": cluster.ground.discovery_image} if cluster.ground.discovery_image else {}
    config = OperatorConfig(
        kubeconfig=cluster.operator_kubeconfig, rest_port=cluster.take_port(), grpc_port=cluster.take_port(),
        registry_url=cluster.registry_url, namespace=POD_NAMESPACE, config=given,
        by_environment=scenario.by_environment, address=scenario.rest_address, **image,
    )  # fmt: skip

    def note(**fields: Any) -> None:
        history.add("process", **fields)

    backoff = BackOff(scenario.backoff_scale)
    return OperatorProcess(spec, config, logs, cluster.env, note, scenario.supervised, backoff)


def liveness(scenario: Scenario, process: OperatorProcess, history: HistoryWriter) -> Liveness | None:
    """The liveness probes of the operator, each of which goes into the history; None where it has none."""
    if not scenario.liveness:
        return None

    def note(*, t0: float, t: float, **fields: Any) -> None:
        origin = history.clock.origin
        history.add("probe", at=round(t - origin, 6), t0=round(t0 - origin, 6), **fields)

    return Liveness(process, note, scenario.backoff_scale)
